#!/usr/bin/env bats
# Images: archives of other tools come in as they are, ours are taken by other tools, dependencies
# and white lists end in the root file system that an app sees.

load helpers

setup_file() {
	setup_state
	mkdir -p "$BATS_FILE_TMPDIR/odd"
	make_odd_tree "$BATS_FILE_TMPDIR/odd"
}

teardown_file() { teardown_state; }

# An image directory with about everything that a file can be.
make_odd_tree() {
	local dir=$1 root=$1/rootfs
	mkdir -p "$root"/{bin,dev,"etc/with blank",sticky,set,empty}
	manifest odd '"app":{"exec":["/bin/a"],"user":"0","group":"0"}' >"$dir/manifest"
	head -c 100000 /dev/urandom >"$root/bin/a"
	ln "$root/bin/a" "$root/bin/b"
	ln "$root/bin/a" "$root/etc/c"
	ln -s /etc/passwd "$root/absolute"
	ln -s ../../.. "$root/etc/up"
	ln -s nowhere "$root/dangling"
	mknod "$root/dev/null" c 1 3
	mknod "$root/dev/disk" b 8 17
	mkfifo "$root/dev/pipe"
	printf x >"$root/etc/with blank/"$'new\nline'
	printf x >"$root/etc/$(printf '\303\244\303\266')"
	printf x >"$root/etc/$(printf 'e\314\201')"
	printf x >"$root/$(printf 'n%.0s' $(seq 255))"
	truncate -s 1M "$root/sparse"
	printf end >>"$root/sparse"
	chown 1000:1001 "$root/bin/b" "$root/dev/pipe" "$root/empty"
	chown -h 12:34 "$root/dangling"
	chmod 1777 "$root/sticky"
	chmod 2755 "$root/set"
	cp "$root/bin/a" "$root/set/in"
	chmod 4755 "$root/set/in"
	setcap cap_net_raw+ep "$root/bin/a"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "user.color", b"green\0blue")' "$root/etc"
	find "$root" -depth -exec touch -h -d '2021-02-03 04:05:06.123456789 UTC' {} +
}

# manifest NAME MEMBERS
manifest() {
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/%s",%s}' "$1" "$2"
}

# The directory of an image's unpacked tree.
volume_of() {
	echo "$CAROB_ROOT/mosaic/default/volumes/image.$1/tree"
}

import() {
	carob image import "$1"
}

# same_tree ID DIR [WITHOUT-FRACTIONS]: the image's tree is that directory's.
same_tree() {
	local cut=cat
	[ $# -lt 3 ] || cut="sed -E s/([0-9]{10})[0-9]{9}/\\1/"
	diff <("$BATS_TEST_DIRNAME/describe-tree" "$(volume_of "$1")" | $cut) \
		<("$BATS_TEST_DIRNAME/describe-tree" "$2" | $cut)
}

id_of_tar() {
	echo "sha512-$(sha512sum "$1" | cut -d ' ' -f 1)"
}

@test "an image directory, and what is built of it, are the same image and the same tree" {
	local dir=$BATS_FILE_TMPDIR/odd file=$BATS_TEST_TMPDIR/odd id
	id=$(import "$dir")
	same_tree "$id" "$dir/rootfs"
	for compression in none gzip bzip2 xz; do
		run -0 carob image build --compression "$compression" --rootfs "$dir/rootfs" \
			--manifest "$dir/manifest" "$file.$compression.aci"
		[ "$output" = "$id" ]
		[ "$(import "$file.$compression.aci")" = "$id" ]
	done
	[ "$(id_of_tar "$file.none.aci")" = "$id" ]
	gzip -dc "$file.gzip.aci" | cmp - "$file.none.aci"
	bzip2 -dc "$file.bzip2.aci" | cmp - "$file.none.aci"
	xz -dc "$file.xz.aci" | cmp - "$file.none.aci"
}

@test "actool takes what we build" {
	local dir=$BATS_FILE_TMPDIR/odd
	for compression in none gzip bzip2 xz; do
		carob image build --compression "$compression" --rootfs "$dir/rootfs" --manifest "$dir/manifest" \
			"$BATS_TEST_TMPDIR/$compression.aci"
		run -0 actool validate "$BATS_TEST_TMPDIR/$compression.aci"
	done
	run -0 actool cat-manifest "$BATS_TEST_TMPDIR/gzip.aci"
	[[ $output == *example.com/odd* ]]
}

@test "what actool builds comes in" {
	local id
	actool build "$BATS_FILE_TMPDIR/odd" "$BATS_TEST_TMPDIR/actool.aci"
	id=$(import "$BATS_TEST_TMPDIR/actool.aci")
	gzip -dc "$BATS_TEST_TMPDIR/actool.aci" >"$BATS_TEST_TMPDIR/actool.tar"
	[ "$(id_of_tar "$BATS_TEST_TMPDIR/actool.tar")" = "$id" ]
	[ "$(stat -c %a "$(volume_of "$id")/set/in")" = 4755 ]
	cmp "$(volume_of "$id")/bin/b" "$BATS_FILE_TMPDIR/odd/rootfs/bin/a"
}

@test "archives of GNU tar come in, in each of its formats" {
	local dir=$BATS_FILE_TMPDIR/odd tar=$BATS_TEST_TMPDIR/t.tar id
	tar -C "$dir" --format=posix --xattrs --xattrs-include='*' -cf "$tar" manifest rootfs
	id=$(import "$tar")
	[ "$id" = "$(id_of_tar "$tar")" ]
	same_tree "$id" "$dir/rootfs"
	tar -C "$dir" --format=posix --sparse --xattrs --xattrs-include='*' -cf "$tar" rootfs manifest
	id=$(import "$tar")
	same_tree "$id" "$dir/rootfs"
	[ "$(du "$(volume_of "$id")/sparse" | cut -f 1)" -lt 512 ]
	# the older formats have no attributes and whole seconds
	cp -a "$dir" "$BATS_TEST_TMPDIR/plain"
	setcap -r "$BATS_TEST_TMPDIR/plain/rootfs/bin/a"
	python3 -c 'import os, sys; os.removexattr(sys.argv[1], "user.color")' "$BATS_TEST_TMPDIR/plain/rootfs/etc"
	tar -C "$BATS_TEST_TMPDIR/plain" --format=gnu -cf "$tar" ./manifest ./rootfs
	same_tree "$(import "$tar")" "$BATS_TEST_TMPDIR/plain/rootfs" seconds
	tar -C "$BATS_TEST_TMPDIR/plain" --format=oldgnu --sparse -czf "$tar" ./manifest ./rootfs
	same_tree "$(import "$tar")" "$BATS_TEST_TMPDIR/plain/rootfs" seconds
	rm "$BATS_TEST_TMPDIR"/plain/rootfs/nnn*
	tar -C "$BATS_TEST_TMPDIR/plain" --format=ustar -cf "$tar" ./manifest ./rootfs
	same_tree "$(import "$tar")" "$BATS_TEST_TMPDIR/plain/rootfs" seconds
}

@test "archives of Python's tarfile come in" {
	local dir=$BATS_TEST_TMPDIR/plain
	cp -a "$BATS_FILE_TMPDIR/odd" "$dir"
	setcap -r "$dir/rootfs/bin/a"
	python3 -c 'import os, sys; os.removexattr(sys.argv[1], "user.color")' "$dir/rootfs/etc"
	for format in PAX GNU; do
		python3 - "$dir" "$BATS_TEST_TMPDIR/$format.tar" "$format" <<-'PYTHON'
			import sys, tarfile
			with tarfile.open(sys.argv[2], "w", format=getattr(tarfile, sys.argv[3] + "_FORMAT")) as tar:
			    tar.add(sys.argv[1] + "/rootfs", "rootfs")
			    tar.add(sys.argv[1] + "/manifest", "manifest")
		PYTHON
		same_tree "$(import "$BATS_TEST_TMPDIR/$format.tar")" "$dir/rootfs" seconds
	done
}

@test "an image is exported byte for byte" {
	local id
	carob image build --compression bzip2 --rootfs "$BATS_FILE_TMPDIR/odd/rootfs" \
		--manifest "$BATS_FILE_TMPDIR/odd/manifest" "$BATS_TEST_TMPDIR/in.aci"
	# the store keeps the archive that came first
	carob image rm "$(carob image import "$BATS_TEST_TMPDIR/in.aci")"
	id=$(import "$BATS_TEST_TMPDIR/in.aci")
	carob image export "$id" "$BATS_TEST_TMPDIR/out.aci"
	cmp "$BATS_TEST_TMPDIR/in.aci" "$BATS_TEST_TMPDIR/out.aci"
}

# dependent NAME FILE MEMBERS: an image with one file that has its own name in it, imported.
dependent() {
	local dir=$BATS_TEST_TMPDIR/$1
	mkdir -p "$dir/rootfs$(dirname "$2")"
	echo "$1" >"$dir/rootfs$2"
	manifest "$1" "$3" >"$dir/manifest"
	import "$dir" >/dev/null
}

@test "an app sees its dependencies, later ones first, and only what the white list leaves" {
	local box='{"imageName":"example.com/box"}'
	local app='"app":{"exec":["/bin/sh"],"user":"0","group":"0"}'
	dependent lower /etc/who '"annotations":[]'
	dependent upper /etc/who "\"dependencies\":[{\"imageName\":\"example.com/lower\"}]"
	dependent app /app/file "$app,\"dependencies\":[$box,{\"imageName\":\"example.com/upper\"}]"
	run -0 carob run --rm example.com/app /bin/cat /etc/who /app/file
	[ "$output" = "upper"$'\n'"app" ]
	dependent white /app/file "$app,\"dependencies\":[$box],\"pathWhitelist\":[\"/bin/busybox\",\"/bin/ls\",\"/bin/sh\"]"
	run -0 carob run --rm example.com/white /bin/ls /bin
	[ "$output" = "busybox"$'\n'"ls"$'\n'"sh" ]
	run -1 carob run --rm example.com/white /bin/ls /app
	run -5 carob image rm example.com/lower
	[[ $output == *"example.com/upper"* ]]
	carob image rm example.com/app
	carob image rm example.com/upper
	carob image rm example.com/lower
}

@test "an image that waits for another says which" {
	dependent waits /x '"app":{"exec":["/x"],"user":"0","group":"0"},"dependencies":[{"imageName":"example.com/nowhere"}]'
	run -125 carob run --pull never --rm example.com/waits
	[[ $output == *"example.com/waits needs example.com/nowhere"* ]]
}

@test "nothing out of an image is run or loaded while it is handled (S04)" {
	local dir=$BATS_TEST_TMPDIR/evil tool
	mkdir -p "$dir"/rootfs/{bin,usr/bin,lib,usr/lib/x86_64-linux-gnu/gconv,etc}
	for tool in sh bin/xz bin/gzip bin/tar bin/ldconfig bin/carob-unpack bin/carob-pack; do
		printf '#!/bin/sh\ntouch /tmp/carob-canary %s/canary\n' "$BATS_TEST_TMPDIR" >"$dir/rootfs/usr/${tool#bin/}"
		cp "$dir/rootfs/usr/${tool#bin/}" "$dir/rootfs/bin/${tool#bin/}"
		chmod 755 "$dir/rootfs/usr/${tool#bin/}" "$dir/rootfs/bin/${tool#bin/}"
	done
	printf 'module UTF-8// INTERNAL /evil 1\n' >"$dir/rootfs/usr/lib/x86_64-linux-gnu/gconv/gconv-modules"
	cp /etc/passwd "$dir/rootfs/lib/libnss_files.so.2"
	manifest evil '"app":{"exec":["/bin/sh"],"user":"0","group":"0"}' >"$dir/manifest"
	(
		cd "$dir/rootfs"
		export PATH=$PATH:.:bin
		carob image build --compression xz --rootfs . --manifest ../manifest ../evil.aci
		carob image import ../evil.aci
		carob image import "$dir"
		carob validate ../evil.aci
		carob image export example.com/evil ../again.aci
		carob image rm example.com/evil
	)
	[ ! -e /tmp/carob-canary ]
	[ ! -e "$BATS_TEST_TMPDIR/canary" ]
}

# whole_or_absent ID: the image is in the store with all that belongs to it, or not at all.
whole_or_absent() {
	carob image list >/dev/null
	if carob image show "$1" >/dev/null 2>&1; then
		carob image cat-manifest "$1" >/dev/null
		[ "sha512-$(carob image export "$1" - | sha512sum | cut -d ' ' -f 1)" = "$1" ]
		[ "$(cat "$(volume_of "$1")/file")" = content ]
	fi
}

nothing_left() {
	[ -z "$(ls -A "$CAROB_ROOT/store/staging")" ]
	[ -z "$(ls -A "$CAROB_ROOT/mosaic/default/staging")" ]
}

@test "killed at any change on disk, an import leaves all of the image or nothing (R02)" {
	local dir=$BATS_TEST_TMPDIR/killed id call k
	mkdir -p "$dir/rootfs"
	echo content >"$dir/rootfs/file"
	manifest killed '"app":{"exec":["/file"],"user":"0","group":"0"}' >"$dir/manifest"
	carob image build --compression none --rootfs "$dir/rootfs" --manifest "$dir/manifest" "$dir.aci"
	id=$(id_of_tar "$dir.aci")
	for call in mkdirat openat flock copy_file_range fsync syncfs renameat renameat2 unlinkat; do
		# from the first to the one that it does not make any more; on a slow machine every nth
		for ((k = 1; k < 200; k += 100 / ${CAROB_TEST_SHARE:-100})); do
			if strace -o /dev/null -e "inject=$call:signal=SIGKILL:when=$k" \
				carob image import "$dir.aci" >/dev/null 2>&1; then
				break
			fi
			whole_or_absent "$id"
			carob gc >/dev/null
			nothing_left
			whole_or_absent "$id"
			[ $((k % 2)) = 0 ] || carob image rm "$id" >/dev/null 2>&1 || true
		done
		[ "$k" -lt 200 ]
		whole_or_absent "$id"
		carob image rm "$id"
	done
	[ ! -e "$(volume_of "$id")" ]
}
