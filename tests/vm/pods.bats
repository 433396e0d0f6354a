#!/usr/bin/env bats
# The integration tests once more in a virtual machine: another kernel, pure cgroup v2 with every
# controller. One machine a file; the state lies on a fresh ext4 disk of the machine (an overlay's
# upper directory cannot be on the overlay that is the machine's root).

bats_require_minimum_version 1.5.0

top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

# The longest come first. What a test does many times over it does a fifth as often here, where every
# instruction is interpreted (CAROB_TEST_SHARE). Of the volumes' drivers it is dm-thin alone that has
# to be here: this kernel has device mapper.
files=(mosaic crash confine mosaic-dm stress moctl-story lifecycle images pod enter debian run readme)

# One file's tests in a machine of their own; output to FILE.tap, exit code to FILE.code. A machine
# that never came up (125) is tried once more; a test's own failure is final.
in_machine() {
	local out=$BATS_FILE_TMPDIR/$1 code begin=$SECONDS
	for _ in 1 2; do
		code=0
		"$top/tests/vm/run" --mem 3072 --tmpdisk 16G --timeout 1500 \
			--env "CAROB_TEST_PREFIX=${CAROB_TEST_PREFIX:-$top/build/inst}" -- \
			sh -c "mkfs.ext4 -q /dev/vda && mkdir -p /run/state && mount /dev/vda /run/state && cd '$top' &&
				modprobe dm_thin_pool && export CAROB_TEST_SHARE=20 CAROB_TEST_DRIVERS=dm-thin TMPDIR=/run/state &&
				bats --tap tests/integration/$1.bats" >"$out.tap" 2>&1 3>&- || code=$?
		[ $code = 125 ] || break
	done
	echo $((SECONDS - begin)) >"$out.seconds"
	echo $code >"$out.code.part"
	mv "$out.code.part" "$out.code"
}

# A machine has one processor; two of them keep two processors busy. Each takes the next file that
# nobody has.
worker() {
	local file
	for file in "${files[@]}"; do
		if mkdir "$BATS_FILE_TMPDIR/$file.taken" 2>/dev/null; then in_machine "$file"; fi
	done
}

setup_file() {
	"$top/tests/vm/run" --mem 3072 --tmpdisk 16G -- true # the snapshot that both use
	worker 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/workers"
	worker 3>&- &
	echo $! >>"$BATS_FILE_TMPDIR/workers"
}

teardown_file() {
	local pid
	while read -r pid; do kill "$pid" 2>/dev/null || true; done <"$BATS_FILE_TMPDIR/workers"
}

# Is one of the workers still there?
work_goes_on() {
	local pid
	while read -r pid; do
		kill -0 "$pid" 2>/dev/null && return 0
	done <"$BATS_FILE_TMPDIR/workers"
	return 1
}

# passed FILE: waits for its end; every test was run and has passed, skips are shown with their reason,
# and so is what the tests print beside their results (mosaic.bats: the table).
passed() {
	local out=$BATS_FILE_TMPDIR/$1
	while [ ! -e "$out.code" ] && work_goes_on; do sleep 1; done
	[ -e "$out.code" ] # else both workers died before this file's turn
	grep -E '# skip|^# ' "$out.tap" | sed "s/^#* */# $1: /" >&3 || true
	if [ "$(cat "$out.code")" != 0 ]; then
		grep -v '^ok ' "$out.tap" | tail -n 100
		return 1
	fi
	echo "# $1: $(grep -c '^ok ' "$out.tap") tests passed in $(cat "$out.seconds") s" >&3
	grep -q '^ok ' "$out.tap"
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

@test "the cases of all drivers, on dm-thin" {
	passed mosaic
	grep -q '^ok .* dm-thin$' "$BATS_FILE_TMPDIR/mosaic.tap"
}

@test "mosaic-dm" { passed mosaic-dm; }
@test "moctl-story" { passed moctl-story; }
@test "crash" { passed crash; }
@test "images" { passed images; }
@test "debian" { passed debian; }
@test "run" { passed run; }
@test "pod" { passed pod; }
@test "confine" { passed confine; }
@test "enter" { passed enter; }
@test "lifecycle" { passed lifecycle; }
@test "stress" { passed stress; }
@test "readme" { passed readme; }
