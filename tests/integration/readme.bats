#!/usr/bin/env bats
# The README's tour, executed as it stands there.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

setup_file() { setup_state; }
teardown_file() { teardown_state; }

# The indented blocks of one section, without the indentation.
blocks() {
	awk -v title="## $1" '/^## / { within = $0 == title } within && /^    / { print substr($0, 5) }' "$top/README.md"
}

@test "the tour of five minutes works as written" {
	mkdir -p "$BATS_TEST_TMPDIR/copy/build"
	ln -s "$prefix" "$BATS_TEST_TMPDIR/copy/build/inst"
	blocks "A tour of five minutes" >"$BATS_TEST_TMPDIR/tour"
	[ "$(grep -c carob "$BATS_TEST_TMPDIR/tour")" -ge 12 ]
	cd "$BATS_TEST_TMPDIR/copy"
	PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin run -0 bash -euo pipefail -x "$BATS_TEST_TMPDIR/tour" 3>&-
	echo "$output"
	[[ "$output" == *"sha512-"* ]]
	[[ "$output" == *"hello from a pod"* ]]
	[[ "$output" == *$'\none\n'* ]]
	[[ "$output" == *example.com/tour*version=1.0* ]]
	[[ "$output" == *pair*running*writer*reader* ]]
	[[ "$output" == *"sleep 1000"* ]]
	# what the reader logged, and what was read by hand
	[ "$(grep -cx 'page' <<<"$output")" -ge 1 ]
	[[ "$output" == *$'/bin/cat /data/page\npage\n'* ]]
	# the tour clears up after itself, but for the image
	[ "$(ls "$BATS_TEST_TMPDIR/copy")" = build ]
	[ "$(carob list -q)" = "" ]
	[ "$(carob image list --json | jq '[.[] | select(.name == "example.com/tour")] | length')" = 1 ]
}

@test "the README shows nothing that the tour does not" {
	# every command of carob that stands in the text is one that there is
	grep -oE '`carob [a-z-]+' "$top/README.md" | sort -u | while read -r _ verb; do
		carob help "$verb" >/dev/null
	done
}

@test "what the README links to exists" {
	grep -oE '\]\([^):]+\)' "$top/README.md" | tr -d '])(' | while read -r file; do
		[ -e "$top/$file" ] || { echo "$file"; false; }
	done
}
