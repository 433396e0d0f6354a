#!/usr/bin/env bats
# shellcheck disable=SC2154,SC2030,SC2031 # $output, $stderr, $status are set by `run`; each test is a subshell
# Volumes that are image files (fsimg, ploop), as moctl and other programs see them: qemu-img, fsck,
# the kernel's own ioctls. What every driver promises is tested for every driver elsewhere.

load helpers

setup_file() {
	# a place where files can share data
	truncate -s 6G "$BATS_FILE_TMPDIR/xfs.img"
	mkfs.xfs -q "$BATS_FILE_TMPDIR/xfs.img"
	mkdir "$BATS_FILE_TMPDIR/shared"
	mount -o loop "$BATS_FILE_TMPDIR/xfs.img" "$BATS_FILE_TMPDIR/shared"
}

setup() {
	mnt=$BATS_TEST_TMPDIR/mnt
	mkdir "$mnt"
}

mounts_below() {
	awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac
}

teardown() {
	local where
	mounts_below "$BATS_TEST_TMPDIR" | while read -r where; do umount "$(printf %b "$where")"; done
	if [ -n "${kept:-}" ]; then moctl "$m" detach "$kept" || true; fi
}

# Nothing stays: no mount, no device, no server.
teardown_file() {
	umount "$BATS_FILE_TMPDIR/shared"
	[ -z "$(mounts_below "$BATS_FILE_TMPDIR")" ]
	until_true 20 no_files_of_ours
}

# What is deleted still has a name there.
no_files_of_ours() {
	not grep -sF "$BATS_FILE_TMPDIR" /sys/block/loop*/loop/backing_file
}

# Of the mosaic in use: their labels say whose they are.
no_devices() {
	not grep -F "mosaic-$(id_of "$m")" <(labels)
}

labels() {
	python3 - <<-'END'
		import fcntl, glob
		for path in glob.glob("/sys/block/loop*/loop"):
		    try:
		        with open("/dev/" + path.split("/")[3], "rb") as device:
		            info = fcntl.ioctl(device, 0x4C05, bytes(232))  # LOOP_GET_STATUS64
		            print(info[56:120].rstrip(b"\0").decode())
		    except OSError:
		        pass
	END
}

# not COMMAND...: `!` alone does not end a test
not() {
	if "$@"; then return 1; fi
}

# What labels of devices begin with.
id_of() {
	sed -n '2s/^\(.\{16\}\).*/\1/p' "$1/type"
}

# new TYPE [FS] [DIRECTORY]: a fresh mosaic, in $m
new() {
	m=${3:-$BATS_TEST_TMPDIR}/$1
	moctl "$m" make --type "$1" --default-fs "${2:-ext4}" --option size=400M
}

# The server of the disk of that volume: who has its lock open and is nobody's child.
server_of() {
	local fd
	for fd in /proc/[0-9]*/fd/5; do
		if [ "$fd" -ef "$m/volumes/$1/serving" ]; then echo "$fd" | cut -d/ -f3; fi
	done
}

# closed IMAGE: by its server, or who has it still.
closed() {
	until_true 5 qemu-img check -q -f parallels "$1" 2>/dev/null && return
	printf '%s is not closed, and open at:\n' "$1"
	find /proc/[0-9]*/fd -lname "$1" 2>/dev/null || :
	pgrep -fa mosaic-ploop || :
	losetup --list
	dmesg | grep mosaic-ploop | tail -n 3
	return 1
}

images_of() {
	local dir=$m/volumes/$1/data
	[ -d "$dir" ] || dir=$m/volumes/$1/tree
	echo "$dir"
}

# ---- both -----------------------------------------------------------------------------------------

@test "snapshots of a volume that is written to have nothing for fsck to find" {
	local type fs
	for type in fsimg ploop; do
		for fs in ext4 xfs; do
			rm -rf "${BATS_TEST_TMPDIR:?}/$type"
			new "$type" "$fs"
			moctl "$m" create --fs "$fs" v
			moctl "$m" mount v "$mnt"
			(
				n=0
				while mkdir "$mnt/d$((n % 50))" && echo "$n" >"$mnt/d$((n % 50))/f"; do
					n=$((n + 1))
					if [ "$n" -ge 50 ]; then rm -r "${mnt:?}/d$((n % 50))"; fi
				done 2>/dev/null
			) &
			writer=$!
			sleep 0.2
			moctl "$m" snapshot v s1
			moctl "$m" clone v c1
			sleep 0.1
			moctl "$m" snapshot v s2
			kill "$writer"
			wait "$writer" || true
			moctl "$m" umount "$mnt"
			for name in s1 s2 c1; do
				device=$(moctl "$m" attach "$name")
				kept=$name
				if [ "$fs" = ext4 ]; then
					e2fsck -fn "$device"
				elif [ "$name" != c1 ]; then # its log is replayed at its first mount
					xfs_repair -n "$device"
				fi
				moctl "$m" detach "$name"
				kept=
				moctl "$m" mount -o ro "$name" "$mnt"
				[ "$(find "$mnt" -name f | wc -l)" -gt 0 ]
				moctl "$m" umount "$mnt"
			done
			moctl "$m" check
		done
	done
}

@test "a snapshot that is killed at any moment leaves the volume thawed and whole" {
	local type i pid
	for type in fsimg ploop; do
		new "$type"
		moctl "$m" create v
		moctl "$m" mount v "$mnt"
		for ((i = 0; i < $(times 25); i++)); do
			moctl "$m" snapshot v "s$i" 2>/dev/null 3>&- &
			pid=$!
			sleep "0.0$((i * 2 / 10))$((i * 2 % 10))"
			kill -KILL "$pid" 2>/dev/null || true
			wait "$pid" 2>/dev/null || true
			timeout 20 sh -c "echo $i >'$mnt/file' && sync '$mnt/file'"
		done
		moctl "$m" umount "$mnt"
		moctl "$m" check --repair
		moctl "$m" check
		moctl "$m" mount v "$mnt"
		[ "$(cat "$mnt/file")" = $((i - 1)) ]
		moctl "$m" umount "$mnt"
		for name in $(moctl "$m" list -q); do
			moctl "$m" mount -o ro "$name" "$mnt"
			moctl "$m" umount "$mnt"
		done
		[ -z "$(ls "$m/staging")" ]
	done
}

# ---- fsimg ----------------------------------------------------------------------------------------

@test "fsimg: a clone of 1 GiB in 20,000 files takes less than 20 ms where files share data" {
	local best
	m=$BATS_FILE_TMPDIR/shared/fsimg
	moctl "$m" make --type fsimg --option size=3G
	moctl "$m" create v
	moctl "$m" mount v "$mnt"
	python3 - "$mnt" <<-'END'
		import os, sys
		block = os.urandom(52429)
		for i in range(20000):
		    if i % 200 == 0:
		        os.mkdir(f"{sys.argv[1]}/{i // 200}")
		    with open(f"{sys.argv[1]}/{i // 200}/{i}", "wb") as f:
		        f.write(block)
	END
	moctl "$m" umount "$mnt"
	sync
	# mosaic_clone() alone: moctl makes what it has done durable, which is the disk's time. What
	# is measured is the processor's: others are at work on this machine, too
	best=$(python3 - "$(find "$prefix/" -name libmosaic.so.1)" "$m" <<-'END'
		import ctypes, resource, sys, time
		lib = ctypes.CDLL(sys.argv[1])
		mosaic = ctypes.c_void_p()
		assert lib.mosaic_open(ctypes.byref(mosaic), sys.argv[2].encode(), None, 0, None) == 0
		def spent():
		    usage = resource.getrusage(resource.RUSAGE_SELF)
		    return usage.ru_utime + usage.ru_stime
		best = wall = 1e9
		for i in range(20):
		    start, begun = spent(), time.monotonic()
		    assert lib.mosaic_clone(mosaic, b"c%d" % i, b"v", None) == 0
		    best = min(best, spent() - start)
		    wall = min(wall, time.monotonic() - begun)
		print(int(best * 1e6), int(wall * 1e6))
	END
	)
	echo "# ${best% *} us, ${best#* } us by the clock" >&3
	[ "${best% *}" -lt 20000 ]
	moctl "$m" mount c7 "$mnt"
	[ "$(find "$mnt" -type f | wc -l)" = 20000 ]
	moctl "$m" umount "$mnt"
	moctl "$m" show c1 --json | jq -e '.[0] | .used > 1000000000 and .exclusive < 10000000' >/dev/null
}

@test "fsimg: a full disk is named with its numbers, and drop works" {
	truncate -s 300M "$BATS_TEST_TMPDIR/small.img"
	mkfs.ext4 -q "$BATS_TEST_TMPDIR/small.img"
	mkdir "$BATS_TEST_TMPDIR/small"
	mount -o loop "$BATS_TEST_TMPDIR/small.img" "$BATS_TEST_TMPDIR/small"
	new fsimg ext4 "$BATS_TEST_TMPDIR/small"
	moctl "$m" create v
	moctl "$m" mount v "$mnt"
	head -c 150M /dev/urandom >"$mnt/file"
	moctl "$m" umount "$mnt"
	run --separate-stderr moctl "$m" clone v c
	[ "$status" -ne 0 ]
	says MiB free
	[ "$(moctl "$m" list -q)" = v ]
	sync -f "$m" # what the copy has given back can be had again
	head -c 300M /dev/zero >"$BATS_TEST_TMPDIR/small/rest" || true
	run --separate-stderr moctl "$m" create w
	[ "$status" -ne 0 ]
	moctl "$m" drop v
	[ -z "$(moctl "$m" list -q)" ]
	umount "$BATS_TEST_TMPDIR/small"
}

# ---- ploop ----------------------------------------------------------------------------------------

@test "ploop: images are the format of qemu-img, in both directions" {
	local device dir
	new ploop
	moctl "$m" create --raw --size 64M v
	device=$(moctl "$m" attach v)
	kept=v
	head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/data"
	dd if="$BATS_TEST_TMPDIR/data" of="$device" bs=1M seek=7 conv=fsync status=none
	dd if="$BATS_TEST_TMPDIR/data" of="$device" bs=1000 count=3 seek=50001 conv=fsync status=none
	dd if="$device" of="$BATS_TEST_TMPDIR/whole" bs=1M status=none
	moctl "$m" detach v
	kept=
	dir=$(images_of v)
	closed "$dir/0"
	qemu-img info -f parallels --output json "$dir/0" | jq -e '."virtual-size" == 64 * 1048576' >/dev/null
	qemu-img convert -f parallels -O raw "$dir/0" "$BATS_TEST_TMPDIR/converted"
	cmp "$BATS_TEST_TMPDIR/whole" "$BATS_TEST_TMPDIR/converted"
	# one of theirs as the base
	qemu-img convert -f raw -O parallels "$BATS_TEST_TMPDIR/whole" "$dir/theirs"
	mv "$dir/theirs" "$dir/0"
	moctl "$m" check
	moctl "$m" snapshot v s
	device=$(moctl "$m" attach v)
	kept=v
	cmp "$device" "$BATS_TEST_TMPDIR/whole"
	echo changed | dd of="$device" bs=1M seek=8 conv=fsync status=none
	moctl "$m" detach v
	kept=
	for image in "$dir"/[0-9]*; do
		closed "$image"
	done
	device=$(moctl "$m" attach s)
	kept=s
	cmp "$device" "$BATS_TEST_TMPDIR/whole"
}

@test "ploop: the server has no rights, sees no files, and ends with its device" {
	local pid call
	new ploop
	moctl "$m" create v
	moctl "$m" mount v "$mnt"
	pid=$(server_of v)
	[ -n "$pid" ]
	[ "$(tr '\0' ' ' <"/proc/$pid/cmdline")" = "@mosaic-ploop w 1 " ]
	grep -q '^CapEff:.0000000000000000$' "/proc/$pid/status"
	grep -q '^CapBnd:.0000000000000000$' "/proc/$pid/status"
	grep -q '^NoNewPrivs:.1$' "/proc/$pid/status"
	grep -q '^Seccomp:.2$' "/proc/$pid/status"
	[ "$(wc -l <"/proc/$pid/mountinfo")" = 1 ]
	[ -z "$(ls -A "/proc/$pid/root/")" ]
	[ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ]
	kill -TERM "$pid" # a disk does not vanish for that
	echo still >"$mnt/file"
	sync "$mnt/file"
	moctl "$m" umount "$mnt"
	until_true 5 test ! -e "/proc/$pid"
	until_true 5 no_devices
	closed "$(images_of v)/0"
}

@test "ploop: attaching waits for a server that is ending, and says nothing of it" {
	local pid
	new ploop
	moctl "$m" create --raw --size 64M v
	flock "$m/volumes/v/serving" sleep 1 &
	pid=$!
	until_true 5 not flock --nonblock "$m/volumes/v/serving" true
	run --separate-stderr moctl "$m" attach v
	kept=v
	[ "$status" -eq 0 ]
	[ -z "$stderr" ]
	wait "$pid"
}

@test "ploop: a killed server costs what was not synced, and nothing else" {
	local pid i
	new ploop
	moctl "$m" create v
	for i in 1 2 3; do
		moctl "$m" mount v "$mnt"
		head -c "${i}M" /dev/urandom >"$mnt/synced$i"
		sync -f "$mnt/synced$i"
		sha256sum "$mnt/synced$i" >>"$BATS_TEST_TMPDIR/sums"
		head -c 3M /dev/urandom >"$mnt/lost$i"
		pid=$(server_of v)
		kill -KILL "$pid"
		umount "$mnt"
		until_true 10 no_devices
		moctl "$m" check --repair
		qemu-img check -f parallels "$(images_of v)/0"
	done
	moctl "$m" mount v "$mnt"
	sha256sum -c "$BATS_TEST_TMPDIR/sums"
	moctl "$m" umount "$mnt"
	device=$(moctl "$m" attach v)
	kept=v
	e2fsck -fn "$device"
}

@test "ploop: chains do not grow without end, mounted or not" {
	local i n dir
	new ploop
	moctl "$m" create v
	moctl "$m" mount v "$mnt"
	dir=$(images_of v)
	for ((i = 0; i < $(times 30); i++)); do
		echo "$i" >"$mnt/file$i"
		moctl "$m" snapshot v "s$i"
		[ "$(find "$dir/" -type f | wc -l)" -le 13 ]
	done
	n=$i
	moctl "$m" umount "$mnt"
	for ((i = n; i < n + $(times 20); i++)); do
		moctl "$m" mount v "$mnt"
		echo "$i" >"$mnt/file$i"
		moctl "$m" umount "$mnt"
		moctl "$m" snapshot v "s$i"
		moctl "$m" clone "s$i" c
		moctl "$m" drop c
	done
	for name in 0 5 $((n - 1)) $((i - 1)); do
		moctl "$m" mount "s$name" "$mnt"
		[ "$(find "$mnt" -name 'file*' | wc -l)" = $((name + 1)) ]
		[ "$(cat "$mnt/file$name")" = "$name" ]
		moctl "$m" umount "$mnt"
	done
	moctl "$m" check
}

@test "ploop: what is removed is given back with fstrim" {
	local before full after
	new ploop
	moctl "$m" create v
	moctl "$m" mount v "$mnt"
	before=$(du -sk "$m" | cut -f1)
	head -c 100M /dev/urandom >"$mnt/file"
	sync -f "$mnt/file"
	full=$(du -sk "$m" | cut -f1)
	[ "$full" -gt $((before + 95 * 1024)) ]
	rm "$mnt/file"
	sync -f "$mnt"
	fstrim "$mnt"
	after=$(du -sk "$m" | cut -f1)
	[ "$after" -lt $((before + 5 * 1024)) ]
	moctl "$m" snapshot v s
	head -c 50M /dev/urandom >"$mnt/file"
	sync -f "$mnt/file"
	moctl "$m" umount "$mnt"
	moctl "$m" rollback v s
	moctl "$m" mount v "$mnt"
	[ ! -e "$mnt/file" ]
	moctl "$m" umount "$mnt"
	until_true 5 no_devices
	[ "$(du -sk "$m" | cut -f1)" -lt $((before + 5 * 1024)) ]
}

@test "ploop: a disk that grows past the room of its table does so when nobody uses it" {
	new ploop xfs
	moctl "$m" create --fs xfs v
	moctl "$m" mount v "$mnt"
	echo stays >"$mnt/file"
	moctl "$m" resize v 2G
	run --separate-stderr moctl "$m" resize v 300G
	[ "$status" -ne 0 ]
	says "only when"
	moctl "$m" umount "$mnt"
	moctl "$m" resize v 300G
	moctl "$m" mount v "$mnt"
	[ "$(cat "$mnt/file")" = stays ]
	[ "$(df --output=size -k "$mnt" | tail -n 1)" -gt $((290 * 1024 * 1024)) ]
	moctl "$m" umount "$mnt"
	moctl "$m" check
}
