#!/usr/bin/env bats
# shellcheck disable=SC2154 # $output, $stderr, $status are set by `run`
# moctl, verb by verb as its man page says, on the drivers that work everywhere: overlay and plain.

load helpers

setup_file() {
	export MOSAIC_PATH=$BATS_FILE_TMPDIR/mosaic.d
	mkdir "$MOSAIC_PATH"
}

teardown() {
	local mount
	# in reverse: the last one is on top
	awk -v dir="$BATS_TEST_TMPDIR" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r mount; do umount "$(printf %b "$mount")"; done
	[ ! -e "$BATS_TEST_TMPDIR/pids" ] || xargs kill <"$BATS_TEST_TMPDIR/pids" 2>/dev/null || true
}

teardown_file() {
	not grep -F "$BATS_FILE_TMPDIR" /proc/self/mountinfo
	! losetup -a | grep -F "$BATS_FILE_TMPDIR"
}

# not COMMAND...: `!` alone does not end a test
not() {
	if "$@"; then return 1; fi
}

# new TYPE: a fresh mosaic of that type, in $m; $mnt is a directory to mount at
new() {
	type=$1 m=$BATS_TEST_TMPDIR/$1 mnt=$BATS_TEST_TMPDIR/mnt
	mkdir -p "$mnt"
	moctl "$m" make --type "$1"
}

# put VOLUME FILE TEXT: writes into a volume.  get VOLUME FILE: reads.
put() {
	moctl "$m" mount "$1" "$mnt"
	printf %s "$3" >"$mnt/$2"
	moctl "$m" umount "$mnt"
}

get() {
	moctl "$m" mount "$1" "$mnt"
	cat "$mnt/$2"
	moctl "$m" umount "$mnt"
}

names() {
	moctl "$m" list -q | tr '\n' ' '
}

# ---- the mosaic -----------------------------------------------------------------------------------

@test "make: in a directory, of a type, once" {
	m=$BATS_TEST_TMPDIR/new
	run -3 --separate-stderr moctl "$m" list
	says "$m" "make"
	moctl "$m" make
	[ "$(moctl "$m" info --json | jq -r .type)" = overlay ]
	run -5 --separate-stderr moctl "$m" make
	says make "$m" already overlay
	moctl "$BATS_TEST_TMPDIR/p" make -t plain
	[ "$(cat "$BATS_TEST_TMPDIR/p/type")" = "$(moctl "$BATS_TEST_TMPDIR/p" info --json | jq -r '.type + "\n" + .id')" ]
	run -1 --separate-stderr moctl "$BATS_TEST_TMPDIR/x" make -t nosuch
	says nosuch
	[ ! -e "$BATS_TEST_TMPDIR/x" ]
	run -2 moctl "$BATS_TEST_TMPDIR/x" make -o a=b
	run -2 moctl "$BATS_TEST_TMPDIR/x" make -t plain -o ab
	run -1 --separate-stderr moctl "$BATS_TEST_TMPDIR/x" make -t plain -o a=b
	says option a plain
}

@test "make and use: by a description, its path or its name" {
	printf 'type: plain\nlocation: %s/here\n' "$BATS_TEST_TMPDIR" >"$MOSAIC_PATH/mine.mos"
	run -3 moctl mine info
	moctl mine make
	moctl mine create a
	[ "$(moctl mine list -q)" = a ]
	[ "$(moctl "$MOSAIC_PATH/mine.mos" list -q)" = a ]
	[ "$(moctl "$BATS_TEST_TMPDIR/here" list -q)" = a ]
	run -2 moctl mine make --type overlay
	run -5 moctl mine make
	run -3 --separate-stderr moctl other list
	says other "$MOSAIC_PATH"
	rm "$MOSAIC_PATH/mine.mos"
}

@test "check-config: what is right is printed, what is wrong has its line and column" {
	local d=$BATS_TEST_TMPDIR
	printf 'type: overlay\nlocation: sub\nlayout: { metadata: meta }\nvolumeMap: "^web-(.*) web.\\\\1"\n' >"$d/a.mos"
	run -0 moctl check-config "$d/a.mos"
	[[ "$output" == *"$d/sub"* && "$output" == *overlay* ]]
	[ "$(moctl check-config "$d/a.mos" --json | jq -r '.name + " " + .type + " " + .metadata')" = "a overlay meta" ]
	printf 'type: overlay\nlocation: /x\nnonsense: 1\n' >"$d/b.mos"
	run -1 --separate-stderr moctl check-config "$d/b.mos"
	says "$d/b.mos" "line 3" column nonsense
	printf 'type: overlay\nlocation: [\n' >"$d/c.mos"
	run -1 --separate-stderr moctl check-config "$d/c.mos"
	says line column
	run -3 --separate-stderr moctl check-config "$d/no.mos"
	says "$d/no.mos"
	run -3 moctl check-config nowhere
	run -2 moctl check-config
	run -2 moctl check-config a b
}

@test "volumeMap: names are changed before they are looked up" {
	printf 'type: plain\nlocation: %s/here\nvolumeMap: "^web-(.*) web.\\\\1"\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/x.mos"
	moctl "$BATS_TEST_TMPDIR/x.mos" make
	moctl "$BATS_TEST_TMPDIR/x.mos" create web-a
	[ "$(moctl "$BATS_TEST_TMPDIR/here" list -q)" = web.a ]
	moctl "$BATS_TEST_TMPDIR/x.mos" have web-a
}

@test "info and features: as text, as JSON, as a question" {
	for type in overlay plain; do
		new "$type"
		moctl "$m" create a
		run -0 moctl "$m" info
		[[ "$output" == *"$type"* && "$output" == *"$m"* ]]
		moctl "$m" info --json | jq -e --arg m "$m" '.location == $m and .volumes == 1 and (.id | length == 32) and
			(.features | type == "array") and .available > 0 and .total >= .available' >/dev/null
		moctl "$m" features --json | jq -e 'length > 8 and all(.[]; .name and (.supported | type == "boolean") and .meaning)' >/dev/null
		[ "$(moctl "$m" features --no-legend | wc -l)" = "$(moctl "$m" features --json | jq length)" ]
		[ "$(moctl "$m" features --json | jq -c '[.[] | select(.supported).name]')" = "$(moctl "$m" info --json | jq -c .features)" ]
		run -6 --separate-stderr moctl "$m" features raw
		says "$type" raw
		run -2 moctl "$m" features nonsense
	done
	run -0 moctl "$BATS_TEST_TMPDIR/overlay" features clone
	[ -z "$output" ]
	run -6 moctl "$BATS_TEST_TMPDIR/plain" features clone
}

# ---- volumes --------------------------------------------------------------------------------------

@test "create, have, list, show, drop" {
	for type in overlay plain; do
		new "$type"
		moctl "$m" create b
		moctl "$m" create a
		[ "$(names)" = "a b " ]
		moctl "$m" have a
		run -3 --separate-stderr moctl "$m" have c
		[ -z "$output$stderr" ]
		run -5 --separate-stderr moctl "$m" create a
		says create a already
		moctl "$m" list --json | jq -e 'map(.name) == ["a", "b"] and all(.[]; .readOnly == false and .raw == false and
			.size == null and (.created | fromdate? // sub("\\.[0-9]+Z$"; "Z") | tostring | length > 0))' >/dev/null
		put a file "hello"
		moctl "$m" show a b --json | jq -e 'map(.name) == ["a", "b"] and .[0].used >= 5 and .[0].inUse == false and
			.[0].mounts == [] and .[0].children == [] and .[0].data == [] and .[0].device == null' >/dev/null
		run -0 moctl "$m" show a
		[[ "$output" == name*a*created*"in use"* ]]
		run -3 --separate-stderr moctl "$m" show a c
		says show c
		moctl "$m" drop a
		run -3 moctl "$m" have a
		run -3 --separate-stderr moctl "$m" drop a
		says drop a
		moctl "$m" drop --ignore-missing a
		# goes on behind a failure
		moctl "$m" create c
		run -3 moctl "$m" drop a b c
		[ -z "$(names)" ]
	done
}

@test "list: columns, order, filters, longer, quiet" {
	new plain
	for name in a b c; do moctl "$m" create "$name"; done
	moctl "$m" snapshot b s
	put b big "$(head -c 100000 /dev/zero | tr '\0' x)"
	run -0 moctl "$m" list -o name,read-only
	[ "${lines[0]}" = "NAME  READ ONLY" ]
	[ "${#lines[@]}" = 5 ]
	[ "$(moctl "$m" list --sort -name -q | tr -d '\n')" = scba ]
	[ "$(moctl "$m" list --filter read-only=yes -q)" = s ]
	[ "$(moctl "$m" list --filter 'name~[ab]' -q | tr -d '\n')" = ab ]
	[ "$(moctl "$m" list --filter parent=b -q)" = s ]
	[ "$(moctl "$m" list -l --sort -used -q | head -n 1)" = b ]
	[ "$(moctl "$m" list --no-legend | wc -l)" = 4 ]
	moctl "$m" list -l --json | jq -e 'all(.[]; (.used | type == "number") and has("inUse") and .used == .exclusive + .shared)' >/dev/null
	run -2 --separate-stderr moctl "$m" list -o nonsense
	[[ "$stderr" == *name*parent* ]]
	run -2 moctl "$m" list x
}

@test "what the driver cannot do is refused, by name and without a trace" {
	for type in overlay plain; do
		new "$type"
		run -6 --separate-stderr moctl "$m" create --raw a
		says create a "$type"
		run -6 --separate-stderr moctl "$m" create --size 1G a
		says create a
		run -6 --separate-stderr moctl "$m" create --fs ext4 a
		says create a
		moctl "$m" create v
		run -6 --separate-stderr moctl "$m" attach v
		says attach v "$type"
		run -6 --separate-stderr moctl "$m" detach v
		says detach v "$type"
		run -6 --separate-stderr moctl "$m" resize v 1G
		says resize v
		[ "$(names)" = "v " ]
		[ -z "$(ls "$m/staging")" ]
	done
	printf 'type: plain\nlocation: %s/p\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/p.mos"
	run -6 --separate-stderr moctl "$BATS_TEST_TMPDIR/p.mos" create-pool "$BATS_TEST_TMPDIR/pool"
	says create-pool plain
	[ ! -e "$BATS_TEST_TMPDIR/pool" ]
}

@test "clone, snapshot, rollback: contents go their own ways" {
	for type in overlay plain; do
		new "$type"
		moctl "$m" create a
		put a f one
		moctl "$m" snapshot a s
		moctl "$m" clone a c
		put a f two
		put c f three
		[ "$(get a f) $(get s f) $(get c f)" = "two one three" ]
		[ "$(moctl "$m" list --json | jq -r '.[] | select(.name == "s") | "\(.readOnly) \(.parent)"')" = "true a" ]
		moctl "$m" rollback a s
		[ "$(get a f)" = one ]
		put a f four
		[ "$(get s f)" = one ]
		moctl "$m" show a --json | jq -e '.[0].children | sort == ["c", "s"]' >/dev/null
		run -5 --separate-stderr moctl "$m" clone a c
		says clone c already
		run -5 moctl "$m" snapshot a s
		run -3 --separate-stderr moctl "$m" clone x y
		says clone x
		run -3 moctl "$m" snapshot x y
		run -3 moctl "$m" rollback a x
		run -3 moctl "$m" rollback x s
		run -2 moctl "$m" clone a
		run -2 moctl "$m" clone a b c
	done
}

@test "snapshot of several volumes: all or none" {
	for type in overlay plain; do
		new "$type"
		moctl "$m" create a
		moctl "$m" create b
		moctl "$m" snapshot a a1 b b1
		[ "$(names)" = "a a1 b b1 " ]
		run -5 moctl "$m" snapshot a a2 b b1
		run -3 moctl "$m" snapshot a a2 x x1
		run -2 moctl "$m" snapshot a a2 b
		[ "$(names)" = "a a1 b b1 " ]
	done
}

@test "data: values are kept with the volume, whatever bytes they are" {
	for type in overlay plain; do
		new "$type"
		moctl "$m" create a
		moctl "$m" data set a owner 'somebody, über'
		[ "$(moctl "$m" data get a owner)" = 'somebody, über' ]
		head -c 65536 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
		moctl "$m" data set a bytes <"$BATS_TEST_TMPDIR/bytes"
		moctl "$m" data get a bytes | cmp - "$BATS_TEST_TMPDIR/bytes"
		head -c 65537 /dev/zero | run -1 moctl "$m" data set a more
		moctl "$m" data set a empty ''
		[ "$(moctl "$m" data list a | tr '\n' ' ')" = "bytes empty owner " ]
		moctl "$m" data list a --json | jq -e '.owner == "somebody, über" and .bytes == null and .empty == ""' >/dev/null
		moctl "$m" show a --json | jq -e '.[0].data | sort == ["bytes", "empty", "owner"]' >/dev/null
		moctl "$m" snapshot a s
		moctl "$m" rollback a s
		[ "$(moctl "$m" data get a owner)" = 'somebody, über' ]
		[ -z "$(moctl "$m" data list s)" ]
		moctl "$m" data rm a owner
		run -3 --separate-stderr moctl "$m" data get a owner
		says "data get" a owner
		run -3 moctl "$m" data get x owner
		run -3 moctl "$m" data set x owner me
		run -1 moctl "$m" data set a ../x me
		run -2 moctl "$m" data
		run -2 moctl "$m" data get a
	done
}

# ---- using ----------------------------------------------------------------------------------------

@test "mount and umount: options, several places, who uses it" {
	for type in overlay plain; do
		new "$type"
		mkdir -p "$mnt-2" "$mnt-3"
		moctl "$m" create a
		moctl "$m" mount a "$mnt" -o nodev,nosuid -o noexec
		grep -F " $mnt " /proc/self/mountinfo | grep nosuid,nodev,noexec
		echo x >"$mnt/f"
		moctl "$m" mount -o ro a "$mnt-2"
		[ "$(cat "$mnt-2/f")" = x ]
		run touch "$mnt-2/g"
		[ "$status" != 0 ]
		moctl "$m" show a --json | jq -e --arg a "$mnt" --arg b "$mnt-2" '.[0].inUse and
			(.[0].mounts | map(.path) | sort) == [$a, $b] and all(.[0].mounts[]; .here)' >/dev/null
		run -0 moctl "$m" list -l --filter in-use=yes -q
		[ "$output" = a ]
		run -4 --separate-stderr moctl "$m" drop a
		says drop a
		moctl "$m" features snapshot-live || run -4 moctl "$m" snapshot a s
		moctl "$m" umount a "$mnt"
		run -1 --separate-stderr moctl "$m" umount "$mnt"
		says umount "$mnt"
		moctl "$m" create other
		run -1 --separate-stderr moctl "$m" umount other "$mnt-2"
		says umount "$mnt-2"
		(cd "$mnt-2" && run -4 moctl "$m" umount "$mnt-2")
		moctl "$m" umount "$mnt-2"
		not grep -F " $mnt" /proc/self/mountinfo
		run -3 moctl "$m" mount x "$mnt"
		run -3 moctl "$m" mount a "$mnt/nowhere"
		run -2 --separate-stderr moctl "$m" mount a "$mnt" -o ro,suid
		[[ "$stderr" == *suid* ]]
		moctl "$m" drop a
	done
}

other_namespace() {
	[ "$(readlink "/proc/$1/ns/user")" != "$(readlink /proc/self/ns/user)" ]
}

@test "mount --map: files on disk are shown as others'" {
	new plain
	moctl "$m" create a
	put a f x
	moctl "$m" mount a "$mnt" --map 0:100000:65536
	[ "$(stat -c %u:%g "$mnt/f")" = 100000:100000 ]
	moctl "$m" umount "$mnt"
	moctl "$m" mount a "$mnt" --map u:0:5:1,g:0:6:1
	[ "$(stat -c %u:%g "$mnt/f")" = 5:6 ]
	moctl "$m" umount "$mnt"
	unshare --user sleep 100 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pids"
	until_true 5 other_namespace "$!"
	echo 0 7000 10 >"/proc/$!/uid_map"
	echo 0 7000 10 >"/proc/$!/gid_map"
	moctl "$m" mount a "$mnt" --map "/proc/$!/ns/user"
	[ "$(stat -c %u:%g "$mnt/f")" = 7000:7000 ]
	moctl "$m" umount "$mnt"
	run -1 --separate-stderr moctl "$m" mount a "$mnt" --map /proc/self/ns/net
	says /proc/self/ns/net "user namespace"
	run -2 moctl "$m" mount a "$mnt" --map 0:1
	run -2 moctl "$m" mount a "$mnt" --map u:0:1:1
	not grep -F " $mnt " /proc/self/mountinfo
}

@test "mount -: the mosaic's metadata" {
	new overlay
	moctl "$m" mount - "$mnt"
	echo hello >"$mnt/note"
	moctl "$m" umount - "$mnt"
	not grep -F " $mnt " /proc/self/mountinfo
	moctl "$m" mount - "$mnt" -o ro
	[ "$(cat "$mnt/note")" = hello ]
	run touch "$mnt/x"
	[ "$status" != 0 ]
	moctl "$m" umount - "$mnt"
	[ -z "$(names)" ]
}

@test "events: remembered, followed, as JSON" {
	for type in overlay plain; do
		new "$type"
		run -0 moctl "$m" events
		[ -z "$output" ]
		moctl "$m" create a
		moctl "$m" clone a b
		moctl "$m" mount b "$mnt"
		moctl "$m" umount "$mnt"
		moctl "$m" snapshot a s
		moctl "$m" drop s
		run -0 moctl "$m" events
		[ "${#lines[@]}" = 6 ]
		[[ "${lines[1]}" == *clone*b*from*a* ]]
		moctl "$m" events --json | jq -es --arg mnt "$mnt" 'map(.event) == ["create", "clone", "mount", "umount", "snapshot", "drop"] and
			.[1].from == "a" and .[1].volume == "b" and .[2].path == $mnt and all(.[]; .pid > 0 and .time)' >/dev/null
		moctl "$m" events --follow --json >"$BATS_TEST_TMPDIR/new" 3>&- &
		moctl "$m" events --all --follow >"$BATS_TEST_TMPDIR/all" 3>&- &
		jobs -p >"$BATS_TEST_TMPDIR/pids"
		until_true 5 grep -q drop "$BATS_TEST_TMPDIR/all"
		# the other one has no way to say that it listens
		until_true 10 follows_new
		until_true 5 grep -q 'data-\|x1' "$BATS_TEST_TMPDIR/all"
		not grep -q '"s"' "$BATS_TEST_TMPDIR/new"
		xargs kill <"$BATS_TEST_TMPDIR/pids"
		wait
		: >"$BATS_TEST_TMPDIR/pids"
	done
}

follows_new() {
	moctl "$m" create x1
	moctl "$m" drop x1
	grep -q x1 "$BATS_TEST_TMPDIR/new"
}

@test "check: nothing wrong; what a killed maker left; mended" {
	for type in overlay plain; do
		new "$type"
		moctl "$m" create a
		run -0 moctl "$m" check
		[ -z "$output" ]
		[ "$(moctl "$m" check --json)" = "[]" ]
		mkdir "$m/staging/left-over"
		run -8 --separate-stderr moctl "$m" check
		[[ "$output" == *staging/left-over* && "$stderr" == *--repair* ]]
		run -8 --separate-stderr moctl "$m" check --json
		jq -e '.[0].where == "staging/left-over" and .[0].mended == false and .[0].problem' <<<"$output" >/dev/null
		run -0 moctl "$m" check --repair
		[[ "$output" == *left-over*yes* ]]
		[ ! -e "$m/staging/left-over" ]
		run -0 moctl "$m" check
		[ "$(names)" = "a " ]
	done
}

# ---- devices and sizes ----------------------------------------------------------------------------

# Loop devices end a moment after their last user.
no_device() {
	[ "$(moctl "$m" show "$1" --json | jq -r '.[0].device')" = null ] && ! [ -e "/sys/block/${2#/dev/}/loop/backing_file" ]
}

@test "attach and detach: raw bytes, as often as attached, read-only, in use" {
	local device type
	for type in fsimg ploop; do
		m=$BATS_TEST_TMPDIR/$type mnt=$BATS_TEST_TMPDIR/mnt
		mkdir -p "$mnt"
		moctl "$m" make --type $type -o size=64M
		moctl "$m" create --raw --size 8M raw
		[ "$(moctl "$m" show raw --json | jq -c '.[0] | [.raw, .fs, .size, .device]')" = "[true,null,8388608,null]" ]
		run -6 --separate-stderr moctl "$m" mount raw "$mnt"
		says mount raw
		run -1 --separate-stderr moctl "$m" detach raw
		says detach raw
		device=$(moctl "$m" attach raw)
		[ -b "$device" ]
		[ "$(blockdev --getsize64 "$device")" = 8388608 ]
		head -c 5000000 /dev/urandom >"$BATS_TEST_TMPDIR/bytes"
		dd if="$BATS_TEST_TMPDIR/bytes" of="$device" conv=fsync status=none
		# a second time is the same device, which stays until the second detach
		[ "$(moctl "$m" attach raw)" = "$device" ]
		[ "$(moctl "$m" show raw --json | jq -r '.[0] | "\(.device) \(.inUse)"')" = "$device true" ]
		[ "$(moctl "$m" list -o name,device --no-legend | xargs)" = "raw $device" ]
		run -4 --separate-stderr moctl "$m" drop raw
		says drop raw
		moctl "$m" detach raw
		[ -b "$device" ] && cmp -n 5000000 "$BATS_TEST_TMPDIR/bytes" "$device"
		moctl "$m" detach raw
		until_true 5 no_device raw "$device"
		run -1 moctl "$m" detach raw
		# what was written is there, and cannot be written
		device=$(moctl "$m" attach --read-only raw)
		cmp -n 5000000 "$BATS_TEST_TMPDIR/bytes" "$device"
		[ "$(blockdev --getro "$device")" = 1 ]
		not dd if=/dev/zero of="$device" bs=512 count=1 conv=fsync status=none
		moctl "$m" detach raw
		until_true 5 no_device raw "$device"
		# a file system: the device is mounted by hand, and cannot be detached then
		moctl "$m" create v
		device=$(moctl "$m" attach v)
		mount "$device" "$mnt"
		echo by hand >"$mnt/file"
		run -4 --separate-stderr moctl "$m" detach v
		says detach v
		umount "$mnt"
		moctl "$m" detach v
		until_true 5 no_device v "$device"
		[ "$(get v file)" = "by hand" ]
		# a snapshot is never written to
		moctl "$m" snapshot v s
		device=$(moctl "$m" attach s)
		[ "$(blockdev --getro "$device")" = 1 ]
		moctl "$m" detach s
		until_true 5 no_device s "$device"
		moctl "$m" drop raw v s
		run -0 moctl "$m" check
	done
}

mebibytes() {
	moctl "$m" show "$1" --json | jq '.[0].size / 1048576'
}

@test "resize: image files grow while they are mounted, shrink while they are not" {
	local type
	for type in fsimg ploop; do
		m=$BATS_TEST_TMPDIR/$type mnt=$BATS_TEST_TMPDIR/mnt
		mkdir -p "$mnt"
		moctl "$m" make --type $type -o size=64M
		moctl "$m" create v
		[ "$(mebibytes v)" = 64 ]
		moctl "$m" mount v "$mnt"
		head -c 40M /dev/urandom >"$mnt/data"
		sha256sum "$mnt/data" >"$BATS_TEST_TMPDIR/sums"
		# ext4 asks for that capability
		if ! (((0x$(field CapEff /proc/self/status) >> 24) & 1)); then
			run -1 --separate-stderr moctl "$m" resize v 128M
			says resize v CAP_SYS_RESOURCE
			moctl "$m" umount "$mnt"
			moctl "$m" resize v 128M
			moctl "$m" resize v +32M
			moctl "$m" mount v "$mnt"
		else
			moctl "$m" resize v 128M
			[ "$(mebibytes v)" = 128 ]
			moctl "$m" resize v +32M
		fi
		[ "$(df --output=size -B1M "$mnt" | tail -n 1)" -gt 120 ]
		[ "$(mebibytes v)" = 160 ]
		sha256sum -c --quiet "$BATS_TEST_TMPDIR/sums"
		moctl "$m" umount "$mnt"
		moctl "$m" resize v -60M
		[ "$(mebibytes v)" = 100 ]
		moctl "$m" mount v "$mnt"
		[ "$(df --output=size -B1M "$mnt" | tail -n 1)" -lt 100 ]
		sha256sum -c --quiet "$BATS_TEST_TMPDIR/sums"
		moctl "$m" umount "$mnt"
		# less than it holds, less than nothing, no size
		run -7 --separate-stderr moctl "$m" resize v 20M
		says resize v
		run ! --separate-stderr moctl "$m" resize v -100M
		[[ "$stderr" == *v* ]]
		run ! --separate-stderr moctl "$m" resize v none
		[[ "$stderr" == *v* ]]
		run -2 moctl "$m" resize v 10X
		run -2 moctl "$m" resize v
		run -3 moctl "$m" resize x 10M
		[ "$(mebibytes v)" = 100 ]
		moctl "$m" snapshot v s
		run ! --separate-stderr moctl "$m" resize s 200M
		says resize s
		moctl "$m" drop s v
	done
}

@test "resize: a quota of btrfs is felt, changed and taken away" {
	local dir=$BATS_TEST_TMPDIR/btrfs
	mkdir "$dir"
	truncate -s 1G "$dir.img"
	mkfs.btrfs -q "$dir.img" >/dev/null
	mount -o loop "$dir.img" "$dir"
	m=$dir/m mnt=$BATS_TEST_TMPDIR/mnt
	mkdir "$mnt"
	moctl "$m" make --type btrfs
	moctl "$m" create --size 20M v
	moctl "$m" mount v "$mnt"
	not dd if=/dev/urandom of="$mnt/data" bs=1M count=40 conv=fsync status=none
	moctl "$m" resize v +80M
	dd if=/dev/urandom of="$mnt/data" bs=1M count=40 conv=fsync status=none
	run -7 --separate-stderr moctl "$m" resize v 10M
	says resize v
	[ "$(mebibytes v)" = 100 ]
	moctl "$m" resize v none
	[ "$(moctl "$m" show v --json | jq '.[0].size')" = null ]
	dd if=/dev/urandom of="$mnt/more" bs=1M count=120 conv=fsync status=none
	moctl "$m" umount "$mnt"
	umount "$dir"
}

# ---- streams --------------------------------------------------------------------------------------

@test "send and receive: through a pipe and a file, whole and since a snapshot, between drivers" {
	local a=$BATS_TEST_TMPDIR/overlay b=$BATS_TEST_TMPDIR/plain
	new plain
	new overlay
	moctl "$a" create v
	put v f one
	moctl "$a" snapshot v s1
	put v g two
	moctl "$a" snapshot v s2
	moctl "$a" send -q s1 | moctl "$b" receive -q s1
	moctl "$a" send -q --since s1 s2 "$BATS_TEST_TMPDIR/stream"
	moctl "$b" receive -q s2 "$BATS_TEST_TMPDIR/stream"
	moctl "$b" receive --writable -q w <(moctl "$a" send -q s2)
	m=$b
	[ "$(get s1 f)$(get s2 f)$(get s2 g)$(get w g)" = oneonetwotwo ]
	moctl "$b" list --json | jq -e 'map({(.name): .readOnly}) | add == {s1: true, s2: true, w: false}' >/dev/null
	put w f three
	run -5 --separate-stderr moctl "$a" send -q s1 "$BATS_TEST_TMPDIR/stream"
	says send "$BATS_TEST_TMPDIR/stream" --overwrite
	moctl "$a" send -q --overwrite s1 "$BATS_TEST_TMPDIR/stream"
	run -5 moctl "$b" receive -q s1 "$BATS_TEST_TMPDIR/stream"
	moctl "$b" receive -q s3 "$BATS_TEST_TMPDIR/stream"
	moctl "$a" send -q s1 /dev/null
	# bats keeps standard errors there too
	[ "$(ls --ignore 'separate-stderr*' "$BATS_TEST_TMPDIR")" = "$(printf '%s\n' mnt overlay plain stream)" ]
}

@test "send and receive: what is wrong with a stream" {
	local a=$BATS_TEST_TMPDIR/overlay b=$BATS_TEST_TMPDIR/plain stream=$BATS_TEST_TMPDIR/stream
	new plain
	new overlay
	moctl "$a" create v
	put v f "$(head -c 300000 /dev/urandom | base64)"
	moctl "$a" snapshot v s1
	moctl "$a" snapshot v s2
	moctl "$a" send -q s1 "$stream"
	cp "$stream" "$stream-bad"
	printf x | dd of="$stream-bad" bs=1 seek=200000 conv=notrunc status=none
	run -8 --separate-stderr moctl "$b" receive -q s1 "$stream-bad"
	says receive s1
	run -3 moctl "$b" have s1
	moctl "$b" receive --forget s1
	run -8 --separate-stderr moctl "$b" receive -q s1 /dev/null
	says receive s1 "ends before"
	moctl "$b" receive --forget s1
	run -3 --separate-stderr moctl "$b" receive -q s2 <(moctl "$a" send -q --since s1 s2)
	says receive s2 s1
	run -3 moctl "$a" send -q nothing
	run -3 moctl "$a" send -q --since nothing s1
	run -3 moctl "$b" receive -q s1 "$BATS_TEST_TMPDIR/nothing"
	run -2 moctl "$b" receive --state --forget s1
	run -2 moctl "$b" receive --state --writable s1
	[ -z "$(moctl "$b" list -q)" ]
	# nothing for terminals
	run -2 script -qec "moctl $a send s1" /dev/null
	[[ "$output" == *terminal* ]]
	run -2 script -qec "moctl $b receive s1" /dev/null
	[[ "$output" == *stream* ]]
}

@test "send and receive: a stream that broke off goes on" {
	local a=$BATS_TEST_TMPDIR/overlay b=$BATS_TEST_TMPDIR/plain token
	new plain
	new overlay
	moctl "$a" create v
	moctl "$a" mount v "$mnt"
	for i in 1 2 3 4 5 6 7 8; do head -c 1000000 /dev/urandom >"$mnt/$i"; done
	(cd "$mnt" && sha256sum ./*) >"$BATS_TEST_TMPDIR/sums"
	moctl "$a" umount "$mnt"
	moctl "$a" snapshot v s
	run -3 moctl "$b" receive --state s
	moctl "$a" send -q s | head -c 5000000 >"$BATS_TEST_TMPDIR/part" || true
	run ! moctl "$b" receive -q s "$BATS_TEST_TMPDIR/part"
	run -3 moctl "$b" have s
	token=$(moctl "$b" receive --state s)
	[ -n "$token" ]
	moctl "$a" send -q --resume "$token" s "$BATS_TEST_TMPDIR/rest"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/rest")" -lt 7000000 ]
	moctl "$b" receive -q s "$BATS_TEST_TMPDIR/rest"
	moctl "$b" mount s "$mnt"
	(cd "$mnt" && sha256sum -c --quiet "$BATS_TEST_TMPDIR/sums")
	moctl "$b" umount "$mnt"
	run -3 moctl "$b" receive --state s
}

@test "progress of a copy: told when asked for, to the last byte" {
	new plain
	moctl "$m" create v
	moctl "$m" mount v "$mnt"
	head -c 3000000 /dev/zero | tr '\0' x >"$mnt/a"
	head -c 2000000 /dev/zero | tr '\0' y >"$mnt/b"
	moctl "$m" umount "$mnt"
	run -0 --separate-stderr moctl "$m" clone --progress json v c
	# a file system that shares data copies none
	if [ -n "$stderr" ]; then
		jq -es 'all(.[]; .what == "c") and last.done == 5000000' <<<"$stderr" >/dev/null
	fi
	run -0 --separate-stderr moctl "$m" snapshot v s
	[ -z "$stderr" ]
}

@test "progress: lines, JSON, none, a bar on a terminal" {
	new plain
	moctl "$m" create v
	put v f "$(head -c 100000 /dev/urandom | base64)"
	moctl "$m" snapshot v s # two streams of a volume that may change are not one
	run -0 --separate-stderr moctl "$m" send s "$BATS_TEST_TMPDIR/1"
	[[ "$stderr" == s:* ]]
	run -0 --separate-stderr moctl "$m" send --progress none s "$BATS_TEST_TMPDIR/2"
	[ -z "$stderr" ]
	run -0 --separate-stderr moctl "$m" send --progress json s "$BATS_TEST_TMPDIR/3"
	jq -es 'length > 0 and all(.[]; .event == "progress" and .what == "s" and .done >= 0)' <<<"$stderr" >/dev/null
	run -0 script -qec "moctl $m send --progress bar s $BATS_TEST_TMPDIR/4" /dev/null
	[[ "$output" == *s:* ]]
	cmp "$BATS_TEST_TMPDIR/1" "$BATS_TEST_TMPDIR/4"
	run -2 moctl "$m" send --progress nonsense s "$BATS_TEST_TMPDIR/5"
}

# ---- the command line -----------------------------------------------------------------------------

@test "abbreviations: unique ones work, others are listed" {
	new plain
	moctl "$m" create a
	moctl "$m" cl a b
	moctl "$m" da s a k v
	[ "$(moctl "$m" da g a k)" = v ]
	moctl "$m" sn a s
	[ "$(moctl "$m" l -q | tr -d '\n')" = abs ]
	run -2 --separate-stderr moctl "$m" c a b
	[[ "$stderr" == *"create-pool, create, clone, check"* ]]
	run -2 --separate-stderr moctl "$m" lisx
	[[ "$stderr" == *"did you mean list?"* ]]
	run -2 --separate-stderr moctl "$m" nonsense
	[[ "$stderr" == *"there is no command nonsense"* && "$stderr" == *"moctl help"* ]]
	run -2 moctl "$m"
	run -2 moctl ""
	run -2 moctl
	run -2 moctl "$m" list --nonsense
}

@test "help and version: everywhere, also without a mosaic" {
	run -0 moctl help
	[[ "$output" == usage:* && "$output" == *rollback* ]]
	[ "$(moctl --help)" = "$output" ]
	for verb in $(moctl help | sed -n 's/^  \([a-z-]*\)  .*/\1/p'); do
		run -0 moctl help "$verb"
		[[ "$output" == "usage: moctl "*"$verb"* ]]
		case $verb in
		check-config | completion | help | version) [ "$(moctl "$verb" --help)" = "$output" ] ;;
		*) [ "$(moctl nowhere "$verb" --help)" = "$output" ] ;;
		esac
	done
	run -0 moctl help data set
	[[ "$output" == *"VOLUME KEY [VALUE]"* ]]
	[[ "$(moctl version)" == "moctl "* ]]
	[ "$(moctl --version)" = "$(moctl version)" ]
	moctl version --json | jq -e .moctl >/dev/null
	run -2 moctl help nonsense
	run -0 env MOSAIC_DEBUG=1 moctl version
}

@test "odd names: work, or are refused by name" {
	local good bad long
	long=$(head -c 200 /dev/zero | tr '\0' n)
	for type in overlay plain; do
		new "$type"
		for good in 'a b' ' ' 'über 日本' '-dash' 'a=b,c' "quo'te\"d" 'back\slash' '*' "$long" 'a..b' "\$HOME" '#'; do
			moctl "$m" create -- "$good"
			moctl "$m" have -- "$good"
			moctl "$m" clone -- "$good" 'the copy'
			moctl "$m" mount -- "$good" "$mnt"
			echo x >"$mnt/f"
			moctl "$m" umount -- "$good" "$mnt"
			moctl "$m" list --json | jq -e --arg name "$good" 'any(.[]; .name == $name)' >/dev/null
			moctl "$m" drop -- 'the copy' "$good"
		done
		for bad in "${long}n" .. . .hidden a/b $'new\nline' $'tab\t' ../../x '' $'\e[1m'; do
			run -1 --separate-stderr moctl "$m" create "$bad"
			says create
			run ! moctl "$m" clone "$bad" x
			run ! moctl "$m" drop "$bad"
			run -3 moctl "$m" have "$bad"
		done
		[ -z "$(names)" ]
		[ -z "$(ls "$m/staging")" ]
	done
}

@test "names that are no UTF-8: lists and JSON have their bytes as \\xNN, and all else works" {
	local odd=$'a\xffb'
	new plain
	run -0 moctl "$m" events
	moctl "$m" create "$odd"
	moctl "$m" snapshot "$odd" copy
	moctl "$m" data set "$odd" "$odd" "$odd"
	[ "$(moctl "$m" list --json | jq -r 'map("\(.name) \(.parent)") | join(",")')" = 'a\xffb null,copy a\xffb' ]
	[ "$(names)" = 'a\xffb copy ' ]
	moctl "$m" show "$odd" --json | jq -e '.[0] | .name == "a\\xffb" and .children == ["copy"] and .data == ["a\\xffb"]' >/dev/null
	run -0 moctl "$m" show "$odd" copy
	moctl "$m" events --json | jq -es '.[0].volume == "a\\xffb" and .[1].from == "a\\xffb"' >/dev/null
	[ "$(moctl "$m" data get "$odd" "$odd")" = "$odd" ]
	[ "$(moctl "$m" data list "$odd" --json | jq -c .)" = '{"a\\xffb":null}' ]
	mkdir "$mnt/$odd"
	moctl "$m" mount "$odd" "$mnt/$odd"
	[[ "$(moctl "$m" show "$odd" --json | jq -r '.[0].mounts[0].path')" = *'mnt/a\xffb' ]]
	moctl "$m" umount "$mnt/$odd"
	mkdir "$m/staging/$odd"
	run -8 --separate-stderr moctl "$m" check --json
	jq -e '.[0].where == "staging/a\\xffb"' <<<"$output" >/dev/null
	run -0 moctl "$m" check --repair
	moctl "$BATS_TEST_TMPDIR/$odd" make -t plain
	moctl "$BATS_TEST_TMPDIR/$odd" info --json | jq -e '.location | endswith("a\\xffb")' >/dev/null
	moctl "$m" drop copy "$odd"
}

@test "a read-only file system: looking works, changing says why not" {
	for type in overlay plain; do
		m=$BATS_TEST_TMPDIR/ro-$type mnt=$BATS_TEST_TMPDIR/mnt
		mkdir -p "$m" "$mnt"
		mount -t tmpfs -o size=4m none "$m"
		moctl "$m/m" make --type "$type"
		moctl "$m/m" create a
		mount -o remount,ro "$m"
		[ "$(moctl "$m/m" list -q)" = a ]
		moctl "$m/m" have a
		moctl "$m/m" info --json | jq -e .id >/dev/null
		run -1 --separate-stderr moctl "$m/m" create b
		says create b "Read-only file system"
		run -1 --separate-stderr moctl "$m/m" clone a b
		says clone a "Read-only file system"
		run -1 --separate-stderr moctl "$m/m" drop a
		says drop a "Read-only file system"
		run -1 --separate-stderr moctl "$m/new" make
		says make "Read-only file system"
		umount "$m"
	done
}

@test "a full file system: says so, leaves nothing, drop works" {
	for type in overlay plain; do
		m=$BATS_TEST_TMPDIR/full-$type mnt=$BATS_TEST_TMPDIR/mnt
		mkdir -p "$m" "$mnt"
		mount -t tmpfs -o size=1m,nr_inodes=60 none "$m"
		m=$m/m
		moctl "$m" make --type "$type"
		moctl "$m" create a
		put a f "$(head -c 700000 /dev/zero | tr '\0' x)"
		moctl "$m" snapshot a s || [ "$type" = plain ]
		until [ "$(df --output=iavail "$m" | tail -n 1)" -lt 1 ]; do
			touch "$m/fill-$((n += 1))"
		done
		run -7 --separate-stderr moctl "$m" create b
		says create b "No space left"
		rm "$m"/fill-*
		if [ "$type" = plain ]; then
			run -7 --separate-stderr moctl "$m" clone a b
			says a "No space left" "bytes are free"
		fi
		run -3 moctl "$m" have b
		[ -z "$(ls "$m/staging")" ]
		! moctl "$m" have s || moctl "$m" drop s
		until [ "$(df --output=iavail "$m" | tail -n 1)" -lt 1 ]; do
			touch "$m/fill-$((n += 1))"
		done
		moctl "$m" drop a
		[ -z "$(names)" ]
		umount "${m%/m}"
	done
}

@test "output that cannot be written is a failure" {
	new plain
	moctl "$m" create a
	for verb in list info features "show a"; do
		# shellcheck disable=SC2086 # a verb with its operand
		not moctl "$m" $verb --json >/dev/full 2>"$BATS_TEST_TMPDIR/err"
		grep -q "standard output" "$BATS_TEST_TMPDIR/err"
	done
}

# ---- interruption ---------------------------------------------------------------------------------

# A volume that takes a while to be copied.
many_files() {
	moctl "$m" create "$1"
	moctl "$m" mount "$1" "$mnt"
	(cd "$mnt" && for d in $(seq 60); do mkdir "$d" && (cd "$d" && seq 300 | xargs touch); done)
	moctl "$m" umount "$mnt"
}

staged() {
	[ -n "$(ls "$m/staging")" ]
}

@test "ctrl-C: ends at once, and nothing half made stays" {
	local signal code
	new plain
	many_files v
	for signal in INT TERM HUP; do
		code=$((128 + $(kill -l $signal)))
		env --default-signal=INT moctl "$m" clone v copy 3>&- &
		echo $! >"$BATS_TEST_TMPDIR/pids"
		until_true 10 staged
		kill -"$signal" "$!"
		ends_with "$code" "$!"
		[ -z "$(ls "$m/staging")" ]
		[ "$(names)" = "v " ]
	done
	run -0 moctl "$m" check
	moctl "$m" clone v copy
}

@test "SIGKILL: check finds what was begun, and --repair removes it" {
	new plain
	many_files v
	moctl "$m" clone v copy 3>&- &
	until_true 10 staged
	kill -KILL "$!"
	ends_with 137 "$!"
	run -8 moctl "$m" check
	run -0 moctl "$m" check --repair
	[ -z "$(ls "$m/staging")" ]
	[ "$(names)" = "v " ]
}

half_received() {
	[ "$(du -s "$1/staging" | cut -f 1)" -gt 1500 ]
}

@test "ctrl-C: a send leaves no file, a receive can go on" {
	local a=$BATS_TEST_TMPDIR/overlay b=$BATS_TEST_TMPDIR/plain
	new plain
	new overlay
	moctl "$a" create v
	put v f "$(head -c 3000000 /dev/urandom | base64)"
	mkfifo "$BATS_TEST_TMPDIR/fifo"
	moctl "$a" send -q v "$BATS_TEST_TMPDIR/stream"
	# half of it, and then nobody writes any more
	(
		head -c 2000000 "$BATS_TEST_TMPDIR/stream"
		exec sleep 100
	) >"$BATS_TEST_TMPDIR/fifo" 3>&- &
	echo $! >"$BATS_TEST_TMPDIR/pids"
	env --default-signal=INT moctl "$b" receive -q v "$BATS_TEST_TMPDIR/fifo" 3>&- &
	until_true 10 half_received "$b"
	kill -INT "$!"
	ends_with 130 "$!"
	run -3 moctl "$b" have v
	moctl "$a" send -q --resume "$(moctl "$b" receive --state v)" v | moctl "$b" receive -q v
	m=$b
	[ "$(get v f | wc -c)" -gt 3000000 ]
	xargs kill <"$BATS_TEST_TMPDIR/pids"
	# the sender's end
	rm "$BATS_TEST_TMPDIR/stream"
	m=$a
	many_files large
	env --default-signal=INT moctl "$a" send -q large "$BATS_TEST_TMPDIR/stream" 3>&- &
	until find "/proc/$!/fd" -lname '*(deleted)' | grep -q .; do [ -e "/proc/$!" ]; done # its file has no name yet
	kill -INT "$!"
	ends_with 130 "$!"
	[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'stream*')" ]
	run -3 moctl "$a" send -q nothing "$BATS_TEST_TMPDIR/stream"
	[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name 'stream*')" ]
}

# ---- completion -----------------------------------------------------------------------------------

@test "completion: commands, options, mosaics, volumes with blanks" {
	new plain
	moctl "$m" create 'a volume'
	moctl "$m" create another
	printf 'type: plain\nlocation: %s\n' "$m" >"$MOSAIC_PATH/shelf.mos"
	[ "$(moctl completion words -- sh | tail -n +2)" = shelf ]
	[ "$(moctl completion words -- "$m" cl | tail -n +2)" = clone ]
	[ "$(moctl completion words -- "$m" drop a | tail -n +2 | sort | tr '\n' ,)" = "a volume,another," ]
	[ "$(moctl completion words -- "$m" send --prog | tail -n +2)" = --progress ]
	[ "$(moctl completion words -- "$m" send --progress b | tail -n +2)" = bar ]
	[ "$(moctl completion words -- "$m" mount another / | head -n 1)" = directory ]
	run -0 bash --norc -c "source <(moctl completion bash); COMP_WORDS=(moctl shelf show a); COMP_CWORD=3; _moctl; printf '%s\n' \"\${COMPREPLY[@]}\" | sort"
	[ "${lines[0]}" = 'a\ volume' ]
	[ "${lines[1]}" = another ]
	run -2 moctl completion tcsh
	rm "$MOSAIC_PATH/shelf.mos"
}
