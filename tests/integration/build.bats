#!/usr/bin/env bats
# Archives that we make: bit for bit the same for the same input, wherever and however it lies; and the
# manifests that people write for them.

load helpers

setup_file() {
	setup_state
	make_tree "$BATS_FILE_TMPDIR/tree"
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/built","app":{"exec":["/bin/a"],"user":"0","group":"0"}}' \
		>"$BATS_FILE_TMPDIR/manifest"
}
teardown_file() { teardown_state; }

# A tree whose order of names, links and attributes can come out in many ways.
make_tree() {
	local i
	mkdir -p "$1"/{bin,etc/deep/er,empty,Zed,_x}
	for i in $(seq 40); do echo "$i" >"$1/etc/$i"; done
	for i in a B c-d c.d c_d 'c d' "$(printf '\303\244')" "$(printf '\303\266')" "$(printf 'e\314\201')" Z z; do echo "$i" >"$1/etc/deep/$i"; done
	echo a >"$1/bin/a"
	ln "$1/bin/a" "$1/bin/b"
	ln "$1/bin/a" "$1/etc/z-link"
	ln "$1/bin/a" "$1/Zed/link"
	ln -s ../etc "$1/bin/link"
	mknod "$1/null" c 1 3
	mkfifo "$1/pipe"
	truncate -s 3M "$1/sparse"
	printf end >>"$1/sparse"
	chown 1000:1001 "$1/etc/7" "$1/pipe"
	chmod 4755 "$1/etc/8"
	python3 -c 'import os, sys
for name in "user.b", "user.a", "user.c":
    os.setxattr(sys.argv[1], name, name.encode())' "$1/etc/9"
	setcap cap_net_raw+ep "$1/etc/10"
	find "$1" -depth -exec touch -h -d '2021-02-03 04:05:06.123456789 UTC' {} +
}

# shuffled_copy FROM TO: the same tree, made in another order: names, hard links, attributes, holes filled.
shuffled_copy() {
	python3 - "$1" "$2" <<-'PYTHON'
		import os, random, stat, sys
		source, copy = map(os.fsencode, sys.argv[1:])
		random.seed(os.urandom(8))
		os.umask(random.choice([0o000, 0o022, 0o077]))
		paths = [b"."]
		for directory, names, files in os.walk(source):
		    paths += [os.path.relpath(os.path.join(directory, name), source) for name in names + files]
		random.shuffle(paths)
		links = {}

		def make(path):
		    here, there = os.path.join(source, path), os.path.join(copy, path)
		    if os.path.lexists(there):
		        return
		    if path != b".":
		        make(os.path.dirname(path) or b".")
		    st = os.lstat(here)
		    if stat.S_ISDIR(st.st_mode):
		        os.mkdir(copy if path == b"." else there)
		    elif stat.S_ISLNK(st.st_mode):
		        os.symlink(os.readlink(here), there)
		    elif not stat.S_ISREG(st.st_mode):
		        os.mknod(there, st.st_mode, st.st_rdev)
		    elif st.st_ino in links:
		        os.link(links[st.st_ino], there)
		    else:
		        links[st.st_ino] = there
		        with open(here, "rb") as a, open(there, "wb") as b:
		            b.write(a.read())
		        # something that comes and goes leaves gaps between the inodes and in the directory
		        open(there + b".gone", "w").close()
		        os.unlink(there + b".gone")

		def attributes(path):
		    here, there = os.path.join(source, path), os.path.join(copy, path)
		    st = os.lstat(here)
		    os.chown(there, st.st_uid, st.st_gid, follow_symlinks=False)
		    if not stat.S_ISLNK(st.st_mode):
		        os.chmod(there, stat.S_IMODE(st.st_mode))
		        names = os.listxattr(here)
		        random.shuffle(names)
		        for name in names:
		            os.setxattr(there, name, os.getxattr(here, name))
		    os.utime(there, ns=(random.randrange(1 << 60), st.st_mtime_ns), follow_symlinks=False)

		for path in paths:
		    make(path)
		for path in sorted(paths, key=len, reverse=True):
		    attributes(path)
	PYTHON
}

# build ARG...: its ID is $id, the archive $BATS_TEST_TMPDIR/out.aci
build() {
	id=$(carob image build --overwrite "$@" "$BATS_TEST_TMPDIR/out.aci")
	[ "$id" = "sha512-$(decompressed "$BATS_TEST_TMPDIR/out.aci" | sha512sum | cut -d ' ' -f 1)" ]
}

decompressed() {
	if gzip -t "$1" 2>/dev/null; then gzip -dc "$1"; else cat "$1"; fi
}

manifest() { printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"example.com/%s"%s}' "$1" "${2:-}"; }

# The seconds of a member in the archive that was built.
time_of() {
	decompressed "$BATS_TEST_TMPDIR/out.aci" | python3 -c 'import sys, tarfile
print(int(tarfile.open(fileobj=sys.stdin.buffer, mode="r|").next().mtime) if sys.argv[1] == "manifest"
      else next(int(m.mtime) for m in tarfile.open(fileobj=sys.stdin.buffer, mode="r|") if m.name == sys.argv[1]))' "$1"
}

teardown() {
	umount "$BATS_TEST_TMPDIR"/{disk,memory} 2>/dev/null || true
}

@test "two builds of one tree in two places have one ID: umask, locale, order, holes, host names" {
	local tree=$BATS_FILE_TMPDIR/tree disk=$BATS_TEST_TMPDIR/disk memory=$BATS_TEST_TMPDIR/memory first sum i place
	build --rootfs "$tree" --manifest "$BATS_FILE_TMPDIR/manifest"
	first=$id
	sum=$(sha512sum <"$BATS_TEST_TMPDIR/out.aci")
	run -0 actool validate "$BATS_TEST_TMPDIR/out.aci"
	mkdir "$disk" "$memory"
	truncate -s 64M "$BATS_TEST_TMPDIR/image"
	mkfs.ext4 -q -I 256 "$BATS_TEST_TMPDIR/image"
	mount -o loop "$BATS_TEST_TMPDIR/image" "$disk"
	mount -t tmpfs none "$memory"
	for i in 1 2 3; do
		for place in "$disk" "$memory" "$BATS_TEST_TMPDIR"; do
			shuffled_copy "$tree" "$place/$i"
			touch -d '2001-01-01' "$place/manifest"
			cp "$BATS_FILE_TMPDIR/manifest" "$place/manifest"
			chmod 400 "$place/manifest"
			for locale in C C.UTF-8 nonsense; do
				(
					umask "$((RANDOM % 2))77"
					cd "$place"
					LC_ALL=$locale LANG=de_DE.UTF-8 TZ=Asia/Tokyo USER=nobody HOME=/ carob image build --overwrite \
						--rootfs "$i" --manifest manifest out.aci >id
				)
				echo "$place $i $locale $(cat "$place/id")"
				[ "$(cat "$place/id")" = "$first" ] && [ "$(sha512sum <"$place/out.aci")" = "$sum" ] || id=
			done
		done
	done
	# the inodes really are in another order
	cmp -s <(cd "$tree" && find . -printf '%i %p\n' | sort -n | cut -d ' ' -f 2) <(cd "$disk/1" && find . -printf '%i %p\n' | sort -n | cut -d ' ' -f 2) && id=
	[ "$id" = "$first" ]
}

@test "a tree that is a clone of the first, or has a name outside, is the same" {
	local tree=$BATS_FILE_TMPDIR/tree first
	build --rootfs "$tree" --manifest "$BATS_FILE_TMPDIR/manifest"
	first=$id
	cp -a "$tree" "$BATS_TEST_TMPDIR/copy"
	ln "$BATS_TEST_TMPDIR/copy/etc/1" "$BATS_TEST_TMPDIR/outside"
	build --rootfs "$BATS_TEST_TMPDIR/copy" --manifest "$BATS_FILE_TMPDIR/manifest"
	[ "$id" = "$first" ]
	# what is another tree is another image
	touch "$BATS_TEST_TMPDIR/copy/etc/1"
	build --rootfs "$BATS_TEST_TMPDIR/copy" --manifest "$BATS_FILE_TMPDIR/manifest"
	[ "$id" != "$first" ]
}

@test "times: none is later than SOURCE_DATE_EPOCH, or than the manifest says" {
	local tree=$BATS_TEST_TMPDIR/tree one
	mkdir "$tree"
	touch -d @1000000000 "$tree/old"
	touch -d @1500000000 "$tree/young"
	manifest times >"$BATS_TEST_TMPDIR/plain"
	manifest times ',"annotations":[{"name":"created","value":"2009-02-13T23:31:30Z"}]' >"$BATS_TEST_TMPDIR/dated"
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/plain"
	[ "$(time_of rootfs/old) $(time_of rootfs/young) $(time_of manifest)" = "1000000000 1500000000 0" ]
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/dated"
	[ "$(time_of rootfs/old) $(time_of rootfs/young) $(time_of manifest)" = "1000000000 1234567890 1234567890" ]
	one=$id
	# so a tree whose files were only touched is the same image
	touch "$tree/young" "$tree"
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/dated"
	[ "$id" = "$one" ]
	SOURCE_DATE_EPOCH=1100000000 build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/dated"
	[ "$(time_of rootfs/old) $(time_of rootfs/young) $(time_of manifest)" = "1000000000 1100000000 1100000000" ]
	SOURCE_DATE_EPOCH=1e9 run -1 --separate-stderr carob image build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/dated" "$BATS_TEST_TMPDIR/no.aci"
	says SOURCE_DATE_EPOCH
	[ ! -e "$BATS_TEST_TMPDIR/no.aci" ]
}

@test "a manifest is JSON or YAML; YAML is one image however it is laid out" {
	local tree=$BATS_FILE_TMPDIR/tree one
	cat >"$BATS_TEST_TMPDIR/one.yaml" <<-'YAML'
		# an image
		acKind: ImageManifest
		acVersion: 0.8.11
		name: example.com/yaml
		labels:
		  - name: version
		    value: "1"
		app:
		  exec: [/bin/a, -x]
		  user: "0"
		  group: "0"
	YAML
	cat >"$BATS_TEST_TMPDIR/two.yml" <<-'YAML'
		---
		name: "example.com/yaml"
		app: { group: "0", user: "0", exec: [ "/bin/a", "-x" ] }
		acVersion: '0.8.11'
		labels: [ { value: '1', name: version } ]
		acKind: ImageManifest
	YAML
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/one.yaml"
	one=$id
	run -0 actool validate "$BATS_TEST_TMPDIR/out.aci"
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/two.yml"
	[ "$id" = "$one" ]
	carob image import "$BATS_TEST_TMPDIR/out.aci"
	[ "$(carob image cat-manifest "$id" | jq -r '.name, .app.exec[1]')" = "example.com/yaml"$'\n'-x ]
	carob image rm "$id"
	# JSON goes in as it is
	printf ' \n%s\n\n' "$(manifest json)" >"$BATS_TEST_TMPDIR/json"
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/json"
	carob image import "$BATS_TEST_TMPDIR/out.aci"
	carob image cat-manifest "$id" | cmp - "$BATS_TEST_TMPDIR/json"
	carob image rm "$id"
	echo 'acKind: [' >"$BATS_TEST_TMPDIR/bad.yaml"
	run -1 --separate-stderr carob image build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/bad.yaml" "$BATS_TEST_TMPDIR/no.aci"
	says bad.yaml line
	echo 'acKind: ImageManifest' >"$BATS_TEST_TMPDIR/bad.yaml"
	run -1 --separate-stderr carob image build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/bad.yaml" "$BATS_TEST_TMPDIR/no.aci"
	says bad.yaml name
	[ ! -e "$BATS_TEST_TMPDIR/no.aci" ]
}

@test "--from: dependencies by name, labels and ID, in their order" {
	local tree=$BATS_TEST_TMPDIR/tree a b one
	mkdir -p "$tree/etc"
	echo a >"$tree/etc/who"
	manifest base-a ',"labels":[{"name":"version","value":"2"},{"name":"os","value":"linux"}]' >"$BATS_TEST_TMPDIR/a"
	manifest base-b >"$BATS_TEST_TMPDIR/b"
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/a" && a=$id
	carob image import "$BATS_TEST_TMPDIR/out.aci"
	echo b >"$tree/etc/who"
	build --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/b" && b=$id
	carob image import "$BATS_TEST_TMPDIR/out.aci"
	rm "$tree/etc/who"
	manifest top ',"app":{"exec":["/bin/cat","/etc/who"],"user":"0","group":"0"},"dependencies":[{"imageName":"example.com/box"}]' >"$BATS_TEST_TMPDIR/top"
	build --from example.com/base-b --from example.com/base-a:2 --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/top"
	one=$id
	run -0 actool validate "$BATS_TEST_TMPDIR/out.aci"
	carob image import "$BATS_TEST_TMPDIR/out.aci"
	[ "$(carob image cat-manifest "$id" | jq -c '.dependencies[1:]')" = '[{"imageID":"'"$b"'","imageName":"example.com/base-b","labels":[]},{"imageID":"'"$a"'","imageName":"example.com/base-a","labels":[{"name":"version","value":"2"},{"name":"os","value":"linux"}]}]' ]
	run -0 carob run --rm "$id"
	[ "$output" = a ]
	build --from "$b" --from "$a" --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/top"
	[ "$id" = "$one" ]
	build --from "$a" --from "$b" --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/top"
	[ "$id" != "$one" ]
	carob image import "$BATS_TEST_TMPDIR/out.aci"
	run -0 carob run --rm "$id"
	[ "$output" = b ]
	run -3 --separate-stderr carob image build --from example.com/nobody --rootfs "$tree" --manifest "$BATS_TEST_TMPDIR/top" "$BATS_TEST_TMPDIR/no.aci"
	says "there is no image example.com/nobody"
	[ ! -e "$BATS_TEST_TMPDIR/no.aci" ]
}

@test "nothing is left of a build that fails" {
	mkdir "$BATS_TEST_TMPDIR/out"
	run -1 carob image build --rootfs "$BATS_TEST_TMPDIR/nothing" --manifest "$BATS_FILE_TMPDIR/manifest" "$BATS_TEST_TMPDIR/out/x.aci"
	run -1 carob image build --rootfs "$BATS_FILE_TMPDIR/tree" --manifest "$BATS_TEST_TMPDIR/nothing" "$BATS_TEST_TMPDIR/out/x.aci"
	mount -t tmpfs -o size=16k none "$BATS_TEST_TMPDIR/out"
	run -1 carob image build --compression none --rootfs "$BATS_FILE_TMPDIR/tree" --manifest "$BATS_FILE_TMPDIR/manifest" "$BATS_TEST_TMPDIR/out/x.aci"
	left=$(ls -A "$BATS_TEST_TMPDIR/out")
	umount "$BATS_TEST_TMPDIR/out"
	[ -z "$left$(ls -A "$BATS_TEST_TMPDIR/out")" ]
}
