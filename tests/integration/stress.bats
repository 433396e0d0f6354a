#!/usr/bin/env bats
# Many pods, one after another and at once: none fails, nothing stays.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

box=example.com/box

setup_file() {
	setup_state
	carob run --rm --name first $box /bin/true
}
teardown_file() { teardown_state; }

setup() { residue >"$BATS_TEST_TMPDIR/before"; }
teardown() {
	for _ in $(seq 50); do
		residue >"$BATS_TEST_TMPDIR/after"
		# what went meanwhile was not ours
		diff "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/after" | grep '^>' >"$BATS_TEST_TMPDIR/left" || return 0
		sleep 0.1
	done
	head -n 20 "$BATS_TEST_TMPDIR/left"
	carob list -q | xargs -r carob rm -f # not the next test's
	return 1
}

# The census, and what the state directories hold.
residue() {
	census
	find "$CAROB_ROOT" "$CAROB_RUNROOT" | sort
	lsns -n -o NS,TYPE 2>/dev/null | sort
}

# (run uses i)
@test "200 pods one after another, each removed at its end" {
	for n in $(seq "$(times 200)"); do
		run -$((n % 3)) carob run --rm $box /bin/sh -c "echo $n; exit $((n % 3))"
		[ "$output" = "$n" ]
	done
}

@test "200 pods one after another, then one gc" {
	count=$(times 200)
	for n in $(seq "$count"); do
		run -0 carob run --name "pod-$n" $box /bin/echo "$n"
		[ "$output" = "$n" ]
	done
	[ "$(carob list -q | wc -l)" = "$count" ]
	[ "$(carob logs pod-37)" = 37 ]
	run -0 carob gc --grace-period 0
	[ "$(carob list -q)" = "" ]
}

@test "20 pods at once, three times" {
	for round in 1 2 3; do
		for i in $(seq 20); do
			carob run --rm --name "at-once-$i" $box /bin/sh -c "echo $i; sleep 0.3; exit $i" >"$BATS_TEST_TMPDIR/$i" 3>&- &
			pids[i]=$!
		done
		for i in $(seq 20); do
			ends_with "$i" "${pids[i]}"
			[ "$(cat "$BATS_TEST_TMPDIR/$i")" = "$i" ]
		done
	done
}

@test "20 pods of two apps alive at once, all seen, all stopped" {
	for i in $(seq 20); do
		carob run --detach --name "alive-$i" --volume v,kind=empty \
			--app-name a --mount volume=v,target=/v $box /bin/sh -c 'echo x > /v/x; exec sleep 1000' --- \
			--app-name b --mount volume=v,target=/v $box /bin/sh -c 'until [ -s /v/x ]; do sleep 0.05; done; exec sleep 1000' >/dev/null 3>&- &
		pids[i]=$!
	done
	for i in $(seq 20); do ends_with 0 "${pids[i]}"; done
	[ "$(carob list -q --state running | wc -l)" = 20 ]
	for i in $(seq 20); do
		[ "$(carob enter --app b "alive-$i" /bin/sh -c 'until [ -s /v/x ]; do sleep 0.05; done; cat /v/x')" = x ]
	done
	carob list -q | xargs carob stop --grace 1
	[ "$(carob list -q --state exited | wc -l)" = 20 ]
	carob list -q | xargs carob rm
}

@test "a pod that starts processes by the hundred" {
	run -0 carob run --rm $box /bin/sh -c 'for i in $(seq 500); do (sleep 0.1 &) ; done; sleep 1; ps -o pid | wc -l'
	[ "$output" -lt 20 ]
}
