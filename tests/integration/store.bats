#!/usr/bin/env bats
# The images that are there: pinned, collected, checked and repaired, copied out, listed.

# what stands in single quotes is evaluated with the image at hand
# shellcheck disable=SC2016
load helpers

setup_file() { setup_state; }
teardown_file() { teardown_state; }

teardown() {
	local pod
	for pod in $(carob list -q); do carob rm -f "$pod"; done
	for name in $(carob image list --filter 'name~*/t-*' -q) $(carob image list --filter 'name~*/t-*' -q) \
		$(carob image list --filter 'name~*/t-*' -q); do
		carob image rm -f "$name" 2>/dev/null || true # the next round, when another depends on it
	done
	run -0 carob image list -q
	[ "${#lines[@]}" = 1 ]
}

# image NAME MEMBERS [FILE CONTENT]...: an image example.com/t-NAME, imported as an archive; its ID is $id.
image() {
	local dir=$BATS_TEST_TMPDIR/$1 name=$1 members=$2
	shift 2
	mkdir -p "$dir/rootfs"
	while [ $# -gt 0 ]; do
		mkdir -p "$(dirname "$dir/rootfs$1")"
		printf %s "$2" >"$dir/rootfs$1"
		shift 2
	done
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/t-%s"%s}' "$name" "$members" >"$dir/manifest"
	carob image build --overwrite --rootfs "$dir/rootfs" --manifest "$dir/manifest" "$dir.aci" >/dev/null
	id=$(carob image import "$dir.aci")
	file=$CAROB_ROOT/store/images/$id
	tree=$CAROB_ROOT/mosaic/default/volumes/image.$id/tree
}

on() { printf ',"dependencies":[{"imageName":"example.com/t-%s"}]' "$1"; }
version() { printf ',"labels":[{"name":"version","value":"%s"}%s]' "$1" "${2:-}"; }
has() { [ -n "$(carob image list -q --filter "name=example.com/t-$1")" ]; }
gone() { [ -z "$(carob image list -q --filter "name=example.com/t-$1")" ]; }

app=',"app":{"exec":["/bin/sh"],"user":"0","group":"0"}'

# ---- pins --------------------------------------------------------------------------------------------

@test "a pinned image is not removed but by force; lists say which are" {
	image pin ""
	run -0 carob image pin "$id" example.com/t-pin
	[ "$(carob image list --json | jq -r '.[] | select(.pinned).name')" = example.com/t-pin ]
	[ "$(carob image list --filter pinned=true -q)" = "$id" ]
	[ "$(carob image show --json "$id" | jq .pinned)" = true ]
	run -0 carob image show "$id"
	[[ $output == *"pinned       yes"* ]]
	run -5 --separate-stderr carob image rm example.com/t-pin
	says example.com/t-pin pinned 2>/dev/null || says "$id" pinned
	has pin
	run -0 carob image unpin example.com/t-pin
	run -0 carob image unpin example.com/t-pin
	run -0 carob image rm example.com/t-pin
	image pin ""
	carob image pin "$id"
	run -0 carob image rm --force "$id"
	gone pin
	run -3 --separate-stderr carob image pin example.com/t-pin
	says "there is no image example.com/t-pin"
}

# ---- gc ----------------------------------------------------------------------------------------------

@test "gc removes what nobody uses, and nothing else" {
	image lower "" /lower x
	image middle "$(on lower)" /middle x
	image upper "$(on middle)$app" /upper x
	image kept "" /kept x
	image waits "$(on nowhere)" /waits x
	carob image pin example.com/t-kept
	carob prepare --name user example.com/t-upper /bin/true 2>/dev/null ||
		carob prepare --name user example.com/t-upper --exec /upper
	carob image pin example.com/box
	run -0 carob image gc
	[[ $output == "0 images removed"* ]]
	run -0 carob image gc --dry-run --grace-period 0
	[[ $output == *t-waits*"1 image would be removed"* ]]
	has waits
	run -0 carob image gc --json --grace-period 0
	[ "$(jq -r '.[] | select(.kind == "image").name' <<<"$output")" = example.com/t-waits ]
	[ "$(jq '.[0].bytes > 1000' <<<"$output")" = true ]
	has lower && has middle && has upper && has kept
	[ "$(carob image list -o used-by --no-legend --filter name=example.com/t-upper)" = "$(carob list -q | cut -c -8)/t-upper" ]
	[ "$(carob image list --filter used=false -o name --no-legend | sort | tr '\n' ' ')" = "example.com/box example.com/t-kept " ]
	carob rm user
	# the dependent goes before what it depends on
	run -0 carob image gc --json --grace-period 0
	[ "$(jq -r '.[] | select(.kind == "image").name' <<<"$output" | tr '\n' ' ')" = "example.com/t-upper example.com/t-middle example.com/t-lower " ]
	[ -z "$(find "$CAROB_ROOT/mosaic/default/volumes" -name 'chain.*')" ]
	has kept
	run -0 carob image check
	carob image unpin example.com/box
}

@test "gc minds the last use, and images that depend on each other in a circle" {
	image round "$(on trip)" /a x
	image trip "$(on round)" /a x
	image used "" /bin/x x
	touch -d '3 days ago' "$CAROB_ROOT"/store/images/*/info
	for info in "$CAROB_ROOT"/store/images/*/info; do
		jq -c '.imported -= 300000000000000' "$info" >"$info.new"
		touch -d '3 days ago' "$info.new"
		mv "$info.new" "$info"
	done
	carob run --rm example.com/box /bin/true
	carob image extract --rootfs-only example.com/t-used "$BATS_TEST_TMPDIR/out" # looking is no use
	run -0 carob image gc --grace-period 2d
	[[ $output == *"3 images removed"* ]]
	[ "$(carob image list -o name --no-legend)" = example.com/box ]
	run -0 carob gc # the index has the old times
	run -0 carob image check
}

@test "a pod whose volumes are copies holds its image by its manifest" {
	export CAROB_MOSAIC=$BATS_TEST_TMPDIR/plain
	mkdir -p "$CAROB_MOSAIC"/{volumes,staging}
	echo plain >"$CAROB_MOSAIC/type"
	image copied "$app" /bin/sh x
	carob prepare --name holder example.com/t-copied
	run -5 --separate-stderr carob image rm example.com/t-copied
	says "in use by app t-copied of pod"
	carob image pin example.com/box
	run -0 carob image gc --grace-period 0
	has copied
	carob rm holder
	run -0 carob image gc --grace-period 0
	gone copied
	carob image unpin example.com/box
}

# attribute NAME FILE
attribute() { python3 -c 'import os, sys; os.setxattr(sys.argv[2], sys.argv[1], b"green")' "$@"; }

# ---- check -------------------------------------------------------------------------------------------

# finds OBJECT WHAT: check says so, and only that, once; with --repair it is gone.
finds() {
	run -1 --separate-stderr carob image check
	if [ "${#lines[@]}" != 1 ] || [[ $output != *"$1"*": $2"* ]]; then
		printf 'not only %s: %s\n%s\n%s\n' "$1" "$2" "$output" "$stderr"
		return 1
	fi
}

repairs() {
	run -0 --separate-stderr carob image check --repair
	[[ $output == *"$1" ]] || { printf 'not %s: %s\n' "$1" "$output"; return 1; }
	run -0 --separate-stderr carob image check
	[ -z "$output" ]
}

@test "check finds every kind of damage, says whose it is, and repairs it" {
	image good "" /etc/a content /b other
	chmod 600 "$BATS_TEST_TMPDIR/good/rootfs/b"
	run -0 carob image check
	[ -z "$output" ]

	# the tree: content, mode, time, owner, an attribute, one more, one less
	for how in 'echo content2 >"$tree/etc/a"' 'touch -r "$tree/b" "$tree/x"; printf contenX >"$tree/etc/a"; touch -r "$tree/x" "$tree/etc/a"; rm "$tree/x"' \
		'chmod 4755 "$tree/b"' 'touch "$tree/b"' 'chown 1:1 "$tree/b"' 'attribute user.x "$tree/b"' \
		'touch "$tree/more"' 'rm "$tree/b"' 'ln "$tree/b" "$tree/c"' 'rm "$tree/b"; ln -s etc "$tree/b"' 'touch "$tree"'; do
		eval "$how"
		run -1 carob image check "$id"
		[[ $output == "volume image.$id (example.com/t-good): /"* ]]
		repairs "made anew"
	done
	# only parts of it
	rm -r "${tree%/tree}"
	finds "volume image.$id (example.com/t-good)" "it is missing"
	run -1 carob image check --quick
	repairs "made anew"
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/other"}' >"$file/manifest"
	run -1 carob image check
	[[ $output == *"images/$id/manifest"*"it is not the archive's"* ]]
	repairs "made anew"
	rm "$file/manifest"
	run -1 carob image check
	repairs "made anew"
	: >"$file/info"
	run -1 carob image check
	[[ $output == *"images/$id/info"* ]]
	run carob image check --repair
	run -0 carob image check
	[ "$(carob image show --json "$id" | jq -r '.name, .size')" = "example.com/t-good"$'\n'"$(carob image show --json "$id" | jq .size)" ]
	printf 'etc\0' >"$file/implied"
	run -1 carob image check
	[[ $output == *"images/$id/implied"* ]]
	repairs "made anew"
	# the index
	rm "$CAROB_ROOT/store/names/example.com=t-good"
	finds names/example.com=t-good "it does not say which images have this name"
	repairs "made anew"
	carob image show example.com/t-good
	cp "$CAROB_ROOT/store/names/example.com=t-good" "$CAROB_ROOT/store/names/example.com=t-no"
	finds names/example.com=t-no "no image has this name"
	repairs "made anew"
}

@test "check finds what belongs to nothing, and removes it" {
	image good ""
	for stray in store/core store/images/README store/images/sha512-0 "store/images/$id/.info.new" store/staging/import.1 \
		store/partial/0000000000000000000000000000000000000000000000000000000000000000; do
		mkdir -p "$CAROB_ROOT/$stray"
		run -1 --separate-stderr carob image check --json
		[ "$(jq -r '.[].object' <<<"$output")" = "${stray#store/}" ]
		[ "$(jq -r '.[].repaired' <<<"$output")" = null ]
		repairs removed
		[ ! -e "$CAROB_ROOT/$stray" ]
	done
	for stray in volumes/image.sha512-1/tree volumes/chain.1/tree volumes/half staging/1; do
		mkdir -p "$CAROB_ROOT/mosaic/default/$stray"
		run -1 --separate-stderr carob image check
		[[ $output == *"volume "* ]]
		repairs removed
		[ ! -e "$CAROB_ROOT/mosaic/default/$stray" ]
	done
}

@test "a damaged archive: the image goes, unless it is in use or pinned" {
	for how in 'printf X | dd of="$file/aci" bs=1 seek=$(($(stat -c %s "$file/aci") / 2)) conv=notrunc' 'truncate -s -1 "$file/aci"' \
		': >"$file/aci"' 'rm "$file/aci"' 'gzip -c "$file/manifest" >"$file/aci"'; do
		image bad "$app" /bin/sh x
		eval "$how" 2>/dev/null
		finds "images/$id/aci (example.com/t-bad)" ""
		carob image pin "$id"
		run -1 carob image check --repair
		[[ $output == *"it is pinned"* ]]
		carob image unpin "$id"
		carob prepare --name holder "$id"
		run -1 carob image check --repair
		[[ $output == *"in use by app t-bad of pod"* ]]
		carob rm holder
		run -1 carob image check --repair "$id"
		[[ $output == *"nobody knows where it came from; the image stays"* ]]
		repairs "the image was removed"
		[ ! -e "$file" ] && [ ! -e "$tree" ]
	done
}

@test "another image that decompresses well is not this one" {
	image one "" /a 1
	cp "$file/aci" "$BATS_TEST_TMPDIR/archive"
	image two "" /a 2
	cp "$BATS_TEST_TMPDIR/archive" "$file/aci"
	finds "images/$id/aci (example.com/t-two)" "its content has another ID"
	# asked for one only, the other is not looked at
	run -0 carob image check example.com/t-one
	run -1 carob image check example.com/t-one example.com/t-two
	run -3 carob image check example.com/t-three
}

@test "a rendered chain is rendered once more: byte for byte, attribute for attribute" {
	image lower "" /etc/a lower /x x
	ln "$BATS_TEST_TMPDIR/lower/rootfs/x" "$BATS_TEST_TMPDIR/lower/rootfs/y"
	image lower "" /etc/b b
	image upper "$(on lower)$app" /etc/a upper /bin/sh x
	carob image render --rootfs-only example.com/t-upper "$BATS_TEST_TMPDIR/r1"
	chain=$(basename "$(find "$CAROB_ROOT/mosaic/default/volumes" -name 'chain.*')")
	run -0 carob image check
	rm -r "$CAROB_ROOT/mosaic/default/volumes/$chain"
	sleep 1.1
	carob image render --rootfs-only example.com/t-upper "$BATS_TEST_TMPDIR/r2"
	diff <("$BATS_TEST_DIRNAME/describe-tree" "$BATS_TEST_TMPDIR/r1") <("$BATS_TEST_DIRNAME/describe-tree" "$BATS_TEST_TMPDIR/r2")
	[ "$(cat "$BATS_TEST_TMPDIR/r2/etc/a")" = upper ]
	[ "$(stat -c %h "$BATS_TEST_TMPDIR/r2/y")" = 2 ]
	[ -d "$CAROB_ROOT/mosaic/default/volumes/$chain" ]
	chmod 700 "$CAROB_ROOT/mosaic/default/volumes/$chain/tree/etc"
	finds "volume $chain (example.com/t-upper)" "/etc has another mode"
	repairs "made anew"
}

@test "check while others import: no false alarm" {
	image a "" /a a
	mkdir "$BATS_TEST_TMPDIR/many"
	for i in $(seq 8); do
		mkdir -p "$BATS_TEST_TMPDIR/many/$i/rootfs"
		printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/t-%s"}' "$i" >"$BATS_TEST_TMPDIR/many/$i/manifest"
	done
	{ for _ in 1 2 3; do
		carob image import "$BATS_TEST_TMPDIR"/many/* && carob image rm $(seq -f 'example.com/t-%g' 8)
	done; } >/dev/null 2>&1 3>&- &
	pid=$!
	for _ in $(seq 20); do
		run carob image check
		[ "$status" = 0 ] || { printf '%s\n' "$output"; return 1; }
	done
	ends_with 0 $pid
}

# ---- extract -----------------------------------------------------------------------------------------

@test "extract: the image as it was; import makes the same of it" {
	image whole "" /bin/a a /etc/b b
	root=$BATS_TEST_TMPDIR/whole/rootfs
	ln "$root/bin/a" "$root/etc/c"
	ln -s ../up "$root/link"
	mknod "$root/null" c 1 3
	mkfifo "$root/pipe"
	chown 1000:1001 "$root/bin/a"
	chmod 4755 "$root/bin/a"
	attribute user.color "$root/etc"
	truncate -s 1M "$root/sparse"
	find "$root" -depth -exec touch -h -d '2021-02-03 04:05:06.123456789 UTC' {} +
	image whole ""
	carob image extract "$id" "$BATS_TEST_TMPDIR/out/" # a slash behind it is fine
	diff <("$BATS_TEST_DIRNAME/describe-tree" "$root") <("$BATS_TEST_DIRNAME/describe-tree" "$BATS_TEST_TMPDIR/out/rootfs")
	cmp "$BATS_TEST_TMPDIR/whole/manifest" "$BATS_TEST_TMPDIR/out/manifest"
	[ "$(carob image import "$BATS_TEST_TMPDIR/out")" = "$id" ]
	[ "$(stat -c %a "$BATS_TEST_TMPDIR/out")" = 755 ]
	mkdir "$BATS_TEST_TMPDIR/empty"
	carob image extract --rootfs-only "$id" "$BATS_TEST_TMPDIR/empty"
	diff <("$BATS_TEST_DIRNAME/describe-tree" "$root") <("$BATS_TEST_DIRNAME/describe-tree" "$BATS_TEST_TMPDIR/empty")
	# what is there stays, unless one says so
	touch "$BATS_TEST_TMPDIR/out/mine"
	run -1 --separate-stderr carob image extract "$id" "$BATS_TEST_TMPDIR/out"
	says "not empty" --overwrite
	[ -e "$BATS_TEST_TMPDIR/out/mine" ]
	carob image extract --overwrite "$id" "$BATS_TEST_TMPDIR/out"
	[ ! -e "$BATS_TEST_TMPDIR/out/mine" ] && [ -e "$BATS_TEST_TMPDIR/out/manifest" ]
	touch "$BATS_TEST_TMPDIR/plain"
	run -1 --separate-stderr carob image extract --overwrite "$id" "$BATS_TEST_TMPDIR/plain"
	says "no directory"
	run -1 --separate-stderr carob image extract "$id" "$BATS_TEST_TMPDIR/no/where"
	says "No such file"
	run -3 carob image extract example.com/t-nobody "$BATS_TEST_TMPDIR/new"
	[ ! -e "$BATS_TEST_TMPDIR/new" ]
	[ -z "$(find "$BATS_TEST_TMPDIR" -name '.carob*')" ]
}

@test "render: what an app would see; a chain that is not whole leaves nothing" {
	image lower "" /a lower /b lower
	image upper "$(on lower)" /a upper
	carob image render example.com/t-upper "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR"/out/rootfs/{a,b})" = upperlower ]
	carob image cat-manifest example.com/t-upper | cmp - "$BATS_TEST_TMPDIR/out/manifest"
	image waits "$(on nowhere)"
	run -1 --separate-stderr carob image render example.com/t-waits "$BATS_TEST_TMPDIR/new"
	says example.com/t-nowhere
	[ ! -e "$BATS_TEST_TMPDIR/new" ]
	[ -z "$(find "$BATS_TEST_TMPDIR" -name '.carob*')" ]
}

@test "extract that is interrupted or has no room leaves nothing" {
	image large ""
	mkdir -p "$BATS_TEST_TMPDIR/large/rootfs/data"
	for i in $(seq 3000); do echo "$i" >"$BATS_TEST_TMPDIR/large/rootfs/data/$i"; done
	head -c 5M /dev/urandom >"$BATS_TEST_TMPDIR/large/rootfs/big"
	image large ""
	interrupted=0
	for i in 1 2 3 4 5; do
		carob image extract "$id" "$BATS_TEST_TMPDIR/out" 2>/dev/null 3>&- &
		pid=$!
		sleep "0.0$i"
		kill -INT $pid 2>/dev/null || true
		code=0
		wait $pid || code=$?
		[ $code = 0 ] || { [ $code = 130 ] && interrupted=$((interrupted + 1)) && [ ! -e "$BATS_TEST_TMPDIR/out" ]; }
		[ -z "$(find "$BATS_TEST_TMPDIR" -maxdepth 1 -name '.carob*')" ]
		rm -rf "$BATS_TEST_TMPDIR/out"
	done
	[ $interrupted -gt 0 ]
	mkdir "$BATS_TEST_TMPDIR/small"
	mount -t tmpfs -o size=1M none "$BATS_TEST_TMPDIR/small"
	run -1 carob image extract "$id" "$BATS_TEST_TMPDIR/small/out"
	left=$(ls -A "$BATS_TEST_TMPDIR/small")
	# a mount point cannot be replaced
	run -1 carob image extract example.com/box "$BATS_TEST_TMPDIR/small"
	umount "$BATS_TEST_TMPDIR/small"
	[[ $output == *"mount point"* ]]
	[ -z "$left" ]
}

# ---- export ------------------------------------------------------------------------------------------

@test "an image without an archive is exported by packing it" {
	image packed "" /a a
	cp "$file/aci" "$BATS_TEST_TMPDIR/before.aci"
	# as one that came from a registry
	echo '{}' >"$file/oci-manifest"
	rm "$file/aci"
	carob image export --compression none "$id" "$BATS_TEST_TMPDIR/out.tar"
	# it was made by carob image build: so here it is even the same archive
	gzip -dc "$BATS_TEST_TMPDIR/before.aci" | cmp - "$BATS_TEST_TMPDIR/out.tar"
	carob image export "$id" - | gzip -dc | cmp - "$BATS_TEST_TMPDIR/out.tar"
	run -1 carob image check "$id"
	[[ $output == *"images/$id/oci-config"* ]]
}

# ---- list --------------------------------------------------------------------------------------------

@test "lists: columns, order, filters" {
	image a "$(version 1.9)" /a "$(seq 1000)"
	image b "$(version 1.10 ',{"name":"os","value":"linux"}')" /a 1
	image c ""
	only=(--filter 'name~example.com/t-*')
	list() { carob image list --no-legend "${only[@]}" "$@" | tr -s ' ' | sed 's/ $//' | tr '\n' ';'; }
	[ "$(list -o name --sort name)" = "example.com/t-a;example.com/t-b;example.com/t-c;" ]
	[ "$(list -o name --sort -name)" = "example.com/t-c;example.com/t-b;example.com/t-a;" ]
	[ "$(list -o version --sort version)" = "1.9;1.10;-;" ]
	[ "$(list -o name --sort -size | cut -d ';' -f 1)" = example.com/t-a ]
	[ "$(list -o version,name --filter os=linux)" = "1.10 example.com/t-b;" ]
	[ "$(list -o name --filter version=1.9)" = "example.com/t-a;" ]
	[ "$(list -o pinned,used,name --filter used=false --sort name | cut -d ';' -f 1)" = "no no example.com/t-a" ]
	[ "$(carob image list --json "${only[@]}" --sort name | jq -r '.[].name' | tr '\n' ' ')" = "example.com/t-a example.com/t-b example.com/t-c " ]
	[ "$(carob image list -q "${only[@]}" --sort -name | sed -n 3p)" = "$(carob image show --json example.com/t-a | jq -r .id)" ]
	[ "$(carob image list -o name,archive-size | head -n 1)" = "NAME             ARCHIVE SIZE" ]
	for wrong in '-o nothing' '--sort nothing' '--filter nothing' '-o help'; do
		# shellcheck disable=SC2086 # two words
		run -2 carob image list $wrong
	done
	[[ $output == *"there are: id, name, version, labels, size, archive-size, imported, last-used, source, pinned, used, used-by"* ]]
	carob prepare --name one example.com/box
	carob prepare --name two example.com/box
	[ "$(carob list -o name --no-legend --sort -name | tr -d ' ' | tr '\n' ' ')" = "two one " ]
	[ "$(carob list -q --filter name=one)" = "$(carob status --json one | jq -r .uuid)" ]
	[ "$(carob list --json --filter 'apps=box' --filter 'name~t*' | jq length)" = 1 ]
	run -2 carob list --filter colour=red
	start_pod three example.com/box /bin/sleep 1000
	[ "$(carob ps three -o command --no-legend --filter 'command~*sleep*' | grep -c .)" = 1 ]
}
