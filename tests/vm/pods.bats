#!/usr/bin/env bats
# The integration tests once more in a virtual machine: another kernel, pure cgroup v2 with every
# controller. One machine a file; the state lies on a fresh ext4 disk of the machine (an overlay's
# upper directory cannot be on the overlay that is the machine's root).

bats_require_minimum_version 1.5.0

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

# in_machine FILE: the file's tests inside; every test has to be run and to pass (a skip needs to
# have its reason printed, and is shown).
in_machine() {
	local out=$BATS_TEST_TMPDIR/tap
	"$top/tests/vm/run" --mem 3072 --tmpdisk 6G --timeout 1500 \
		--env "CAROB_TEST_PREFIX=${CAROB_TEST_PREFIX:-$top/build/inst}" --env CAROB_TEST_SLOW=1 -- \
		sh -c "mkfs.ext4 -q /dev/vda && mkdir -p /run/state && mount /dev/vda /run/state && cd '$top' &&
			TMPDIR=/run/state bats --tap tests/integration/$1.bats" >"$out" 2>&1 || {
		grep -v '^ok ' "$out" | tail -n 80
		return 1
	}
	grep '# skip' "$out" >&3 || true
	grep -q '^ok ' "$out"
}

@test "the machine has cgroup v2 alone" {
	run -0 "$top/tests/vm/run" -- sh -c 'stat -f -c %T /sys/fs/cgroup; ! grep -q " cgroup " /proc/self/mountinfo'
	[[ "$output" == *cgroup2fs* ]]
}

@test "processes are born in their cgroup (CLONE_INTO_CGROUP)" {
	run -0 "$top/tests/vm/run" --mem 3072 --tmpdisk 2G -- sh -c "
		mkfs.ext4 -q /dev/vda && mkdir -p /run/state && mount /dev/vda /run/state && cd /run/state &&
		export CAROB_ROOT=/run/state/root CAROB_RUNROOT=/run/state/run PATH=${CAROB_TEST_PREFIX:-$top/build/inst}/bin:\$PATH &&
		mkdir -p i/rootfs/bin && cp /bin/busybox i/rootfs/bin && ln -s busybox i/rootfs/bin/cat &&
		echo '{\"acKind\":\"ImageManifest\",\"acVersion\":\"0.8.11\",\"name\":\"a.b/c\",\"app\":{\"exec\":[\"/bin/cat\",\"/proc/self/cgroup\"],\"user\":\"0\",\"group\":\"0\"}}' > i/manifest &&
		strace -f -o trace carob run --rm ./i && grep -c CLONE_INTO_CGROUP trace; grep -E 'write.*\"(0|[0-9]+)\"' trace | grep -c cgroup.procs || true"
	[ "${lines[0]}" = "0::/" ]
	[ "${lines[1]}" = 2 ]
	[ "${lines[2]}" = 0 ]
}

@test "run" { in_machine run; }
@test "pod" { in_machine pod; }
@test "confine" { in_machine confine; }
@test "enter" { in_machine enter; }
@test "lifecycle" { in_machine lifecycle; }
@test "crash" { in_machine crash; }
@test "stress" { in_machine stress; }
@test "readme" { in_machine readme; }
