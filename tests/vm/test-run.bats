# Tests of tests/vm/run: each starts machines of its own. Nothing here looks at how long it took.
# shellcheck disable=SC2016 # what is not expanded here is for the guest's shell

bats_require_minimum_version 1.5.0

vm_dir=$BATS_TEST_DIRNAME

setup_file() {
	local missing

	missing=$("$vm_dir/packages" --missing)
	[ "$(id -u)" -eq 0 ] || missing="root is needed; $missing"
	if [ -n "$missing" ]; then
		echo "$missing" >&2
		[ -z "${CAROB_TESTS_MUST_RUN-}" ]
		skip "$missing"
	fi
	# What is made for the first run would count in the tests of CPU time and of signals.
	"$vm_dir/run" -- true
}

vm() {
	"$vm_dir/run" "$@"
}

# Whether a machine runs that was started with something of this test's directory.
has_machine() {
	pgrep -f "qemu-system.*path=$BATS_TEST_TMPDIR" >/dev/null
}

await() {
	local i

	for ((i = 0; i < 1200; i++)); do
		! "$@" || return 0
		sleep 0.1
	done
	echo "never came true: $*" >&2
	return 1
}

has_no_machine() {
	! has_machine
}

# A cache of this test's own, that has only the kernel in it.
make_cache() {
	local cache=${CAROB_VM_CACHE:-$vm_dir/../../build/vm-cache}

	mkdir "$BATS_TEST_TMPDIR/cache"
	ln -s "$(realpath "$cache")"/kernel-* "$BATS_TEST_TMPDIR/cache"
	export CAROB_VM_CACHE=$BATS_TEST_TMPDIR/cache
}

# A machine in the background that is at work when this returns, and would sleep for long. INT is
# made catchable: the shell has its background jobs ignore it.
start_vm() {
	export TMPDIR=$BATS_TEST_TMPDIR/tmp
	mkdir -p "$TMPDIR"
	env --default-signal=INT "$vm_dir/run" --rw "$BATS_TEST_TMPDIR" \
		-- sh -c "touch $BATS_TEST_TMPDIR/started; sleep 1000" 3>&- &
	started=$!
	await test -e "$BATS_TEST_TMPDIR/started"
	has_machine
}

# What the command gets and gives

@test "the exit code comes back" {
	run -0 vm -- true
	run -7 vm -- sh -c 'exit 7'
	run -255 vm -- sh -c 'exit 255'
}

@test "death by a signal is 128+n" {
	run -143 vm -- sh -c 'kill -TERM $$'
	run -137 vm -- sh -c 'kill -KILL $$'
}

@test "a command that is not there is 127, one that cannot be run is 126" {
	run -127 vm -- no-such-command
	[[ $output == *no-such-command* ]]
	run -126 vm -- /etc/passwd
	run -126 vm --cwd /no/such/directory -- true
}

@test "stdout and stderr come back, in their order" {
	run --separate-stderr vm -- sh -c 'echo one; echo two >&2; echo three'
	[ "$output" = $'one\ntwo\nthree' ]
	[ -z "$stderr" ]
}

@test "arguments are left intact" {
	# shellcheck disable=SC1003 # a backslash is meant
	local arguments=('two words' '' "it's" '"quoted"' '$HOME *' $'two\nlines' '\' 'ümlaut' --)

	vm -- printf '<%s>\0' "${arguments[@]}" >"$BATS_TEST_TMPDIR/guest"
	printf '<%s>\0' "${arguments[@]}" >"$BATS_TEST_TMPDIR/host"
	cmp "$BATS_TEST_TMPDIR/guest" "$BATS_TEST_TMPDIR/host"
}

@test "many arguments are no problem" {
	local argument

	argument=$(printf 'x%.0s' {1..100000})
	run vm -- sh -c 'echo $#; echo ${#9}' sh "$argument" "$argument" "$argument" "$argument" \
		"$argument" "$argument" "$argument" "$argument" "$argument" "$argument"
	[ "$output" = $'10\n100000' ]
}

@test "output is complete and unchanged, however slowly it is read" {
	local out=$BATS_TEST_TMPDIR/out

	vm --rw "$BATS_TEST_TMPDIR" -- sh -c "head -c 5000000 /dev/urandom | tee $out.guest" |
		(
			sleep 3
			cat >"$out"
		)
	[ "$(stat -c %s "$out")" -eq 5000000 ]
	cmp "$out" "$out.guest"
}

@test "nobody reading the output ends the machine" {
	run bash -c "'$vm_dir/run' --rw '$BATS_TEST_TMPDIR' -- yes | head -n 1"
	[ "$output" = y ]
	await has_no_machine
}

@test "environment: a clean one, and --env" {
	NOT_PASSED=1 run vm --env A='a b' --env B=$'x\ny=z' -- sh -c 'echo "$A|$B|$NOT_PASSED|$HOME"'
	[ "$output" = $'a b|x\ny=z||/root' ]
}

@test "the working directory is the caller's, or --cwd" {
	cd "$BATS_TEST_TMPDIR"
	run vm -- pwd
	[ "$output" = "$BATS_TEST_TMPDIR" ]
	run vm --cwd /usr/share -- pwd
	[ "$output" = /usr/share ]
}

@test "usage errors are 125" {
	run -125 vm
	run -125 vm --no-such-option -- true
	run -125 vm true
	run -125 vm --rw /no/such/directory -- true
	run -125 vm --disk /no/such/file -- true
	run -125 vm --env novalue -- true
	run -125 vm --timeout soon -- true
	run -125 vm --init not/absolute -- true
	run -125 vm --mem little -- true
	[[ $output == *little* ]]
	run -0 vm --help
}

@test "a missing program is named with its package" {
	mkdir "$BATS_TEST_TMPDIR/bin"
	ln -s "$(command -v dirname)" "$(command -v realpath)" "$BATS_TEST_TMPDIR/bin"
	PATH=$BATS_TEST_TMPDIR/bin run -125 /bin/bash "$vm_dir/run" -- true
	[[ $output == *'qemu-system-x86_64 is missing: install the package qemu-system-x86'* ]]
	run -0 "$vm_dir/packages"
	[[ $output == *qemu-system-x86* ]]
}

# What the machine is

@test "the kernel is another one than the host's" {
	run -0 vm -- uname -r
	[ "$output" != "$(uname -r)" ]
	[[ $output == 6.* ]]
}

@test "cgroup v2 with every controller" {
	local controller

	run -0 vm -- sh -c 'stat -f -c %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.controllers; \
		cat /sys/fs/cgroup/cgroup.subtree_control'
	[ "${lines[0]}" = cgroup2fs ]
	for controller in memory cpu cpuset io pids; do
		[[ " ${lines[1]} " == *" $controller "* ]]
	done
	[ "${lines[1]}" = "${lines[2]}" ]
}

@test "a memory limit of a cgroup is enforced" {
	run -137 vm -- sh -ec 'mkdir /sys/fs/cgroup/small
		echo 16M >/sys/fs/cgroup/small/memory.max
		echo $$ >/sys/fs/cgroup/small/cgroup.procs
		exec python3 -c "bytearray(100 << 20)"'
}

@test "the host's files are seen, and are not changed" {
	echo host >"$BATS_TEST_TMPDIR/file"
	run -0 vm -- sh -ec "cat $BATS_TEST_TMPDIR/file; echo guest >$BATS_TEST_TMPDIR/file
		cat $BATS_TEST_TMPDIR/file; echo guest >$BATS_TEST_TMPDIR/new; touch /new-in-the-root"
	[ "$output" = $'host\nguest' ]
	[ "$(cat "$BATS_TEST_TMPDIR/file")" = host ]
	[ ! -e "$BATS_TEST_TMPDIR/new" ]
	[ ! -e /new-in-the-root ]
}

@test "--rw writes back, also below /run, with a comma in the name" {
	local shared="$BATS_TEST_TMPDIR/a, b" volatile=/run/carob-vm-test.$$

	mkdir "$shared" "$volatile"
	run -0 vm --rw "$shared" --rw "$volatile" -- \
		sh -ec 'echo one >"$1/file"; echo two >"$2/file"' sh "$shared" "$volatile"
	run cat "$shared/file" "$volatile/file"
	rm -r "$volatile"
	[ "$output" = $'one\ntwo' ]
}

@test "--tmpdisk is a disk of that size, and a fresh one" {
	run -0 vm --tmpdisk 64M --tmpdisk 1G -- sh -ec 'lsblk -bno NAME,SIZE
		mkfs.ext4 -q /dev/vda; mkdir /run/disk; mount /dev/vda /run/disk; echo x >/run/disk/x'
	[[ ${lines[0]} =~ ^vda\ +67108864$ ]]
	[[ ${lines[1]} =~ ^vdb\ +1073741824$ ]]
	run -0 vm --tmpdisk 32M --tmpdisk 1G -- sh -ec 'lsblk -bno SIZE; ! blkid /dev/vda'
	[ "${lines[0]}" -eq 33554432 ]
}

@test "device mapper's thin provisioning is there" {
	run -0 vm -- sh -ec 'modprobe dm_thin_pool; ls -d /sys/module/dm_thin_pool /dev/mapper/control'
}

@test "loop devices and FUSE are there without udev" {
	run -0 vm -- sh -ec 'ls /dev/fuse /dev/net/tun
		truncate -s 16M /run/image; mkfs.ext4 -q /run/image; mkdir /run/mounted
		mount /run/image /run/mounted; grep /run/mounted /proc/mounts'
}

@test "--mem, --smp and --append" {
	run -0 vm --mem 1024 --smp 2 --append 'some.thing=else' -- \
		sh -c 'nproc; grep -o some.thing=else /proc/cmdline; grep MemTotal /proc/meminfo'
	[ "${lines[0]}" -eq 2 ]
	[ "${lines[1]}" = some.thing=else ]
	[[ ${lines[2]} =~ [[:space:]]([0-9]+)\ kB ]]
	[ "${BASH_REMATCH[1]}" -lt 1048576 ]
}

@test "restored machines have the time, and randomness of their own" {
	local before first second

	before=$(date +%s)
	first=$(vm -- sh -c 'date +%s; head -c 16 /dev/urandom | od -An -tx1')
	second=$(vm -- sh -c 'date +%s; head -c 16 /dev/urandom | od -An -tx1')
	[ "${first%%$'\n'*}" -ge "$before" ]
	[ "${first%%$'\n'*}" -le "$(date +%s)" ]
	[ "${first#*$'\n'}" != "${second#*$'\n'}" ]
}

@test "a cold boot does the same" {
	run -3 --separate-stderr vm --no-snap --stats --tmpdisk 64M -- \
		sh -c 'echo from a cold boot; lsblk -no NAME; exit 3'
	[ "$output" = $'from a cold boot\nvda' ]
	[[ $stderr == *boot=cold* ]]
}

# Process 1

@test "--init: a process 1 of one's own" {
	cat >"$BATS_TEST_TMPDIR/init" <<-'END'
		#!/bin/sh
		echo "init $$ got $*" >/dev/console
		while :; do sleep 1; done
	END
	chmod +x "$BATS_TEST_TMPDIR/init"
	run -5 vm --console "$BATS_TEST_TMPDIR/console" --init "$BATS_TEST_TMPDIR/init one two" -- \
		sh -c 'tr "\0" " " </proc/1/cmdline; exit 5'
	[ "$output" = "/bin/sh $BATS_TEST_TMPDIR/init one two " ]
	grep 'init 1 got one two' "$BATS_TEST_TMPDIR/console"
}

@test "--bare leaves everything but /dev to process 1; --poweroff-ok" {
	cat >"$BATS_TEST_TMPDIR/init" <<-'END'
		#!/bin/sh
		echo "proc: $(ls /proc) sys: $(ls /sys) run: $(ls /run) null: $(ls /dev/null)"
		mount -t proc proc /proc
		echo o >/proc/sysrq-trigger
		while :; do sleep 1; done
	END
	chmod +x "$BATS_TEST_TMPDIR/init"
	run -0 vm --console "$BATS_TEST_TMPDIR/console" --bare --init "$BATS_TEST_TMPDIR/init" \
		--poweroff-ok -- sleep 1000
	grep '^proc:  sys:  run:  null: /dev/null' "$BATS_TEST_TMPDIR/console"
}

# Ends

@test "a panic is 125, with the console on stderr, also with --poweroff-ok" {
	run -125 --separate-stderr vm --poweroff-ok -- sh -c 'echo c >/proc/sysrq-trigger; sleep 1000'
	[[ $stderr == *'no exit code came back'* ]]
	[[ $stderr == *'Kernel panic'* ]]
}

@test "a process 1 that is not there is 125, also with --poweroff-ok" {
	run -125 vm --poweroff-ok --init /no/such/program -- true
	[[ $output == *'vm: failed: /no/such/program'* ]]
}

@test "a machine that is switched off is 125 without --poweroff-ok" {
	run -125 vm -- sh -c 'echo o >/proc/sysrq-trigger; sleep 1000'
	run -0 vm --poweroff-ok -- sh -c 'echo o >/proc/sysrq-trigger; sleep 1000'
}

@test "--timeout is 124 and leaves no machine" {
	run -124 vm --timeout 3 --rw "$BATS_TEST_TMPDIR" -- sh -c 'echo begun; sleep 1000'
	[[ $output == begun* ]]
	has_no_machine
}

@test "TERM, INT and HUP end the machine and leave nothing behind" {
	local signal code_seen

	for signal in TERM:143 INT:130 HUP:129; do
		start_vm
		kill "-${signal%:*}" "$started"
		code_seen=0
		wait "$started" || code_seen=$?
		[ "$code_seen" -eq "${signal#*:}" ]
		has_no_machine
		rm "$BATS_TEST_TMPDIR/started"
		[ -z "$(ls "$TMPDIR")" ]
	done
}

@test "KILL ends the machine too" {
	start_vm
	kill -KILL "$started"
	await has_no_machine
}

@test "a disk survives a power cut" {
	local disk=$BATS_TEST_TMPDIR/disk line

	truncate -s 64M "$disk"
	mkfs.ext4 -q "$disk"
	# shellcheck disable=SC2094 # the machine writes the disk, not the test
	coproc machine {
		exec "$vm_dir/run" --disk "$disk" -- sh -ec '
			mkdir /run/disk; mount -o commit=1000 /dev/vda /run/disk
			echo kept >/run/disk/kept; sync; echo lost >/run/disk/lost; echo now; sleep 1000' 3>&-
	}
	# shellcheck disable=SC2154 # coproc sets it
	started=$machine_PID
	read -r line <&"${machine[0]}"
	[ "$line" = now ]
	kill -TERM "$started"
	wait "$started" || [ $? -eq 143 ]
	has_no_machine

	run -0 vm --disk "$disk" -- sh -ec '
		mkdir /run/disk; mount /dev/vda /run/disk; ls -I lost+found /run/disk'
	[ "$output" = kept ]
}

# Running and the cache

@test "two at once" {
	vm -- sh -c 'sleep 2; echo one' >"$BATS_TEST_TMPDIR/one" 3>&- &
	vm -- sh -c 'sleep 2; echo two' >"$BATS_TEST_TMPDIR/two" 3>&- &
	wait
	run cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
	[ "$output" = $'one\ntwo' ]
}

@test "two at once with an empty cache make everything once" {
	make_cache
	vm -- echo one >"$BATS_TEST_TMPDIR/one" 3>&- &
	vm -- echo two >"$BATS_TEST_TMPDIR/two" 3>&- &
	wait
	run cat "$BATS_TEST_TMPDIR/one" "$BATS_TEST_TMPDIR/two"
	[ "$output" = $'one\ntwo' ]
	run find "$CAROB_VM_CACHE" -name 'initramfs-*' -o -name 'snapshot-*'
	[ ${#lines[@]} -eq 2 ]
}

@test "a signal while the snapshot is made leaves no part of it" {
	make_cache
	env --default-signal=INT "$vm_dir/run" --rw "$BATS_TEST_TMPDIR" -- true 3>&- &
	started=$!
	await has_machine
	kill -TERM "$started"
	wait "$started" || [ $? -eq 143 ]
	has_no_machine
	[ -z "$(find "$CAROB_VM_CACHE" -name 'snapshot-*')" ]
	run -0 vm --rw "$BATS_TEST_TMPDIR" -- true
}

@test "a change of the guest's program is noticed" {
	make_cache
	cp -r "$vm_dir" "$BATS_TEST_TMPDIR/vm"
	sed -i 's/sethostname("vm", strlen("vm"))/sethostname("new", strlen("new"))/' \
		"$BATS_TEST_TMPDIR/vm/guest/init.c"
	run "$vm_dir/run" --no-snap -- uname -n
	[ "$output" = vm ]
	run "$BATS_TEST_TMPDIR/vm/run" --no-snap -- uname -n
	[ "$output" = new ]
}

@test "a restored machine costs less than two CPU seconds" {
	local i cpu

	# The least of three: what a busy host adds is not the machine's.
	for i in 1 2 3; do
		run -0 --separate-stderr vm --stats -- true
		[[ $stderr =~ cpu=([0-9]+)\.[0-9]+.*boot=restored ]]
		echo "# $stderr" >&3
		[ -n "$cpu" ] && [ "$cpu" -lt "${BASH_REMATCH[1]}" ] || cpu=${BASH_REMATCH[1]}
	done
	[ "$cpu" -lt 2 ]
}
