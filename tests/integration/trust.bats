#!/usr/bin/env bats
# Trust: keys are trusted for prefixes of names, signatures are made and checked with real keys, and
# what is not right is refused with what was expected and what came.

load helpers

setup_file() {
	setup_state
	export GNUPGHOME=$BATS_FILE_TMPDIR/gnupg
	export CAROB_TRUST=$BATS_FILE_TMPDIR/trust.d
	mkdir -m 700 "$GNUPGHOME"
	make_key Ann ed25519
	make_key Bob rsa2048
	gpg --batch --passphrase '' --quick-add-key "$(key Ann)" rsa2048 sign never
	expire=1m make_key Old ed25519 --faked-system-time 20200101T000000
	make_key Rev ed25519
	carob image export example.com/box "$BATS_FILE_TMPDIR/box.aci"
	gpg -q --armor --detach-sign -u Rev -o "$BATS_FILE_TMPDIR/rev.asc" "$BATS_FILE_TMPDIR/box.aci"
	sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$(key Rev).rev" | gpg -q --import
	id=$(carob image list -q)
	export id
}

teardown_file() {
	gpgconf --kill all
	teardown_state
}

setup() {
	aci=$BATS_FILE_TMPDIR/box.aci
	rm -rf "$CAROB_TRUST"
	rm -f "$CAROB_ROOT/store/images/$id/aci.asc"
}

# make_key NAME ALGORITHM [OPTION]...; $expire: when
make_key() {
	local name=$1 algorithm=$2
	shift 2
	gpg -q "$@" --batch --passphrase '' --quick-gen-key "$name <$name@example.com>" "$algorithm" sign "${expire:-never}" 2>/dev/null
}

# The fingerprint of a key by its name.
key() {
	gpg --list-keys --with-colons "$1" | awk -F: '/^fpr/ { print $10; exit }'
}

# trust NAME OPTION...
trust() {
	gpg --armor --export "$1" | carob trust add --yes "${@:2}" - >/dev/null
}

# sign GPG-OPTION...: the archive's signature comes into the store, as a fetch would have left it.
sign() {
	gpg -q --yes --armor "$@" -o "$CAROB_ROOT/store/images/$id/aci.asc" --detach-sign "$aci"
}

# refused WORD...: `image verify` fails, and what it says has all words.
refused() {
	run -1 --separate-stderr carob image verify --json "$id"
	says "$@"
	[ "$(jq -r '.[0].archive + " " + .[0].signature + " " + (.[0].key // "none")' <<<"$output")" = "good bad none" ]
}

# accepted NAME RULE
accepted() {
	run -0 --separate-stderr carob image verify --json "$id"
	[ -z "$stderr" ]
	[ "$(jq -r '.[0].signature' <<<"$output")" = good ]
	[ "$(jq -r '.[0].key' <<<"$output")" = "$(key "$1")" ]
	[ "$(jq -r '.[0].rule' <<<"$output")" = "$2" ]
	[ "$(jq -r '.[0].user' <<<"$output")" = "$1 <$1@example.com>" ]
}

@test "keys are shown, asked about and trusted" {
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann.gpg"
	run -0 "$BATS_TEST_DIRNAME/terminal.py" 'wait=Trust this key for images of the name example.com? [y/N]' \
		'send=n\n' -- sh -c "carob trust add --prefix example.com $BATS_TEST_TMPDIR/ann.gpg; echo code \$?"
	[[ "$output" == *"$(key Ann)"*"Ann <Ann@example.com>"*"nothing was trusted"*"code 1"* ]]
	[ ! -e "$CAROB_TRUST" ]
	run -0 "$BATS_TEST_DIRNAME/terminal.py" 'wait=[y/N]' 'send=y\n' -- \
		sh -c "carob trust add --prefix example.com - <$BATS_TEST_TMPDIR/ann.gpg; echo code \$?"
	[[ "$output" == *"code 0"* ]]
	cmp "$BATS_TEST_TMPDIR/ann.gpg" "$CAROB_TRUST/prefix.d/example.com/$(key Ann)"
	[ "$(stat -c %a "$CAROB_TRUST" "$CAROB_TRUST"/*/* "$CAROB_TRUST"/*/*/* | sort -u | tr '\n' ' ')" = "644 755 " ]
}

@test "without a terminal and without --yes nothing is trusted" {
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann.gpg"
	run -1 --separate-stderr setsid -w carob trust add --prefix example.com "$BATS_TEST_TMPDIR/ann.gpg"
	says ann.gpg "no terminal" --yes
	[[ "$output" == *"$(key Ann)"* ]]
	[ ! -e "$CAROB_TRUST" ]
}

@test "several keys at once, armoured or not, listed and removed" {
	gpg --armor --export Ann Bob | carob trust add --yes --prefix example.com/box -
	gpg --export Bob | carob trust add --yes --root /dev/stdin
	run -0 carob trust list --json
	[ "$(jq -r '.[] | .prefix + " " + .key' <<<"$output" | sort)" = "$(printf '%s\n' " $(key Bob)" \
		"example.com/box $(key Ann)" "example.com/box $(key Bob)" | sort)" ]
	run -0 carob trust list example.com/boxes
	[[ "$output" != *"$(key Ann)"* && "$output" == *"(any name)"*"$(key Bob)"*"Bob <Bob@example.com>"* ]]
	run -3 carob trust rm --prefix example.com "$(key Bob)"
	run -3 carob trust rm 0123456789ABCDEF
	run -1 carob trust rm 12345
	carob trust rm --root "$(key Bob)"
	[ "$(carob trust list --json | jq length)" = 2 ]
	carob trust rm "$(key Ann | tail -c 17)"
	carob trust rm "$(key Bob)"
	[ "$(carob trust list --json)" = "[]" ]
	run -2 carob trust add --yes "$aci"
	run -2 carob trust add --yes --root --prefix example.com "$aci"
	run -1 carob trust add --yes --prefix Example.com "$aci"
}

@test "what is no public key is refused, and nothing is left behind" {
	gpg --armor --export-secret-keys Ann >"$BATS_TEST_TMPDIR/secret.asc"
	gpg --export-secret-keys Ann >"$BATS_TEST_TMPDIR/secret.gpg"
	echo hello >"$BATS_TEST_TMPDIR/text"
	: >"$BATS_TEST_TMPDIR/empty"
	gpg --export Ann | head -c 100 >"$BATS_TEST_TMPDIR/cut"
	truncate -s 5M "$BATS_TEST_TMPDIR/large"
	# the same key with another self-signature: gpg takes nothing of it
	gpg --export Ann | python3 -c 'import sys; d = bytearray(sys.stdin.buffer.read()); d[150] ^= 1
sys.stdout.buffer.write(d)' >"$BATS_TEST_TMPDIR/forged"
	for file in secret.asc secret.gpg text empty cut large forged missing; do
		run -1 --separate-stderr carob trust add --yes --root "$BATS_TEST_TMPDIR/$file"
		says "$file"
		[ ! -e "$CAROB_TRUST" ]
	done
	run -1 --separate-stderr carob trust add --yes --root "$BATS_TEST_TMPDIR/secret.gpg"
	says "secret key"
	run -1 --separate-stderr carob trust add --yes --root "$BATS_TEST_TMPDIR/large"
	says LIMIT_KEY_BYTES
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann"
	# gpg makes no directory and starts no agent
	strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=mkdir,mkdirat,execve,execveat \
		carob trust add --yes --root "$BATS_TEST_TMPDIR/ann"
	grep -q 'execveat(.*"gpg"' "$BATS_TEST_TMPDIR/trace"
	[ "$(grep -E 'execve(at)?\(' "$BATS_TEST_TMPDIR/trace" | grep -vc '"gpg"')" = 1 ]
	[ "$(grep -c mkdir "$BATS_TEST_TMPDIR/trace")" = "$(grep -cE "mkdir.*(trust.d\"|root.d\")" "$BATS_TEST_TMPDIR/trace")" ]
}

@test "a newer state of a known key takes its place, an older one does not" {
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann"
	trust Ann --root
	cp -a "$CAROB_TRUST" "$BATS_TEST_TMPDIR/before"
	trust Ann --root
	GNUPGHOME=$BATS_TEST_TMPDIR/home
	cp -a "$BATS_FILE_TMPDIR/gnupg" "$GNUPGHOME"
	sleep 1.1 # signatures have their time in seconds
	gpg --batch --quick-set-expire "$(key Ann)" 10y
	gpg --export Ann >"$BATS_TEST_TMPDIR/longer"
	# it is shown and asked about
	run -0 "$BATS_TEST_DIRNAME/terminal.py" 'wait=[y/N]' 'send=n\n' -- sh -c "carob trust add --root $BATS_TEST_TMPDIR/longer; echo code \$?"
	[[ "$output" == *"$(key Ann)"*"another state of this key"*"code 1"* ]]
	diff -r "$CAROB_TRUST" "$BATS_TEST_TMPDIR/before"
	run -0 carob trust add --yes --root "$BATS_TEST_TMPDIR/longer"
	[[ "$output" == *"replaced"*"$(key Ann)"* ]]
	cmp "$CAROB_TRUST/root.d/$(key Ann)" "$BATS_TEST_TMPDIR/longer"
	[ "$(ls -A "$CAROB_TRUST/root.d")" = "$(key Ann)" ]
	# back
	run -1 --separate-stderr carob trust add --yes --root "$BATS_TEST_TMPDIR/ann"
	says "$(key Ann)" "newer state" "carob trust rm"
	cmp "$CAROB_TRUST/root.d/$(key Ann)" "$BATS_TEST_TMPDIR/longer"
	# revoked, and then a state that was made without knowing of it, or by a thief
	sed 's/^:---/---/' "$GNUPGHOME/openpgp-revocs.d/$(key Ann).rev" | gpg -q --import
	run -0 --separate-stderr carob trust add --yes --root <(gpg --export Ann)
	says "was revoked"
	cp "$CAROB_TRUST/root.d/$(key Ann)" "$BATS_TEST_TMPDIR/revoked"
	rm -r "$GNUPGHOME"
	cp -a "$BATS_FILE_TMPDIR/gnupg" "$GNUPGHOME"
	sleep 1.1
	gpg --batch --quick-set-expire "$(key Ann)" 20y
	run -1 --separate-stderr carob trust add --yes --root <(gpg --export Ann)
	says "$(key Ann)" "revocation" "carob trust rm"
	gpgconf --kill all
	cmp "$CAROB_TRUST/root.d/$(key Ann)" "$BATS_TEST_TMPDIR/revoked"
}

@test "a forged signature does not make an old state a new one" {
	GNUPGHOME=$BATS_TEST_TMPDIR/home
	cp -a "$BATS_FILE_TMPDIR/gnupg" "$GNUPGHOME"
	gpg --export Ann >"$BATS_TEST_TMPDIR/old"
	sleep 1.1
	gpg --batch --quick-set-expire "$(key Ann)" 10y
	gpg --export Ann >"$BATS_TEST_TMPDIR/new"
	gpgconf --kill all
	# the old state, with its self-signature once more, said to be of the year 2100
	python3 - "$BATS_TEST_TMPDIR/old" "$BATS_TEST_TMPDIR/forged" <<-'PYTHON'
		import struct, sys
		data = open(sys.argv[1], 'rb').read()
		packets, at = [], 0
		while at < len(data):
		    tag = data[at]
		    size = {0: 1, 1: 2, 2: 4}[tag & 3]
		    end = at + 1 + size + int.from_bytes(data[at + 1:at + 1 + size], 'big')
		    packets.append(((tag >> 2) & 15, data[at:end]))
		    at = end
		out = b''
		for kind, packet in packets:
		    out += packet
		    if kind == 2 and b'\x05\x02' in packet:
		        i = packet.index(b'\x05\x02') + 2
		        out += packet[:i] + struct.pack('>I', 4102444800) + packet[i + 4:]
		open(sys.argv[2], 'wb').write(out)
	PYTHON
	run -0 carob trust add --yes --root "$BATS_TEST_TMPDIR/new"
	cp "$CAROB_TRUST/root.d/$(key Ann)" "$BATS_TEST_TMPDIR/before"
	run -1 --separate-stderr carob trust add --yes --root "$BATS_TEST_TMPDIR/forged"
	cmp "$CAROB_TRUST/root.d/$(key Ann)" "$BATS_TEST_TMPDIR/before"
}

@test "keys that expired or were revoked are named" {
	run -0 --separate-stderr carob trust add --yes --root <(gpg --export Old)
	says "$(key Old)" "has expired"
	run -0 --separate-stderr carob trust add --yes --root <(gpg --export Rev)
	says "$(key Rev)" "was revoked"
}

@test "an image signed here is accepted, under the longest rule" {
	trust Ann --prefix example.com
	carob image sign --key Ann --output "$CAROB_ROOT/store/images/$id/aci.asc" "$aci"
	accepted Ann example.com
	trust Ann --prefix example.com/box
	trust Ann --root
	accepted Ann example.com/box
	carob trust rm --prefix example.com/box "$(key Ann)"
	carob trust rm --prefix example.com "$(key Ann)"
	accepted Ann ""
	run -0 carob image verify "$id"
	[[ "$output" == *good*good*"$(key Ann)"*"(any name)"* ]]
}

@test "an unsigned image is what it is" {
	run -0 carob image verify --json "$id"
	[ "$(jq -r '.[0].archive + " " + .[0].signature' <<<"$output")" = "good none" ]
}

@test "signatures by rsa, by a subkey, by the primary key" {
	trust Ann --root
	trust Bob --root
	sign -u Bob
	accepted Bob ""
	sign -u "$(key Ann)!"
	accepted Ann ""
	sub=$(gpg --list-keys --with-colons Ann | awk -F: '/^fpr/ { last = $10 } END { print last }')
	[ "$sub" != "$(key Ann)" ]
	sign -u "$sub!"
	accepted Ann ""
}

@test "a key that is trusted for another name is refused" {
	sign -u Ann
	refused "no key is trusted for example.com/box" "carob trust add"
	trust Ann --prefix example.com/bo
	refused "no key is trusted for example.com/box" "$(key Ann)" "trusted for example.com/bo only"
	trust Bob --prefix example.com
	refused "expected a signature by $(key Bob)" "came a good one by key $(key Ann)" "example.com/bo only"
	carob trust rm "$(key Ann)"
	refused "expected a signature by $(key Bob)" "not trusted for anything" "carob trust add"
}

@test "a changed archive is refused (S80)" {
	trust Ann --prefix example.com
	sign -u Ann
	cp -a "$CAROB_ROOT/store/images/$id/aci" "$BATS_TEST_TMPDIR/aci"
	python3 -c 'import sys; f = open(sys.argv[1], "r+b"); f.seek(-1, 2); f.write(b"x")' "$CAROB_ROOT/store/images/$id/aci"
	run -1 --separate-stderr carob image verify --json "$id"
	cp -a "$BATS_TEST_TMPDIR/aci" "$CAROB_ROOT/store/images/$id/aci"
	[[ "$stderr" == *"the archive"* && "$stderr" == *"is not what was signed"*"$(key Ann)"* ]]
	[ "$(jq -r '.[0].archive + " " + .[0].signature' <<<"$output")" = "bad bad" ]
	accepted Ann example.com
}

@test "keys that expired or were revoked sign nothing" {
	trust Old --prefix example.com 2>/dev/null
	trust Rev --root 2>/dev/null
	gpg -q --yes --faked-system-time 20200102T000000 --armor -u Old -o "$CAROB_ROOT/store/images/$id/aci.asc" \
		--detach-sign "$aci"
	refused "by a key that has expired" "$(key Old)" "valid now"
	cp "$BATS_FILE_TMPDIR/rev.asc" "$CAROB_ROOT/store/images/$id/aci.asc"
	refused "by a key that was revoked" "$(key Rev)"
}

@test "a signature that has expired is none" {
	make_key Eve ed25519 --faked-system-time "$(date -u -d '-7 days' +%Y%m%dT%H%M%S)"
	trust Eve --root
	sign -u Eve --faked-system-time "$(date -u -d '-2 days' +%Y%m%dT%H%M%S)" --default-sig-expire 1d
	refused "came one that has expired, by key $(key Eve)"
}

@test "weak hashes are refused" {
	trust Bob --root
	for hash in SHA1 RIPEMD160 MD5; do
		sign -u Bob --digest-algo "$hash"
		refused "can be forged"
	done
	# beside a good one by a stranger too
	sign -u Bob --digest-algo SHA1
	gpg --dearmor <"$CAROB_ROOT/store/images/$id/aci.asc" >"$BATS_TEST_TMPDIR/weak"
	sign -u Ann
	gpg --dearmor <"$CAROB_ROOT/store/images/$id/aci.asc" | cat "$BATS_TEST_TMPDIR/weak" - |
		gpg --enarmor | sed 's/ARMORED FILE/SIGNATURE/; /^Comment/d' >"$BATS_TEST_TMPDIR/both"
	cp "$BATS_TEST_TMPDIR/both" "$CAROB_ROOT/store/images/$id/aci.asc"
	refused "SHA-1" "$(key Bob)"
	# and a good one by somebody trusted counts
	trust Ann --root
	accepted Ann ""
}

@test "of two signatures a good one is enough, and a bad one too much" {
	trust Bob --prefix example.com
	sign -u Ann -u Bob
	accepted Bob example.com
	sign -u Ann
	gpg --dearmor <"$CAROB_ROOT/store/images/$id/aci.asc" >"$BATS_TEST_TMPDIR/good"
	echo other >"$BATS_TEST_TMPDIR/other"
	gpg -q --detach-sign -u Bob -o "$BATS_TEST_TMPDIR/bad" "$BATS_TEST_TMPDIR/other"
	for order in "good bad" "bad good"; do
		# shellcheck disable=SC2086 # two words
		(cd "$BATS_TEST_TMPDIR" && cat $order) | gpg --enarmor |
			sed 's/ARMORED FILE/SIGNATURE/; /^Comment/d' >"$CAROB_ROOT/store/images/$id/aci.asc"
		trust Ann --prefix example.com
		refused "is not what was signed" "$(key Bob)"
	done
}

@test "only armoured detached signatures over the archive itself are any" {
	local asc=$CAROB_ROOT/store/images/$id/aci.asc
	trust Ann --root
	gpg -q --yes -u Ann -o "$asc" --detach-sign "$aci"
	refused "it is binary"
	gpg -q --yes -u Ann -o "$asc" --clear-sign "$BATS_FILE_TMPDIR/census"
	refused "PGP SIGNED MESSAGE"
	gpg -q --yes -u Ann -o "$asc" --armor --sign "$BATS_FILE_TMPDIR/census"
	refused "PGP MESSAGE"
	gpg -q --yes -u Ann -o "$asc" --armor --textmode --detach-sign "$BATS_FILE_TMPDIR/census"
	refused "not over a binary document"
	gpg --armor --export Ann >"$asc"
	refused "PGP PUBLIC KEY BLOCK"
	echo small >"$BATS_FILE_TMPDIR/small"
	# a whole signed message in the wrapping of a signature
	gpg -q -u Ann --compress-algo none --sign <"$BATS_FILE_TMPDIR/small" | gpg --enarmor |
		sed 's/ARMORED FILE/SIGNATURE/; /^Comment/d' >"$asc"
	refused "something else than a signature"
	echo hello >"$asc"
	refused "text outside"
	: >"$asc"
	refused "no PGP SIGNATURE"
	sign -u Ann
	echo >>"$asc"
	accepted Ann ""
	echo x >>"$asc"
	refused "text outside"
	sign -u Ann
	head -c 200 "$asc" >"$BATS_TEST_TMPDIR/cut"
	cp "$BATS_TEST_TMPDIR/cut" "$asc"
	refused "damaged or cut"
}

@test "a store of keys that others may write is refused by name" {
	local path
	trust Ann --prefix example.com
	sign -u Ann
	for path in "$CAROB_TRUST" "$CAROB_TRUST"/prefix.d{,/example.com{,/"$(key Ann)"}}; do
		chmod g+w "$path"
		run -1 --separate-stderr carob trust list
		says "$path can be written by others" "chmod go-w $path"
		refused "$path can be written by others"
		chmod g-w "$path"
		chown 1000 "$path"
		run -1 --separate-stderr carob trust list
		says "$path belongs to user 1000"
		chown 0 "$path"
	done
	accepted Ann example.com
}

@test "links and strange files among the keys are named and not used" {
	trust Ann --prefix example.org
	sign -u Ann
	mkdir "$CAROB_TRUST/prefix.d/example.com"
	ln -s "../example.org/$(key Ann)" "$CAROB_TRUST/prefix.d/example.com/$(key Ann)"
	ln -s example.org "$CAROB_TRUST/prefix.d/example.com=box"
	echo note >"$CAROB_TRUST/prefix.d/example.com/README"
	refused "no key is trusted for example.com/box" "example.org only"
	run -0 --separate-stderr carob trust list --json
	[ "$(jq length <<<"$output")" = 1 ]
	for path in "example.com/$(key Ann) is a symbolic link" "example.com=box is a symbolic link" \
		"example.com/README is not named like a key"; do
		[[ "$stderr" == *"$CAROB_TRUST/prefix.d/$path"* ]]
	done
	cp -L "$CAROB_TRUST/prefix.d/example.org/$(key Ann)" "$CAROB_TRUST/prefix.d/example.com/$(key Bob)"
	run -1 --separate-stderr carob trust list
	says "$CAROB_TRUST/prefix.d/example.com/$(key Bob)" "$(key Ann)"
}

@test "two at once: both add, and neither does harm to the other" {
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann"
	gpg --export Bob >"$BATS_TEST_TMPDIR/bob"
	for _ in $(seq "$(times 10)"); do
		carob trust add --yes --prefix example.com "$BATS_TEST_TMPDIR/ann" >/dev/null &
		one=$!
		carob trust add --yes --prefix example.com "$BATS_TEST_TMPDIR/ann" "$BATS_TEST_TMPDIR/bob" >/dev/null &
		two=$!
		ends_with 0 $one
		ends_with 0 $two
		[ "$(carob trust list --json | jq length)" = 2 ]
		carob trust rm "$(key Ann)" &
		one=$!
		carob trust add --yes --prefix example.com "$BATS_TEST_TMPDIR/bob" >/dev/null
		ends_with 0 $one
		[ "$(carob trust list --json | jq -r '.[].key')" = "$(key Bob)" ]
		rm -rf "$CAROB_TRUST"
	done
}

@test "killed at any change on disk, no half rule is left" {
	local call k n
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann"
	for call in mkdir mkdirat openat write linkat unlinkat fsync flock; do
		for ((k = 1; k < 100; k++)); do
			rm -rf "$CAROB_TRUST"
			if strace -o /dev/null -e "inject=$call:signal=SIGKILL:when=$k" \
				carob trust add --yes --prefix example.com "$BATS_TEST_TMPDIR/ann" >/dev/null 2>&1; then
				break
			fi
			n=$(carob trust list --json | jq length)
			[ "$n" -le 1 ]
			carob trust add --yes --prefix example.com "$BATS_TEST_TMPDIR/ann" >/dev/null
			[ "$(carob trust list --json | jq length)" = 1 ]
			[ "$(ls -A "$CAROB_TRUST/prefix.d/example.com")" = "$(key Ann)" ]
		done
		[ "$k" -lt 100 ]
	done
}

@test "signing: one whole file, never an old one's place unasked" {
	local dir=$BATS_TEST_TMPDIR/signing
	local file=$dir/box.aci
	mkdir "$dir"
	cp "$aci" "$file"
	carob image sign --key Bob "$file"
	gpg --verify "$file.asc" "$file"
	before=$(cat "$file.asc")
	run -1 --separate-stderr carob image sign --key Bob "$file"
	says "$file.asc" --overwrite
	[ "$(cat "$file.asc")" = "$before" ]
	carob image sign --key Ann --overwrite "$file"
	[ "$(cat "$file.asc")" != "$before" ]
	run -1 carob image sign --key nobody@example.com --output "$dir/none" "$file"
	run -1 --separate-stderr carob image sign --key Ann --output "$dir/none" "$dir"
	says "no regular file"
	echo 'digest-algo SHA1' >"$GNUPGHOME/gpg.conf"
	run -1 carob image sign --key Ann --output "$dir/none" "$file"
	rm "$GNUPGHOME/gpg.conf"
	[[ "$output" == *"SHA-1"* ]]
	[ "$(ls -A "$dir")" = "$(printf 'box.aci\nbox.aci.asc')" ]
}

@test "gpgv becomes nobody, and has nothing but its descriptors" {
	trust Ann --root
	sign -u Ann
	strace -f -qq -o "$BATS_TEST_TMPDIR/trace" -e trace=clone3,execveat,setresuid,setresgid,setgroups,prctl,openat,socket,connect \
		carob image verify "$id"
	awk '/execveat.*"gpgv"/ { print $1; exit }' "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/pid"
	grep "^$(cat "$BATS_TEST_TMPDIR/pid") " "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/gpgv"
	grep -q 'setgroups(0' "$BATS_TEST_TMPDIR/gpgv"
	grep -q 'setresuid(65534, 65534, 65534)' "$BATS_TEST_TMPDIR/gpgv"
	grep -q 'PR_SET_NO_NEW_PRIVS, 1' "$BATS_TEST_TMPDIR/gpgv"
	grep -q 'PR_SET_PDEATHSIG, SIGKILL' "$BATS_TEST_TMPDIR/gpgv"
	grep -q 'execveat(.*0x[0-9a-f]* /\* 0 vars \*/' "$BATS_TEST_TMPDIR/gpgv"
	run ! grep -E 'AF_INET|\.gnupg|\.kbx' "$BATS_TEST_TMPDIR/gpgv"
	grep -q 'clone3(.*CLONE_NEWNET' "$BATS_TEST_TMPDIR/trace"
}

@test "PATH and HOME of the caller decide nothing" {
	mkdir -p "$BATS_TEST_TMPDIR"/{bin,home/.gnupg}
	for tool in gpg gpgv; do
		printf '#!/bin/sh\ntouch %s/canary\n' "$BATS_TEST_TMPDIR" >"$BATS_TEST_TMPDIR/bin/$tool"
		chmod 755 "$BATS_TEST_TMPDIR/bin/$tool"
	done
	sign -u Ann
	gpg --export Ann >"$BATS_TEST_TMPDIR/ann"
	(
		unset GNUPGHOME
		export PATH=$BATS_TEST_TMPDIR/bin:$PATH HOME=$BATS_TEST_TMPDIR/home
		cp "$BATS_TEST_TMPDIR/ann" "$HOME/.gnupg/trustedkeys.gpg"
		run -1 carob image verify "$id"
		carob trust add --yes --root "$BATS_TEST_TMPDIR/ann"
		carob image verify "$id"
	)
	[ ! -e "$BATS_TEST_TMPDIR/canary" ]
}

@test "where an image came from is shown" {
	local origin=$CAROB_ROOT/store/images/$id/origin
	run -0 carob image show --json "$id"
	[ "$(jq -r .origin <<<"$output")" = null ]
	cat >"$origin" <<-JSON
		{"version":1,"reference":"example.com/box:1","url":"http://example.com/box.aci","transport":"http",
		"signature":{"key":"$(key Ann)","rule":"example.com","user":"Ann <Ann@example.com>","made":"2026-11-22T12:00:00Z"},
		"insecure":["http"],"manifestDigest":""}
	JSON
	run -0 carob image show "$id"
	[[ "$output" == *"reference    example.com/box:1"*"url          http://example.com/box.aci"*"$(key Ann) (Ann <Ann@example.com>), trusted for example.com, made 2026-11-22T12:00:00"*"insecure     http"* ]]
	run -0 carob image show --json "$id"
	[ "$(jq -r '.origin.signature.rule + " " + .origin.insecure[0]' <<<"$output")" = "example.com http" ]
	sed -i 's/"signature":{[^}]*}/"signature":null/; s/\["http"\]/["http","signature"]/' "$origin"
	run -0 carob image show "$id"
	[[ "$output" == *"signature    none"*"insecure     http,signature"* ]]
	echo '{"version":1}' >"$origin"
	run -1 --separate-stderr carob image show "$id"
	rm "$origin"
	says "came from is not known"
}

@test "carob info tells of gpg and gpgv" {
	carob info --json | jq -e '.[] | select(.name == "signatures") | .state == "ok" and .found == "/usr/bin/gpgv, /usr/bin/gpg"'
}
