#!/usr/bin/env bats
# Bombs (S33): each is refused within 5 seconds and 64 MiB, all processes together, and leaves nothing.
# What wants to get out of the tree is in tests/unit/images/test_evil.c.

load helpers

unpack=$prefix/libexec/carob/carob-unpack

setup_file() {
	# in memory: how busy the disk is, is not what is measured
	memory=$(mktemp -d /dev/shm/evil.XXXXXX)
	export memory CAROB_ROOT=$memory/root CAROB_RUNROOT=$memory/run
	mkdir "$BATS_FILE_TMPDIR/image" "$BATS_FILE_TMPDIR/layer" "$BATS_FILE_TMPDIR/table"
	# makes the state directories
	! carob image import /dev/null 2>/dev/null
	"$top/tests/fixtures/make-bombs" image "$BATS_FILE_TMPDIR/image"
	"$top/tests/fixtures/make-bombs" layer "$BATS_FILE_TMPDIR/layer"
	"$top/tests/fixtures/make-archives" "$BATS_FILE_TMPDIR/table" "$top/tests/fixtures/archives/limits.json"
}

teardown_file() { rm -rf "$memory"; }

# What is in the state directory.
state() {
	(cd "$CAROB_ROOT" && find . | sort)
}

# Holds the last line of output, "STATUS SECONDS MIB", against the limits.
within_limits() {
	local status seconds mib
	read -r status seconds mib <<<"${lines[-1]}"
	echo "$1: status $status, $seconds s, $mib MiB: ${lines[0]:0:150}" >&3
	[ "$status" != 0 ] && [ "${seconds%.*}" -lt 5 ] && [ "$mib" -lt 64 ]
}

refused() {
	local before
	before=$(state)
	run "$BATS_TEST_DIRNAME/measure" carob image import "$1"
	within_limits "$(basename "$1")"
	[[ $output == *"$2"* ]] || { echo "no \"$2\" in: $output"; return 1; }
	[ "$(state)" = "$before" ]
}

@test "millions of members" {
	refused "$BATS_FILE_TMPDIR/image/entries.gz" LIMIT_ARCHIVE_SMALL
	refused "$BATS_FILE_TMPDIR/image/directories.gz" LIMIT_ARCHIVE_SMALL
	refused "$BATS_FILE_TMPDIR/image/again.gz" twice
	refused "$BATS_FILE_TMPDIR/image/deep.gz" "512 parts"
}

@test "headers that want memory" {
	refused "$BATS_FILE_TMPDIR/image/sparse-map.gz" LIMIT_UNPACK_MEMORY
	# who decompresses wants much at the same time
	zcat "$BATS_FILE_TMPDIR/image/sparse-map.gz" | xz -T 1 -8 >"$BATS_FILE_TMPDIR/image/sparse-map.xz"
	refused "$BATS_FILE_TMPDIR/image/sparse-map.xz" LIMIT_UNPACK_MEMORY
	zcat "$BATS_FILE_TMPDIR/image/sparse-map.gz" | zstd -q --long=25 >"$BATS_FILE_TMPDIR/image/sparse-map.zst"
	refused "$BATS_FILE_TMPDIR/image/sparse-map.zst" LIMIT_UNPACK_MEMORY
	refused "$BATS_FILE_TMPDIR/image/long-name.gz" ""
	run "$BATS_TEST_DIRNAME/measure" carob image import "$BATS_FILE_TMPDIR/image/pax-headers.gz"
	within_limits pax-headers
}

@test "archives that expand without end" {
	for kind in gzip bzip2 xz zstd; do
		refused "$BATS_FILE_TMPDIR/table/bomb-$kind.aci" LIMIT_ARCHIVE_RATIO
	done
	refused "$BATS_FILE_TMPDIR/table/sparse-10-tib.aci" "more than"
	refused "$BATS_FILE_TMPDIR/table/pax-header-4-gib.aci" ""
	refused "$BATS_FILE_TMPDIR/table/name-64-kib.aci" 4095
}

# The layer is discarded with its tree by whoever asked for it.
@test "layers that are bombs" {
	local name
	for name in entries directories again sparse-map long-name deep; do
		rm -rf "$memory/tree"
		mkdir "$memory/tree"
		# shellcheck disable=SC2016 # for the inner shell
		run "$BATS_TEST_DIRNAME/measure" bash -c 'set -o pipefail; gzip -dc "$1" 2>/dev/null | "$2" "$3" --layer "$4"' \
			- "$BATS_FILE_TMPDIR/layer/$name.gz" "$BATS_TEST_DIRNAME/unpack-layer" "$unpack" "$memory/tree"
		within_limits "layer $name"
	done
}
