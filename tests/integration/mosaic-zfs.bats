#!/usr/bin/env bats
# The driver zfs, with zfs-fuse: the cases that all drivers share (tests/mosaic), and what is ZFS's
# own. The daemon and its pool are the test's. Real ZFS answers to the same program.

load helpers

setup_file() {
	export suite=${CAROB_TEST_SUITE:-$prefix/../tests/mosaic/mosaic-suite}
	export CAROB_LIBEXEC=$prefix/libexec/carob
	census >"$BATS_FILE_TMPDIR/census"
	why_no_zfs >"$BATS_FILE_TMPDIR/why" || return 0
	cc -shared -fPIC -o "$BATS_FILE_TMPDIR/preload.so" "$top/tests/mosaic/zfs-fuse-preload.c"
	mkdir -p /run/zfs
	truncate -s 3G "$BATS_FILE_TMPDIR/pool.img"
	LD_PRELOAD=$BATS_FILE_TMPDIR/preload.so zfs-fuse --no-daemon --no-kstat-mount --enable-xattr >"$BATS_FILE_TMPDIR/daemon.log" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/daemon"
	until_true 10 test -S /run/zfs/zfs_socket
	zpool create -m none "carob$$" "$BATS_FILE_TMPDIR/pool.img"
	echo "carob$$" >"$BATS_FILE_TMPDIR/name"
}

stop_daemon() {
	local pid
	pid=$(cat "$BATS_FILE_TMPDIR/daemon")
	if [ -e "$BATS_FILE_TMPDIR/name" ]; then
		timeout 20 zpool destroy -f "$(cat "$BATS_FILE_TMPDIR/name")" || true
	fi
	kill -9 "$pid" # it takes no other end
	until_true 10 process_gone "$pid"
	rm -rf /run/zfs /etc/zfs/zpool.cache /var/lib/zfs/zpool.cache "$BATS_FILE_TMPDIR/pool.img" "$BATS_FILE_TMPDIR/name"
}

teardown_file() {
	[ ! -e "$BATS_FILE_TMPDIR/daemon" ] || stop_daemon
	teardown_state
}

process_gone() { [ ! -e "/proc/$1" ]; }

setup() {
	why=$(cat "$BATS_FILE_TMPDIR/why")
	[ -z "$why" ] || skip "$why"
	dir=$BATS_TEST_TMPDIR
	mos=$dir/zfs.mos
	dataset=$(cat "$BATS_FILE_TMPDIR/name")/$BATS_TEST_NUMBER
	zfs create "$dataset"
	printf 'type: zfs\nlocation: %s\noptions: { dataset: %s }\n' "$dir/mosaic" "$dataset" >"$mos"
	mkdir -p "$dir/a"
}

children() { zfs list -H -r -o name -t filesystem "$dataset" | tail -n +2; }
snapshots() { zfs list -H -r -o name -t snapshot "$dataset"; }

@test "the cases of all drivers" {
	mkdir "$dir/scratch"
	moctl "$mos" make
	"$suite" "$mos" "$dir/scratch" >"$dir/results" || { grep FAIL "$dir/results" && false; }
	grep skip "$dir/results" | sed 's/^/# /' >&3
	[ "$(grep -c '	ok	' "$dir/results")" -gt 25 ]
	[ -z "$(children)" ] && [ -z "$(snapshots)" ]
}

@test "what is needed is said" {
	sed 's/{ dataset.*}/{}/' "$mos" >"$dir/none.mos"
	run ! moctl "$dir/none.mos" make
	[[ "$output" == *"option dataset"* ]]
	sed 's/dataset: /dataset: no/' "$mos" >"$dir/wrong.mos"
	run ! moctl "$dir/wrong.mos" make
	[[ "$output" == *"no such pool"* || "$output" == *"does not exist"* ]]
	# zfs-fuse cannot exchange names
	zfs create -o "mountpoint=$dir/on-zfs" "$dataset/on-zfs"
	sed "s|$dir/mosaic|$dir/on-zfs|" "$mos" >"$dir/on-zfs.mos"
	run ! moctl "$dir/on-zfs.mos" make
	[[ "$output" == *"cannot exchange two names"* ]]
	until_true 10 zfs destroy "$dataset/on-zfs"
}

@test "what a volume was cloned from can be dropped, and leaves nothing" {
	moctl "$mos" make
	moctl "$mos" create v
	for n in 1 2 3; do moctl "$mos" clone v "c$n"; done
	moctl "$mos" snapshot c2 s
	moctl "$mos" drop v
	moctl "$mos" drop c2
	[ "$(children | wc -l)" = 3 ]
	moctl "$mos" check
	moctl "$mos" drop c1 c3 s
	[ -z "$(children)" ] && [ -z "$(snapshots)" ]
}

@test "a dataset that belongs to no volume is found and removed" {
	moctl "$mos" make
	moctl "$mos" create v
	zfs create "$dataset/0123456789abcdef0123456789abcdef"
	zfs create "$dataset/of-somebody-else"
	run -8 moctl "$mos" check
	[[ "$output" == *"0123456789abcdef0123456789abcdef"* && "$output" != *somebody* ]]
	moctl "$mos" check --repair
	[ "$(children | wc -l)" = 2 ]
	zfs destroy "$dataset/of-somebody-else"
	zfs list -H -o name -r "$dataset" | tail -n 1 | xargs zfs destroy -r
	run -8 moctl "$mos" check
	[[ "$output" == *"is not there"* ]]
}
