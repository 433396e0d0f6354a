# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shares variables with run and its other parts
# A snapshot: a machine that was saved when it had booted and waited for a request.

# Seconds for one more line on the console; booting takes a few.
snapshot_patience=120

# snapshot_await_guest CONSOLE LOG: reads the console up to the line that says that the guest waits,
# and keeps the lines in LOG.
snapshot_await_guest() {
	local console=$1 log=$2 line

	while IFS= read -r -t "$snapshot_patience" line; do
		echo "$line" >>"$log"
		[[ $line != *'vm: ready for a request'* ]] || return 0
	done <"$console"
	return 1
}

# snapshot_save QEMU: has the waiting machine saved to the file SNAPSHOT of QEMU's environment, and
# sets monitor_answer. QEMU's monitor takes its next command when everything is written.
snapshot_save() {
	local qemu=$1 to from

	exec {to}<>"$run_dir/monitor.in" {from}<>"$run_dir/monitor.out"
	# shellcheck disable=SC2016 # the variable is for the shell that QEMU starts
	printf '%s\n' 'migrate_set_parameter max-bandwidth 100G' 'migrate "exec:cat >$SNAPSHOT"' \
		'info migrate' quit >&"$to"
	wait "$qemu" || true
	IFS= read -r -t 1 -d '' monitor_answer <&"$from" || true
	exec {to}>&- {from}>&-
}

snapshot_build() {
	local target=$1 console=$run_dir/snapshot.console log=$run_dir/snapshot.log
	local monitor_answer='' qemu

	: >"$log"
	mkfifo "$console" "$run_dir/monitor.in" "$run_dir/monitor.out"
	SNAPSHOT=$target machine_exec "$console" -mon chardev=monitor \
		-chardev "pipe,id=monitor,path=$(machine_escape "$run_dir/monitor")" &
	qemu=$!
	if snapshot_await_guest "$console" "$log"; then
		snapshot_save "$qemu"
	fi
	if [[ $monitor_answer != *'Migration status: completed'* ]]; then
		echo "vm: the machine could not be saved; its console, and what the monitor said:" >&2
		tail -n 100 "$log" | tr -d '\r' >&2
		grep -o 'Migration status.*' <<<"$monitor_answer" >&2
		return 1
	fi
}

# Sets snapshot. To be called when the machine is described.
snapshot_get() {
	local qemu_binary hash

	# Only the very same QEMU is sure to read what it wrote.
	qemu_binary=$(stat -Lc '%s %Y' "$(command -v qemu-system-x86_64)")
	hash=$(cache_hash "$qemu_binary" "${machine_shape[@]}" <"$vm_dir/snapshot.sh")
	snapshot=$cache_dir/snapshot-$hash
	cache_make "$snapshot" snapshot_build
}
