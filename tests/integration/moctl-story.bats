#!/usr/bin/env bats
# The story that moctl(1) ends with, executed as it stands there: a volume on btrfs is written,
# snapshotted, spoilt, rolled back, cloned, resized and sent to another kind of storage. Then every
# tree is held against the one that it is to be: modes, owners, times, extended attributes, hard
# links, devices, content.

load helpers

setup() {
	cd "$BATS_TEST_TMPDIR" || return
	mkdir tree
	(cd tree && "$BATS_TEST_DIRNAME/fill-tree" 3000000)
	page=$top/docs/man/moctl.1.scd
	# the blocks of the examples, in their order
	awk '/^```/ { within = !within; n += within; next } within { print >("block." n) }' "$page"
	[ "$(grep -c '^moctl ' block.1)" -ge 15 ]
	grep -q create-pool block.2
}

teardown() {
	local at
	cd /
	for at in at mnt pool; do
		if mountpoint -q "$BATS_TEST_TMPDIR/$at"; then umount "$BATS_TEST_TMPDIR/$at"; fi
	done
	until_true 10 nothing_is_up
}

# Loop devices, and device mapper's, end with their last user; udev may look at them for a while.
nothing_is_up() {
	! grep -sqF "$BATS_TEST_TMPDIR" /sys/block/loop*/loop/backing_file && ! grep -sq '^mosaic-' /sys/block/dm-*/dm/name
}

# describe DIR: its lines.  volume MOSAIC NAME: those of a volume.
describe() {
	"$BATS_TEST_DIRNAME/describe-tree" --all "$1"
}

volume() {
	mkdir -p at
	moctl "$1" mount -o ro "$2" at
	describe at
	moctl "$1" umount "$2" at
}

# tell MOSAIC: the story, which ends on that kind of storage; and what must be true then.
tell() {
	local name
	sed "s|images/m|$1|g" block.1 >story
	bash -euo pipefail -x story 3>&-
	describe tree >want
	[ "$(wc -l <want)" -ge 16 ]
	for name in monday data trial tuesday; do volume pool/m $name >"is.$name"; done
	for name in monday tuesday; do volume "$1" $name >"sent.$name"; done
	diff want is.monday
	diff want is.trial
	diff is.monday sent.monday
	diff is.data is.tuesday
	diff is.tuesday sent.tuesday
	# what came on top is one file, and the time of the directory that it is in
	[ "$(diff is.monday is.tuesday | grep -c "^> b'more' ")" = 1 ]
	[ "$(diff is.monday is.tuesday | grep -c '^[<>]')" = 3 ]
	[ "$(moctl pool/m list --json | jq -r 'map("\(.name) \(.parent) \(.readOnly) \(.size / 1048576)") | join(", ")')" = \
		"data monday false 512, monday data true 512, trial data false 1024, tuesday data true 512" ]
	[ "$(moctl "$1" list --json | jq -r 'map("\(.name) \(.readOnly)") | join(" ")')" = "monday true tuesday true" ]
	run -0 moctl pool/m check
	run -0 moctl "$1" check
	[ -z "$(ls pool/m/staging)" ]
}

@test "the story of moctl(1), which ends in image files" {
	tell images/m
	moctl images/m drop monday tuesday
}

@test "the story of moctl(1), which ends in thin volumes" {
	grep -q device-mapper /proc/misc || skip "this kernel has no device mapper"
	bash -euo pipefail -x block.2
	sed -i '/ make --type fsimg/d' block.1
	tell ./thin.mos
	moctl ./thin.mos drop monday tuesday
}
