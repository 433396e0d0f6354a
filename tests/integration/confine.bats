#!/usr/bin/env bats
# What an app may not do, and what it cannot see. The numbers in the names (S01 …) are those of the
# faults of other runtimes that each test is about; docs/architecture.md says how it is kept.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

box=example.com/box

with_probe() { cp "$BATS_FILE_TMPDIR/probe" "$1/bin/probe"; }

setup_file() {
	setup_state
	make_probe
	make_image probe "$root_app" with_probe
}
teardown_file() { teardown_state; }

status_of() { carob run --rm "$@" /bin/cat /proc/self/status >"$BATS_TEST_TMPDIR/status"; }
value() { field "$1" "$BATS_TEST_TMPDIR/status"; }

# The programs of this installation, by content.
programs() { find "$prefix" -type f -path '*carob*' -exec sha256sum {} + | sort; }

# ---- capabilities ------------------------------------------------------------------------------------

@test "an app of root has exactly the 14 capabilities of the specification" {
	status_of $box
	[ "$(value CapBnd)" = 00000000a80425fb ]
	[ "$(value CapPrm)" = 00000000a80425fb ]
	[ "$(value CapEff)" = 00000000a80425fb ]
	[ "$(value CapInh)" = 0000000000000000 ]
	[ "$(value CapAmb)" = 0000000000000000 ]
}

@test "another user has none, and can gain no others than these" {
	status_of --user alice --group users $box
	[ "$(value Uid)" = "1000 1000 1000 1000" ]
	[ "$(value CapEff)" = 0000000000000000 ]
	[ "$(value CapPrm)" = 0000000000000000 ]
	[ "$(value CapInh)" = 0000000000000000 ]
	[ "$(value CapAmb)" = 0000000000000000 ]
	[ "$(value CapBnd)" = 00000000a80425fb ]
}

@test "the caller's inheritable and ambient capabilities do not come in (S51)" {
	run -0 setpriv --inh-caps +chown,+net_admin --ambient-caps +chown,+net_admin "$prefix/bin/carob" run --rm $box /bin/cat /proc/self/status
	[ "$(grep -cE '(CapInh|CapAmb):.*0000000000000000' <<<"$output")" = 2 ]
	[ "$(grep CapBnd: <<<"$output")" = $'CapBnd:\t00000000a80425fb' ]
}

@test "capabilities to retain and to remove" {
	status_of --cap-retain chown,CAP_KILL $box
	[ "$(value CapBnd)" = 0000000000000021 ]
	[ "$(value CapEff)" = 0000000000000021 ]
	status_of --cap-remove net_raw,mknod $box
	[ "$(value CapBnd)" = 00000000a00405fb ]
	# what is not in the default set cannot be removed from it
	status_of --cap-remove sys_admin $box
	[ "$(value CapBnd)" = 00000000a80425fb ]
	status_of --cap-retain net_admin $box
	[ "$(value CapBnd)" = 0000000000001000 ]
}

@test "the same by isolators of the image" {
	make_image caps '{"exec":["/bin/sh"],"user":"0","group":"0","isolators":[
		{"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_SETUID","CAP_NET_BIND_SERVICE"]}}]}'
	status_of example.com/caps
	[ "$(value CapBnd)" = 0000000000000480 ]
}

@test "retain and remove together, and names that do not exist, are refused" {
	run ! carob run --rm --cap-retain kill --cap-remove chown $box /bin/true
	[[ "$output" == *capabilities-re*-set* ]]
	run ! make_image bothcaps '{"exec":["/bin/sh"],"user":"0","group":"0","isolators":[
		{"name":"os/linux/capabilities-retain-set","value":{"set":["CAP_KILL"]}},
		{"name":"os/linux/capabilities-remove-set","value":{"set":["CAP_CHOWN"]}}]}'
	run ! carob run --rm --cap-retain no_such $box /bin/true
	[[ "$output" == *CAP_NO_SUCH* ]]
}

# ---- no new privileges, seccomp ----------------------------------------------------------------------

@test "no-new-privileges, when asked for" {
	status_of $box
	[ "$(value NoNewPrivs)" = 0 ]
	status_of --no-new-privileges $box
	[ "$(value NoNewPrivs)" = 1 ]
	status_of --user alice --no-new-privileges $box
	[ "$(value NoNewPrivs)" = 1 ]
	[ "$(value Seccomp)" = 2 ]
}

@test "a filter is on by default, for every user" {
	status_of $box
	[ "$(value Seccomp)" = 2 ]
	status_of --user alice $box
	[ "$(value Seccomp)" = 2 ]
	[ "$(value NoNewPrivs)" = 0 ]
}

@test "what the default filter refuses (S90, S91)" {
	# each with arguments that the kernel itself would answer otherwise
	run -0 carob run --rm example.com/probe /bin/sh -c '
		while read -r expected call; do
			got=$(probe $call)
			[ "$got" = "$expected" ] || echo "$call: $got, not $expected"
		done' <<-'CALLS'
		EPERM mount 0 0 0 0
		EPERM umount2 @/tmp 0
		EPERM fsopen @nothing 0
		EPERM open_tree -1 @/tmp 1
		EPERM move_mount -1 @/a -1 @/b 0
		EPERM mount_setattr -1 @/tmp 0 0 0
		EPERM pivot_root 0 0
		EPERM unshare 0x10000000
		EPERM unshare 0x20000
		EPERM clone 0x10000011
		EPERM setns -1 0
		EPERM ptrace 16 1
		EPERM bpf 0 0 0
		EPERM perf_event_open 0 0 0 0 0
		EPERM userfaultfd 0
		EPERM io_uring_setup 1 0
		EPERM keyctl 0 -3 0
		EPERM add_key 0 0 0 0 0
		EPERM request_key 0 0 0 0
		EPERM kexec_load 0 0 0 0
		EPERM init_module 0 0 0
		EPERM finit_module -1 0 0
		EPERM delete_module @none 0
		EPERM open_by_handle_at -1 0 0
		EPERM acct @/tmp/none
		EPERM swapon @/tmp/none 0
		EPERM swapoff @/tmp/none
		EPERM reboot 0 0 0 0
		EPERM quotactl 0 0 0 0
		EPERM clock_settime 0 0
		EPERM settimeofday 0 0
		EPERM syslog 3 0 0
		ENOSYS clone3 0 0
		ENOSYS 9999
	CALLS
	[ "$output" = "" ]
}

@test "socket families that reach past the pod are refused (S90)" {
	run -0 carob run --rm example.com/probe /bin/sh -c 'probe socket 38 5 0; probe socket 40 1 0; probe socket 2 1 0; probe socket 1 1 0'
	[[ "${lines[0]}" != ok && ! "${lines[0]}" =~ ^[0-9] ]]
	[[ "${lines[1]}" != ok && ! "${lines[1]}" =~ ^[0-9] ]]
	[[ "${lines[2]}" =~ ^[0-9] && "${lines[3]}" =~ ^[0-9] ]]
}

@test "the other system call tables of x86_64 are no way around the filter (S92)" {
	[ "$(uname -m)" = x86_64 ] || skip "x86_64 only"
	# i386: mount 21, swapon 87, keyctl 288, unshare 310; x32: the 64-bit number with bit 30
	run -0 carob run --rm example.com/probe /bin/sh -c '
		for call in 21 87 288; do probe i386 $call; done; probe i386 310 0x10000000
		for call in 0x400000a5 0x400000fa; do probe $call; done'
	[ "${#lines[@]}" = 6 ]
	for line in "${lines[@]}"; do
		[ "$line" = EPERM ] || [ "$line" = ENOSYS ]
	done
}

@test "a retained set without an errno: SIGSYS for all else" {
	calls=read,write,open,openat,close,stat,fstat,lstat,newfstatat,statx,lseek,mmap,mprotect,munmap,brk,mremap,rt_sigaction
	calls+=,rt_sigprocmask,ioctl,access,faccessat,dup2,dup3,fcntl,getpid,getuid,getgid,geteuid,getegid,setuid,setgid,uname,getcwd
	calls+=,chdir,umask,arch_prctl,set_tid_address,set_robust_list,rseq,prlimit64,readlink,readlinkat,getrandom,prctl,futex
	run -0 carob run --rm --seccomp retain:$calls $box /bin/echo works
	[ "$output" = works ]
	run -159 carob run --rm --seccomp retain:$calls $box /bin/mkdir /tmp/x
	run -0 carob run --rm --seccomp retain:$calls,mkdir,mkdirat $box /bin/mkdir /tmp/x
	run -1 carob run --rm --isolator "os/linux/seccomp-retain-set={\"set\":[\"${calls//,/\",\"}\"],\"errno\":\"EPERM\"}" $box /bin/mkdir /tmp/x
	[[ "$output" == *"Operation not permitted"* ]]
	run -1 carob run --rm --isolator "os/linux/seccomp-retain-set={\"set\":[\"${calls//,/\",\"}\"],\"errno\":\"ENOTSUP\"}" $box /bin/mkdir /tmp/x
	[[ "${output,,}" == *"not supported"* ]]
}

@test "a removed set: SIGSYS or the errno" {
	run -159 carob run --rm --seccomp remove:mkdir,mkdirat $box /bin/mkdir /tmp/x
	run -0 carob run --rm --seccomp remove:mkdir,mkdirat $box /bin/true
	run -1 carob run --rm --isolator 'os/linux/seccomp-remove-set={"set":["mkdir","mkdirat"],"errno":"EXDEV"}' $box /bin/mkdir /tmp/x
	[[ "$output" == *"ross-device"* ]]
	# what the default filter refuses stays refused
	run -0 carob run --rm --seccomp remove:mkdir example.com/probe /bin/probe mount 0 0 0 0
	[ "$output" = EPERM ]
	run -0 carob run --rm --isolator 'os/linux/seccomp-remove-set={"set":["@appc.io/empty"]}' example.com/probe /bin/probe mount 0 0 0 0
	[ "$output" = EPERM ]
}

@test "the wildcard @appc.io/all turns the filter off" {
	status_of --isolator 'os/linux/seccomp-retain-set={"set":["@appc.io/all"]}' $box
	[ "$(value Seccomp)" = 0 ]
}

@test "system calls and errnos that do not exist are refused" {
	run ! carob run --rm --seccomp remove:no_such_call $box /bin/true
	[[ "$output" == *no_such_call* ]]
	run ! carob run --rm --isolator 'os/linux/seccomp-remove-set={"set":["mkdir"],"errno":"ENOSUCH"}' $box /bin/true
	[[ "$output" == *ENOSUCH* ]]
	run ! carob run --rm --isolator 'os/linux/seccomp-remove-set={"set":["@example.com/some"]}' $box /bin/true
	[[ "$output" == *@example.com/some* ]]
}

# ---- isolators that are unknown, or cannot be kept ---------------------------------------------------

@test "an unknown isolator is ignored, and both the caller and the status say so" {
	make_image unknown '{"exec":["/bin/sleep","1000"],"user":"0","group":"0","isolators":[{"name":"example.com/magic","value":{"a":1}}]}'
	run -0 --separate-stderr carob run --rm example.com/unknown /bin/true
	says example.com/magic
	start_pod unknown example.com/unknown
	run -0 carob status unknown
	[[ "$output" == *example.com/magic* ]]
	[ "$(pod_json unknown '.notes | length')" = 1 ]
	carob rm -f unknown
}

@test "an isolator that cannot be enforced stops the start by its name, unless it is to be ignored" {
	while read -r name value; do
		run -125 --separate-stderr carob run --rm --isolator "$name=$value" $box /bin/true
		says "$name" --ignore-isolator
		run -0 --separate-stderr carob run --rm --ignore-isolator "$name" --isolator "$name=$value" $box /bin/true
		says "$name"
	done <<-'ISOLATORS'
		resource/network-bandwidth {"default":true,"limit":"1M"}
		resource/block-bandwidth {"default":true,"limit":"1M"}
		resource/block-iops {"default":true,"limit":"100"}
		os/linux/selinux-context {"user":"u","role":"r","type":"t","level":"s0"}
		os/linux/apparmor-profile {"profile":"p"}
	ISOLATORS
}

@test "ignoring one isolator ignores no other" {
	run -125 carob run --rm --ignore-isolator resource/block-iops --isolator 'resource/network-bandwidth={"default":true,"limit":"1M"}' $box /bin/true
	run -125 carob run --rm --ignore-isolator 'resource/*' --isolator 'resource/network-bandwidth={"default":true,"limit":"1M"}' $box /bin/true
}

# ---- limits ------------------------------------------------------------------------------------------

@test "a limit of memory is kept: SIGKILL, and the status knows why" {
	run -137 carob run --name oom --memory 24M $box /bin/tail /dev/zero
	run -0 carob status oom
	[ "$(pod_json oom '.apps[0].oom')" = true ]
	carob rm oom
	run -137 carob run --rm --memory 24M $box /bin/dd if=/dev/zero of=/dev/shm/x bs=1M count=64
	run -0 carob run --rm --memory 24M $box /bin/dd if=/dev/zero of=/dev/shm/x bs=1M count=8
}

@test "limits are in the pod's cgroup" {
	start_pod limits --memory 64M --cpus 0.5 --pids-limit 20 $box /bin/sleep 1000
	[ "$(cat "$(cgroup_file "$uuid" memory.max memory.limit_in_bytes)")" = $((64 << 20)) ]
	[ "$(cat "$(cgroup_file "$uuid" pids.max)")" = 20 ]
	if quota=$(cgroup_file "$uuid" cpu.max); then
		read -r quota period <"$quota"
	else
		quota=$(cat "$(cgroup_file "$uuid" cpu.cfs_quota_us)")
		period=$(cat "$(cgroup_file "$uuid" cpu.cfs_period_us)")
	fi
	[ $((quota * 2)) = "$period" ]
	carob rm -f limits
}

@test "limits of an app are its own when there are more" {
	start_pod more --app-name a --memory 64M $box /bin/sleep 1000 --- --app-name b $box /bin/sleep 1000
	[ "$(cat "$(cgroup_file "$uuid/a" memory.max memory.limit_in_bytes)")" = $((64 << 20)) ]
	[ "$(cat "$(cgroup_file "$uuid/b" memory.max memory.limit_in_bytes)")" != $((64 << 20)) ]
	carob rm -f more
	# one app out of memory ends with 137, and the pod with it
	run -137 carob run --rm --app-name a --memory 24M $box /bin/tail /dev/zero --- --app-name b $box /bin/sleep 1000
}

@test "a limit of processes is kept, and there is one without asking" {
	run carob run --rm --pids-limit 8 $box /bin/sh -c 'for i in $(seq 20); do sleep 1000 & done'
	[[ "$output" == *"fork"* ]]
	start_pod default $box /bin/sleep 1000
	[ "$(cat "$(cgroup_file "$uuid" pids.max)")" = 4096 ]
	carob rm -f default
}

@test "resource limits: those asked for, and no core files" {
	run -0 carob run --rm --rlimit nofile=100:200 --rlimit stack=1048576 $box /bin/sh -c 'ulimit -n; ulimit -Hn; ulimit -s; ulimit -c; ulimit -Hc'
	[ "$output" = $'100\n200\n1024\n0\n0' ]
	run ! carob run --rm --rlimit nosuch=1 $box /bin/true
	[[ "$output" == *nosuch* ]]
	run ! carob run --rm --rlimit nofile=200:100 $box /bin/true
}

# ---- devices -----------------------------------------------------------------------------------------

@test "the devices of the specification, and no others" {
	run -0 carob run --rm $box /bin/sh -c 'cd /dev; for d in *; do echo $d; done; for d in null zero full random urandom tty; do stat -c "%n %F %t:%T %a" $d; done'
	[ "$output" = "$(cat <<-'DEVICES'
		console
		fd
		full
		mqueue
		null
		ptmx
		pts
		random
		shm
		stderr
		stdin
		stdout
		tty
		urandom
		zero
		null character special file 1:3 666
		zero character special file 1:5 666
		full character special file 1:7 666
		random character special file 1:8 666
		urandom character special file 1:9 666
		tty character special file 5:0 666
	DEVICES
	)" ]
	run -0 carob run --rm $box /bin/sh -c 'echo x > /dev/null; dd if=/dev/zero bs=4 count=1 2>/dev/null | od -An -tx1; echo x 2>/dev/null > /dev/full || echo full; dd if=/dev/urandom bs=4 count=1 2>/dev/null | wc -c; test -c /dev/pts/ptmx && test -e /dev/ptmx && echo ptmx'
	[ "$(tr -d ' \n' <<<"$output")" = 00000000full4ptmx ]
}

@test "a device node that an app makes opens nothing" {
	read -r major minor < <(awk 'NR > 2 { print $1, $2; exit }' /proc/partitions)
	run -0 carob run --rm $box /bin/sh -c '
		for at in /dev /tmp /dev/shm; do
			mknod $at/disk b '"${major:-7} ${minor:-0}"'; mknod $at/mem c 1 1; mknod $at/kmsg c 1 11; mknod $at/tty1 c 4 1
			for d in disk mem kmsg tty1; do dd if=$at/$d count=1 bs=1 2>&1 | grep -v records; done
		done'
	[ "${#lines[@]}" = 12 ]
	[ "$(grep -cE 'Operation not permitted|Permission denied' <<<"$output")" = 12 ]
	[ "$(grep -c '/dev/[a-z1]*.: Operation not permitted' <<<"$output")" = 4 ]
}

# ---- /proc and /sys ----------------------------------------------------------------------------------

@test "what tells about the host is empty (S16)" {
	run -0 carob run --rm $box /bin/sh -c '
		for f in /proc/kcore /proc/keys /proc/timer_list /proc/timer_stats /proc/sched_debug /proc/latency_stats /proc/interrupts; do
			[ ! -e $f ] || [ $(dd if=$f bs=64 count=1 2>/dev/null | wc -c) = 0 ] || echo $f
		done
		for d in /proc/acpi /proc/scsi /proc/asound /proc/dynamic_debug /sys/firmware /sys/devices/virtual/powercap; do
			[ ! -e $d ] || [ "$(ls -A $d)" = "" ] || echo $d
		done'
	[ "$output" = "" ]
}

@test "nothing in /proc and /sys outside of the processes can be written (S16)" {
	# but what the kernel itself keeps from everybody without CAP_SYS_ADMIN (mtrr), and one's own
	# watch on the load (pressure)
	run -0 carob run --rm $box /bin/sh -c '
		find /proc /sys -xdev \( -path "/proc/[0-9]*" -o -path /proc/self -o -path /proc/thread-self \) -prune -o -type f -perm /222 -print 2>/dev/null |
		while read -r f; do ( : >>"$f" ) 2>/dev/null && echo "$f"; done
		mkdir /sys/x 2>/dev/null && echo made
		echo "base=0 size=0 type=uncachable" 2>/dev/null >/proc/mtrr && echo written; true'
	! grep -vxE '|/proc/(mtrr|pressure/(io|cpu|memory|irq))' <<<"$output" || false
}

@test "the host's tuning files are not the pod's to change" {
	before=$(cat /proc/sys/kernel/core_pattern)
	run -1 carob run --rm $box /bin/sh -c 'echo "|/bin/evil" > /proc/sys/kernel/core_pattern || exit 1'
	run -1 carob run --rm $box /bin/sh -c 'echo h > /proc/sysrq-trigger || exit 1'
	[ "$(cat /proc/sys/kernel/core_pattern)" = "$before" ]
}

@test "cgroups cannot be mounted, and release_agent cannot be reached (S15)" {
	run -0 carob run --rm example.com/probe /bin/sh -c 'mkdir /tmp/c; mount -t cgroup -o memory none /tmp/c 2>/dev/null || echo refused; probe mount @none @/tmp/c @cgroup 0 @memory; probe mount @none @/tmp/c @cgroup2 0 0; find / -xdev -name release_agent; ls /sys/fs/cgroup'
	[ "${lines[*]:0:3}" = "refused EPERM EPERM" ]
	[[ "$output" != *release_agent* ]]
}

@test "no mount is made by path, and none is changed once it is attached (S07)" {
	# a file for each process: in a common one a call may be cut in two by another's
	run -0 strace -ff -qq -o "$BATS_TEST_TMPDIR/call" -e trace=mount,umount2,move_mount,mount_setattr,pivot_root,chroot \
		carob run --rm --read-only -v "$BATS_TEST_TMPDIR:/mnt:ro" $box /bin/true
	cat "$BATS_TEST_TMPDIR"/call.* >"$BATS_TEST_TMPDIR/calls"
	! grep -E '^(mount|chroot)\(' "$BATS_TEST_TMPDIR/calls" || false
	# all that is ever unmounted is the old root, of which nothing is seen after
	! grep umount2 "$BATS_TEST_TMPDIR/calls" | grep -vF 'umount2(".", MNT_DETACH)' || false
	# onto a descriptor, or onto one part of a name below one, no link followed
	! grep move_mount "$BATS_TEST_TMPDIR/calls" |
		grep -vE 'move_mount\([0-9]+, "", ([0-9]+|AT_FDCWD), ("", MOVE_MOUNT_F_EMPTY_PATH\|MOVE_MOUNT_T_EMPTY_PATH|"[a-z]+", MOVE_MOUNT_F_EMPTY_PATH)\)' || false
	[ "$(grep -c move_mount "$BATS_TEST_TMPDIR/calls")" -ge 8 ]
}

@test "the mounts of an app are its own few, without the host's places" {
	run -0 carob run --rm $box /bin/cat /proc/self/mountinfo
	! awk '{ print $5 }' <<<"$output" | grep -vE '^(/|/(proc|sys|dev)(/.*)?)$' || false
	[ "$(awk '$5 == "/proc" || $5 == "/sys" || $5 == "/dev" || $5 == "/dev/pts" || $5 == "/dev/shm" || $5 == "/dev/mqueue" || $5 == "/"' <<<"$output" | wc -l)" = 7 ]
	for fs in proc:/proc sysfs:/sys tmpfs:/dev devpts:/dev/pts tmpfs:/dev/shm mqueue:/dev/mqueue; do
		awk -v at="${fs#*:}" -v type="${fs%:*}" '$5 == at { for (i = 6; $i != "-"; i++); found = $(i + 1) == type } END { exit !found }' <<<"$output"
	done
	# no file system but the root's own names a place on the host, no mount is anybody's peer
	[[ "$(awk '$5 != "/"' <<<"$output")" != *"$CAROB_ROOT"* ]]
	[[ "$output" != *shared:* && "$output" != *master:* && "$output" != *"$CAROB_RUNROOT"* ]]
}

# ---- descriptors, the way in and out -----------------------------------------------------------------

@test "only 0, 1 and 2 are open, whatever the caller has open (S02)" {
	run -0 bash -c 'exec 7</ 8<"$CAROB_ROOT" 19>/dev/null; carob run --rm example.com/box /bin/ls /proc/self/fd'
	[ "$output" = $'0\n1\n2\n3' ] # 3 is what ls itself reads
	start_pod fds $box /bin/sleep 1000
	run -0 ls "/proc/$(app_pid fds)/fd"
	[ "$output" = $'0\n1\n2' ]
	carob rm -f fds
}

@test "no working directory leads out (S02)" {
	with_way_out() {
		ln -s /proc/self/fd/5 "$1/five"
		ln -s /proc/1/root "$1/one"
	}
	make_image ways "$root_app" with_way_out
	for fd in $(seq 0 30); do
		run -125 carob run --rm --working-dir "/proc/self/fd/$fd" $box /bin/pwd
	done
	for dir in /five /one /proc/self/fd/../fd/3 /proc/self/root/proc/self/fd/4 /proc/self/cwd; do
		run carob run --rm --working-dir "$dir" example.com/ways /bin/sh -c 'pwd; ls -d /etc/passwd'
		[ "$status" = 125 ] || [[ "${lines[0]}" == /* && "${lines[1]}" == /etc/passwd ]]
	done
	run -0 carob run --rm --working-dir /etc $box /bin/sh -c 'cd ../../../../../..; pwd; ls -d bin/busybox'
	[ "$output" = $'/\nbin/busybox' ]
}

@test "programs of Carob cannot be changed through /proc/self/exe (S01)" {
	with_scripts() {
		printf '#!/proc/self/exe\n' >"$1/bin/script"
		printf '#!/bin/sh\nwhile [ ! -e /tmp/stop ]; do for p in /proc/[0-9]*/exe; do case $(readlink $p) in *carob*) echo x >> $p && echo WROTE;; esac; done; done 2>/dev/null; true\n' >"$1/bin/attack"
		chmod 755 "$1/bin/script" "$1/bin/attack"
	}
	make_image evil "$root_app" with_scripts
	before=$(programs)
	[ -n "$before" ]
	run ! carob run --rm example.com/evil /proc/self/exe
	run ! carob run --rm example.com/evil /bin/script
	start_pod evil example.com/evil /bin/attack
	for _ in $(seq 30); do
		run carob enter evil /proc/self/exe
		run carob enter evil /bin/script
	done
	run carob enter evil /bin/touch /tmp/stop # the pod may be over before it hears how this ended
	run -0 carob wait evil
	run -0 carob logs evil
	[[ "$output" != *WROTE* ]]
	[ "$(programs)" = "$before" ]
	carob rm evil
}

# ---- images with traps -------------------------------------------------------------------------------

@test "/dev, /proc, /sys in the image as links, files, pipes: replaced or refused, the host untouched (S10, S13)" {
	mkdir "$BATS_TEST_TMPDIR/canary"
	plant() {
		case $2 in
		link) ln -s "$3" "$4/$1" ;;
		file) echo text >"$4/$1" ;;
		fifo) mkfifo "$4/$1" ;;
		esac
	}
	mounts=$(grep -c . /proc/self/mountinfo)
	n=0
	for place in proc sys dev; do
		for what in link:/etc link:/absent "link:../../../../../..$BATS_TEST_TMPDIR/canary" "link:$place" file fifo; do
			n=$((n + 1))
			make_image "trap-$n" "$root_app" plant $place "${what%%:*}" "${what#*:}"
			run --separate-stderr carob run --rm "example.com/trap-$n" /bin/sh -c "test -c /dev/null && test -e /proc/self/status && test -d /sys/kernel && cat /etc/group | head -n 1"
			if [ "$status" = 125 ]; then
				says "/$place"
			else
				[ "$status" = 0 ]
				[ "$output" = root:x:0: ]
			fi
		done
	done
	[ "$(grep -c . /proc/self/mountinfo)" = "$mounts" ]
	[ "$(ls -A "$BATS_TEST_TMPDIR/canary")" = "" ]
}

@test "/etc/passwd as anything but a file: no wait, no user (S21)" {
	plant() {
		rm "$2/etc/passwd"
		case $1 in
		fifo) mkfifo "$2/etc/passwd" ;;
		device) mknod "$2/etc/passwd" c 1 5 ;;
		sparse) truncate -s 4M "$2/etc/passwd" ;;
		loop) ln -s passwd "$2/etc/passwd" ;;
		far) ln -s ../../../../../../proc/self/fd/0 "$2/etc/passwd" ;;
		directory) mkdir "$2/etc/passwd" ;;
		esac
	}
	for kind in fifo device sparse loop far directory; do
		make_image "passwd-$kind" "$root_app" plant $kind
		rm -rf "$BATS_FILE_TMPDIR/images/passwd-$kind.aci"
		run -125 timeout 5 carob run --rm --user alice "example.com/passwd-$kind" /bin/true </dev/null
		[[ "$output" == *alice* || "$output" == *passwd* ]]
		# a number needs no file that can be read, unless the file is one that hides who it is
		run timeout 5 carob run --rm --user 7 "example.com/passwd-$kind" /bin/id -u </dev/null
		[ "$status:$output" = 0:7 ] || { [ $kind = sparse ] && [ "$status" = 125 ]; }
	done
}

@test "annotations and files of an image with famous names change nothing (S45, S46)" {
	with_sidecars() {
		for f in .carob .carobrc .nspawn .krun_config.json .dockerenv carob.json; do
			echo '{"Privileged":true,"Capability":"all","hooks":{"createRuntime":[{"path":"/bin/touch","args":["touch","/tmp/pwned"]}]}}' >"$1/$f"
		done
		mkdir "$1/.carob.d"
	}
	make_image magic "$root_app"',"annotations":[
		{"name":"run.oci.keep-original-groups","value":"1"},{"name":"io.podman.annotations.privileged","value":"TRUE"},
		{"name":"coreos.com/rkt/stage1/run","value":"/bin/sh"},{"name":"cdi.k8s.io/gpu","value":"vendor.com/device=all"},
		{"name":"carob/privileged","value":"true"},{"name":"appc.io/executor/supports-systemd-notify","value":"true"}]' with_sidecars
	see='grep -vE "^(Pid|Tgid|SigQ|NStgid|NSpid|NSpgid|NSsid|Vm|Rss|voluntary|nonvoluntary|.*ctxt|Cpus|Mems)" /proc/self/status; awk "{ print \$5, \$6 }" /proc/self/mountinfo; env | sort; ls /dev'
	run -0 carob run --rm --app-name same $box /bin/sh -c "$see"
	plain=$output
	run -0 carob run --rm --app-name same example.com/magic /bin/sh -c "$see"
	[ "$output" = "$plain" ]
}

# ---- what a caller's surroundings may not do ---------------------------------------------------------

@test "the session keyring is the app's own (S93)" {
	all='os/linux/seccomp-retain-set={"set":["@appc.io/all"]}'
	ours=$("$BATS_FILE_TMPDIR/probe" keyctl 0 -3 0)
	run -0 carob run --rm --isolator "$all" example.com/probe /bin/probe keyctl 0 -3 0
	[[ "$output" =~ ^[0-9]+$ ]]
	[ "$output" != "$ours" ]
	first=$output
	run -0 carob run --rm --isolator "$all" example.com/probe /bin/probe keyctl 0 -3 0
	[ "$output" != "$first" ]
}

@test "umask, ignored and blocked signals of the caller do not come in (R17)" {
	run -0 bash -c 'umask 0777; trap "" HUP INT QUIT PIPE TERM CHLD USR1; carob run --rm example.com/box /bin/cat /proc/self/status'
	[[ "$output" == *$'Umask:\t0022'* ]]
	[ "$(grep -cE '^Sig(Ign|Blk|Pnd):[[:space:]]*0{16}$' <<<"$output")" = 3 ]
	start_pod nohup $box /bin/sleep 1000
	[ "$(field SigIgn "/proc/$(app_pid nohup)/status")" = 0000000000000000 ]
	carob rm -f nohup
}

@test "a deleted working directory, low limits and closed descriptors of the caller do no harm (R17)" {
	run -0 bash -c 'mkdir "$BATS_TEST_TMPDIR/gone"; cd "$BATS_TEST_TMPDIR/gone"; rmdir "$BATS_TEST_TMPDIR/gone"; carob run --rm example.com/box /bin/pwd'
	[ "$output" = / ]
	# so few descriptors that it cannot be done: said, and nothing left
	for n in 6 8 12 16 24 32 48; do
		run bash -c "ulimit -n $n; carob run --rm example.com/box /bin/echo well"
		[ "$status:$output" = 0:well ] || [ "$status" = 125 ]
	done
	carob gc
	run -0 find "$CAROB_ROOT/pods" "$CAROB_ROOT/mosaic/default/volumes" "$CAROB_RUNROOT/pods" -mindepth 1 -maxdepth 1 -name '*-*-*' -not -name 'image.*'
	[ "$output" = "" ]
	run -0 bash -c 'ulimit -n 80; carob run --rm example.com/box /bin/echo well'
	[ "$output" = well ]
	# a soft limit alone is no hindrance
	run -0 bash -c 'ulimit -Sn 10; carob run --rm example.com/box /bin/echo well'
	[ "$output" = well ]
	run -0 bash -c 'LC_ALL=tr_TR.UTF-8 TZ=Nowhere/Land carob run --rm example.com/box /bin/echo well'
	[ "$output" = well ]
	run -0 bash -c 'carob run --rm example.com/box /bin/sh -c "exec 2>/dev/null; ls /proc/self/fd | wc -l" <&-'
	[ "$output" = 4 ]
}

@test "not one variable of the caller's environment gets in (S47)" {
	run -0 carob run --rm $box /bin/env
	expected=$(sort <<<"$output")
	run -0 env LD_PRELOAD= LD_LIBRARY_PATH=/evil TERM=evil HOME=/evil PATH="$PATH" NOTIFY_SOCKET=/evil LISTEN_FDS=3 AC_METADATA_URL=evil carob run --rm $box /bin/env
	diff <(sort <<<"$output") <(echo "$expected")
	for bad in '*' =x A 'A B=1' 1A=1 'É=1'; do
		run -2 carob run --rm --env "$bad" $box /bin/env
	done
	# the executor's own variables are not the image's, nor the caller's, to set
	run -0 carob run --rm --env AC_APP_NAME=evil --env container=evil $box /bin/env
	[ "$(sort <<<"$output")" = "$expected" ]
}

@test "an app that crashes leaves no core file on the host (S94)" {
	mkdir "$BATS_TEST_TMPDIR/cores"
	run -139 bash -c 'cd "$BATS_TEST_TMPDIR/cores"; ulimit -c unlimited; carob run --rm example.com/box /bin/sh -c "kill -SEGV \$\$"'
	[ "$(ls -A "$BATS_TEST_TMPDIR/cores")" = "" ]
}
