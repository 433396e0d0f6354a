#!/usr/bin/env bats
# Named volumes: the verbs of `carob volume`, pods that use them; and the same pod on every driver.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016,SC2154
load helpers

box=example.com/box

setup_file() {
	setup_state
	export MOSAIC_PATH=$BATS_FILE_TMPDIR/mosaic.d
	mkdir "$MOSAIC_PATH" "$BATS_FILE_TMPDIR/mounts"
}

teardown_file() {
	teardown_state
	! losetup -a | grep -F "$BATS_FILE_TMPDIR"
}

teardown() {
	local pod dir
	for pod in $(carob list -q); do carob rm -f "$pod"; done
	for dir in "$BATS_FILE_TMPDIR"/mounts/*; do
		if mountpoint -q "$dir"; then umount "$dir"; fi
	done
}

# in_pod VOLUME[,KEY=VALUE]... COMMAND: a shell in a pod that has the volume at /data.
in_pod() {
	carob run --rm --volume "data,kind=named,source=$1" --mount volume=data,target=/data $box /bin/sh -c "$2"
}

@test "create, list, show, clone, snapshot, rollback, rm" {
	carob volume create one
	run -5 --separate-stderr carob volume create one
	says one
	in_pod one 'echo first >/data/file'
	carob volume snapshot one before
	in_pod one 'echo second >/data/file'
	carob volume clone one copy
	carob volume rollback one before
	[ "$(in_pod one 'cat /data/file')" = first ]
	[ "$(in_pod copy 'cat /data/file')" = second ]
	[ "$(carob volume list -q | xargs)" = "before copy one" ]
	[ "$(carob volume show --json before | jq -r '.[] | "\(.name) \(.parent) \(.readOnly)"')" = "before one true" ]
	carob gc
	[ "$(carob volume list -q | xargs)" = "before copy one" ]
	carob volume rm one copy before
	[ "$(carob volume list -q)" = "" ]
	run -3 --separate-stderr carob volume show one
	says one
	[[ "$stderr" != *volume.one* ]]
	run -3 carob volume rm one
	carob volume rm --ignore-missing one
}

@test "two pods share a volume; a third reads it only; it outlives them" {
	carob volume create shared
	start_pod writer --volume d,kind=named,source=shared --mount volume=d,target=/data $box \
		/bin/sh -c 'echo hello >/data/a; until [ -e /data/b ]; do sleep 0.05; done; cat /data/b >/data/c; sleep 1000'
	until_true 5 carob enter writer /bin/test -e /data/a
	[ "$(in_pod shared 'cat /data/a; echo world >/data/b')" = hello ]
	until_true 5 carob enter writer /bin/test -e /data/c
	run in_pod shared,readOnly=true 'cat /data/c; echo no >/data/d'
	[ "$status" != 0 ]
	[[ "$output" = *world* && "$output" = *[Rr]ead-only* ]]
	[ "$(carob volume list --json | jq -r '.[] | select(.name == "shared") | .usedBy[]')" = writer ]
	run -4 --separate-stderr carob volume rm shared
	says shared writer "carob stop"
	run -4 --separate-stderr carob volume rollback shared never
	says shared writer "carob stop"
	carob stop writer
	[ "$(carob volume list --json | jq -c '.[] | select(.name == "shared") | .usedBy')" = "[]" ]
	carob volume snapshot shared "then"
	# an overlay on what the snapshot has too: written by both all the same
	start_pod other --volume d,kind=named,source=shared --mount volume=d,target=/data $box \
		/bin/sh -c 'until [ -e /data/e ]; do sleep 0.05; done; echo seen >/data/f; sleep 1000'
	in_pod shared 'echo now >/data/e; until [ -e /data/f ]; do sleep 0.05; done; cat /data/a /data/f' >"$BATS_TEST_TMPDIR/out"
	[ "$(xargs <"$BATS_TEST_TMPDIR/out")" = "hello seen" ]
	carob rm -f other
	carob volume rm shared "then"
}

# ---- snapshots of what pods use -------------------------------------------------------------------

# A pod that counts in both volumes, first in one, then in two; between them lie many files.
start_counter() {
	start_pod counter --mosaic "$1" --volume one,kind=named --mount volume=one,target=/one \
		--volume two,kind=named --mount volume=two,target=/two $box /bin/sh -c '
		for d in 1 2 3; do mkdir /one/d$d /two/d$d; for i in $(seq 300); do : >/one/d$d/$i; : >/two/d$d/$i; done; done
		n=0
		while :; do
			n=$((n + 1))
			echo $n >/one/new && mv /one/new /one/n
			echo $n >/two/new && mv /two/new /two/n
		done'
	until_true 20 counts "$1"
}

counts() {
	local before after
	before=$(carob enter counter /bin/cat /two/n 2>/dev/null) && sleep 0.1 &&
		after=$(carob enter counter /bin/cat /two/n 2>/dev/null) && [ "${before:-0}" -gt 0 ] && [ "$before" != "$after" ]
}

# number MOSAIC VOLUME: how far the counter was in it.
number() {
	mkdir -p "$BATS_FILE_TMPDIR/mounts/at"
	moctl "$1" mount -o ro "volume.$2" "$BATS_FILE_TMPDIR/mounts/at"
	cat "$BATS_FILE_TMPDIR/mounts/at/n"
	moctl "$1" umount "$BATS_FILE_TMPDIR/mounts/at"
}

# one_instant MOSAIC: snapshots of both volumes differ by no more than what the pod was in the midst of.
one_instant() {
	local m=$1 round one two host=$BATS_FILE_TMPDIR/mounts/host
	carob --mosaic "$m" volume create one
	carob --mosaic "$m" volume create two
	start_counter "$m"
	for round in 1 2 3 4; do
		carob --mosaic "$m" volume snapshot one "one-$round" two "two-$round"
		until_true 5 counts "$m"
		one=$(number "$m" "one-$round") two=$(number "$m" "two-$round")
		echo "round $round: $one $two"
		[ $((one - two)) -ge 0 ] && [ $((one - two)) -le 1 ]
	done
	carob --mosaic "$m" volume snapshot one alone
	[ "$(number "$m" alone)" -ge "$one" ]
	counts "$m"
	# who would write on is no pod
	if ! moctl "$m" features snapshot-set; then
		mkdir -p "$host"
		moctl "$m" mount volume.one "$host"
		run -4 --separate-stderr carob --mosaic "$m" volume snapshot one never two never-2
		says one "$host" unmount
		until_true 5 counts "$m"
		moctl "$m" umount "$host"
	fi
	# the pods go on when nobody is left to let them
	for round in 1 2 3 4 5 6; do
		carob --mosaic "$m" volume snapshot one "k-$round" two "l-$round" 3>&- &
		sleep 0.0$((round * 1))
		kill -KILL "$!" 2>/dev/null || true
		wait "$!" || true
		until_true 5 counts "$m"
	done
	carob rm -f counter
	run -0 moctl "$m" check --repair
}

@test "snapshots of volumes that a pod writes to are of one instant: plain" {
	moctl "$BATS_TEST_TMPDIR/m" make --type plain
	one_instant "$BATS_TEST_TMPDIR/m"
}

@test "snapshots of volumes that a pod writes to are of one instant: overlay" {
	moctl "$BATS_TEST_TMPDIR/m" make --type overlay
	one_instant "$BATS_TEST_TMPDIR/m"
}

@test "snapshots of volumes that a pod writes to are of one instant: btrfs" {
	on_loop btrfs
	moctl "$dir/one" make --type btrfs
	one_instant "$dir/one"
	umount "$dir"
	rm "$BATS_FILE_TMPDIR/btrfs.img" # the next test makes its own
}

@test "snapshots of volumes that a pod writes to are of one instant: fsimg" {
	moctl "$BATS_TEST_TMPDIR/m" make --type fsimg --option size=100M
	one_instant "$BATS_TEST_TMPDIR/m"
}

@test "a prepared pod keeps its volume" {
	carob volume create kept
	uuid=$(carob prepare --volume kept,kind=named --mount volume=kept,target=/data $box /bin/true)
	run -4 --separate-stderr carob volume rm kept
	says kept "${uuid:0:8}"
	carob rm "$uuid"
	carob volume rm kept
	run -125 --separate-stderr in_pod kept true
	says kept "carob volume create"
}

@test "send and receive, from root to root" {
	carob volume create sent
	in_pod sent 'echo travels >/data/file; ln -s file /data/link'
	carob volume send sent | carob --root "$BATS_TEST_TMPDIR/other" volume receive --writable got
	[ "$(carob --root "$BATS_TEST_TMPDIR/other" volume list -q)" = got ]
	carob --root "$BATS_TEST_TMPDIR/other" volume send got "$BATS_TEST_TMPDIR/stream"
	carob volume receive back "$BATS_TEST_TMPDIR/stream"
	[ "$(in_pod back,readOnly=true 'cat /data/link')" = travels ]
	head -c 100 "$BATS_TEST_TMPDIR/stream" >"$BATS_TEST_TMPDIR/cut"
	run -8 carob volume receive broken "$BATS_TEST_TMPDIR/cut"
	run -3 carob volume show broken
	carob volume rm sent back
}

@test "resize: what the driver cannot do is said; --mosaic by name, by file, by directory" {
	carob volume create fixed
	run -6 --separate-stderr carob volume resize fixed 10M
	says fixed overlay
	carob volume rm fixed
	printf 'type: plain\nlocation: %s\n' "$BATS_TEST_TMPDIR/plain" >"$MOSAIC_PATH/here.mos"
	carob --mosaic here volume create v
	[ "$(carob --mosaic "$MOSAIC_PATH/here.mos" volume list -q)" = v ]
	[ "$(carob --mosaic "$BATS_TEST_TMPDIR/plain" volume list -q)" = v ]
	[ "$(moctl here list -q)" = volume.v ]
	run -3 --separate-stderr carob --mosaic nowhere volume list
	says nowhere
	[ "$(carob volume list -q)" = "" ]
}

@test "the description named default is used until there is a mosaic below the root" {
	printf 'type: plain\nlocation: %s\n' "$BATS_TEST_TMPDIR/elsewhere" >"$MOSAIC_PATH/default.mos"
	carob --root "$BATS_TEST_TMPDIR/new" volume create v
	[ "$(carob --mosaic "$BATS_TEST_TMPDIR/elsewhere" volume list -q)" = v ]
	[ ! -e "$BATS_TEST_TMPDIR/new/mosaic" ]
	[ "$(carob volume list -q)" = "" ]
	rm "$MOSAIC_PATH/default.mos"
}

@test "two roots share a mosaic: what one collects is its own" {
	local shared=$BATS_TEST_TMPDIR/shared other=$BATS_TEST_TMPDIR/other volumes id
	mine() { carob --mosaic "$shared" "$@"; }
	theirs() { CAROB_ROOT=$other CAROB_RUNROOT=$other.run carob --mosaic "$shared" "$@"; }
	CAROB_ROOT=$other CAROB_RUNROOT=$other.run make_image box "$root_app"
	uuid=$(theirs prepare $box /bin/true)
	theirs volume create theirs
	mine prepare $box /bin/true
	volumes=$(moctl "$shared" list -q | sort)
	[ "$(grep -c "^pod.$uuid" <<<"$volumes")" = 1 ]
	# what has no pod here may have one there
	mine gc --grace-period 0s
	mine image gc
	mine image check --repair
	[ "$(moctl "$shared" list -q | sort)" = "$volumes" ]
	# the other's pod goes in a crash; who owns its volume still collects it
	rm -r "$other/pods/$uuid"
	mine gc --grace-period 0s
	[ "$(moctl "$shared" list -q | sort)" = "$volumes" ]
	theirs gc --grace-period 0s
	[ "$(moctl "$shared" list -q | grep -c "^pod.$uuid")" = 0 ]
	# an image that goes takes along only what is its root's
	for id in $(mine list -q); do mine rm "$id"; done
	mine image rm $box
	[ "$(theirs run --rm --volume d,kind=named,source=theirs --mount volume=d,target=/data $box /bin/sh -c 'echo works')" = works ]
	theirs volume rm theirs
	make_image box "$root_app"
}

# ---- every driver ---------------------------------------------------------------------------------

# same_pod TYPE LOCATION [LINE]...: a pod whose mosaic that is; nothing of it stays.
same_pod() {
	local mos=$BATS_TEST_TMPDIR/this.mos loops
	printf 'type: %s\nlocation: %s\n' "$1" "$2" >"$mos"
	shift 2
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$mos"
	moctl check-config "$mos" || { cat -A "$mos"; return 1; }
	carob --mosaic "$mos" volume create named
	run carob run --rm --mosaic "$mos" --volume d,kind=named,source=named --mount volume=d,target=/data $box \
		/bin/sh -c 'echo kept >/data/file; echo gone >/file; cat /file /data/file; stat -c %a:%u:%g /tmp; ls /'
	echo "$output"
	[ "$output" = "$(printf 'kept\n' | { echo gone; cat; echo 1777:0:0; printf '%s\n' bin data dev etc file proc sys tmp; })" ] ||
		{ echo "$output"; return 1; }
	run -0 carob run --rm --mosaic "$mos" --volume d,kind=named,source=named --mount volume=d,target=/data $box \
		/bin/sh -c 'cat /data/file; test ! -e /file'
	[ "$output" = kept ]
	[ "$(moctl "$mos" list -q | grep -c '^pod\.')" = 0 ]
	carob --mosaic "$mos" volume rm named
	[ "$(carob --mosaic "$mos" volume list -q)" = "" ]
	! losetup -a | grep -F "$BATS_TEST_TMPDIR"
}

# on_loop FS: a file system of its own, mounted at $dir.
on_loop() {
	dir=$BATS_FILE_TMPDIR/mounts/$1
	mkdir -p "$dir"
	truncate -s 2G "$BATS_FILE_TMPDIR/$1.img"
	"mkfs.$1" -q "$BATS_FILE_TMPDIR/$1.img" >/dev/null
	mount -o loop "$BATS_FILE_TMPDIR/$1.img" "$dir"
}

@test "the same pod on plain" {
	same_pod plain "$BATS_TEST_TMPDIR/m"
}

@test "the same pod on overlay" {
	same_pod overlay "$BATS_TEST_TMPDIR/m"
}

@test "the same pod on btrfs" {
	on_loop btrfs
	same_pod btrfs "$dir/m"
}

@test "the same pod on fsimg with ext4" {
	same_pod fsimg "$BATS_TEST_TMPDIR/m" 'options: { size: 512M }'
}

@test "the same pod on fsimg with xfs" {
	on_loop xfs
	same_pod fsimg "$dir/m" 'default_fs: xfs' 'options: { size: 512M }'
}

@test "the same pod on ploop" {
	same_pod ploop "$BATS_TEST_TMPDIR/m" 'options: { size: 512M }'
}
