#!/usr/bin/env bats
# The driver dm-thin beyond the cases that all drivers share (mosaic.bats): pools, what is left of
# killed processes, a pool that is full. Needs device mapper; tests/vm/pods.bats runs it in the
# virtual machine.

load helpers

setup_file() {
	export CAROB_LIBEXEC=$prefix/libexec/carob
	census >"$BATS_FILE_TMPDIR/census"
}

teardown_file() {
	teardown_state
}

setup() {
	grep -q device-mapper /proc/misc || skip "this kernel has no device mapper"
	dir=$BATS_TEST_TMPDIR
	mos=$dir/thin.mos
	mkdir -p "$dir/a" "$dir/b"
	printf 'type: dm-thin\nlocation: %s\noptions: { size: 200M }\n' "$dir/mosaic" >"$mos"
}

teardown() {
	local at device
	for at in "$BATS_TEST_TMPDIR"/[ab]; do
		if mountpoint -q "$at"; then umount -l "$at"; fi
	done
	[ ! -e "$dir/loop" ] || losetup -d "$(cat "$dir/loop")"
	until_true 5 no_devices
}

# The devices of all pools, by their names.
devices() { cat /sys/block/dm-*/dm/name 2>/dev/null | grep '^mosaic-'; }
no_devices() { ! devices >/dev/null; }

pool() { moctl "$mos" create-pool --size "${1:-1G}" "$dir/pool"; }

# volume NAME WORD: a volume with a file that has the word.
volume() {
	moctl "$mos" create "$1"
	moctl "$mos" mount "$1" "$dir/a"
	echo "$2" >"$dir/a/file"
	moctl "$mos" umount "$dir/a"
}

# word_of VOLUME
word_of() {
	moctl "$mos" mount "$1" "$dir/b" && cat "$dir/b/file" && moctl "$mos" umount "$dir/b"
}

@test "a pool is made on a device that holds nothing, or by force" {
	truncate -s 400M "$dir/disk"
	device=$(losetup -f --show "$dir/disk")
	echo "$device" >"$dir/loop"
	mkfs.ext4 -q "$device"
	run ! moctl "$mos" create-pool "$device"
	[[ "$output" == *"holds ext2, ext3 or ext4 already"* ]]
	mount "$device" "$dir/a"
	run ! moctl "$mos" create-pool --force "$device"
	[[ "$output" == *"in use"* ]]
	umount "$dir/a"
	moctl "$mos" create-pool --force "$device"
	run ! moctl "$mos" create-pool --force "$device"
	[[ "$output" == *"there is a mosaic at"* ]]
	# and another mosaic does not take it
	sed "s|$dir/mosaic|$dir/other|" "$mos" >"$dir/other.mos"
	run ! moctl "$dir/other.mos" create-pool "$device"
	[[ "$output" == *"a pool of a mosaic already"* ]]
	volume v word
	[ "$(word_of v)" = word ]
	until_true 5 no_devices
	# what is too small, and what is missing, is said
	run ! moctl "$dir/other.mos" create-pool --size 50M "$dir/small"
	[[ "$output" == *"at least"* ]] && [ ! -e "$dir/small" ]
	run ! moctl "$dir/other.mos" create-pool "$dir/none"
	[[ "$output" == *"No such file"* ]]
}

@test "the location is enough to open it, and says what is wrong with its device" {
	pool 400M
	volume v word
	moctl "$dir/mosaic" mount v "$dir/a"
	[ "$(cat "$dir/a/file")" = word ]
	moctl "$dir/mosaic" umount "$dir/a"
	until_true 5 no_devices
	mv "$dir/pool" "$dir/away"
	run ! moctl "$dir/mosaic" list
	echo "$output"
	[[ "$output" == *"$dir/pool"* && "$output" == *"No such file"* ]]
	truncate -s 400M "$dir/pool"
	run ! moctl "$dir/mosaic" list
	[[ "$output" == *"no pool of a mosaic"* ]]
	mv "$dir/away" "$dir/pool"
	moctl "$dir/mosaic" have v
}

@test "snapshots of two volumes that are written to are of one instant" {
	pool
	moctl "$mos" create one
	moctl "$mos" create two
	moctl "$mos" mount one "$dir/a"
	moctl "$mos" mount two "$dir/b"
	(
		i=0
		while [ ! -e "$dir/stop" ]; do
			i=$((i + 1))
			echo $i >"$dir/a/.n" && mv "$dir/a/.n" "$dir/a/n"
			echo $i >"$dir/b/.n" && mv "$dir/b/.n" "$dir/b/n"
		done
	) 3>&- &
	writer=$!
	for round in 1 2 3 4; do
		sleep 0.2
		moctl "$mos" snapshot one "one-$round" two "two-$round"
	done
	touch "$dir/stop"
	wait $writer
	moctl "$mos" umount "$dir/a"
	moctl "$mos" umount "$dir/b"
	for round in 1 2 3 4; do
		moctl "$mos" mount "one-$round" "$dir/a"
		moctl "$mos" mount "two-$round" "$dir/b"
		one=$(cat "$dir/a/n") two=$(cat "$dir/b/n")
		echo "round $round: $one $two"
		# the first is written first
		[ "$one" -eq "$two" ] || [ "$one" -eq $((two + 1)) ]
		moctl "$mos" umount "$dir/a"
		moctl "$mos" umount "$dir/b"
	done
}

@test "a full pool says how full it is, and dropping helps" {
	pool 300M
	volume keep precious
	moctl "$mos" create --size 400M big
	moctl "$mos" mount big "$dir/a"
	# what it fails with is up to ext4: it may have had to abort its journal already
	run ! dd if=/dev/urandom of="$dir/a/x" bs=1M count=350 conv=fsync
	echo "$output"
	[[ "$output" == *"No space left"* || "$output" == *"Input/output error"* || "$output" == *"Read-only file system"* ]]
	run ! moctl "$mos" create more
	[[ "$output" =~ is\ full:\ [0-9]+\ of\ [0-9]+\ bytes ]]
	run ! moctl "$mos" snapshot keep more
	[[ "$output" =~ is\ full:\ [0-9]+\ of\ [0-9]+\ bytes ]]
	run -8 moctl "$mos" check
	[[ "$output" == *"is full"* ]]
	umount -l "$dir/a"
	until_true 10 moctl "$mos" drop big
	moctl "$mos" create more
	[ "$(word_of keep)" = precious ]
	moctl "$mos" drop more
	moctl "$mos" check
	# what nobody needs is given back to the file's file system
	[ "$(du -m "$dir/pool" | cut -f 1)" -lt 150 ]
}

@test "smaller is refused while it is too full, and grows to zeros afterwards" {
	pool
	moctl "$mos" create --raw --size 64M raw
	run ! moctl "$mos" resize raw 32M
	moctl "$mos" create --size 300M v
	moctl "$mos" mount v "$dir/a"
	dd if=/dev/urandom of="$dir/a/x" bs=1M count=100 status=none
	sum=$(sha256sum <"$dir/a/x")
	run ! moctl "$mos" resize v 200M
	[[ "$output" == *"$dir/a"* ]]
	moctl "$mos" umount "$dir/a"
	run ! moctl "$mos" resize v 50M
	[[ "$output" =~ holds\ [0-9]+ ]]
	moctl "$mos" resize v 200M
	moctl "$mos" mount v "$dir/a"
	[ "$(sha256sum <"$dir/a/x")" = "$sum" ]
	[ "$(df -m --output=size "$dir/a" | tail -n 1)" -lt 200 ]
	moctl "$mos" resize v 400M # while it is mounted
	[ "$(df -m --output=size "$dir/a" | tail -n 1)" -gt 330 ]
	[ "$(sha256sum <"$dir/a/x")" = "$sum" ]
	moctl "$mos" umount "$dir/a"
	moctl "$mos" check
}

# killed COMMAND...: ends it at the Nth ioctl, for every N there is; device mapper is used by nothing
# else. After each the mosaic is mended, and what was there is there.
killed() {
	local n=0 code=137
	while [ $code = 137 ]; do
		n=$((n + 1))
		code=0
		{ strace -o /dev/null -e inject=ioctl:signal=KILL:when=$n moctl "$mos" "$@" >/dev/null 2>&1; } 2>/dev/null || code=$?
		[ $code = 137 ] || [ $code = 0 ] || { echo "$* at $n: $code" && return 1; }
		# who writes to it does not wait any more once somebody opens the mosaic
		moctl "$mos" check --repair >"$dir/check" || { cat "$dir/check" && return 1; }
		moctl "$mos" check >"$dir/check" || { cat "$dir/check" && return 1; }
		timeout 10 sh -c "echo $n >'$dir/a/n' && sync -f '$dir/a/n'" || { echo "$* at $n: frozen" && return 1; }
		[ "$(word_of other)" = precious ]
		if [ $code != 0 ] && moctl "$mos" have new; then moctl "$mos" drop new; fi
	done
	[ $n -gt 10 ]
	echo "# $1: killed at $((n - 1)) ioctls" >&3
}

@test "killed at any request to device mapper, nothing is lost, frozen or left" {
	pool
	volume other precious
	moctl "$mos" create v
	moctl "$mos" mount v "$dir/a"
	killed snapshot v new
	moctl "$mos" drop new
	killed create new
	moctl "$mos" umount "$dir/a"
	moctl "$mos" list | grep -c '^new' | grep -qx 1
	until_true 5 no_devices
}

@test "a pool whose making was killed is made anew" {
	code=137 n=0
	while [ $code = 137 ]; do
		n=$((n + 2))
		code=0
		{ strace -o /dev/null -e inject=ioctl:signal=KILL:when=$n moctl "$mos" create-pool --size 300M "$dir/pool" >"$dir/out" 2>&1; } 2>/dev/null || code=$?
		[ $code = 0 ] || [ $code = 137 ] || { cat "$dir/out" && return 1; }
		if [ ! -e "$dir/mosaic/type" ] && devices >/dev/null; then
			moctl "$mos" create-pool --size 300M "$dir/pool"
		fi
		if [ -e "$dir/mosaic/type" ]; then
			moctl "$mos" check --repair
			moctl "$mos" check
			until_true 5 no_devices
			rm -rf "$dir/mosaic" "$dir/pool"
		fi
	done
	[ $n -gt 10 ]
}
