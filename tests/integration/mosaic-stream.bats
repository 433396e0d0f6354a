#!/usr/bin/env bats
# shellcheck disable=SC2154 # $output, $stderr, $status are set by `run`
# Volumes sent and received: between every two drivers that work here, and all that can go wrong on the way.

load helpers

drivers=(plain overlay fsimg-ext4 fsimg-xfs btrfs)

setup_file() {
	# a btrfs of our own, for the mosaics of that driver
	truncate -s 3G "$BATS_FILE_TMPDIR/btrfs.img"
	mkfs.btrfs -q "$BATS_FILE_TMPDIR/btrfs.img" >/dev/null
	mkdir "$BATS_FILE_TMPDIR/btrfs"
	mount -o loop "$BATS_FILE_TMPDIR/btrfs.img" "$BATS_FILE_TMPDIR/btrfs"
}

teardown_file() {
	umount "$BATS_FILE_TMPDIR/btrfs"
	not grep -F "$BATS_FILE_TMPDIR" /proc/self/mountinfo
	for _ in $(seq 100); do # the kernel takes its time
		grep -rqsF "$BATS_FILE_TMPDIR" /sys/block/loop*/loop/backing_file || return 0
		# somebody else's mount namespace was copied from ours meanwhile: not what we have left
		grep -qsF "$BATS_FILE_TMPDIR" /proc/[0-9]*/mountinfo && return 0
		sleep 0.1
	done
	return 1
}

teardown() {
	local mount pid
	for pid in $pids; do kill -9 "$pid" 2>/dev/null || true; done
	awk -v dir="$BATS_TEST_TMPDIR" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r mount; do umount "$(printf %b "$mount")"; done
	find "$BATS_FILE_TMPDIR/btrfs" -mindepth 1 -depth -inum 256 -print0 | xargs -0r btrfs -q subvolume delete
	rm -rf "${BATS_FILE_TMPDIR:?}"/btrfs/*
}

pids=""

# not COMMAND...: `!` alone does not end a test
not() {
	if "$@"; then return 1; fi
}

says() {
	local word
	for word in "$@"; do
		[[ "$stderr" == *"$word"* ]] || { echo "not in: $stderr: $word"; return 1; }
	done
}

# new NAME DRIVER: a fresh mosaic, whose place is in $place
new() {
	place=$BATS_TEST_TMPDIR/$1
	case $2 in
	btrfs) place=$BATS_FILE_TMPDIR/btrfs/$BATS_TEST_NUMBER-$1/m && mkdir -p "${place%/m}" ;;
	fsimg-*) printf 'type: fsimg\nlocation: %s\ndefault_fs: %s\noptions: { size: 1G }\n' "$place" "${2#*-}" >"$place.mos" ;;
	esac
	if [ -e "$place.mos" ]; then
		moctl "$place.mos" make
		place=$place.mos
	else
		moctl "$place" make -t "${2%-*}"
	fi
}

# with PLACE VOLUME COMMAND...: in the volume's root directory
with() {
	local place=$1 volume=$2
	shift 2
	mkdir -p "$BATS_TEST_TMPDIR/mnt"
	moctl "$place" mount "$volume" "$BATS_TEST_TMPDIR/mnt"
	(cd "$BATS_TEST_TMPDIR/mnt" && "$@")
	moctl "$place" umount "$BATS_TEST_TMPDIR/mnt"
}

fill() {
	rm -rf lost+found
	"$BATS_TEST_DIRNAME/fill-tree" 700000
}

change_one() {
	echo more >>a/b/file # of three names
	rm link
	mkdir link
	echo in >link/in
	mv data "moved data"
	printf xyz | dd of="moved data" bs=1 seek=300000 conv=notrunc status=none
	chmod 600 secret
	python3 -c 'import os; os.removexattr("secret", "user.mark"); os.setxattr("empty", "user.new", b"1")'
	rm -r "odd $(printf '\001\377\n')name"
	echo new >a/b/new # where a default ACL is
	rm up
	echo file now >up
}

change_two() {
	truncate -s 100 sparse
	local time
	time=$(stat -c %.9Y secret)
	printf PRIVATE | dd of=secret conv=notrunc status=none # neither size nor time tell
	touch -d "@$time" secret
	rm a/hard # of three names two
	ln "moved data" moved.hard
	chown 5:6 null
	rm -r link
	ln -s moved.hard link
	mknod link.null c 1 5
	fallocate -p -o 65536 -l 131072 "moved data"
}

describe() {
	"$BATS_TEST_DIRNAME/describe-tree" .
}

same() {
	with "$1" "$2" describe >"$BATS_TEST_TMPDIR/is"
	with "$3" "$4" describe >"$BATS_TEST_TMPDIR/was"
	diff "$BATS_TEST_TMPDIR/is" "$BATS_TEST_TMPDIR/was"
}

# Three snapshots of one volume in $from
chain() {
	moctl "$from" create v
	with "$from" v fill
	moctl "$from" snapshot v s0
	with "$from" v change_one
	moctl "$from" snapshot v s1
	with "$from" v change_two
	moctl "$from" snapshot v s2
}

# ---- whole trees ----------------------------------------------------------------------------------

# send_to DRIVER...: the chain of $from to a mosaic of each
send_to() {
	local driver
	for driver in "$@"; do
		new "to-$driver" "$driver"
		moctl "$from" send -q --portable s0 | moctl "$place" receive -q s0
		moctl "$from" send -q --portable --since s0 s1 | moctl "$place" receive -q s1
		moctl "$from" send -q --portable --since s1 s2 | moctl "$place" receive -q --writable s2
		for s in s0 s1 s2; do
			same "$from" $s "$place" $s || { echo "$driver: $s"; return 1; }
		done
		[ "$(moctl "$place" list --json | jq -r 'map("\(.name)=\(.readOnly)") | sort | join(" ")')" = "s0=true s1=true s2=false" ]
		run -0 moctl "$place" check
		with "$place" s2 touch written
	done
}

@test "from plain: a volume and two increments, to every driver" {
	new from plain && from=$place
	chain
	send_to "${drivers[@]}"
}

@test "from overlay: a volume and two increments, to every driver" {
	new from overlay && from=$place
	chain
	send_to "${drivers[@]}"
}

@test "from fsimg with ext4: a volume and two increments, to every driver" {
	new from fsimg-ext4 && from=$place
	chain
	send_to "${drivers[@]}"
}

@test "from fsimg with xfs: a volume and two increments, to every driver" {
	new from fsimg-xfs && from=$place
	chain
	send_to "${drivers[@]}"
}

@test "from btrfs: a volume and two increments, to every driver" {
	new from btrfs && from=$place
	chain
	send_to "${drivers[@]}"
}

@test "a volume keeps its identity: what changed since it is received where it came by another" {
	new a plain && a=$place from=$place
	new b overlay && b=$place
	new c plain && c=$place
	chain
	moctl "$a" send -q s0 | moctl "$b" receive -q first
	moctl "$b" send -q first | moctl "$c" receive -q again
	moctl "$a" send -q --since s0 s1 | moctl "$c" receive -q s1
	same "$a" s1 "$c" s1
	[ "$(moctl "$c" show --json s1 | jq -r '.[0].parent')" = again ]
	# not since what is not there, nor since what can be written to
	run -3 --separate-stderr moctl "$b" receive -q s2 <(moctl "$a" send -q --since s1 s2)
	says s1 "$b"
	run ! --separate-stderr moctl "$a" send -q --since v s2 "$BATS_TEST_TMPDIR/no"
	says "v can be written to"
	moctl "$b" drop first
	run -3 moctl "$b" receive -q s1 <(moctl "$a" send -q --since s0 s1)
}

# ---- raw volumes ----------------------------------------------------------------------------------

@test "raw volumes: whole, increments, and one that has grown" {
	local device
	new a fsimg-ext4 && a=$place
	new b fsimg-xfs && b=$place
	moctl "$a" create --raw -s 40M disk
	device=$(moctl "$a" attach disk)
	head -c 3000000 /dev/urandom | dd of="$device" bs=1M seek=10 status=none conv=fsync
	moctl "$a" detach disk
	moctl "$a" snapshot disk s0
	device=$(moctl "$a" attach disk)
	dd if=/dev/zero of="$device" bs=1M seek=11 count=1 status=none conv=fsync
	printf here | dd of="$device" bs=1 seek=20000000 status=none conv=fsync
	moctl "$a" detach disk
	moctl "$a" resize disk 60M
	moctl "$a" snapshot disk s1
	moctl "$a" send -q s0 "$BATS_TEST_TMPDIR/s0"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/s0")" -lt 3100000 ]
	moctl "$b" receive -q s0 "$BATS_TEST_TMPDIR/s0"
	moctl "$a" send -q --since s0 s1 "$BATS_TEST_TMPDIR/s1"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/s1")" -lt 100000 ]
	moctl "$b" receive -q s1 "$BATS_TEST_TMPDIR/s1"
	for s in s0 s1; do
		cmp "$(moctl "$a" attach $s)" "$(moctl "$b" attach $s)"
		moctl "$a" detach $s
		moctl "$b" detach $s
	done
	new p plain
	run ! --separate-stderr moctl "$place" receive -q s0 "$BATS_TEST_TMPDIR/s0"
	says plain raw
	run ! --separate-stderr moctl "$b" receive -q -s 20M small "$BATS_TEST_TMPDIR/s0"
	says 41943040 20971520
	run -0 moctl "$b" check
}

# ---- native streams -------------------------------------------------------------------------------

@test "btrfs's own stream: between two of them, resumed, and not for others" {
	local token
	new a btrfs && a=$place from=$place
	new b btrfs && b=$place
	new p plain
	chain
	moctl "$a" send -q s0 "$BATS_TEST_TMPDIR/s0"
	grep -a -q btrfs-stream "$BATS_TEST_TMPDIR/s0"
	moctl "$b" receive -q s0 "$BATS_TEST_TMPDIR/s0"
	moctl "$a" send -q --since s0 s1 | moctl "$b" receive -q s1
	moctl "$a" send -q --since s1 s2 | moctl "$b" receive -q --writable s2
	for s in s0 s1 s2; do same "$a" $s "$b" $s; done
	with "$b" s2 touch written
	run ! --separate-stderr moctl "$place" receive -q s0 "$BATS_TEST_TMPDIR/s0"
	says btrfs plain --portable
	head -c 500000 "$BATS_TEST_TMPDIR/s0" >"$BATS_TEST_TMPDIR/part"
	run ! moctl "$b" receive -q again "$BATS_TEST_TMPDIR/part"
	token=$(moctl "$b" receive --state again)
	moctl "$a" send -q --resume "$token" s0 | moctl "$b" receive -q again
	same "$a" s0 "$b" again
	# damaged: the kernel never sees it
	printf x | dd of="$BATS_TEST_TMPDIR/s0" bs=1 seek=400000 conv=notrunc status=none
	run -8 moctl "$b" receive -q bad "$BATS_TEST_TMPDIR/s0"
	moctl "$b" receive --forget bad
	run -0 moctl "$b" check
}

# ---- streams that break off -----------------------------------------------------------------------

large() {
	head -c 3000000 /dev/urandom >large
	for i in $(seq 200); do echo "$i" >"small-$i"; done
	head -c 3000000 /dev/urandom >z-large
}

@test "a receiver that is killed goes on where it was, on every driver" {
	local token driver pid
	new from overlay && from=$place
	moctl "$from" create v
	with "$from" v large
	moctl "$from" snapshot v s
	moctl "$from" send -q s "$BATS_TEST_TMPDIR/s"
	for driver in "${drivers[@]}"; do
		new "to-$driver" "$driver"
		mkfifo "$BATS_TEST_TMPDIR/pipe"
		moctl "$place" receive -q s "$BATS_TEST_TMPDIR/pipe" 3>&- &
		pid=$!
		pids="$pids $pid"
		exec 4>"$BATS_TEST_TMPDIR/pipe"
		head -c 4000000 "$BATS_TEST_TMPDIR/s" >&4
		# while nothing comes, it writes down where it is
		for _ in $(seq 100); do
			sleep 0.1
			grep -qs '"frames":[1-9]' "${place%.mos}"/staging/*/receiving && break
		done
		run ! --separate-stderr moctl "$place" receive -q s "$BATS_TEST_TMPDIR/s"
		says "being received"
		sleep 1.2
		kill -9 "$pid"
		exec 4>&-
		wait "$pid" || true
		rm "$BATS_TEST_TMPDIR/pipe"
		run -0 moctl "$place" check # what is kept is no leftover
		token=$(moctl "$place" receive --state s)
		moctl "$from" send -q --resume "$token" s "$BATS_TEST_TMPDIR/rest"
		[ "$(stat -c %s "$BATS_TEST_TMPDIR/rest")" -lt 3500000 ]
		moctl "$place" receive -q s "$BATS_TEST_TMPDIR/rest"
		same "$from" s "$place" s
		rm "$BATS_TEST_TMPDIR/rest"
		[ -z "$(ls "${place%.mos}/staging")" ]
	done
}

@test "what is kept of a stream goes: when forgotten, with another stream, after a week" {
	new from plain && from=$place
	new to plain && to=$place
	moctl "$from" create v
	with "$from" v large
	moctl "$from" snapshot v s
	moctl "$from" send -q s "$BATS_TEST_TMPDIR/s"
	head -c 4000000 "$BATS_TEST_TMPDIR/s" >"$BATS_TEST_TMPDIR/part"
	run ! moctl "$to" receive -q s "$BATS_TEST_TMPDIR/part"
	moctl "$to" receive --forget s
	run -3 moctl "$to" receive --state s
	[ -z "$(ls "$to/staging")" ]
	run ! moctl "$to" receive -q s "$BATS_TEST_TMPDIR/part"
	[ "$(find "$to/staging" -mindepth 1 -maxdepth 1 | wc -l)" = 1 ]
	moctl "$to" receive -q s "$BATS_TEST_TMPDIR/s"
	[ -z "$(ls "$to/staging")" ]
	run ! moctl "$to" receive -q t "$BATS_TEST_TMPDIR/part"
	touch -d '8 days ago' "$to"/staging/*/receiving
	moctl "$to" check --repair
	[ -z "$(ls "$to/staging")" ]
	run -3 moctl "$to" receive --state t
}

@test "a stream goes on only as the one that it was" {
	local token
	new from plain && from=$place
	new to plain && to=$place
	moctl "$from" create v
	with "$from" v large
	moctl "$from" send -q v "$BATS_TEST_TMPDIR/v"
	head -c 4000000 "$BATS_TEST_TMPDIR/v" >"$BATS_TEST_TMPDIR/part"
	run ! moctl "$to" receive -q v "$BATS_TEST_TMPDIR/part"
	token=$(moctl "$to" receive --state v)
	moctl "$from" send -q --resume "$token" v "$BATS_TEST_TMPDIR/rest"
	with "$from" v sh -c 'printf x | dd of=large bs=1 seek=1000000 conv=notrunc status=none'
	run ! --separate-stderr moctl "$from" send -q --resume "$token" v "$BATS_TEST_TMPDIR/other"
	says "has changed"
	run ! --separate-stderr moctl "$from" send -q --resume "x$token" v "$BATS_TEST_TMPDIR/other"
	says token
	# the rest of it does not fit where nothing is, nor twice
	run ! --separate-stderr moctl "$to" receive -q w "$BATS_TEST_TMPDIR/rest"
	says "from the beginning"
	moctl "$to" receive -q v "$BATS_TEST_TMPDIR/rest"
	run ! moctl "$to" receive -q w "$BATS_TEST_TMPDIR/rest"
	[ "$(moctl "$to" list -q)" = v ]
	[ -z "$(ls "$to/staging")" ]
}

# ---- what is in the way ---------------------------------------------------------------------------

@test "a volume in use is sent as it is at one instant, or not at all" {
	mkdir "$BATS_TEST_TMPDIR/here"
	for driver in plain overlay fsimg-ext4 btrfs; do
		new "of-$driver" "$driver"
		moctl "$place" create v
		moctl "$place" mount v "$BATS_TEST_TMPDIR/here"
		echo text >"$BATS_TEST_TMPDIR/here/file"
		if moctl "$place" features snapshot-live; then
			of=$place
			new "to-$driver" plain && to=$place
			place=$of
			moctl "$place" send -q --portable v | moctl "$to" receive -q v
			[ "$(with "$to" v cat file)" = text ]
		else
			run ! --separate-stderr moctl "$place" send -q v "$BATS_TEST_TMPDIR/no"
			says "mounted at" v
			rm -f "$BATS_TEST_TMPDIR/no"
		fi
		moctl "$place" umount "$BATS_TEST_TMPDIR/here"
		[ -z "$(ls "${place%.mos}/staging")" ]
	done
}

@test "a volume that is too small says how much it holds; what came can be forgotten" {
	new from plain && from=$place
	new to fsimg-ext4 && to=$place
	moctl "$from" create v
	with "$from" v sh -c 'head -c 60000000 /dev/urandom >data'
	moctl "$from" snapshot v s
	run ! --separate-stderr moctl "$to" receive -q -s 32M s <(moctl "$from" send -q s)
	says full data 60000000 free
	[ "$(moctl "$to" list -q)" = "" ]
	moctl "$to" receive --state s
	moctl "$to" receive --forget s
	[ -z "$(ls "${to%.mos}/staging")" ]
	# as large as it has to be, when nobody says
	moctl "$from" send -q s | moctl "$to" receive -q s
	same "$from" s "$to" s
}

@test "whoever reads goes away: the sender says so" {
	new from plain && from=$place
	moctl "$from" create v
	with "$from" v large
	moctl "$from" snapshot v s
	run bash -c "moctl '$from' send -q s 2>'$BATS_TEST_TMPDIR/errors' | head -c 100 >/dev/null; exit \${PIPESTATUS[0]}"
	[ "$status" -ne 0 ]
	[ "$status" -lt 128 ]
	grep -q "gone" "$BATS_TEST_TMPDIR/errors"
}
