#!/usr/bin/env bats
# Layers of OCI images: carob-unpack --layer against umoci, attribute for attribute; what layers may
# not do, and what they may not reach.

load helpers

unpack=$prefix/libexec/carob/carob-unpack

setup() {
	tree=$BATS_TEST_TMPDIR/tree
	mkdir -m 755 "$tree"
	touch -d @0 "$tree"
}

describe() {
	"$BATS_TEST_DIRNAME/describe-tree" "$1"
}

layer() {
	"$BATS_TEST_DIRNAME/unpack-layer" "$unpack" --layer "$tree" <"$1"
}

# members FILE: a tar made by Python of the members on stdin, "NAME TYPE [CONTENT or TARGET]" a line.
members() {
	python3 -c '
import io, sys, tarfile
types = {"file": b"0", "hard": b"1", "link": b"2", "char": b"3", "dir": b"5", "fifo": b"6"}
with tarfile.open(sys.argv[1], "w", format=tarfile.PAX_FORMAT) as tar:
    for line in sys.stdin:
        name, kind, rest = (line.rstrip("\n").split(" ", 2) + [""])[:3]
        info = tarfile.TarInfo(name)
        info.type, info.mtime, info.mode = types[kind], 1000000000, 0o755 if kind == "dir" else 0o644
        data = rest.encode() if kind == "file" else b""
        info.size = len(data)
        info.linkname = "" if kind == "file" else rest
        for pair in filter(None, rest.split(",") if kind == "dir" else []):
            key, value = pair.split("=")
            info.pax_headers["SCHILY.xattr." + key] = value
        tar.addfile(info, io.BytesIO(data))
' "$1"
}

# apply LINE...: one layer with these members.
apply() {
	printf '%s\n' "$@" | members "$BATS_TEST_TMPDIR/layer.tar"
	layer "$BATS_TEST_TMPDIR/layer.tar"
}

# refused WORDS LINE...: such a layer is a fault that says so.
refused() {
	local words=$1
	shift
	run -1 apply "$@"
	[[ $output == *"$words"* ]] || { echo "no \"$words\" in: $output"; return 1; }
}

@test "each pair of lower and upper entry, with each whiteout, comes out as with umoci (S32)" {
	cd "$BATS_TEST_TMPDIR"
	"$top/tests/fixtures/make-layers" .
	layer lower.tar
	describe "$tree" >lower.ours
	layer upper.tar
	describe "$tree" >ours
	umoci init --layout image
	umoci new --image image:a >/dev/null
	umoci raw add-layer --image image:a lower.tar >/dev/null
	umoci raw unpack --image image:a lower >/dev/null 2>&1
	diff lower.ours <(describe lower)
	umoci raw add-layer --image image:a upper.tar >/dev/null
	umoci raw unpack --image image:a theirs >/dev/null 2>&1
	describe theirs >theirs.described
	# umoci leaves the time of unpacking on directories that it makes unasked, and on those that a
	# whiteout behind them empties: these few lines are compared without times
	untimed="b'(directory-(directory|empty)-(opaque)?behind/x(/sub)?|none-below-plain(/x)?)' "
	strip="s/^(${untimed}[^ ]+ [^ ]+) [0-9]+/\\1/"
	diff <(sed -E "$strip" ours) <(sed -E "$strip" theirs.described)
	[ "$(grep -cE "^$untimed" ours)" -ge 8 ]
	[ "$(wc -l <ours)" -gt 1500 ]
	# ours has no time but those of the layers, and the epoch
	run ! grep -E "$(date +%s | cut -c 1-5)[0-9]{14}" ours
}

@test "the same layers give the same tree, a second time and in another order of whiteouts" {
	cd "$BATS_TEST_TMPDIR"
	apply "a/ dir user.x=1" "a/old file old" "a/sub/ dir" "a/sub/old file old" "b file b"
	cp -a "$tree" again
	apply "a/ dir" "a/sub/ dir" "a/sub/new file new" "a/.wh..wh..opq file" "b file new" ".wh.b file"
	describe "$tree" >first
	rm -r "$tree"
	mv again "$tree"
	apply ".wh.b file" "a/ dir" "a/.wh..wh..opq file" "a/sub/ dir" "a/sub/new file new" "b file new"
	diff first <(describe "$tree")
	[ ! -e "$tree/a/old" ]
	[ ! -e "$tree/a/sub/old" ]
	[ "$(cat "$tree/a/sub/new" "$tree/b")" = newnew ]
}

@test "names that are no whiteouts of anything are refused, what aufs left is not kept (S32)" {
	refused "whiteout of no name" ".wh. file"
	refused "whiteout of no name" ".wh.. file"
	refused "whiteout of no name" ".wh... file"
	refused "whiteout of no name" "d/.wh... file"
	refused "whiteout of no name" ".wh..wh. file"
	refused "below a whiteout" ".wh.a/b file"
	refused "below a whiteout" ".wh..wh..opq/b file"
	refused "no regular file" ".wh.a dir"
	refused "no regular file" ".wh.a link /etc/passwd"
	refused 'part ".."' ".wh.a/../b file"
	run -0 apply ".wh..wh.plnk/ dir" ".wh..wh.plnk/1.2 file x" "d/.wh..wh.orph/ dir" "f file x"
	[[ $output == *"of aufs and not kept"* ]]
	[ "$(ls -A "$tree")" = f ]
	# of what is not there
	run -0 apply ".wh.nothing file" "no/where/.wh.x file" "no/where/.wh..wh..opq file" "f/.wh.x file"
	[ "$(ls -A "$tree")" = f ]
}

@test "lower links are followed inside the tree, and nothing leads out of it (S30)" {
	canary=$BATS_TEST_TMPDIR/canary
	mkdir "$canary"
	echo alive >"$canary/file"
	apply "usr/ dir" "usr/lib/ dir" "usr/lib/old file old" "lib link usr/lib" "abs link /usr" \
		"out link $canary" "up link ../../../../../../..$canary" "dangling link nowhere" "loop link loop" \
		"self link ."
	apply "lib/new file new" "abs/lib/more file more" "self/self/usr/lib/most file most"
	[ "$(ls "$tree/usr/lib")" = $'more\nmost\nnew\nold' ]
	[ -L "$tree/lib" ]
	apply "lib/.wh.old file" "abs/lib/.wh.more file"
	[ "$(ls "$tree/usr/lib")" = $'most\nnew' ]
	# what the links lead to on this host is not what they lead to in the tree
	refused "no directory" "out/file file evil"
	refused "no directory" "up/file file evil"
	refused "no directory" "dangling/file file evil"
	refused "no directory" "loop/file file evil"
	run -0 apply "out/.wh.file file" "up/.wh..wh..opq file" "dangling/.wh.x file"
	refused "not there" "h hard out/file"
	refused "not there" "h hard up/file"
	refused "no regular file" "h hard lib"
	refused "no regular file" "h hard usr"
	refused "no regular file" "h hard ./"
	refused 'part ".."' "h hard ../canary/file"
	refused 'part ".."' "../x file evil"
	refused 'part ".."' "usr/../../x file evil"
	refused "root directory" "./ link $canary"
	refused "root directory" "./. file evil"
	# in the archive itself too: a link, then a way through it
	refused "no directory" "l link $canary" "l/file file evil"
	refused "no directory" "m link $canary" "m/ dir" "n link ../../..$canary" "n/file file evil"
	[ "$(cat "$canary/file")" = alive ]
	[ "$(ls "$canary")" = file ]
	[ -d "$tree/m" ]
}

@test "a file that takes the place of another leaves its other names alone" {
	apply "a file one" "b hard a" "c hard a" "d/ dir" "d/x file x" "d/y hard a"
	apply "a file two" ".wh.c file" "d file now a file"
	[ "$(cat "$tree/a" "$tree/b" "$tree/d")" = "twoonenow a file" ]
	[ "$(stat -c %h "$tree/b")" = 1 ]
	apply "b hard b" "e hard b"
	[ "$(stat -c %h "$tree/b")" = 2 ]
	[ "$(cat "$tree/e")" = one ]
}

@test "attributes of lower directories are replaced, and those that no layer names stay" {
	apply "d/ dir user.lower=1,user.both=1" "e/ dir user.lower=1" "e/x file"
	chmod 2770 "$tree/e"
	chown 5:6 "$tree/e"
	touch -d @1234567890 "$tree/e"
	apply "d/ dir user.both=2" "e/new file" "e/sub/x file"
	[ "$(describe "$tree" | grep "^b'd' " | grep -o ' user.*')" = " user.both=32" ]
	[ "$(stat -c '%a %u:%g %Y' "$tree/e")" = "2770 5:6 1234567890" ]
	[ "$(stat -c '%a %u:%g' "$tree/e/new")" = "644 0:0" ]
	[ "$(stat -c '%a %u:%g %Y' "$tree/e/sub")" = "755 0:0 0" ]
	refused "no image may set" "d/ dir trusted.overlay.opaque=y"
	refused "no image may set" "d/ dir user.overlay.redirect=/x"
	run -0 apply "s/ dir security.selinux=x"
	[[ $output == *"does not keep"* ]]
}

@test "deep trees and large ones go, and do not lead anywhere (S22)" {
	local deep
	python3 - "$tree" <<-'PYTHON'
		import os, sys
		os.chdir(sys.argv[1])
		os.mkdir("a")
		os.chdir("a")
		for i in range(20000):
		    os.mkdir("d")
		    os.chdir("d")
		open("end", "w").close()
	PYTHON
	mkdir "$tree/many"
	(cd "$tree/many" && seq 5000 | xargs touch)
	apply "a file gone" ".wh.many file"
	[ "$(ls -A "$tree")" = a ]
	deep=$(printf 'd/%.0s' $(seq 512))
	apply "${deep%d/}.wh..wh..opq file" "${deep%/} dir" "${deep%d/}f file x"
	apply ".wh..wh..opq file" "d/ dir"
	[ "$(find "$tree" | wc -l)" = 2 ]
	refused "512 parts" "${deep}d dir"
}

@test "archives of files give files, and nothing else" {
	files() {
		printf '%s\n' "$@" | members "$BATS_TEST_TMPDIR/files.tar"
		"$BATS_TEST_DIRNAME/unpack-layer" "$unpack" --files "$tree" <"$BATS_TEST_TMPDIR/files.tar"
	}
	no_files() {
		local words=$1
		shift
		rm -r "$tree"
		mkdir "$tree"
		run -1 files "$@"
		[[ $output == *"$words"* ]] || { echo "no \"$words\" in: $output"; return 1; }
	}
	run -0 files "manifest.json file []" "a/ dir" "a/layer.tar file x" "b/layer.tar link ../a/layer.tar" "./ dir"
	[ "$(stat -c '%A %u:%g' "$tree/manifest.json" "$tree/a" "$tree/a/layer.tar")" = \
		$'-rw------- 0:0\ndrwx------ 0:0\n-rw------- 0:0' ]
	[ "$(cat "$tree/b/layer.tar")" = x ]
	no_files "lead out" "l link /etc/passwd"
	no_files "lead out" "l link ../x"
	no_files "lead out" "d/l link ../../x"
	no_files "lead out" "d/l link x/../../../y"
	no_files "lead out" "d/l link ..//..//x"
	no_files "below a file" "c link a" "c/x file evil"
	no_files "twice" "c file 1" "c file 2"
	no_files "twice" "c/d file 1" "c file 2"
	no_files "neither" "n fifo"
	no_files "neither" "n char"
	no_files "neither" "n hard a/layer.tar"
	no_files "absolute" "/n file x"
	no_files 'part ".."' "../n file x"
	seq -f 'f%.0f file' 16385 >"$BATS_TEST_TMPDIR/list"
	members "$BATS_TEST_TMPDIR/many.tar" <"$BATS_TEST_TMPDIR/list"
	run -1 "$BATS_TEST_DIRNAME/unpack-layer" "$unpack" --files "$tree" <"$BATS_TEST_TMPDIR/many.tar"
	[[ $output == *LIMIT_BUNDLE_MEMBERS* ]]
}
