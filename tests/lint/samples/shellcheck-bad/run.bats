#!/usr/bin/env bats

@test "run: says what the app says" {
	run carob run $state # EXPECT(SC2086)
	[ "$status" -eq 0 ]
}
