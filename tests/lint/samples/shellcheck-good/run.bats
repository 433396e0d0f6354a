#!/usr/bin/env bats

load helpers

setup() {
	state=$BATS_TEST_TMPDIR/state
}

@test "run: says what the app says" {
	run carob run --root "$state" example.com/app
	[ "$status" -eq 0 ]
	[ "${lines[0]}" = hello ]
	[[ $output == *hello* ]]
}
