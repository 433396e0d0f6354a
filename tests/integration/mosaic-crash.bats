#!/usr/bin/env bats
# Every verb of moctl on every driver that runs here, killed with -9 at its system calls (tests/mosaic/kill says
# what has to hold then). The table that comes out, with the number of points tried, is printed at the end.
#
# Points are taken from a changing beginning on, as many as fit into a time (CAROB_TEST_SHARE percent of it); at
# least one of each verb.
#
# CAROB_TEST_KILL=all: every system call of every verb; that takes hours on two processors.
# CAROB_TEST_DRIVERS: the drivers to be tested (default: all), "plain ploop".
# One verb, or one point: see tests/mosaic/kill --help.

load helpers

setup_file() {
	export CAROB_LIBEXEC=$prefix/libexec/carob results=$BATS_FILE_TMPDIR/results
	mkdir "$results"
	census >"$BATS_FILE_TMPDIR/census"
}

teardown_file() {
	cat "$results"/* 2>/dev/null | awk -F '\t' '
		BEGIN { printf "# %-14s %-14s %7s %7s %7s %7s\n", "driver", "verb", "calls", "points", "before", "after" }
		$1 == "SKIP" { why[++w] = $2 ": " $3 ": " $4; next }
		$1 == "FAIL" { why[++w] = $0; next }
		{ printf "# %-14s %-14s %7d %7d %7d %7d\n", $1, $2, $3, $4, $5, $6; calls += $3; points += $4 }
		END {
			printf "# %-14s %-14s %7d %7d\n", "all", "", calls, points
			for (i = 1; i <= w; i++) print "# " why[i]
		}' >&3
	teardown_state
}

# killed KIND SECONDS: at least 12 verbs of it, each with a point, and nothing lost.
killed() {
	local code=0 how=(--least 1 --seconds "$(times "$2")")
	[[ " ${CAROB_TEST_DRIVERS:-$1} " == *" $1 "* ]] || skip "CAROB_TEST_DRIVERS leaves it out"
	[ "${CAROB_TEST_KILL:-}" != all ] || how=()
	"$top/tests/mosaic/kill" "$1" "$BATS_TEST_TMPDIR/place" "${how[@]}" >"$results/$1" 2>"$BATS_TEST_TMPDIR/errors" || code=$?
	grep FAIL "$results/$1" || true
	[ "$code" = 0 ] || tail -n 20 "$BATS_TEST_TMPDIR/errors"
	[ "$code" = 0 ]
	[ "$(awk -F '\t' '$1 != "SKIP" && $4 > 0' "$results/$1" | wc -l)" -ge 12 ]
}

@test "plain" { killed plain 8; }
@test "overlay" { killed overlay 8; }
@test "btrfs" { killed btrfs 8; }
@test "fsimg with ext4, by reflinks of the xfs below" { killed fsimg-reflink 8; }
@test "ploop" { killed ploop 8; }

@test "fsimg with ext4, copied" {
	[ "${CAROB_TEST_KILL:-}" = all ] || skip "only with CAROB_TEST_KILL=all: it differs from the one above in how it copies"
	killed fsimg 8
}
