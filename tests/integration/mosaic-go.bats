#!/usr/bin/env bats
# The Go package over libmosaic (go/mosaic), built against the library as it is installed, by its pkg-config
# file; its tests go through the same cases as tests/mosaic, on several drivers.

load helpers

setup_file() {
	libdir=$(dirname "$(find "$prefix" -name libmosaic.so -print -quit)")
	export PKG_CONFIG_PATH=$libdir/pkgconfig LD_LIBRARY_PATH=$libdir CAROB_LIBEXEC=$prefix/libexec/carob
	# nothing comes from a network, and what is compiled once stays
	export GOCACHE=$top/build/cache/go GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local
	mkdir -p "$GOCACHE"
	cd "$top/go/mosaic" && go test -c -o "$BATS_FILE_TMPDIR/test" .
}

teardown_file() {
	if grep -F "$BATS_FILE_TMPDIR" /proc/self/mountinfo; then return 1; fi
	if losetup -a | grep -F "$BATS_FILE_TMPDIR"; then return 1; fi
}

# suite_on TYPE [LINE OF THE DESCRIPTION]...: every test; those that are skipped say why.
suite_on() {
	local mos=$BATS_TEST_TMPDIR/$1.mos
	printf 'type: %s\nlocation: %s\n' "$1" "$BATS_TEST_TMPDIR/mosaic" >"$mos"
	shift
	[ $# -eq 0 ] || printf '%s\n' "$@" >>"$mos"
	moctl "$mos" make
	local log=$BATS_TEST_TMPDIR/log
	MOSAIC_TEST=$mos timeout 300 "$BATS_FILE_TMPDIR/test" -test.v >"$log" 2>&1 || { grep -v '^=== ' "$log"; return 1; }
	[ "$(grep -c '^--- PASS' "$log")" -gt 30 ]
	grep -B1 '^--- SKIP' "$log" | sed -n 's/.*_test.go:[0-9]*: /# /p' >&3 || true
}

@test "Go: formatted, and nothing that vet finds" {
	cd "$top/go/mosaic"
	run -0 gofmt -l .
	[ -z "$output" ] || { echo "$output"; return 1; }
	run -0 go vet ./...
}

@test "Go: every function of the header is there" {
	local name
	sed -n 's/^\t\(mosaic_[a-z_]*\);$/\1/p' "$top/lib/mosaic/libmosaic.sym" >"$BATS_TEST_TMPDIR/names"
	[ "$(wc -l <"$BATS_TEST_TMPDIR/names")" -gt 50 ]
	while read -r name; do
		grep -qwF "$name" "$top"/go/mosaic/*.go "$top/go/mosaic/shim.c" || { echo "$name is not used"; return 1; }
	done <"$BATS_TEST_TMPDIR/names"
}

@test "Go: what is exported has a comment" {
	cd "$top/go/mosaic"
	go doc -all . >"$BATS_TEST_TMPDIR/doc"
	grep -q 'func (m \*Mosaic) SnapshotSet' "$BATS_TEST_TMPDIR/doc"
	run find . -name '*.go' ! -name '*_test.go' -exec awk '
		/^(func|type|const|var) (\([a-z]+ \*?[A-Z][A-Za-z]*\) )?[A-Z]/ && before !~ /^\/\// { print FILENAME ": " $0; bad = 1 }
		{ before = $0 } END { exit bad }' '{}' +
	[ "$status" = 0 ] || { echo "$output"; return 1; }
}

@test "Go: without a mosaic to test, the tests fail and say what is missing" {
	run -2 env -u MOSAIC_TEST "$BATS_FILE_TMPDIR/test"
	[[ "$output" == *MOSAIC_TEST* ]]
}

@test "Go: the cases on plain" {
	suite_on plain
}

@test "Go: the cases on overlay" {
	suite_on overlay
}

@test "Go: the cases on fsimg" {
	suite_on fsimg 'options: { size: 1G }'
}
