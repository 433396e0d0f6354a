# Shared by all integration tests. Each file gets a state directory of its own, removed at the end;
# the census before the first and after the last test must agree: nothing may be left over.
#
# CAROB_TEST_PREFIX: where Carob is installed (default: the prefix of ./run and ./test).

bats_require_minimum_version 1.5.0

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
prefix=${CAROB_TEST_PREFIX:-$top/build/inst}
export PATH=$prefix/bin:$PATH

# times N: how often something is repeated; CAROB_TEST_SHARE percent of it on a slow machine.
times() {
	local n=$(($1 * ${CAROB_TEST_SHARE:-100} / 100))
	echo $((n > 2 ? n : 2))
}

# What a pod could leave behind on this host, one thing a line.
census() {
	grep -c . /proc/self/mountinfo | sed 's/^/mounts /'
	find /sys/fs/cgroup -mindepth 2 -maxdepth 5 -type d -path '*/carob/*' 2>/dev/null | sort
	losetup -a 2>/dev/null
	# namespaces that a process holds, not those that the kernel is still taking down
	lsns -n -t net -o NS 2>/dev/null | sort -u | sed 's/^/netns /'
	for comm in /proc/[0-9]*/comm; do
		# one that has gone meanwhile is no failure
		if read -r name 2>/dev/null <"$comm"; then
			case $name in carob*) echo "process $name" ;; esac
		fi
	done
	return 0 # the last process may have ended while it was looked at
}

# make_image NAME APP [COMMAND]...: builds the image example.com/NAME of busybox with the manifest's
# "app" object given. COMMAND gets the directory of the root file system as its last argument first.
make_image() {
	local name=$1 app=$2 dir=$BATS_FILE_TMPDIR/images/$1
	shift 2
	mkdir -p "$dir/rootfs"/{bin,etc,tmp}
	cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
	local tool
	for tool in sh cat echo env id ls mkdir mknod mount ps pwd sleep test touch true false kill grep stat wc \
		hostname httpd wget head tail tr cut sort dd df tty stty readlink chmod chown umount unshare ln rm nc ip sed awk seq \
		mkfifo find sha256sum setsid timeout date xargs od nproc mv cp sync printf chroot nice usleep; do
		ln -sf busybox "$dir/rootfs/bin/$tool"
	done
	cat >"$dir/rootfs/etc/passwd" <<-'PASSWD'
		root:x:0:0::/:/bin/sh
		alice:x:1000:1001::/:/bin/sh
		4242:x:77:77::/:/bin/sh
	PASSWD
	cat >"$dir/rootfs/etc/group" <<-'GROUP'
		root:x:0:
		users:x:1001:
		4343:x:88:
	GROUP
	chmod 1777 "$dir/rootfs/tmp"
	[ $# -eq 0 ] || "$@" "$dir/rootfs"
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/%s","labels":[{"name":"version","value":"1"}],"app":%s}' \
		"$name" "$app" >"$dir/manifest"
	carob image build --overwrite --compression none --rootfs "$dir/rootfs" --manifest "$dir/manifest" "$dir.aci" >/dev/null
	carob image import "$dir.aci" >/dev/null
}

root_app='{"exec":["/bin/sh"],"user":"0","group":"0"}'

setup_state() {
	export CAROB_ROOT=$BATS_FILE_TMPDIR/root CAROB_RUNROOT=$BATS_FILE_TMPDIR/run
	census >"$BATS_FILE_TMPDIR/census"
	make_image box "$root_app"
}

teardown_state() {
	local pod
	for pod in $(carob list -q 2>/dev/null); do carob rm -f "$pod" >/dev/null 2>&1; done
	for _ in $(seq 50); do
		census >"$BATS_FILE_TMPDIR/census.after"
		cmp -s "$BATS_FILE_TMPDIR/census" "$BATS_FILE_TMPDIR/census.after" && return 0
		sleep 0.1
	done
	# what went meanwhile was not ours
	diff "$BATS_FILE_TMPDIR/census" "$BATS_FILE_TMPDIR/census.after" | grep '^>' || return 0
	return 1
}

# until_true SECONDS COMMAND...
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# start_pod NAME ARG...: a detached pod; its UUID goes to $uuid.
start_pod() {
	local name=$1
	shift
	uuid=$(carob run --detach --name "$name" "$@" 3>&-)
}

# pod_json NAME FILTER: what `carob status --json` says.
pod_json() {
	carob status --json "$1" | jq -r "$2"
}

# app_pid POD [APP]: the app's process as the host numbers it; without APP that of the only one.
app_pid() {
	carob status --json "$1" | jq -er --arg app "${2:-}" '.apps[] | select($app == "" or .name == $app) | .pid'
}

# ends_with CODE PID: waits for a child of this shell (`run wait` would look for it in another one).
ends_with() {
	local code=0
	wait "$2" || code=$?
	[ "$code" = "$1" ] || { echo "process $2 ended with $code, not $1"; return 1; }
}

# process_of ARGV...: the first process on this host with this very command line.
process_of() {
	local task want
	want=$(printf '%s ' "$@")
	for task in /proc/[0-9]*; do
		[ "$(tr '\0' ' ' 2>/dev/null <"$task/cmdline")" = "$want" ] && echo "${task#/proc/}" && return 0
	done
	return 1
}

# field NAME FILE: the value of a line "NAME: value" of /proc/PID/status, blanks made one.
field() {
	sed -n "s/^$1:[ \t]*//p" "$2" | tr -s ' \t' ' ' | sed 's/ $//'
}

# cgroup_file GROUP FILE...: the path of the first FILE that a hierarchy of this host has in carob/GROUP.
cgroup_file() {
	local group=$1 file dir
	shift
	for file; do
		for dir in /sys/fs/cgroup /sys/fs/cgroup/*; do
			[ -e "$dir/carob/$group/$file" ] && echo "$dir/carob/$group/$file" && return 0
		done
	done
	return 1
}

# The only line that a failing command may write is on standard error and names all WORDs.
# Use: run -N --separate-stderr COMMAND; says WORD...
says() {
	local word
	[ "${#stderr_lines[@]}" = 1 ] || { printf 'not one line: %s\n' "$stderr"; return 1; }
	for word; do
		[[ "$stderr" == *"$word"* ]] || { printf '%s: not in: %s\n' "$word" "$stderr"; return 1; }
	done
}

# make_probe: builds the program that tries system calls (probe.c) once; its path is $probe.
make_probe() {
	probe=$BATS_FILE_TMPDIR/probe
	local here=$BATS_TEST_DIRNAME sources
	sources=("$here/probe.c")
	[ ! -e "$here/probe-$(uname -m).c" ] || sources+=("$here/probe-$(uname -m).c")
	[ -x "$probe" ] || gcc -static -O1 -Wall -Werror -o "$probe" "${sources[@]}"
}

# Says why no zfs-fuse can be started here, and fails.
why_no_zfs() {
	if ! command -v zfs-fuse >/dev/null; then
		echo "zfs-fuse is not installed"
	elif [ ! -c /dev/fuse ]; then
		echo "this machine has no /dev/fuse"
	elif [ -e /run/zfs/zfs_socket ]; then
		echo "another zfs-fuse is running"
	else
		return 0
	fi
	return 1
}
