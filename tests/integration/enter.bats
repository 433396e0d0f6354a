#!/usr/bin/env bats
# `carob enter`, `carob ps` and terminals: what is started later in a pod is exactly as confined as its
# app (S60), and a terminal is one.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

box=example.com/box
terminal=$BATS_TEST_DIRNAME/terminal.py

with_probe() { cp "$BATS_FILE_TMPDIR/probe" "$1/bin/probe"; }

setup_file() {
	setup_state
	make_probe
	make_image probe "$root_app" with_probe
	make_image limited '{"exec":["/bin/sleep","1000"],"user":"alice","group":"users","supplementaryGIDs":[7,8],
		"workingDirectory":"/tmp","environment":[{"name":"OF_APP","value":"yes"}],
		"isolators":[{"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_KILL","CAP_SETUID"]}},
			{"name":"os/linux/no-new-privileges","value":true},
			{"name":"os/linux/oom-score-adj","value":321},
			{"name":"carob/rlimits","value":{"nofile":[64,128],"nproc":[99,99]}},
			{"name":"resource/memory","value":{"limit":"64M"}}]}'
	start_pod plain $box /bin/sleep 1000
	start_pod limited example.com/limited
	start_pod two --app-name a --memory 64M --env WHO=a $box /bin/sleep 1001 --- --app-name b --user alice --env WHO=b $box /bin/sleep 1002
}
teardown_file() { teardown_state; }

# Everything that the kernel tells of a process and that is not its own doing.
portrait() {
	local n
	grep -E '^(Umask|Uid|Gid|Groups|NStgid|Cap...|NoNewPrivs|Seccomp|Seccomp_filters|Speculation|Cpus_allowed|Mems_allowed|SigBlk|SigIgn|SigCgt|CoreDumping|THP)' "$1/status" | grep -v NStgid
	cat "$1/limits" "$1/oom_score_adj" "$1/cgroup" "$1/uid_map" "$1/gid_map" "$1/loginuid" "$1/mountinfo" 2>/dev/null
	for n in "$1"/ns/*; do echo "${n##*/} $(readlink "$n")"; done
	readlink "$1/root"
	ls "$1/fd"
}

# same_portrait POD APP: an entered sleep looks like the app's own.
same_portrait() {
	local pid entered
	pid=$(app_pid "$1" "$2")
	carob enter --app "$2" "$1" /bin/sleep 4713 </dev/null >/dev/null 2>&1 3>&- &
	until_true 10 process_of /bin/sleep 4713 >/dev/null
	entered=$(process_of /bin/sleep 4713)
	portrait "/proc/$pid" >"$BATS_TEST_TMPDIR/app"
	portrait "/proc/$entered" >"$BATS_TEST_TMPDIR/entered"
	kill "$entered"
	wait $! || true
	[ "$(grep -c . "$BATS_TEST_TMPDIR/app")" -gt 40 ]
	diff "$BATS_TEST_TMPDIR/app" "$BATS_TEST_TMPDIR/entered"
}

# ---- the same confinement (S51, S60) -----------------------------------------------------------------

@test "what is entered is the app in every respect: root with the default set" {
	same_portrait plain box
}

@test "what is entered is the app in every respect: a user with few rights and limits" {
	same_portrait limited limited
}

@test "what is entered is the app in every respect: each app of a pod its own" {
	same_portrait two a
	same_portrait two b
}

@test "user, directory and environment are the app's" {
	run -0 carob enter limited /bin/sh -c 'id -u; id -g; pwd; echo $OF_APP; echo $AC_APP_NAME; echo $container; echo $PATH'
	[ "$output" = $'1000\n1001\n/tmp\nyes\nlimited\ncarob\n/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' ]
	run -0 env SECRET=1 carob enter --app b two /bin/env
	[[ "$output" == *WHO=b* && "$output" != *SECRET* && "$output" != *WHO=a* ]]
}

@test "--user, --env, --working-dir change just that" {
	run -0 carob enter --user 12 --group 13 --env OF_APP=no --env NEW=1 --working-dir /etc limited /bin/sh -c 'id -u; id -g; pwd; echo $OF_APP $NEW; cat /proc/self/status'
	[ "${lines[*]:0:4}" = "12 13 /etc no 1" ]
	[[ "$output" == *$'CapBnd:\t00000000000000a0'* && "$output" == *$'NoNewPrivs:\t1'* && "$output" == *$'Seccomp:\t2'* ]]
	# root inside is not more than the app's bounding set
	run -0 carob enter --user 0 limited /bin/cat /proc/self/status
	[[ "$output" == *$'CapEff:\t00000000000000a0'* && "$output" == *$'CapInh:\t0000000000000000'* ]]
	run -125 carob enter --user nobody9 limited /bin/true
	run -125 carob enter --working-dir /absent limited /bin/true
	for bad in 0x0 1000: :5 +0 -1 ' 0' 4294967295 '1000 '; do
		run ! carob enter "--user=$bad" plain /bin/true
	done
}

# ---- exit codes, streams -----------------------------------------------------------------------------

@test "exit codes" {
	run -0 carob enter plain /bin/true
	run -7 carob enter plain /bin/sh -c 'exit 7'
	run -143 carob enter plain /bin/sh -c 'kill -TERM $$'
	run -127 --separate-stderr carob enter plain /bin/absent
	says /bin/absent
	run -126 carob enter plain /etc/passwd
	run -125 carob enter nosuchpod /bin/true
	run -125 --separate-stderr carob enter --app none plain /bin/true
	says none
	# with more apps than one it has to be said which
	run -125 --separate-stderr carob enter two /bin/true
	says app
}

@test "a pod that does not run cannot be entered" {
	run -0 carob run --name over $box /bin/true
	run -125 --separate-stderr carob enter over /bin/true
	says over
	carob rm over
	ready=$(carob prepare $box)
	run -125 --separate-stderr carob enter "$ready" /bin/true
	[[ "$stderr" == *prepared* ]]
	carob rm "$ready"
}

@test "streams: input, output and errors, apart and whole" {
	run -0 --separate-stderr bash -c 'printf "in\nput" | carob enter plain /bin/sh -c "cat; echo err >&2"'
	[ "$output" = $'in\nput' ]
	[ "$stderr" = err ]
	run -0 bash -c 'seq 1 200000 | carob enter plain /bin/cat | sha256sum'
	[ "$output" = "$(seq 1 200000 | sha256sum)" ]
	run -0 bash -c 'carob enter plain /bin/sh -c "read x || echo end" </dev/null'
	[ "$output" = end ]
	run -0 bash -c 'carob enter plain /bin/true <&- >&- 2>&-'
	# a reader that goes early
	run -0 bash -c 'carob enter plain /bin/sh -c "while :; do echo y; done" | head -n 1; exit ${PIPESTATUS[1]}'
	[ "$output" = y ]
}

@test "when carob enter is killed, what it started does not stay" {
	carob enter plain /bin/sleep 4714 </dev/null >/dev/null 2>&1 3>&- &
	until_true 10 process_of /bin/sleep 4714 >/dev/null
	kill -KILL $!
	until_false() { ! "$@" >/dev/null; }
	until_true 10 until_false process_of /bin/sleep 4714
}

@test "a signal to carob enter goes to what it started, and its code comes back" {
	# (a shell has INT and QUIT ignored in what it starts in the background)
	for signal in TERM:3 HUP:4; do
		carob enter plain /bin/sh -c 'trap "exit 3" TERM; trap "exit 4" HUP; touch /tmp/ready; while :; do sleep 0.05; done' </dev/null 3>&- &
		pid=$!
		until_true 10 carob enter plain /bin/test -e /tmp/ready
		kill -"${signal%:*}" $pid
		ends_with "${signal#*:}" $pid
		carob enter plain /bin/rm /tmp/ready
	done
}

@test "many at once" {
	for i in $(seq 20); do
		carob enter plain /bin/sh -c "exit $i" </dev/null 3>&- &
		pids[i]=$!
	done
	for i in $(seq 20); do
		ends_with "$i" "${pids[i]}"
	done
}

@test "the entered end with the app" {
	start_pod short $box /bin/sh -c 'until [ -e /tmp/end ]; do sleep 0.05; done; exit 6'
	carob enter short /bin/sleep 4715 </dev/null >/dev/null 2>&1 3>&- &
	pid=$!
	until_true 10 process_of /bin/sleep 4715 >/dev/null
	carob enter short /bin/touch /tmp/end
	ends_with 137 $pid
	run -6 carob wait short
	carob rm short
}

# ---- the one who enters is not in reach (S03) --------------------------------------------------------

@test "an evil pod cannot trace or read the one that enters (S03)" {
	with_spy() {
		cat >"$1/bin/spy" <<-'SPY'
			#!/bin/sh
			# whatever is not ours in /proc: its descriptors, memory, program
			while [ ! -e /tmp/stop ]; do
				for p in /proc/[0-9]*; do
					read -r comm <$p/comm || continue
					case $comm in carob-stage3)
						ls $p/fd >/dev/null && echo "fd of $comm" >>/tmp/found
						head -c 1 $p/mem >/dev/null && echo "mem of $comm" >>/tmp/found
						readlink $p/exe >/dev/null && echo "exe of $comm" >>/tmp/found
						echo met >>/tmp/met ;;
					esac
				done
			done 2>/dev/null
		SPY
		chmod 755 "$1/bin/spy"
	}
	make_image spy "$root_app" with_spy
	start_pod spy --app-name a example.com/spy /bin/spy --- --app-name b example.com/spy /bin/spy
	for _ in $(seq 60); do
		carob enter --app a spy /bin/true
	done
	carob enter --app a spy /bin/touch /tmp/stop
	run carob enter --app b spy /bin/cat /tmp/found
	[[ "$output" != *" of "* ]]
	carob rm -f spy
}

# ---- terminals ---------------------------------------------------------------------------------------

@test "with a terminal the app has one of its own, of the caller's size" {
	run -0 "$terminal" -- carob run --rm $box /bin/sh -c 'tty; stty size; echo $TERM; test -t 0 -a -t 1 -a -t 2 && echo all'
	[ "$output" = "/dev/pts/0
24 80
${TERM:-xterm}
all
restored" ] || [ "$(sed 3d <<<"$output")" = $'/dev/pts/0\n24 80\nall\nrestored' ]
	run -0 "$terminal" -- carob enter plain /bin/sh -c 'tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo all'
	[[ "${lines[0]}" =~ ^/dev/pts/[0-9]+$ ]]
	[ "$(tail -n +2 <<<"$output")" = $'24 80\nall\nrestored' ]
}

@test "-t without a terminal is an error, -T with one gives none" {
	run -2 carob run --rm -t $box /bin/true </dev/null
	run -0 "$terminal" -- carob run --rm -T $box /bin/sh -c 'tty; test -t 1 || echo none'
	[[ "$output" == *"not a tty"*none* ]]
}

@test "exit codes come through a terminal, and its settings come back" {
	run -7 "$terminal" -- carob run --rm $box /bin/sh -c 'exit 7'
	[ "${lines[-1]}" = restored ]
	run -7 "$terminal" -- carob enter plain /bin/sh -c 'exit 7'
	[ "${lines[-1]}" = restored ]
	run -127 "$terminal" -- carob run --rm $box /bin/absent
	[ "${lines[-1]}" = restored ]
	run -127 "$terminal" -- carob enter plain /bin/absent
	[ "${lines[-1]}" = restored ]
}

@test "what is typed arrives, line editing and the end of input included" {
	run -0 "$terminal" 'wait=ready' 'send=one\ntwx\x7fice\n\x04' -- carob run --rm $box /bin/sh -c 'echo ready; while read -r l; do echo "<$l>"; done; echo end'
	[[ "$output" == *'<one>'*'<twice>'*end* ]]
	run -0 "$terminal" 'wait=ready' 'send=one\n\x04' -- carob enter plain /bin/sh -c 'echo ready; while read -r l; do echo "<$l>"; done; echo end'
	[[ "$output" == *'<one>'*end* ]]
}

@test "ctrl-C and ctrl-\\ reach the app and not carob" {
	run -5 "$terminal" 'wait=ready' 'send=\x03' -- carob run --rm $box /bin/sh -c 'trap "exit 5" INT; echo ready; while :; do sleep 0.05; done'
	[ "${lines[-1]}" = restored ]
	run -130 "$terminal" 'wait=ready' 'send=\x03' -- carob run --rm $box /bin/sh -c 'echo ready; exec sleep 1000'
	run -5 "$terminal" 'wait=ready' 'send=\x03' -- carob enter plain /bin/sh -c 'trap "exit 5" INT; echo ready; while :; do sleep 0.05; done'
	[ "${lines[-1]}" = restored ]
	run -131 "$terminal" 'wait=ready' 'send=\x1c' -- carob enter plain /bin/sh -c 'echo ready; exec sleep 1000'
}

@test "a change of size is passed on" {
	run -0 "$terminal" 'wait=ready' 'size=50x132' 'wait=changed' -- carob run --rm $box /bin/sh -c 'trap "stty size; echo changed; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'
	[[ "$output" == *"50 132"* ]]
	run -0 "$terminal" 'wait=ready' 'size=51x133' 'wait=changed' -- carob enter plain /bin/sh -c 'trap "stty size; echo changed; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'
	[[ "$output" == *"51 133"* ]]
}

@test "the terminal comes back when carob is told to end" {
	run "$terminal" 'wait=ready' 'signal=15' -- carob run --rm $box /bin/sh -c 'echo ready; exec sleep 1000'
	[ "$status" = 143 ]
	[ "${lines[-1]}" = restored ]
	run "$terminal" 'wait=ready' 'signal=15' -- carob enter plain /bin/sh -c 'echo ready; exec sleep 1000'
	[ "$status" = 143 ]
	[ "${lines[-1]}" = restored ]
}

@test "a large output comes whole through a terminal" {
	run -0 "$terminal" -- carob run --rm $box /bin/sh -c 'seq 1 20000'
	[ "$(grep -cE '^[0-9]+$' <<<"$output")" = 20000 ]
	[ "${lines[19999]}" = 20000 ]
}

@test "an app cannot type into a terminal, neither its own nor through a hidden high half (S61)" {
	for upper in 0 1; do
		run "$terminal" -- carob run --rm example.com/probe /bin/probe sti /dev/tty $upper
		[ "${lines[0]}" = EPERM ]
		run "$terminal" -- carob enter plain /bin/true
		start_pod sti example.com/probe /bin/sleep 1000
		run "$terminal" -- carob enter sti /bin/probe sti /dev/tty $upper
		[ "${lines[0]}" = EPERM ]
		carob rm -f sti
	done
}

@test "the console is the terminal, or nothing" {
	run -0 "$terminal" -- carob run --rm $box /bin/sh -c 'echo to console > /dev/console; test -c /dev/console'
	[ "$output" = $'to console\nrestored' ]
	run -0 carob run --rm $box /bin/sh -c 'echo x > /dev/console; test -c /dev/console'
	[ "$output" = "" ]
}

# ---- ps ----------------------------------------------------------------------------------------------

@test "carob ps lists every process of the pod, from outside, and runs nothing inside (S62)" {
	with_evil_ps() {
		rm "$1/bin/ps"
		printf '#!/bin/sh\ntouch /tmp/ran\necho forged\n' >"$1/bin/ps"
		chmod 755 "$1/bin/ps"
	}
	make_image evilps "$root_app" with_evil_ps
	start_pod evilps example.com/evilps /bin/sh -c 'sleep 4716 & exec sleep 4717'
	until_true 5 eval 'carob ps evilps | grep -q 4717$ && carob ps evilps | grep -q 4716$'
	run -0 carob ps evilps
	[[ "$output" != *forged* ]]
	[[ "$output" == *"$(app_pid evilps)"* ]]
	run -1 carob enter evilps /bin/test -e /tmp/ran
	run -0 carob ps two
	[[ "$output" == *1001* && "$output" == *1002* ]]
	[[ "$output" != *4716* ]]
	carob rm -f evilps
	run -3 carob ps evilps
}

@test "what a process calls itself is shown escaped (S63)" {
	start_pod loud $box /bin/sh -c 'exec sh -c "sleep 1000; :" "$(printf "\033]52;c;evil\007\033[2J")"'
	run -0 carob ps loud
	[[ "$output" == *'\x1b]52;c;evil\x07'* ]]
	[[ "$output" != *$'\033'* && "$output" != *$'\007'* ]]
	carob rm -f loud
}
