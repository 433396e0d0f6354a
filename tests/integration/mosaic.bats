#!/usr/bin/env bats
# libmosaic: the same cases for every driver (tests/mosaic). The table that comes out, driver by case, with
# the reason of every skip, is printed at the end.
#
# CAROB_TEST_DRIVERS: the drivers to be tested (default: all). dm-thin needs a kernel with device mapper:
# tests/vm/pods.bats runs this file in the virtual machine for it.

load helpers

setup_file() {
	export CAROB_LIBEXEC=$prefix/libexec/carob
	export suite=${CAROB_TEST_SUITE:-$prefix/../tests/mosaic/mosaic-suite}
	export base=$BATS_FILE_TMPDIR
	mkdir -p "$base/mounts" "$base/results"
	census >"$base/census"
}

teardown_file() {
	local dir
	for dir in "$base"/mounts/*; do
		if mountpoint -q "$dir"; then umount "$dir"; fi
	done
	print_table >&3
	teardown_state
}

# Rows are cases, columns drivers; then why something was skipped.
print_table() {
	awk -F '\t' '
		FNR == 1 { drivers[++n] = FILENAME; sub(".*/", "", drivers[n]) }
		{ if (!($2 in seen)) { seen[$2] = 1; cases[++k] = $2 } result[drivers[n], $2] = $3 }
		$3 != "ok" { why[++w] = drivers[n] ": " $2 ": " $3 ": " $4 }
		END {
			line = sprintf("# %-18s", "")
			for (i = 1; i <= n; i++) line = line sprintf(" %-10s", drivers[i])
			print line
			for (j = 1; j <= k; j++) {
				line = sprintf("# %-18s", cases[j])
				for (i = 1; i <= n; i++) line = line sprintf(" %-10s", result[drivers[i], cases[j]])
				print line
			}
			for (j = 1; j <= w; j++) print "# " why[j]
		}' "$base"/results/* 2>/dev/null
}

wanted() {
	[[ " ${CAROB_TEST_DRIVERS:-$1} " == *" $1 "* ]] || skip "CAROB_TEST_DRIVERS leaves it out"
}

# suite_on NAME TYPE LOCATION [LINE OF THE DESCRIPTION]...
suite_on() {
	local name=$1 mos=$base/$1.mos
	printf 'type: %s\nlocation: %s\n' "$2" "$3" >"$mos"
	shift 3
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$mos"
	moctl check-config "$mos"
	moctl "$mos" make
	run_suite "$name" "$mos"
}

run_suite() {
	local code=0
	mkdir -p "$base/scratch-$1"
	"$suite" "$2" "$base/scratch-$1" >"$base/results/$1" || code=$?
	grep FAIL "$base/results/$1" || true
	[ "$(wc -l <"$base/results/$1")" -gt 30 ]
	[ "$code" = 0 ]
	rm -rf "$base/scratch-$1"
}

# on_loop FS SIZE: a file system of its own, mounted at $dir.
on_loop() {
	dir=$base/mounts/$1
	mkdir -p "$dir"
	truncate -s "$2" "$base/$1.img"
	"mkfs.$1" -q "$base/$1.img" >/dev/null
	mount -o loop "$base/$1.img" "$dir"
}

@test "plain" {
	wanted plain
	suite_on plain plain "$base/plain"
}

@test "overlay" {
	wanted overlay
	suite_on overlay overlay "$base/overlay"
}

@test "btrfs" {
	wanted btrfs
	on_loop btrfs 8G
	suite_on btrfs btrfs "$dir/mosaic"
}

@test "fsimg with ext4" {
	wanted fsimg-ext4
	suite_on fsimg-ext4 fsimg "$base/fsimg-ext4" 'options: { size: 1G }'
}

@test "fsimg with xfs, by reflinks of the xfs below" {
	wanted fsimg-xfs
	on_loop xfs 8G
	suite_on fsimg-xfs fsimg "$dir/mosaic" 'default_fs: xfs' 'options: { size: 1G }'
}

@test "ploop" {
	wanted ploop
	suite_on ploop ploop "$base/ploop" 'options: { size: 1G }'
}

@test "dm-thin" {
	wanted dm-thin
	modprobe -q dm_thin_pool 2>/dev/null || true # where it is no module it is there
	grep -q device-mapper /proc/misc || skip "this kernel has no device mapper"
	printf 'type: dm-thin\nlocation: %s\noptions: { size: 1G }\n' "$base/thin" >"$base/dm-thin.mos"
	moctl "$base/dm-thin.mos" create-pool --size 12G "$base/pool"
	run_suite dm-thin "$base/dm-thin.mos"
}
