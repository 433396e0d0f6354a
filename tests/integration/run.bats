#!/usr/bin/env bats
# `carob run`: exit codes, errors, environment, identity, directories, arguments.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

setup_file() { setup_state; }
teardown_file() { teardown_state; }

@test "the app's exit code is carob's" {
	run -0 carob run --rm example.com/box /bin/true
	run -1 carob run --rm example.com/box /bin/false
	run -7 carob run --rm example.com/box /bin/sh -c 'exit 7'
	run -255 carob run --rm example.com/box /bin/sh -c 'exit 255'
}

@test "a signal is 128 + n" {
	run -137 carob run --rm example.com/box /bin/sh -c 'kill -9 $$'
	run -143 carob run --rm example.com/box /bin/sh -c 'kill -TERM $$'
}

@test "output of both streams arrives, and apart" {
	run -0 --separate-stderr carob run --rm example.com/box /bin/sh -c 'echo out; echo err >&2'
	[ "$output" = out ]
	[ "$stderr" = err ]
}

@test "standard input is passed on when it is no terminal" {
	run -0 bash -c 'printf "one\ntwo\n" | carob run --rm example.com/box /bin/cat'
	[ "$output" = "$(printf 'one\ntwo')" ]
}

@test "a large output arrives whole" {
	run -0 bash -c "carob run --rm example.com/box /bin/sh -c 'seq 1 200000' | sha256sum"
	[ "$output" = "$(seq 1 200000 | sha256sum)" ]
}

@test "a program that is not there: 127 and one line that names app, field and program" {
	run -127 --separate-stderr carob run --rm example.com/box /bin/nothing
	[ "${#stderr_lines[@]}" = 1 ]
	[[ "$stderr" == *box*exec*/bin/nothing* ]]
}

@test "a program that cannot be executed: 126" {
	run -126 --separate-stderr carob run --rm example.com/box /etc/passwd
	[[ "$stderr" == *exec*/etc/passwd*"Permission denied"* ]]
}

@test "an image that is not there: 125 and its name" {
	run -125 --separate-stderr carob run --pull never --rm example.com/absent
	[[ "$stderr" == *example.com/absent* ]]
}

@test "an unknown user, group and directory are told by field" {
	run -125 --separate-stderr carob run --rm --user nobody2 example.com/box /bin/true
	[[ "$stderr" == *user*nobody2* ]]
	run -125 --separate-stderr carob run --rm --group nogroup2 example.com/box /bin/true
	[[ "$stderr" == *group*nogroup2* ]]
	run -125 --separate-stderr carob run --rm --working-dir /absent example.com/box /bin/true
	[[ "$stderr" == *workingDirectory*/absent* ]]
}

@test "nothing is left behind by a failed start" {
	run -125 carob run --name failing --user nobody2 example.com/box /bin/true
	run -0 carob list -q
	[ "$output" = "" ]
	run -0 find "$CAROB_ROOT/pods" "$CAROB_ROOT/mosaic" "$CAROB_RUNROOT" -name '*failing*' -o -path '*/pods/*' -o -name 'pod.*'
	[ "$output" = "" ]
}

@test "the environment is exactly that of the specification and the manifest" {
	run -0 env SECRET=1 carob run --rm --env A=1 --env 'B=two words' example.com/box /bin/env
	[ "$(sort <<<"$output")" = "$(sort <<<'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
A=1
B=two words
AC_APP_NAME=box
container=carob')" ]
}

@test "PATH of the app finds the program" {
	run -0 carob run --rm example.com/box true
	run -127 carob run --rm --env PATH=/nowhere example.com/box true
}

@test "users by name, number, all-digit name and path" {
	run -0 carob run --rm --user alice --group users example.com/box /bin/sh -c 'echo $(id -u) $(id -g)'
	[ "$output" = "1000 1001" ]
	run -0 carob run --rm --user 1234 --group 4321 example.com/box /bin/sh -c 'echo $(id -u) $(id -g)'
	[ "$output" = "1234 4321" ]
	# a name wins although it is all digits
	run -0 carob run --rm --user 4242 --group 4343 example.com/box /bin/sh -c 'echo $(id -u) $(id -g)'
	[ "$output" = "77 88" ]
	run -0 carob run --rm --user /bin/busybox --group /bin/busybox example.com/box /bin/sh -c 'echo $(id -u) $(id -g)'
	[ "$output" = "0 0" ]
}

@test "users and groups that are no numbers are refused, not guessed" {
	for bad in 0x0 1000: :5 +0 -1 ' 0' 4294967295 99999999999 '1000 '; do
		run -125 carob run --rm "--user=$bad" example.com/box /bin/true
	done
}

@test "supplementary groups are exactly those asked for and the primary one" {
	run -0 carob run --rm --user 5 --group 6 --supplementary-gids 7,8 example.com/box /bin/sh -c 'grep ^Groups: /proc/self/status'
	[ "$(tr -s ' \t' ' ' <<<"$output" | sed 's/ $//')" = "Groups: 6 7 8" ]
}

@test "working directory and host name" {
	run -0 carob run --rm --working-dir /tmp --hostname pod-a example.com/box /bin/sh -c 'pwd; hostname'
	[ "$output" = "$(printf '/tmp\npod-a')" ]
}

@test "a read-only root file system" {
	run -1 carob run --rm --read-only example.com/box /bin/touch /file
	run -0 carob run --rm example.com/box /bin/touch /file
}

@test "every start has a clean copy of the image" {
	run -0 carob run --rm example.com/box /bin/sh -c 'echo x > /etc/made'
	run -1 carob run --rm example.com/box /bin/test -e /etc/made
}

@test "an image from a file runs without an import before" {
	run -0 carob run --rm "$BATS_FILE_TMPDIR/images/box.aci" /bin/echo hello
	[ "$output" = hello ]
}

@test "images by ID and by a short ID" {
	id=$(carob image list -q | head -n 1)
	run -0 carob run --rm "$id" /bin/echo one
	run -0 carob run --rm "${id:0:25}" /bin/echo two
	[ "$output" = two ]
}

@test "arguments with blanks, quotes and newlines arrive as they are" {
	run -0 carob run --rm example.com/box /bin/sh -c 'for a in "$@"; do echo "<$a>"; done' sh 'a b' '' "c'd" $'e\nf'
	[ "$output" = "$(printf '<a b>\n<>\n<c'"'"'d>\n<e\nf>')" ]
}

@test "a signal to carob reaches the app" {
	carob run --name sig example.com/box /bin/sh -c 'trap "echo got; exit 3" TERM; echo ready; while :; do sleep 0.1; done' >"$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	until_true 10 grep -q ready "$BATS_TEST_TMPDIR/out"
	kill -TERM $pid
	ends_with 3 $pid
	grep -q got "$BATS_TEST_TMPDIR/out"
	carob rm sig
}

@test "--debug tells the steps" {
	run -0 --separate-stderr carob --debug run --rm example.com/box /bin/true
	[[ "$stderr" == *"ms begins cgroup"*"ms begins start"*"ms undoes cgroup"* ]]
}

@test "closed standard descriptors do no harm" {
	run -0 bash -c 'carob run --rm example.com/box /bin/true <&- >&- 2>&-'
}
