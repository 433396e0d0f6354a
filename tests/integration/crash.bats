#!/usr/bin/env bats
# Death at any moment, damaged files, a full disk: nothing stays that `carob gc` does not find, and no
# other pod notices.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

box=example.com/box
large=40 # MiB, of the image that takes a while to import

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
	# whatever a failure left is not the next test's
	remove_others
	carob image rm -f example.com/large
}

with_random_data() {
	local i
	mkdir "$1/data"
	for i in $(seq "$large"); do head -c 1M /dev/urandom >"$1/data/$i"; done
	for i in $(seq "$(times 400)"); do echo "$i" >"$1/data/small-$i"; done
}

# All that there is of ours: files, mounts, processes; and control groups that nobody lives in.
snapshot() {
	local dir
	find "$CAROB_ROOT" "$CAROB_RUNROOT" -mindepth 1 -name work -print -prune -o -mindepth 1 -print | sort
	grep -c . /proc/self/mountinfo
	grep -laFs "$CAROB_ROOT" /proc/[0-9]*/cmdline | wc -l
	grep -lFs "$CAROB_ROOT/" /proc/[0-9]*/mountinfo | wc -l
	find /sys/fs/cgroup -mindepth 2 -maxdepth 5 -type d -path '*/carob/*' -links -3 2>/dev/null | while read -r dir; do
		[ -n "$(cat "$dir/cgroup.procs" 2>/dev/null)" ] || echo "$dir"
	done
}

# Every pod but the witness goes.
remove_others() {
	local pod witness
	witness=$(carob status --json witness | jq -r .uuid)
	for pod in $(carob list -q); do
		[ "$pod" = "$witness" ] || carob rm -f "$pod"
	done
}

# clean: after `carob gc` everything is as it was before. What lives on is ended first.
clean() {
	local pod witness
	witness=$(carob status --json witness | jq -r .uuid)
	for pod in $(carob list -q --state running); do
		[ "$pod" = "$witness" ] || carob rm -f "$pod"
	done
	carob gc --grace-period 0 >/dev/null
	as_before
}

as_before() {
	for _ in $(seq 40); do
		snapshot >"$BATS_TEST_TMPDIR/after"
		cmp -s "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after" && return 0
		sleep 0.1
	done
	diff "$BATS_FILE_TMPDIR/before" "$BATS_TEST_TMPDIR/after" | head -n 20
	return 1
}

# What changes anything outside of the process itself.
changing=mkdir,mkdirat,rename,renameat,renameat2,symlink,symlinkat,link,linkat,unlink,unlinkat,rmdir,write,pwrite64,flock
changing+=,fsync,fdatasync,syncfs,ftruncate,clone,clone3,vfork,execve,setns,fsmount,move_mount,open_tree,bind,sendmsg,mount_setattr

# killed_at_each_call PREPARE AFTER COMMAND...: the command is traced once to see its calls that change
# anything, then killed at each of them: PREPARE, the command, AFTER, gc, and all is as it was.
killed_at_each_call() {
	local prepare=$1 after=$2 call n code hits=0 calls=$BATS_TEST_TMPDIR/calls
	shift 2
	$prepare
	strace -qq -o "$calls.raw" -e trace="$changing" "$@" >/dev/null 2>&1 </dev/null 3>&-
	$after
	clean
	# of calls in a long row not every one
	sed -n 's/^\([a-z0-9_]*\)(.*/\1/p' "$calls.raw" | awk -v row="$(times 12)" '{ n[$1]++ } n[$1] <= row || n[$1] % 97 == 0 { print $1, n[$1] }' >"$calls"
	while read -r call n; do
		$prepare
		code=0
		strace -qq -o /dev/null -e trace="$call" -e "inject=$call:signal=KILL:when=$n" "$@" >/dev/null 2>&1 </dev/null 3>&- || code=$?
		[ $code != 137 ] || hits=$((hits + 1))
		$after
		clean || { echo "killed at $call $n of: $*"; return 1; }
	done <"$calls" 2>/dev/null
	echo "# killed at $hits of $(wc -l <"$calls") calls: $*" >&3
	[ $((hits * 10)) -ge $(($(wc -l <"$calls") * 8)) ]
}

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
	for i in $(seq "$(times 60)"); do
		carob run --name "victim-$i" --volume v,kind=empty --mount volume=v,target=/v $box /bin/sleep 1000 >/dev/null 2>&1 </dev/null 3>&- &
		sleep "0.0$(printf '%02d' $((i % 16)))$((RANDOM % 10))"
		kill -KILL $! 2>/dev/null || true # it was quicker
		wait $! 2>/dev/null || true
	done
	clean
}

@test "carob run --detach is killed at any moment" {
	for i in $(seq "$(times 40)"); do
		carob run --detach --name "victim-$i" $box /bin/sleep 1000 >/dev/null 2>&1 </dev/null 3>&- &
		sleep "0.0$(printf '%02d' $((i % 16)))$((RANDOM % 10))"
		kill -KILL $! 2>/dev/null || true # it was quicker
		wait $! 2>/dev/null || true
	done
	# a start that nobody waits for any more comes to its end, one way or the other
	until_true 10 eval '[ "$(carob list -q --state preparing)" = "" ]'
	clean
}

@test "carob run is killed at each of its calls" {
	killed_at_each_call true true carob run --rm --name victim --volume v,kind=empty --mount volume=v,target=/v $box /bin/true
}

# What was promised in full stays, and can be removed; what was not is gone after gc.
remove_victim() {
	local code=0
	carob rm "${1:-victim}" >/dev/null 2>&1 || code=$?
	[ $code = 0 ] || [ $code = 3 ]
}

@test "carob prepare is killed at each of its calls" {
	killed_at_each_call true remove_victim carob prepare --name victim $box
}

@test "carob rm is killed at each of its calls" {
	make_victim() { carob prepare --name victim $box >/dev/null; }
	killed_at_each_call make_victim remove_victim carob rm victim
}

@test "carob gc is killed at each of its calls" {
	make_dead() { carob run --name victim $box /bin/true; }
	killed_at_each_call make_dead true carob gc --grace-period 0
}

@test "an import is killed at each of its calls, and what is listed is whole" {
	remove_large() {
		local id
		id=$(carob image list --json | jq -r '.[] | select(.name == "example.com/large").id')
		[ -z "$id" ] || carob image rm "$id"
	}
	killed_at_each_call true remove_large carob image import "$BATS_FILE_TMPDIR/large.aci"
}

@test "image gc is killed at each of its calls" {
	make_unused() {
		make_small lower
		make_small upper ',"dependencies":[{"imageName":"example.com/small-lower"}]'
		carob image render example.com/small-upper "$BATS_TEST_TMPDIR/rendered" && rm -r "$BATS_TEST_TMPDIR/rendered"
	}
	remove_unused() {
		carob image rm -f example.com/small-upper || true
		carob image rm -f example.com/small-lower || true
		carob image check --quick --repair
	}
	killed_at_each_call make_unused remove_unused carob image gc --grace-period 0
}

# child_of PID COMM: the first child of that name.
child_of() {
	local comm
	while read -r comm; do
		[ "$(field PPid "${comm%comm}status" 2>/dev/null)" = "$1" ] && basename "${comm%/comm}" && return 0
	done < <(grep -lsx "$2" /proc/[0-9]*/comm)
	return 1
}

@test "carob-unpack is killed in the middle of an import" {
	killed=0
	for i in 1 2 3 4 5 6; do
		carob image import "$BATS_FILE_TMPDIR/large.aci" >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		pid=$! child=
		until_true 5 eval 'child=$(child_of $pid carob-unpack) || ! kill -0 $pid'
		sleep "0.0$i"
		if [ -n "$child" ] && kill -KILL "$child"; then
			ends_with 1 $pid
			[[ "$(cat "$BATS_TEST_TMPDIR/out")" == *carob-unpack* ]]
			killed=$((killed + 1))
		else
			ends_with 0 $pid # it was quicker
			carob image rm example.com/large
		fi
		# the failed import clears up by itself
		as_before
	done
	[ $killed -gt 0 ]
}

@test "a start that is told to end, at any moment, leaves nothing, without gc" {
	for i in $(seq "$(times 40)"); do
		carob run --rm --name victim $box /bin/sleep 1000 >/dev/null 2>&1 </dev/null 3>&- &
		pid=$!
		sleep "0.0$(printf '%02d' $((i % 25)))$((RANDOM % 10))"
		kill -TERM $pid
		ends_with 143 $pid
	done
	as_before
}

@test "an import is interrupted at a terminal: nothing stays, without gc" {
	interrupted=0
	for i in 2 3 4 6 8; do
		run "$BATS_TEST_DIRNAME/terminal.py" "sleep=0.0$i" 'send=\x03' -- carob image import "$BATS_FILE_TMPDIR/large.aci"
		if [ "$status" = 0 ]; then
			carob image rm example.com/large # too late to be interrupted
		else
			interrupted=$((interrupted + 1))
		fi
		as_before
	done
	[ $interrupted -gt 0 ]
}

with_some_data() { head -c 6M /dev/urandom >"$1/data"; }

@test "an import that is told to end does so at once, and leaves nothing, without gc" {
	# bzip2 takes its time
	make_image slow "$root_app" with_some_data
	carob image rm example.com/slow
	bzip2 <"$BATS_FILE_TMPDIR/images/slow.aci" >"$BATS_TEST_TMPDIR/slow.aci"
	ended=0
	for i in 10 15 20 25 30; do
		carob image import "$BATS_TEST_TMPDIR/slow.aci" >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "0.$i"
		kill -TERM $pid 2>/dev/null || true
		code=0
		wait $pid || code=$?
		if [ $code = 143 ]; then
			ended=$((ended + 1))
		else
			[ $code = 0 ] # too late to be told
			carob image rm example.com/slow
		fi
		as_before
	done
	[ $ended -gt 0 ]
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
			letters) tr aeiou eioua <"$BATS_TEST_TMPDIR/copy" >"$path" ;;
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
	truncate -s $((16 + large))M "$BATS_TEST_TMPDIR/image" # it and its tree find no room
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

# images_on_full_disk FILL: what removes images works when nothing can be written; FILL fills the disk.
images_on_full_disk() {
	local id
	id=$(carob image list -q --filter name=$box)
	make_small pinned
	make_small unused
	make_small depends ',"dependencies":[{"imageName":"example.com/small-unused"}]'
	carob image pin example.com/small-pinned $box
	carob image render example.com/small-depends "$disk/rendered" && rm -r "$disk/rendered"
	"$@"
	run carob image check --quick
	ok=check$status
	run carob image extract $box "$disk/out"
	ok+=,extract$status
	[ -z "$(find "$disk" -maxdepth 1 -name '*out*' -o -name '.carob*')" ] && ok+=,clean
	run carob image gc --grace-period 0
	ok+=,gc$status
	[[ "$output" == *"2 images removed"* ]] && ok+=,two
	run carob image unpin example.com/small-pinned
	ok+=,unpin$status
	run carob image rm example.com/small-pinned
	ok+=,rm$status
	[ "$(carob image list -q)" = "$id" ] && ok+=,box
	[ -z "$(find "$CAROB_ROOT" -path '*/staging/*' -o -name 'chain.*')" ] && ok+=,nothing
	rm -r "$disk"/fill*
	run carob image check --repair
	ok+=,check$status
	off_disk
	[ "$ok" = check0,extract1,clean,gc0,two,unpin0,rm0,box,nothing,check0 ] || { echo "$ok"; return 1; }
}

# make_small NAME [MEMBERS]
make_small() {
	mkdir -p "$BATS_TEST_TMPDIR/$1/rootfs"
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/small-%s"%s}' "$1" "${2:-}" >"$BATS_TEST_TMPDIR/$1/manifest"
	carob image import "$BATS_TEST_TMPDIR/$1" >/dev/null
}

fill_blocks() {
	dd if=/dev/zero of="$disk/fill" bs=64k 2>/dev/null || true
	until ! dd if=/dev/zero of="$disk/fill2" bs=512 count=1 oflag=append,sync conv=notrunc 2>/dev/null; do :; done
}

fill_inodes() {
	mkdir "$disk/fill"
	(cd "$disk/fill" && seq 5000 | xargs touch 2>/dev/null) || true
	[ "$(stat -f -c %d "$disk")" = 0 ]
}

@test "a full disk: images are unpinned, removed and collected" {
	on_disk
	images_on_full_disk fill_blocks
}

@test "a disk without a free inode: the same of images" {
	on_disk -N 4096
	images_on_full_disk fill_inodes
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
