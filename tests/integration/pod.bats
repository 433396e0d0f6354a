#!/usr/bin/env bats
# What the apps of a pod share and what they do not; volumes; event handlers; the pod's end.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

box=example.com/box

with_links() {
	mkdir "$1/run" "$1/var"
	ln -s /run "$1/var/run"
	ln -s "/../../../..$BATS_FILE_TMPDIR/outside" "$1/out"
	mkdir -p "$1$BATS_FILE_TMPDIR/outside"
	ln -s "/../../../..$BATS_FILE_TMPDIR/nowhere" "$1/dangling"
	ln -s ../../../../../../../.. "$1/up"
	echo text >"$1/etc/file"
}

# The handlers and the app write into the volume "v" what they find.
handlers() {
	cat <<-JSON
		{ "exec": ["/bin/sh", "-c", "echo main; cat /made; echo main >> /v/log; env > /v/env.main; exit 3"],
		  "user": "0", "group": "0",
		  "environment": [{ "name": "GIVEN", "value": "here" }],
		  "mountPoints": [{ "name": "v", "path": "/v" }],
		  "eventHandlers": [
		    { "name": "post-stop", "exec": ["/bin/sh", "-c", "cat /made; echo post >> /v/log; env > /v/env.post"] },
		    { "name": "pre-start", "exec": ["/bin/sh", "-c", "echo made-before > /made; echo pre >> /v/log; env > /v/env.pre; exit $1"] }
		  ] }
	JSON
}

setup_file() {
	setup_state
	make_image links "$root_app" with_links
	make_image points '{"exec":["/bin/sh"],"user":"0","group":"0","mountPoints":[
		{"name":"data","path":"/data","readOnly":true},{"name":"job","path":"/job"}]}'
	make_image handlers "$(handlers 0)"
	make_image failing "$(handlers 4)"
}
teardown_file() { teardown_state; }

setup() {
	host=$BATS_TEST_TMPDIR/host
	mkdir "$host"
	echo content >"$host/file"
}

# ---- what is shared, what is not ---------------------------------------------------------------------

@test "apps see each other's processes" {
	run -0 carob run --rm \
		--app-name a $box /bin/sh -c 'until [ -e /dev/shm/over ]; do sleep 0.05; done' marker-4711 --- \
		--app-name b $box /bin/sh -c 'until ps -o args | grep -q "marker-[4]711"; do sleep 0.05; done; echo seen; touch /dev/shm/over'
	[ "$output" = "[b] seen" ]
}

@test "apps share the network: a page from one to the other over loopback" {
	run -0 carob run --rm \
		--app-name web $box /bin/sh -c 'httpd -p 127.0.0.1:8080 -h /etc; until [ -e /dev/shm/over ]; do sleep 0.05; done' --- \
		--app-name client $box /bin/sh -c 'until wget -q -O - http://127.0.0.1:8080/passwd; do sleep 0.05; done; touch /dev/shm/over'
	[[ "$output" == *"[client] alice:x:1000:1001::/:/bin/sh"* ]]
}

@test "the pod's network is not the host's, and loopback is up" {
	run -0 carob run --rm $box /bin/sh -c 'ip -o link; readlink /proc/self/ns/net'
	[[ "${lines[0]}" == *" lo: <LOOPBACK,UP"* ]]
	[ "${#lines[@]}" = 2 ]
	[ "${lines[1]}" != "$(readlink /proc/self/ns/net)" ]
}

@test "namespaces: pid, ipc, uts and net are the pod's, mnt is the app's, none is the host's" {
	list='for n in pid ipc uts net mnt cgroup; do echo $n $(readlink /proc/self/ns/$n); done
		touch /dev/shm/$AC_APP_NAME; until [ -e /dev/shm/a -a -e /dev/shm/b ]; do sleep 0.02; done'
	run -0 carob run --rm --app-name a $box /bin/sh -c "$list" --- --app-name b $box /bin/sh -c "$list"
	for n in pid ipc uts net; do
		[ "$(grep -c " $n " <<<"$output")" = 2 ]
		[ "$(sed -n "s/^\[.\] $n //p" <<<"$output" | sort -u | wc -l)" = 1 ]
	done
	[ "$(sed -n 's/^\[.\] mnt //p' <<<"$output" | sort -u | wc -l)" = 2 ]
	for n in pid ipc uts net mnt cgroup; do
		[[ "$output" != *"$(readlink /proc/self/ns/$n)"* ]]
	done
}

@test "shared memory and message queues are the pod's, and another pod has its own" {
	run -0 carob run --rm \
		--app-name a $box /bin/sh -c 'echo word > /dev/shm/w; mkdir -p /dev/mqueue; touch /dev/mqueue/q; until [ -e /dev/shm/over ]; do sleep 0.05; done' --- \
		--app-name b $box /bin/sh -c 'until [ -e /dev/mqueue/q ]; do sleep 0.05; done; cat /dev/shm/w; touch /dev/shm/over'
	[ "$output" = "[b] word" ]
	run -0 carob run --rm $box /bin/sh -c 'ls -A /dev/shm /dev/mqueue'
	[[ "$output" != *over* && "$output" != *q* ]] || [ "$output" = $'/dev/mqueue:\n\n/dev/shm:' ]
}

@test "the host name is the pod's" {
	run -0 carob run --rm --hostname shared --app-name a $box /bin/hostname --- --app-name b $box /bin/hostname
	[ "$(sort <<<"$output")" = $'[a] shared\n[b] shared' ]
	[ "$(hostname)" != shared ]
}

@test "each app has a root of its own" {
	run -0 carob run --rm \
		--app-name a $box /bin/sh -c 'echo a > /mine; touch /dev/shm/a; until [ -e /dev/shm/b ]; do sleep 0.05; done; cat /mine' --- \
		--app-name b $box /bin/sh -c 'until [ -e /dev/shm/a ]; do sleep 0.05; done; test ! -e /mine; echo b > /mine; touch /dev/shm/b; cat /mine'
	[ "$(sort <<<"$output")" = $'[a] a\n[b] b' ]
}

@test "AC_APP_NAME is the app's name in the pod" {
	run -0 carob run --rm --app-name first $box /bin/sh -c 'echo $AC_APP_NAME' --- \
		--app-name second $box /bin/sh -c 'echo $AC_APP_NAME' --- $box /bin/sh -c 'echo $AC_APP_NAME'
	[ "$(sort <<<"$output")" = $'[box] box\n[first] first\n[second] second' ]
}

@test "two apps of one image without names get different ones" {
	run -0 carob run --rm $box /bin/echo one --- $box /bin/echo two
	[ "$(sort <<<"$output")" = $'[box-2] two\n[box] one' ]
}

@test "each line of each stream carries its app's name, and a line without an end too" {
	run -0 --separate-stderr carob run --rm --app-name a $box /bin/sh -c 'echo 1; echo 2 >&2; printf 3' --- \
		--app-name b $box /bin/true
	[ "$output" = $'[a] 1\n[a] 3' ]
	[ "$stderr" = '[a] 2' ]
}

# ---- PID 1 -------------------------------------------------------------------------------------------

@test "PID 1 is carob-pod-init, without a single capability, under a filter" {
	run -0 carob run --rm $box /bin/sh -c 'cat /proc/1/comm; cat /proc/1/status'
	[ "${lines[0]}" = carob-pod-init ]
	# the bounding set is for execve, which the filter kills
	for set in CapInh CapPrm CapEff CapAmb; do
		grep -qx "$set:[[:space:]]*0*" <<<"$output"
	done
	grep -qx "NoNewPrivs:[[:space:]]*1" <<<"$output"
	grep -qx "Seccomp:[[:space:]]*2" <<<"$output"
}

@test "PID 1 reaps orphans" {
	run -0 carob run --rm $box /bin/sh -c '
		(sh -c "sleep 0.2 & echo \$! > /tmp/pid" &)
		until [ -s /tmp/pid ]; do sleep 0.02; done
		p=$(cat /tmp/pid); sleep 0.05; grep PPid /proc/$p/status
		until [ ! -e /proc/$p ]; do sleep 0.05; done; echo gone'
	[ "$output" = $'PPid:\t1\ngone' ]
}

@test "through PID 1 nothing of the host or of another app is to be seen" {
	run carob run --rm --app-name a $box /bin/sh -c 'find /proc/1/root/ 2>/dev/null' --- --app-name b $box /bin/true
	! grep -vxE '|\[a\] /proc/1/root/(root|shm|)' <<<"$output" || false
	# its program cannot be written: a copy in sealed memory, or no access at all
	run -1 carob run --rm $box /bin/sh -c 'true >> /proc/1/exe 2>/dev/null || exit 1'
	run carob run --rm $box /bin/sh -c 'ls -l /proc/1/fd /proc/1/cwd 2>/dev/null'
	[[ "$output" != *"$CAROB_ROOT"* && "$output" != *"$CAROB_RUNROOT"* && "$output" != *"$prefix"* ]]
}

@test "when PID 1 is killed the pod ends and says so" {
	start_pod init $box /bin/sleep 1000
	app=$(app_pid init)
	for task in /proc/[0-9]*; do
		read -r comm <"$task/comm" 2>/dev/null || continue
		[ "$comm" = carob-pod-init ] && [ "$(readlink "$task/ns/pid")" = "$(readlink "/proc/$app/ns/pid")" ] && kill -KILL "${task#/proc/}"
	done
	run -137 carob wait init
	run -0 carob status init
	[[ "$output" == *"PID 1"* ]]
	carob rm init
}

# ---- volumes -----------------------------------------------------------------------------------------

@test "an empty volume is shared by two apps and gone with the pod" {
	run -0 carob run --rm --volume d,kind=empty \
		--app-name a --mount volume=d,target=/d $box /bin/sh -c 'echo page > /d/p; until [ -e /d/over ]; do sleep 0.05; done' --- \
		--app-name b --mount volume=d,target=/other/place $box /bin/sh -c 'until [ -s /other/place/p ]; do sleep 0.05; done; cat /other/place/p; touch /other/place/over'
	[ "$output" = "[b] page" ]
	run -0 find "$CAROB_ROOT/pods" -name p
	[ -z "$output" ]
}

@test "mode and owner of an empty volume" {
	run -0 carob run --rm --volume d,kind=empty --mount volume=d,target=/d $box /bin/stat -c '%a %u %g' /d
	[ "$output" = "755 0 0" ]
	run -0 carob run --rm --volume d,kind=empty,mode=1777,uid=5,gid=6 --mount volume=d,target=/d $box /bin/stat -c '%a %u %g' /d
	[ "$output" = "1777 5 6" ]
	run -0 carob run --rm --volume d,kind=empty,readOnly=true --mount volume=d,target=/d $box /bin/sh -c 'touch /d/x 2>&1 || echo refused'
	[[ "$output" == *refused ]]
}

@test "a directory of the host, writable and read-only" {
	run -0 carob run --rm --volume h,kind=host,source="$host" --mount volume=h,target=/h $box /bin/sh -c 'cat /h/file; echo back > /h/made'
	[ "$output" = content ]
	[ "$(cat "$host/made")" = back ]
	run -1 carob run --rm --volume h,kind=host,source="$host",readOnly=true --mount volume=h,target=/h $box /bin/sh -c 'cat /h/file && echo x > /h/no'
	[ ! -e "$host/no" ]
	run -1 carob run --rm -v "$host:/h:ro" $box /bin/sh -c 'echo x > /h/no'
	[ ! -e "$host/no" ]
	run -0 carob run --rm -v "$host:/h" $box /bin/cat /h/file
	[ "$output" = content ]
}

@test "a mount point of the image makes its volume read-only, another does not" {
	run -1 carob run --rm --volume data,kind=host,source="$host" --volume job,kind=empty example.com/points /bin/touch /data/no
	[ ! -e "$host/no" ]
	run -0 carob run --rm --volume data,kind=host,source="$host" --volume job,kind=empty example.com/points /bin/sh -c 'touch /job/yes && cat /data/file'
	[ "$output" = content ]
}

@test "a mount point that nothing is given for gets an empty volume, and the caller is told" {
	run -0 --separate-stderr carob run --rm --volume data,kind=empty example.com/points /bin/sh -c 'touch /job/x; grep -c " /job " /proc/self/mountinfo'
	[ "$output" = 1 ]
	says job /job empty
}

@test "mounts below a host volume come along, and are read-only with it" {
	mkdir "$host/sub"
	mount -t tmpfs none "$host/sub"
	echo deep >"$host/sub/file"
	try() { carob run --rm --volume h,kind=host,source="$host","$1" --mount volume=h,target=/h $box /bin/sh -c "$2"; }
	run try recursive=true 'cat /h/sub/file; echo x > /h/sub/new'
	with=$status:$output
	run try recursive=false 'cat /h/sub/file'
	without=$status
	run try readOnly=true 'echo x > /h/sub/no'
	read_only=$status
	made=$(ls "$host/sub")
	umount "$host/sub"
	[ "$with" = 0:deep ]
	[ "$without" = 1 ]
	[ "$read_only" = 1 ]
	[ "$made" = $'file\nnew' ]
}

@test "what the host mounts later does not come in, what a pod mounts does not go out" {
	mkdir "$host/sub"
	start_pod late -v "$host:/h" $box /bin/sleep 1000
	mount -t tmpfs none "$host/sub"
	touch "$host/sub/late"
	run carob enter late /bin/ls /h/sub
	umount "$host/sub"
	carob rm -f late
	[ "$output" = "" ]
}

@test "one file of the host" {
	run -0 carob run --rm -v "$host/file:/etc/given" $box /bin/cat /etc/given
	[ "$output" = content ]
	run -0 carob run --rm -v "$host/file:/etc/passwd" $box /bin/cat /etc/passwd
	[ "$output" = content ]
	run -0 carob run --rm -v "$host/file:/deep/er/file" $box /bin/sh -c 'echo more >> /deep/er/file'
	[ "$(cat "$host/file")" = $'content\nmore' ]
}

@test "a source that is missing is refused by name and not made" {
	run -125 --separate-stderr carob run --rm --volume h,kind=host,source="$host/absent" --mount volume=h,target=/h $box /bin/true
	says "$host/absent"
	run -125 --separate-stderr carob run --rm -v "$host/absent:/h" $box /bin/true
	says "$host/absent"
	[ ! -e "$host/absent" ]
}

@test "a volume's source that a link leads to is refused; --bind, which is typed, follows it" {
	ln -s "$host" "$BATS_TEST_TMPDIR/link"
	for source in "$BATS_TEST_TMPDIR/link" "$BATS_TEST_TMPDIR/link/file"; do
		run -125 --separate-stderr carob run --rm --volume h,kind=host,source="$source" --mount volume=h,target=/h $box /bin/true
		says "$source" link
	done
	run -0 carob run --rm -v "$BATS_TEST_TMPDIR/link/file:/h" $box /bin/cat /h
	[ "$output" = content ]
	run -0 bash -c 'cd "$BATS_TEST_TMPDIR" && carob run --rm -v host:/h example.com/box /bin/cat /h/file'
	[ "$output" = content ]
}

@test "nothing can be mounted on or below /proc, /sys, /dev, nor on /" {
	for target in /proc /proc/self /proc//sys /sys /sys/fs/cgroup /dev /dev/null /dev/shm/x /dev/./pts; do
		run ! carob run --rm -v "$host:$target" $box /bin/true
		[[ "$output" == *"${target%%/[^a-z]*}"* ]]
	done
	for target in / /. //; do
		run ! carob run --rm -v "$host:$target" $box /bin/true
	done
	# what only looks alike is fine
	run -0 carob run --rm -v "$host:/devices" $box /bin/cat /devices/file
}

@test "nothing can be mounted there through a link of the image either" {
	with_system_links() {
		ln -s /dev "$1/d"
		ln -s proc "$1/p"
		ln -s ../sys/fs "$1/etc/s"
		mkdir "$1/srv"
		ln -s srv "$1/v"
	}
	make_image system-links "$root_app" with_system_links
	for target in /d/shm /d /d/made /p/sys /p /etc/s /etc/s/cgroup; do
		run -125 --separate-stderr carob run --rm -v "$host:$target" example.com/system-links /bin/true
		says "$target" link
		run -125 carob run --rm -v "$host/file:$target" example.com/system-links /bin/true
	done
	# nor does a link lead one volume into another
	run -125 carob run --rm -v "$host:/srv" -v "$host:/v/made" example.com/system-links /bin/true
	[ "$(ls "$host")" = file ]
}

@test "targets that overlap are refused, both named" {
	run -125 --separate-stderr carob run --rm -v "$host:/a/b" -v "$host:/a" $box /bin/true
	says /a/b overlap
	run -125 --separate-stderr carob run --rm -v "$host:/a" -v "$host:/a" $box /bin/true
	says /a
	run -0 carob run --rm -v "$host:/a" -v "$host:/ab" -v "$host:/a-b" $box /bin/cat /a/file /ab/file /a-b/file
}

@test "a target that a link of the image leads to is found inside the image" {
	run -0 carob run --rm -v "$host:/var/run" example.com/links /bin/sh -c 'cat /run/file; grep -c " /run " /proc/self/mountinfo'
	[ "$output" = $'content\n1' ]
	# links that climb out lead to the image's own root
	run -0 carob run --rm -v "$host:/out/deep" example.com/links /bin/cat "$BATS_FILE_TMPDIR/outside/deep/file"
	[ "$output" = content ]
	run -0 carob run --rm -v "$host:/up/made-here" example.com/links /bin/cat /made-here/file
	[ "$output" = content ]
	[ ! -e "$BATS_FILE_TMPDIR/outside" ]
	[ ! -e /made-here ]
	# one that leads nowhere is no way to anything, and nothing is made where it points
	run -125 --separate-stderr carob run --rm -v "$host:/dangling/deep" example.com/links /bin/true
	says /dangling/deep
	run -0 carob run --rm -v "$host:/dangling" example.com/links /bin/cat /dangling/file
	[ "$output" = content ]
	[ ! -e "$BATS_FILE_TMPDIR/nowhere" ]
}

@test "a target that is a file of the image becomes a directory, in this pod alone" {
	run -0 carob run --rm -v "$host:/etc/file" example.com/links /bin/cat /etc/file/file
	[ "$output" = content ]
	run -0 carob run --rm example.com/links /bin/cat /etc/file
	[ "$output" = text ]
}

@test "a volume hides what is there, and a read-only root does not make it read-only" {
	run -0 carob run --rm --read-only --volume d,kind=empty --mount volume=d,target=/etc $box /bin/sh -c 'touch /etc/x && ls /etc'
	[ "$output" = x ]
}

@test "device nodes in a volume are no devices" {
	mknod "$host/null" c 1 3
	run -1 carob run --rm -v "$host:/h" $box /bin/sh -c 'echo x > /h/null || exit 1'
	run -1 carob run --rm --volume d,kind=empty --mount volume=d,target=/d $box /bin/sh -c 'mknod /d/null c 1 3; echo x > /d/null || exit 1'
}

@test "volumes that are wrong on the command line: 2, nothing done" {
	for volume in d d,kind=nfs d,kind=host d,kind=host,source=rel d,kind=empty,source=/x d,kind=empty,mode=banana \
		d,kind=host,source=/x,mode=755 d,kind=empty,what=1 D,kind=empty d,kind=empty,readOnly=1; do
		run -2 carob run --rm --volume "$volume" $box /bin/true
	done
	run -125 --separate-stderr carob run --rm --mount volume=none,target=/x $box /bin/true
	says none
}

# ---- event handlers ----------------------------------------------------------------------------------

@test "pre-start, the app, post-stop: in this order, in the same root, with the same environment" {
	run -3 carob run --rm --volume v,kind=host,source="$host" example.com/handlers
	[ "$output" = $'main\nmade-before\nmade-before' ]
	[ "$(cat "$host/log")" = $'pre\nmain\npost' ]
	clean() { grep -vE '^(PWD|SHLVL|_)=' "$1" | sort; }
	[ "$(clean "$host/env.pre")" = "$(clean "$host/env.main")" ]
	[ "$(clean "$host/env.post")" = "$(clean "$host/env.main")" ]
	[[ "$(cat "$host/env.pre")" == *AC_APP_NAME=handlers* && "$(cat "$host/env.pre")" == *GIVEN=here* ]]
}

@test "a pre-start that fails: 125, the app does not run, post-stop does" {
	run -125 --separate-stderr carob run --rm --volume v,kind=host,source="$host" example.com/failing
	[[ "$stderr" == *failing*pre-start*4* ]]
	[ "$(cat "$host/log")" = $'pre\npost' ]
}

@test "handlers run as confined as the app" {
	local app='{"exec":["/bin/cat","/proc/self/status"],"user":"alice","group":"users","supplementaryGIDs":[7],
		"isolators":[{"name":"os/linux/no-new-privileges","value":true}],
		"eventHandlers":[{"name":"pre-start","exec":["/bin/cat","/proc/self/status"]},{"name":"post-stop","exec":["/bin/cat","/proc/self/status"]}]}'
	make_image equal "$app"
	run -0 carob run --rm example.com/equal
	for line in Uid Gid Groups CapInh CapPrm CapEff CapBnd CapAmb NoNewPrivs Seccomp; do
		[ "$(grep -c "^$line:" <<<"$output")" = 3 ]
		[ "$(grep "^$line:" <<<"$output" | sort -u | wc -l)" = 1 ]
	done
}

@test "a handler whose program is not there: 127, and its name" {
	make_image nohandler '{"exec":["/bin/true"],"user":"0","group":"0","eventHandlers":[{"name":"pre-start","exec":["/absent"]}]}'
	run -127 --separate-stderr carob run --rm example.com/nohandler
	says nohandler /absent
}

# ---- the end -----------------------------------------------------------------------------------------

@test "one app that fails stops the others, and its code is the pod's" {
	run -9 carob run --rm \
		--app-name a $box /bin/sh -c 'trap "echo told; exit 4" TERM; touch /dev/shm/a; while :; do sleep 0.05; done' --- \
		--app-name b $box /bin/sh -c 'until [ -e /dev/shm/a ]; do sleep 0.05; done; exit 9'
	[ "$output" = "[a] told" ]
}

@test "an app that ignores SIGTERM is killed when the grace is over" {
	run -9 carob run --rm --stop-grace 1 \
		--app-name a $box /bin/sh -c 'trap "" TERM; touch /dev/shm/a; while :; do sleep 0.05; done' --- \
		--app-name b $box /bin/sh -c 'until [ -e /dev/shm/a ]; do sleep 0.05; done; exit 9'
}

@test "an app that ends well leaves the others running" {
	run -0 carob run --rm \
		--app-name a $box /bin/true --- \
		--app-name b $box /bin/sh -c 'until [ $(ps -o comm | grep -c true) = 0 ]; do sleep 0.05; done; echo on'
	[ "$output" = "[b] on" ]
}

@test "a signal that ends one app is the pod's code" {
	run -143 carob run --rm --app-name a $box /bin/sleep 1000 --- --app-name b $box /bin/sh -c 'kill -TERM $$'
}

@test "stopped from outside: the first app, in order, that did not end with 0" {
	wait_for_term='trap "exit $0" TERM; touch /dev/shm/$0; while :; do sleep 0.05; done'
	start_pod three --app-name a $box /bin/sh -c "$wait_for_term" 0 --- \
		--app-name b $box /bin/sh -c "$wait_for_term" 5 --- --app-name c $box /bin/sh -c "$wait_for_term" 6
	until_true 10 carob enter --app a three /bin/test -e /dev/shm/0 -a -e /dev/shm/5 -a -e /dev/shm/6
	carob stop three
	run -5 carob wait three
	[ "$(pod_json three '[.apps[].exit] | join(" ")')" = "0 5 6" ]
	carob rm three
}

@test "one app that cannot be started stops the pod, and nothing is left" {
	run -127 --separate-stderr carob run --name broken --app-name a $box /bin/sleep 1000 --- --app-name b $box /bin/absent
	says b /bin/absent
	run -3 carob status broken
}

@test "what an app leaves behind in the background ends with it" {
	start_pod left --app-name a $box /bin/sh -c 'setsid sleep 4712 & sleep 0.1' --- --app-name b $box /bin/sleep 1000
	run -0 carob wait --app a left
	until_true 5 bash -c '! carob ps left | grep -q 4712'
	carob rm -f left
}
