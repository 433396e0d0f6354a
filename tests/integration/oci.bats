#!/usr/bin/env bats
# Images of registries and layouts: what skopeo and umoci make is taken in, and comes to the tree that
# umoci unpacks from it; what was altered on the way is refused and leaves nothing.

# A script for the pod is not expanded here; each test is a subshell that has an $altered of its own.
# shellcheck disable=SC2016,SC2030,SC2031

load helpers

setup_file() {
	setup_state
	export LAYOUT=$BATS_FILE_TMPDIR/layout PORT
	make_layout
	start_registry
}

teardown_file() {
	[ ! -s "$BATS_FILE_TMPDIR/registry.pid" ] || kill "$(cat "$BATS_FILE_TMPDIR/registry.pid")"
	teardown_state
}

# The image box of three layers: busybox and odd files, one with changes and removals, one that replaces a
# directory's content.
make_layout() {
	local bundle=$BATS_FILE_TMPDIR/bundle root=$BATS_FILE_TMPDIR/bundle/rootfs
	umoci init --layout "$LAYOUT"
	umoci new --image "$LAYOUT:box"
	umoci unpack --image "$LAYOUT:box" "$bundle"
	mkdir -p "$root"/{bin,etc,tmp,data/sub,gone,opaque}
	cp "$(command -v busybox)" "$root/bin/busybox"
	ln -s busybox "$root/bin/sh"
	ln -s busybox "$root/bin/cat"
	ln -s busybox "$root/bin/id"
	printf 'root:x:0:0::/:/bin/sh\nalice:x:1000:1001::/:/bin/sh\n' >"$root/etc/passwd"
	printf 'root:x:0:\nusers:x:1001:\nstaff:x:50:alice\n' >"$root/etc/group"
	echo first >"$root/data/file"
	ln "$root/data/file" "$root/data/link"
	echo x >"$root/gone/file"
	echo x >"$root/opaque/below"
	mkfifo "$root/data/pipe"
	chown 1000:1001 "$root/data/sub"
	chmod 1777 "$root/tmp"
	chmod 2750 "$root/data/sub"
	setcap cap_net_raw+ep "$root/bin/busybox"
	repack "$bundle"
	rm -r "$root/gone" "$root/data/link"
	echo second >"$root/data/file"
	ln -s /etc/passwd "$root/data/absolute"
	repack "$bundle"
	rm -r "$root/opaque"
	mkdir "$root/opaque"
	echo new >"$root/opaque/above"
	repack "$bundle"
	umoci config --image "$LAYOUT:box" --config.entrypoint /bin/cat --config.cmd /data/file \
		--config.env COLOR=green --config.user alice --config.workingdir /data
}

repack() {
	umoci repack --image "$LAYOUT:box" --refresh-bundle "$1"
}

# Debian's registry on a free port of loopback, with the image in it as team/box:1.
start_registry() {
	local dir=$BATS_FILE_TMPDIR/registry
	mkdir -p "$dir"
	PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
	printf 'version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
		"$dir/data" "$PORT" >"$dir/config.yml"
	docker-registry serve "$dir/config.yml" >"$dir/log" 2>&1 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/registry.pid"
	until_true 20 curl -fs "http://127.0.0.1:$PORT/v2/" -o /dev/null
	push "$LAYOUT:box" team/box:1
}

# push LAYOUT:TAG REPOSITORY:TAG [OPTION]...
push() {
	local from=$1 to=$2
	shift 2
	skopeo copy --insecure-policy --dest-tls-verify=false "$@" "oci:$from" "docker://127.0.0.1:$PORT/$to" >/dev/null
}

# fetch REFERENCE [OPTION]...: its ID.
fetch() {
	carob fetch --insecure signature --insecure http "$@"
}

volume_of() {
	echo "$CAROB_ROOT/mosaic/default/volumes/image.$1/tree"
}

# What is in the store, names and sizes.
store_census() {
	(cd "$CAROB_ROOT" && find store mosaic -path store/partial -prune -o -printf '%p %s\n' | grep -v '^store/lock ' | sort)
}

# as_umoci ID LAYOUT:TAG [SED]: the image's tree is what umoci unpacks. Of the root directory umoci keeps
# no time when no layer has it.
as_umoci() {
	local bundle=$BATS_TEST_TMPDIR/umoci
	rm -rf "$bundle"
	umoci unpack --image "$2" "$bundle"
	diff <("$BATS_TEST_DIRNAME/describe-tree" "$bundle/rootfs" | sed "1s/ [0-9]* */ /;${3:-}") \
		<("$BATS_TEST_DIRNAME/describe-tree" "$(volume_of "$1")" | sed "1s/ [0-9]* */ /;${3:-}")
}

# copy_layout: one to be altered, in $altered.
copy_layout() {
	altered=$BATS_TEST_TMPDIR/altered
	cp -a "$LAYOUT" "$altered"
}

# blob DIGEST: its file in $altered.
blob() {
	echo "$altered/blobs/${1/://}"
}

# The manifest's digest in $altered, and what jq says of it.
manifest_digest() {
	jq -r '.manifests[0].digest' "$altered/index.json"
}
of_manifest() {
	jq -r "$1" "$(blob "$(manifest_digest)")"
}

# put_blob FILE: into $altered; "DIGEST SIZE".
put_blob() {
	local digest
	digest=$(sha256sum "$1" | cut -d ' ' -f 1)
	cp "$1" "$altered/blobs/sha256/$digest"
	echo "sha256:$digest $(stat -c %s "$1")"
}

# edit_manifest FILTER: a manifest of another content, and the index that leads to it.
edit_manifest() {
	local file=$BATS_TEST_TMPDIR/edited digest size
	of_manifest "$1" >"$file"
	read -r digest size < <(put_blob "$file")
	jq --arg digest "$digest" --argjson size "$size" \
		'.manifests[0].digest = $digest | .manifests[0].size = $size' "$altered/index.json" >"$file"
	cp "$file" "$altered/index.json"
}

# refused WORD... -- REFERENCE: not fetched, every word is in what is said, nothing remains.
refused() {
	local words=() word before
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	before=$(store_census)
	run ! fetch "$2"
	for word in "${words[@]}"; do
		[[ $output == *"$word"* ]] || { echo "\"$word\" is not in: $output"; return 1; }
	done
	[ "$(store_census)" = "$before" ]
}

@test "a layout comes to the tree that umoci makes of it" {
	local id path
	id=$(fetch "oci:$LAYOUT:box")
	as_umoci "$id" "$LAYOUT:box"
	for path in gone opaque/below data/link; do
		[ ! -e "$(volume_of "$id")/$path" ]
	done
	[ "$(cat "$(volume_of "$id")/opaque/above")" = new ]
	[ -z "$(find "$(volume_of "$id")" -name '.wh.*')" ]
}

@test "from a registry comes the same image, and it runs as its configuration says" {
	local reference=docker://127.0.0.1:$PORT/team/box:1 id
	id=$(fetch "$reference")
	as_umoci "$id" "$LAYOUT:box"
	run -0 carob run "$reference"
	[ "$output" = second ]
	run -0 carob run "$reference" -- /bin/sh -c 'id; pwd; echo $COLOR'
	[ "${lines[0]}" = "uid=1000(alice) gid=1001(users) groups=50(staff),1001(users)" ] ||
		[ "${lines[0]}" = "uid=1000(alice) gid=1001(users) groups=1001(users),50(staff)" ]
	[ "${lines[1]}" = /data ]
	[ "${lines[2]}" = green ]
}

@test "the second time nothing is laid, and without the registry it is found" {
	local reference=docker://127.0.0.1:$PORT/team/box:1 id inode
	id=$(fetch "$reference")
	inode=$(stat -c %i "$(volume_of "$id")")
	[ "$(fetch --pull always "$reference")" = "$id" ]
	[ "$(stat -c %i "$(volume_of "$id")")" = "$inode" ]
	[ "$(fetch --pull never "$reference")" = "$id" ]
}

@test "a layer that two images share is stored once" {
	local digest file
	fetch "oci:$LAYOUT:box" >/dev/null
	umoci config --image "$LAYOUT:box" --tag other --config.env COLOR=red
	fetch "oci:$LAYOUT:other" >/dev/null
	altered=$LAYOUT
	digest=$(of_manifest '.layers[0].digest')
	file=blob.${digest/:/-}
	[ "$(find "$CAROB_ROOT/store/images" -name "$file" | wc -l)" -ge 2 ]
	[ "$(find "$CAROB_ROOT/store/images" -name "$file" -printf '%i\n' | sort -u | wc -l)" = 1 ]
}

@test "a lost volume is made again from the layers" {
	local id before
	id=$(fetch "oci:$LAYOUT:box")
	before=$("$BATS_TEST_DIRNAME/describe-tree" "$(volume_of "$id")")
	rm -r "$CAROB_ROOT/mosaic/default/volumes/image.$id"
	run -0 carob run "$id"
	[ "$output" = second ]
	[ "$("$BATS_TEST_DIRNAME/describe-tree" "$(volume_of "$id")")" = "$before" ]
}

@test "layers compressed with zstd come to the same tree" {
	local from=$BATS_TEST_TMPDIR/zstd id
	skopeo copy --insecure-policy --dest-compress-format zstd --dest-compress "oci:$LAYOUT:box" "oci:$from:box" >/dev/null
	altered=$from
	of_manifest '.layers[0].mediaType' | grep -q zstd
	id=$(fetch "oci:$from:box")
	as_umoci "$id" "$LAYOUT:box"
}

@test "of an index the image for this host is taken" {
	local file=$BATS_TEST_TMPDIR/index digest size id own arch
	copy_layout
	own=$(manifest_digest)
	case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) skip "no architecture to compare" ;; esac
	jq --arg arch "$arch" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [
		(.manifests[0] | del(.annotations) | .digest = "sha256:" + ("0" * 64) | .platform = {os: "linux", architecture: "s390x"}),
		(.manifests[0] | del(.annotations) | .platform = {os: "linux", architecture: $arch})]}' "$altered/index.json" >"$file"
	read -r digest size < <(put_blob "$file")
	jq --arg digest "$digest" --argjson size "$size" '.manifests = [{mediaType: "application/vnd.oci.image.index.v1+json",
		digest: $digest, size: $size, annotations: {"org.opencontainers.image.ref.name": "box"}}]' \
		"$altered/index.json" >"$file"
	cp "$file" "$altered/index.json"
	id=$(fetch "oci:$altered:box")
	as_umoci "$id" "$LAYOUT:box"
	grep -q "${own#sha256:}" "$altered/index.json" && return 1
	[ "$(jq -r '.layers | length' "$CAROB_ROOT/store/images/$id/oci-manifest")" -ge 3 ]
}

@test "a layer that is not what its digest says" {
	local digest
	copy_layout
	digest=$(of_manifest '.layers[1].digest')
	printf x | dd of="$(blob "$digest")" bs=1 seek=40 conv=notrunc status=none
	# a store that does not have the layer from another image
	CAROB_ROOT=$BATS_TEST_TMPDIR/root
	carob image import "$BATS_FILE_TMPDIR/images/box.aci" >/dev/null
	refused "$digest" -- "oci:$altered:box"
}

@test "a manifest that is not what its digest says" {
	local digest
	copy_layout
	digest=$(manifest_digest)
	sed -i 's/"schemaVersion":2/"schemaVersion": 2/' "$(blob "$digest")"
	refused "$digest" -- "oci:$altered:box"
}

@test "a layer of another size than its descriptor says" {
	copy_layout
	edit_manifest '.layers[1].size += 1'
	refused "$(of_manifest '.layers[1].digest')" -- "oci:$altered:box"
}

@test "a diff ID that is another layer's" {
	local file=$BATS_TEST_TMPDIR/config config digest size expected came
	copy_layout
	config=$(blob "$(of_manifest '.config.digest')")
	expected=$(jq -r '.rootfs.diff_ids[0]' "$config")
	came=$(jq -r '.rootfs.diff_ids[1]' "$config")
	jq -c '.rootfs.diff_ids[1] = .rootfs.diff_ids[0]' "$config" >"$file"
	read -r digest size < <(put_blob "$file")
	edit_manifest ".config.digest = \"$digest\" | .config.size = $size"
	refused "layer 2" "$expected" "$came" -- "oci:$altered:box"
}

@test "the tag leads elsewhere between two fetches" {
	local reference=docker://127.0.0.1:$PORT/team/flip:1 before after
	push "$LAYOUT:box" team/flip:1
	before=$(fetch "$reference")
	umoci config --image "$LAYOUT:box" --tag flipped --config.env COLOR=blue
	push "$LAYOUT:flipped" team/flip:1
	[ "$(fetch "$reference")" = "$before" ]
	after=$(fetch --pull always "$reference")
	[ "$after" != "$before" ]
	run -0 carob run "$reference" -- /bin/sh -c 'echo $COLOR'
	[ "$output" = blue ]
	run -0 carob run "$before" -- /bin/sh -c 'echo $COLOR'
	[ "$output" = green ]
}
