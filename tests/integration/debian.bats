#!/usr/bin/env bats
# A real distribution: Debian from debootstrap, as an image, with its shell, its package manager and its
# python. The root file system is kept between runs below ${XDG_CACHE_HOME:-build/cache}.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

image=example.com/debian

setup_file() {
	setup_state
	local rootfs
	rootfs=$("$top/tests/fixtures/debian-rootfs")
	local dir=$BATS_FILE_TMPDIR
	echo '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/debian","labels":[{"name":"version","value":"12"},{"name":"os","value":"linux"}],
		"app":{"exec":["/bin/bash"],"user":"0","group":"0"}}' >"$dir/manifest"
	carob image build --compression none --rootfs "$rootfs" --manifest "$dir/manifest" "$dir/debian.aci" >/dev/null
	carob image import -q "$dir/debian.aci" >/dev/null
	# another image on top of it: users of its own, and a file that belongs to one
	mkdir -p "$dir/users/etc" "$dir/users/srv"
	cp "$rootfs/etc/passwd" "$rootfs/etc/group" "$dir/users/etc"
	printf 'carol:x:1500:1600::/srv:/bin/bash\n2000:x:1501:1601::/srv:/bin/bash' >>"$dir/users/etc/passwd"
	printf 'crew:x:1600:\n3000:x:1602:carol' >>"$dir/users/etc/group"
	echo hers >"$dir/users/srv/file"
	chown 1500:1602 "$dir/users/srv/file"
	echo '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/users","labels":[{"name":"version","value":"1"}],
		"dependencies":[{"imageName":"example.com/debian","labels":[{"name":"version","value":"12"}]}],
		"app":{"exec":["/bin/bash","-c","echo $(id -u) $(id -g) $(id -un)"],"user":"carol","group":"crew"}}' >"$dir/users.manifest"
	carob image build --rootfs "$dir/users" --manifest "$dir/users.manifest" "$dir/users.aci" >/dev/null
	carob image import -q "$dir/users.aci" >/dev/null
}
teardown_file() { teardown_state; }

@test "all its files arrived, with owner, mode, links and times" {
	rootfs=${XDG_CACHE_HOME:-$top/build/cache}/debian-rootfs
	list='find / -xdev -path /proc -prune -o -path /sys -prune -o -path /dev -prune -o -path /tmp -prune -o -printf "%p %y %m %U %G %l %Ts %n\n"'
	run -0 carob run --rm $image /bin/bash -c "$list"
	# directories count their subdirectories differently on other file systems; / itself is the volume's
	fields() { grep -vE '^/ |^/(etc/(hostname|hosts|resolv.conf)) ' | sed -E 's/^(.* d .*) [0-9]+$/\1/' | sort; }
	diff <(fields <<<"$output") <(cd "$rootfs" && find . -path ./proc -prune -o -path ./sys -prune -o -path ./dev -prune -o -path ./tmp -prune -o -printf '/%P %y %m %U %G %l %Ts %n\n' | fields)
	[ "${#lines[@]}" -gt 7000 ]
}

@test "bash, with its jobs and its process substitution" {
	run -0 carob run --rm $image /bin/bash -c 'set -e; sleep 0.1 & wait $!; diff <(seq 5) <(seq 5); echo $((6 * 7)) ${BASH_VERSINFO[0]}'
	[ "$output" = "42 5" ]
}

@test "apt and dpkg" {
	run -0 carob run --rm $image /bin/bash -c 'apt-get --version | head -n 1; dpkg -l | grep -c ^ii; apt-cache policy bash; dpkg --verify bash coreutils'
	[[ "${lines[0]}" == apt* ]]
	[ "${lines[1]}" -gt 80 ]
	[[ "$output" == *"Installed: "* ]]
	# a package is taken out and its files go, in this pod alone
	run -0 carob run --rm $image /bin/bash -c 'dpkg --purge --force-all python3 python3-minimal >/dev/null 2>&1; test ! -e /usr/bin/python3 && echo gone'
	[ "$output" = gone ]
	run -0 carob run --rm $image /usr/bin/python3 -c 'print("still here")'
	[ "$output" = "still here" ]
}

@test "python: threads, processes, sockets, signals under the default filter" {
	run -0 carob run --rm -i $image /usr/bin/python3 - <<-'PYTHON'
		import multiprocessing, os, signal, socket, subprocess, tempfile, threading
		total = []
		threads = [threading.Thread(target=lambda n=n: total.append(n)) for n in range(20)]
		[t.start() for t in threads]; [t.join() for t in threads]
		assert sorted(total) == list(range(20))
		assert subprocess.run(["/bin/echo", "x"], capture_output=True).stdout == b"x\n"
		with multiprocessing.get_context("fork").Pool(2) as pool:
		    assert pool.map(abs, [-1, -2]) == [1, 2]
		server = socket.create_server(("127.0.0.1", 0))
		client = socket.create_connection(server.getsockname())
		accepted, _ = server.accept()
		client.sendall(b"over loopback"); assert accepted.recv(100) == b"over loopback"
		a, b = socket.socketpair(); socket.send_fds(a, [b"fd"], [0]); assert socket.recv_fds(b, 10, 1)[0] == b"fd"
		with tempfile.NamedTemporaryFile() as f: f.write(os.urandom(1 << 20)); f.flush(); os.fsync(f.fileno())
		signal.signal(signal.SIGALRM, lambda *a: None); signal.setitimer(signal.ITIMER_REAL, 0.01); signal.pause()
		pid = os.posix_spawn("/bin/true", ["true"], {}); assert os.waitpid(pid, 0)[1] == 0
		assert os.sched_getaffinity(0) and os.getpid() > 1
		print("all well")
	PYTHON
	[ "$output" = "all well" ]
}

@test "two apps of one pod: they see each other's processes, talk over loopback and share a volume" {
	run -0 carob run --rm --volume data,kind=empty,mode=1777 \
		--app-name server --mount volume=data,target=/srv/data --working-dir /srv/data $image /usr/bin/python3 -c '
import http.server, threading, os, time
s = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), http.server.SimpleHTTPRequestHandler)
threading.Thread(target=s.serve_forever, daemon=True).start()
while not os.path.exists("done"): time.sleep(0.05)
' --- \
		--app-name client --user www-data --group www-data --mount volume=data,target=/mnt $image /bin/bash -c '
echo "written by $(id -un)" > /mnt/page
until exec 3<>/dev/tcp/127.0.0.1/8000; do sleep 0.1; done 2>/dev/null
printf "GET /page HTTP/1.0\r\n\r\n" >&3; tail -n 1 <&3
grep -lz [h]ttp.server /proc/[0-9]*/cmdline | wc -l
stat -c %u:%g /mnt/page; touch /mnt/done'
	[ "$(grep '^\[client\]' <<<"$output")" = $'[client] written by www-data\n[client] 1\n[client] 33:33' ]
}

@test "users by name, number, a name of digits and the owner of a file" {
	run -0 carob run --rm example.com/users
	[ "$output" = "1500 1600 carol" ]
	ids='echo $(id -u):$(id -g)'
	while read -r user group expected; do
		run -0 carob run --rm --user "$user" --group "$group" example.com/users /bin/bash -c "$ids" </dev/null
		[ "$output" = "$expected" ]
	done <<-'CASES'
		carol crew 1500:1600
		www-data www-data 33:33
		1234 4321 1234:4321
		2000 3000 1501:1602
		/srv/file /srv/file 1500:1602
		/etc/passwd crew 0:1600
		root 0 0:0
	CASES
	run -125 carob run --rm --user carol $image /bin/true
}

@test "set-user-ID programs work, and do not with no-new-privileges" {
	make_probe
	with_suid() { cp "$probe" "$1/bin/probe" && chmod 4755 "$1/bin/probe"; }
	make_image suid "$root_app" with_suid
	run -0 carob run --rm --user alice --group users example.com/suid /bin/probe geteuid
	[ "$output" = ok ] # 0
	run -0 carob run --rm --user alice --group users --no-new-privileges example.com/suid /bin/probe geteuid
	[ "$output" = 1000 ]
}
