#!/usr/bin/env bats
# Every verb of moctl on every driver that runs here, killed with -9 wherever it does something, as is the
# `check --repair` that mends it (tests/mosaic/kill says what has to hold then, and what a point is). The table that comes
# out is printed at the end; docs/crash-safety.md has one in full.
#
# Two drivers at a time, each for so many seconds (CAROB_TEST_SHARE percent of it): where that is not enough for all
# points, from a changing beginning on, and at least one of each verb.
#
# CAROB_TEST_KILL=all: every point, and fsimg without reflinks; some ten minutes, and twenty more for zfs.
# CAROB_TEST_DRIVERS: the drivers to be tested (default: all), "plain ploop".
# One verb, or one point: see tests/mosaic/kill --help.

load helpers

seconds=45

setup_file() {
	export CAROB_LIBEXEC=$prefix/libexec/carob results=$BATS_FILE_TMPDIR/results kinds
	mkdir "$results"
	census >"$BATS_FILE_TMPDIR/census"
	kinds="ploop fsimg-reflink fsimg-xfs overlay plain btrfs"
	[ "${CAROB_TEST_KILL:-}" != all ] || kinds+=" fsimg"
	! why_no_zfs >"$BATS_FILE_TMPDIR/why" || kinds+=" zfs"
	kinds=${CAROB_TEST_DRIVERS:-$kinds}
	how="--least 1 --seconds $(times $seconds)"
	export how
	[ "${CAROB_TEST_KILL:-}" != all ] || how=
	# shellcheck disable=SC2016,SC2086 # the shell started there expands it; one word is one driver
	printf '%s\n' $kinds | xargs -P 2 -I KIND bash -c '
		"$0/tests/mosaic/kill" KIND "$1/place-KIND" $how >"$results/KIND" 2>"$1/errors-KIND"
		echo $? >"$1/code-KIND"' "$top" "$BATS_FILE_TMPDIR" 3>&-
}

teardown_file() {
	cat "$results"/* 2>/dev/null | awk -F '\t' '
		BEGIN {
			printf "# %-14s %-14s %6s %7s %7s %8s %7s %7s %6s\n", "driver", "verb", "calls", "points", "killed",
				"repairs", "before", "after", "lost"
		}
		$1 == "SKIP" { why[++w] = $2 ": " $3 ": " $4; next }
		$1 == "FAIL" { why[++w] = $0; next }
		{
			printf "# %-14s %-14s %6d %7d %7d %8d %7d %7d %6d\n", $1, $2, $3, $4, $5, $6, $7, $8, $9
			for (i = 3; i <= 9; i++) sum[i] += $i
		}
		END {
			printf "# %-14s %-14s %6d %7d %7d %8d %7d %7d %6d\n", "all", "", sum[3], sum[4], sum[5], sum[6], sum[7], sum[8], sum[9]
			print "# calls: system calls of the verb. points: those that do something; killed at another, it leaves the same."
			print "# killed: points tried. repairs: of those, with check --repair killed as well. before, after: what was there then."
			for (i = 1; i <= w; i++) print "# " why[i]
		}' >&3
	teardown_state
}

# killed KIND: at least 12 verbs of it, each with a point, and nothing lost.
killed() {
	[[ " $kinds " == *" $1 "* ]] || skip "CAROB_TEST_DRIVERS leaves it out"
	grep FAIL "$results/$1" || true
	[ "$(cat "$BATS_FILE_TMPDIR/code-$1")" = 0 ] || tail -n 20 "$BATS_FILE_TMPDIR/errors-$1"
	[ "$(cat "$BATS_FILE_TMPDIR/code-$1")" = 0 ]
	[ "$(awk -F '\t' '$1 != "SKIP" && $5 > 0' "$results/$1" | wc -l)" -ge 12 ]
}

@test "plain" { killed plain; }
@test "overlay" { killed overlay; }
@test "btrfs" { killed btrfs; }
@test "fsimg with ext4, by reflinks of the xfs below" { killed fsimg-reflink; }
@test "fsimg with xfs" { killed fsimg-xfs; }
@test "ploop" { killed ploop; }

@test "zfs, by zfs-fuse" {
	why=$(cat "$BATS_FILE_TMPDIR/why")
	[ -z "$why" ] || skip "$why"
	killed zfs
}

@test "fsimg with ext4, copied" {
	[ "${CAROB_TEST_KILL:-}" = all ] || skip "only with CAROB_TEST_KILL=all: it differs from the one above in how it copies"
	killed fsimg
}
