#!/usr/bin/env bats
# Death at any moment, damaged files, a full disk: nothing stays that `carob gc` does not find, and no
# other pod notices.

load helpers

box=example.com/box

setup_file() {
	setup_state
	mkdir "$BATS_FILE_TMPDIR/count"
	start_pod witness -v "$BATS_FILE_TMPDIR/count:/count" $box /bin/sh -c 'i=0; while :; do i=$((i+1)); echo $i > /count/next; mv /count/next /count/n; sleep 0.02; done'
	carob run --rm $box /bin/true
	# an import takes long enough to be hit at any point of it
	make_image large "$root_app" with_random_data
	cp "$BATS_FILE_TMPDIR/images/large.aci" "$BATS_FILE_TMPDIR/large.aci"
	carob image rm example.com/large
	carob gc --grace-period 0
	snapshot >"$BATS_FILE_TMPDIR/before"
}
teardown_file() { teardown_state; }

teardown() {
	# the witness goes on
	local n
	n=$(cat "$BATS_FILE_TMPDIR/count/n")
	until_true 5 eval '[ "$(cat "$BATS_FILE_TMPDIR/count/n")" -gt '"$n"' ]'
	[ "$(pod_json witness .state)" = running ]
}

with_random_data() {
	local i
	mkdir "$1/data"
	for i in $(seq 40); do head -c 1M /dev/urandom >"$1/data/$i"; done
	for i in $(seq 400); do echo "$i" >"$1/data/small-$i"; done
}

# All that there is: files of the state directories, mounts, groups, processes.
snapshot() {
	find "$CAROB_ROOT" "$CAROB_RUNROOT" -mindepth 1 -not -path '*/work/*' | sort
	grep -c . /proc/self/mountinfo
	find /sys/fs/cgroup -mindepth 2 -maxdepth 5 -type d -path '*/carob/*' 2>/dev/null | sort
	our_processes
}

# Processes of Carob that work below our directories.
our_processes() {
	local task
	for task in /proc/[0-9]*; do
		case $(tr '\0' ' ' 2>/dev/null <"$task/cmdline") in *carob*"$BATS_FILE_TMPDIR"*) echo "${task#/proc/}" ;; esac
	done
}

# clean: after `carob gc` everything is as it was before. Pods that live on are removed first.
clean() {
	local pod
	for pod in $(carob list -q --state running); do
		[ "$pod" = "$(carob status --json witness | jq -r .uuid)" ] || carob rm -f "$pod"
	done
	carob gc --grace-period 0 >/dev/null
	for _ in $(seq 40); do
		snapshot >"$BATS_TEST_TMPDIR/after"
		cmp -s "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after" && return 0
		sleep 0.1
	done
	diff "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
}

# What changes anything outside of the process itself.
changing=mkdir,mkdirat,rename,renameat,renameat2,symlink,symlinkat,link,linkat,unlink,unlinkat,rmdir,write,pwrite64
changing+=,flock,fsync,fdatasync,syncfs,ftruncate,clone,clone3,vfork,execve,setns,fsmount,move_mount,open_tree,bind,sendmsg,mount_setattr

# ---- kill -9 -----------------------------------------------------------------------------------------

@test "the holder of a pod is killed: its processes go, gc takes the rest" {
	start_pod victim --app-name a --volume v,kind=empty --mount volume=v,target=/v $box /bin/sleep 1000 --- --app-name b $box /bin/sleep 1000
	app=$(app_pid victim a)
	kill -KILL "$(field PPid "/proc/$app/status")"
	until_true 5 eval '[ ! -e /proc/$app ]'
	until_true 5 eval '[ "$(pod_json victim .state)" = aborted ]'
	run -5 carob stop victim
	run -125 carob enter --app a victim /bin/true
	run -0 carob list
	[[ "$output" == *witness*running* ]]
	clean
}

@test "PID 1 of a pod is killed" {
	start_pod victim $box /bin/sleep 1000
	space=$(readlink "/proc/$(app_pid victim)/ns/pid")
	for task in /proc/[0-9]*; do
		if [ "$(readlink "$task/ns/pid")" = "$space" ] && grep -q '^NSpid:.*[[:space:]]1$' "$task/status"; then
			kill -KILL "${task#/proc/}"
		fi
	done 2>/dev/null
	run -137 carob wait victim
	carob rm victim
	clean
}

@test "carob run is killed at any moment" {
	for i in $(seq 60); do
		carob run --name "victim-$i" --volume v,kind=empty --mount volume=v,target=/v $box /bin/sleep 1000 >/dev/null 2>&1 </dev/null 3>&- &
		sleep "0.0$(printf '%02d' $((i % 16)))$((RANDOM % 10))"
		kill -KILL $!
		wait $! 2>/dev/null || true
	done
	clean
}

@test "carob run --detach is killed at any moment" {
	for i in $(seq 40); do
		carob run --detach --name "victim-$i" $box /bin/sleep 1000 >/dev/null 2>&1 </dev/null 3>&- &
		sleep "0.0$(printf '%02d' $((i % 16)))$((RANDOM % 10))"
		kill -KILL $!
		wait $! 2>/dev/null || true
	done
	# a start that nobody waits for any more comes to its end, one way or the other
	until_true 10 eval '[ "$(carob list -q --state preparing)" = "" ]'
	clean
}

# killed_at_each_call COMMAND...: killed at its first call that changes anything, at the second …,
# until one run gets through; gc restores everything each time. Says how many there were.
killed_at_each_call() {
	local n status
	for ((n = 1; n < 400; n++)); do
		status=0
		strace -qq -o /dev/null -e trace="$changing" -e "inject=$changing:signal=KILL:when=$n" "$@" >/dev/null 2>&1 </dev/null 3>&- || status=$?
		clean || { echo "killed at call $n of: $*"; return 1; }
		[ $status = 137 ] || break
	done
	[ $status = 0 ] || { echo "$status from: $*"; return 1; }
	echo "# $n calls: $*" >&3
	[ "$n" -gt 10 ]
}

@test "carob run is killed at each of its calls" {
	killed_at_each_call carob run --rm --name victim --volume v,kind=empty --mount volume=v,target=/v $box /bin/true
}

@test "carob prepare is killed at each of its calls" {
	for ((n = 1; n < 400; n++)); do
		status=0
		strace -qq -o /dev/null -e trace="$changing" -e "inject=$changing:signal=KILL:when=$n" carob prepare --name victim $box >/dev/null 2>&1 </dev/null 3>&- || status=$?
		[ $status = 137 ] || break
		# what had its promise in full before the end stays, and can be removed
		run carob rm victim
		[ "$status" = 0 ] || [ "$status" = 3 ]
		status=137
		clean || { echo "killed at call $n"; return 1; }
	done
	[ $status = 0 ] && [ "$n" -gt 10 ]
	carob rm victim
	clean
}

@test "carob rm is killed at each of its calls" {
	for ((n = 1; n < 200; n++)); do
		uuid=$(carob prepare --name victim $box)
		status=0
		strace -qq -o /dev/null -e trace="$changing" -e "inject=$changing:signal=KILL:when=$n" carob rm "$uuid" >/dev/null 2>&1 </dev/null 3>&- || status=$?
		if [ $status = 137 ]; then
			run carob rm "$uuid"
			[ "$status" = 0 ] || [ "$status" = 3 ]
			status=137
		fi
		clean || { echo "killed at call $n"; return 1; }
		[ $status = 137 ] || break
	done
	[ $status = 0 ] && [ "$n" -gt 3 ]
}

@test "an import is killed at each of its calls, and works after" {
	for ((n = 1; n < 400; n++)); do
		status=0
		strace -qq -o /dev/null -e trace="$changing" -e "inject=$changing:signal=KILL:when=$n" carob image import "$BATS_FILE_TMPDIR/large.aci" >/dev/null 2>&1 </dev/null 3>&- || status=$?
		[ $status = 137 ] || break
		# whether the image had been adopted or not: what is listed is whole
		run carob image rm example.com/large
		[ "$status" = 0 ] || [ "$status" = 3 ]
		status=137
		clean || { echo "killed at call $n"; return 1; }
		[ "$n" -lt 40 ] || n=$((n + 37)) # the long middle is one loop of reading and hashing
	done
	[ $status = 0 ] && [ "$n" -gt 10 ]
	carob image rm example.com/large
	clean
}

@test "carob-unpack is killed in the middle of an import" {
	for i in 1 2 3 4 5 6; do
		carob image import "$BATS_FILE_TMPDIR/large.aci" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		pid=$!
		until_true 5 eval 'read -r child _ <"/proc/$pid/task/$pid/children" 2>/dev/null && [ -n "$child" ] && grep -q unpack "/proc/$child/comm"'
		sleep "0.0$i"
		kill -KILL "$child"
		run wait $pid
		[ "$status" = 1 ]
		[[ "$(cat "$BATS_TEST_TMPDIR/out")" == *carob-unpack* ]]
		# the failed import clears up by itself
		snapshot >"$BATS_TEST_TMPDIR/after"
		diff "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	done
}

@test "an import is interrupted by ctrl-C: nothing stays, without gc" {
	for i in 1 2 3 4; do
		carob image import "$BATS_FILE_TMPDIR/large.aci" >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "0.0$((i * 2))"
		kill -TERM $pid
		run wait $pid
		[ "$status" != 0 ]
		snapshot >"$BATS_TEST_TMPDIR/after"
		diff "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after"
	done
}

@test "many verbs at once on the same pods end without a trace" {
	for round in 1 2 3; do
		for i in 1 2 3 4; do
			{
				carob run --detach --name "same-$i" $box /bin/sleep 1000
				carob enter "same-$i" /bin/true
				carob stop --grace 0 "same-$i"
				carob rm "same-$i"
			} >/dev/null 2>&1 3>&- &
			{ for _ in 1 2 3; do carob list; carob rm -f "same-$i"; carob gc --grace-period 0; done; } >/dev/null 2>&1 3>&- &
		done
		wait
	done
	clean
}

# ---- damaged files -----------------------------------------------------------------------------------

@test "a damaged pod file or status file is that pod's trouble alone" {
	whole=$(carob prepare --name whole $box)
	for what in empty half garbage letters directory link fifo gone; do
		for file in pod status; do
			uuid=$(carob prepare --name damaged $box)
			path=$CAROB_ROOT/pods/$uuid/$file
			cp "$path" "$BATS_TEST_TMPDIR/copy"
			rm "$path"
			case $what in
			empty) : >"$path" ;;
			half) head -c $(($(stat -c %s "$BATS_TEST_TMPDIR/copy") / 2)) "$BATS_TEST_TMPDIR/copy" >"$path" ;;
			garbage) head -c 1000 /dev/urandom >"$path" ;;
			letters) tr a-z b-za <"$BATS_TEST_TMPDIR/copy" >"$path" ;;
			directory) mkdir "$path" ;;
			link) ln -s /etc/passwd "$path" ;;
			fifo) mkfifo "$path" ;;
			esac
			run -0 timeout 10 carob list --json
			jq -e --arg uuid "$whole" 'any(.uuid == $uuid and .state == "prepared") and any(.name == "witness" and .state == "running")' <<<"$output"
			jq -e --arg uuid "$uuid" 'any(.uuid == $uuid and .state == "aborted")' <<<"$output"
			run timeout 10 carob status "$uuid"
			[ "$status" != 124 ]
			run timeout 10 carob run-prepared "$uuid"
			[ "$status" = 125 ]
			run -0 timeout 10 carob rm "$uuid"
		done
	done
	run -0 carob run-prepared whole
	carob rm whole
	clean
}

@test "strange things among the pods do not stop the others" {
	mkdir "$CAROB_ROOT/pods/not-a-uuid" "$CAROB_ROOT/pods/00000000-0000-4000-8000-000000000000"
	: >"$CAROB_ROOT/pods/11111111-1111-4111-8111-111111111111"
	ln -s /etc "$CAROB_ROOT/pods/22222222-2222-4222-8222-222222222222"
	run -0 carob list
	[[ "$output" == *witness*running* ]]
	run carob gc --grace-period 0
	[ -e /etc/passwd ]
	rm -rf "$CAROB_ROOT/pods/not-a-uuid" "$CAROB_ROOT"/pods/[0-2][0-2]*0000-* "$CAROB_ROOT"/pods/1111* "$CAROB_ROOT/pods/22222222-2222-4222-8222-222222222222"
	clean
}

# ---- a full disk -------------------------------------------------------------------------------------

# on_disk MKFS-OPTION...: a small file system with a store that has the image box, in $disk.
on_disk() {
	disk=$BATS_TEST_TMPDIR/disk
	mkdir "$disk"
	truncate -s 64M "$BATS_TEST_TMPDIR/image"
	mkfs.ext4 -q -m 0 "$@" "$BATS_TEST_TMPDIR/image"
	mount -o loop "$BATS_TEST_TMPDIR/image" "$disk"
	export CAROB_ROOT=$disk/root
	carob image import "$BATS_FILE_TMPDIR/images/box.aci" >/dev/null
	carob run --rm $box /bin/true
}

off_disk() {
	umount "$disk"
	export CAROB_ROOT=$BATS_FILE_TMPDIR/root
}

# nothing_half_made: only whole images, no pods, nothing staged.
nothing_half_made() {
	[ "$(carob list -q)" = "" ] && [ "$(carob image list -q | wc -l)" = 1 ] &&
		[ "$(find "$CAROB_ROOT" -path '*/staging/*' -o -path '*/pods/*' -o -path '*/volumes/pod.*')" = "" ]
}

@test "a full disk: import and run fail and say so, rm and gc work" {
	on_disk
	carob prepare --name early $box /bin/true >/dev/null
	carob run --name past $box /bin/true
	run -1 --separate-stderr carob image import "$BATS_FILE_TMPDIR/large.aci"
	ok=$([[ "$stderr" == *"No space left on device"* ]] && echo import)
	dd if=/dev/zero of="$disk/fill" bs=64k 2>/dev/null || true
	until ! dd if=/dev/zero of="$disk/fill2" bs=512 count=1 oflag=append,sync conv=notrunc 2>/dev/null; do :; done
	run -125 --separate-stderr carob run --name full $box /bin/true
	[[ "$stderr" != *"No space left on device"* ]] || ok+=,run
	run carob rm early past
	ok+=,rm$status
	run carob gc --grace-period 0
	ok+=,gc$status
	nothing_half_made && ok+=,clean
	rm "$disk/fill" "$disk/fill2"
	run carob run --rm $box /bin/echo again
	ok+=,$output
	off_disk
	[ "$ok" = import,run,rm0,gc0,clean,again ]
}

@test "a disk without a free inode: the same" {
	on_disk -N 4096
	carob run --name past $box /bin/true
	mkdir "$disk/fill"
	(cd "$disk/fill" && seq 5000 | xargs touch 2>/dev/null) || true
	[ "$(stat -f -c %d "$disk")" = 0 ]
	run -1 --separate-stderr carob image import "$BATS_FILE_TMPDIR/large.aci"
	ok=$([[ "$stderr" == *"No space left on device"* ]] && echo import)
	run -125 --separate-stderr carob run --name full $box /bin/true
	[[ "$stderr" != *"No space left on device"* ]] || ok+=,run
	run carob rm past
	ok+=,rm$status
	run carob gc --grace-period 0
	ok+=,gc$status
	nothing_half_made && ok+=,clean
	rm -r "$disk/fill"
	run carob run --rm $box /bin/echo again
	ok+=,$output
	off_disk
	[ "$ok" = import,run,rm0,gc0,clean,again ]
}

@test "a log that meets a full disk ends, the app does not" {
	on_disk
	dd if=/dev/zero of="$disk/fill" bs=64k 2>/dev/null || true
	rm "$disk/fill"
	truncate -s 0 "$disk/fill"
	fallocate -l $(($(stat -f -c '%a * %S' "$disk") - 3000000)) "$disk/fill"
	run carob run --name loud $box /bin/sh -c 'seq 1 1000000 | sha256sum; seq 1 1000000'
	ok=$status,$(sed 1d <<<"$output" | sha256sum | cut -d ' ' -f 1)
	note=$(carob status --json loud | jq -r '.notes[]')
	carob rm loud
	off_disk
	[ "$ok" = "0,$(seq 1 1000000 | sha256sum | cut -d ' ' -f 1)" ]
	[[ "$note" == *log* ]]
}
