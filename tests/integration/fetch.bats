#!/usr/bin/env bats
# From a name on the network to a pod: discovery, transfer, signature, dependencies; servers that lie,
# break off and change their mind; death in between.

# what stands in single quotes is for the shell in the pod, or for jq
# shellcheck disable=SC2016
load helpers
load web

setup_file() {
	setup_state
	make_ca
	make_cert example.com,other.org,cdn.example.net
	start_web site --vhosts --tls "$web/example.com.pem" "$web/example.com.key"
	local port
	port=$(web_port site)
	start_proxy proxy
	proxy_map proxy "$(jq -n --argjson at "$(web_port site)" '{"example.com:443": $at, "other.org:443": $at, "cdn.example.net:443": $at}')"
	make_keys
	write_config
	make_images
	# every directory of the store is there
	carob fetch -q example.com/tools >/dev/null
	carob image rm example.com/tools
}

teardown_file() {
	stop_web
	GNUPGHOME=$BATS_FILE_TMPDIR/gpg gpgconf --kill all
	teardown_state
}

setup() {
	: >"$web/site.log"
	: >"$web/proxy.log"
	web_rules site '[]'
}

teardown() {
	# an image goes when nothing depends on it any more
	for _ in 1 2 3; do
		carob image list -q | xargs -r carob image rm -f >/dev/null 2>&1 || true
	done
	carob gc --grace-period 0 >/dev/null
	[ "$(carob image list -q)" = "" ]
}

# Two signers: one for example.com, one for other.org.
make_keys() {
	local name
	export GNUPGHOME=$BATS_FILE_TMPDIR/gpg
	mkdir -m 700 "$GNUPGHOME"
	for name in example other stranger; do
		gpg --batch --quiet --passphrase '' --quick-gen-key "$name@example.com" ed25519 sign never 2>/dev/null
		gpg --batch --armor --export "$name@example.com" >"$BATS_FILE_TMPDIR/$name.pub"
	done
	mkdir -p "$BATS_FILE_TMPDIR/trust"
}

write_config() {
	export CAROB_CONFIG=$BATS_FILE_TMPDIR/carob.yaml
	cat >"$CAROB_CONFIG" <<-YAML
		proxy:
		  http: http://127.0.0.1:$(web_port proxy)
		  https: http://127.0.0.1:$(web_port proxy)
		timeouts: {connect: 5, stall: 5}
		retries: 3
		trust: $BATS_FILE_TMPDIR/trust
		hosts:
		  example.com: {ca: $web/ca.pem}
		  other.org: {ca: $web/ca.pem}
		  cdn.example.net: {ca: $web/ca.pem}
	YAML
	carob trust add --yes --prefix example.com "$BATS_FILE_TMPDIR/example.pub" >/dev/null
	carob trust add --yes --prefix other.org "$BATS_FILE_TMPDIR/other.pub" >/dev/null
}

sign() {
	gpg --batch --yes --quiet --no-tty --trust-model always --local-user "$1@example.com" --armor --detach-sign --output "$2.asc" "$2"
}

# publish NAME VERSION SIGNER MANIFEST-MEMBERS [COMMAND]...: builds an image, puts it with its
# signature on cdn.example.net.
publish() {
	local name=$1 version=$2 signer=$3 members=$4 dir=$BATS_FILE_TMPDIR/build/$1 out
	shift 4
	out=$web/site/cdn.example.net/$name-$version-linux-amd64.aci
	mkdir -p "$dir/rootfs" "$(dirname "$out")"
	[ $# -eq 0 ] || "$@" "$dir/rootfs"
	printf '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"%s","labels":[{"name":"version","value":"%s"},{"name":"os","value":"linux"},{"name":"arch","value":"amd64"}]%s}' \
		"$name" "$version" "${members:+,$members}" >"$dir/manifest"
	carob image build --overwrite --compression gzip --rootfs "$dir/rootfs" --manifest "$dir/manifest" "$out" >/dev/null
	rm -f "$out.asc"
	[ -z "$signer" ] || sign "$signer" "$out"
	# the newest is the one that somebody gets who asks for no version
	[ "$version" = latest ] || for file in "$out" "$out.asc"; do
		[ ! -e "$file" ] || cp "$file" "${file/-$version-/-latest-}"
	done
}

with_tools() {
	mkdir -p "$1"/{bin,etc,tmp}
	cp "$(command -v busybox)" "$1/bin/busybox"
	ln -sf busybox "$1/bin/sh"
	ln -sf busybox "$1/bin/cat"
	echo root:x:0:0::/:/bin/sh >"$1/etc/passwd"
}
with_bulk() {
	mkdir -p "$1/data"
	head -c 6M /dev/urandom >"$1/data/bulk"
	echo words >"$1/data/words"
}
nothing() { :; }

make_images() {
	local host
	mkdir -p "$web/site"/{example.com,other.org,cdn.example.net}
	for host in example.com other.org; do
		cat >"$web/site/$host/index.html" <<-HTML
			<!doctype html><title>$host</title>
			<!-- <meta name="ac-discovery" content="$host https://evil.example/{name}.{ext}"> -->
			<META content='$host https://cdn.example.net/$host-{app}' name=ac-discovery>
			<meta name="ac-discovery" content="$host https://cdn.example.net/{name}-{version}-{os}-{arch}.{ext}">
			<meta name="ac-discovery-pubkeys" content="$host https://cdn.example.net/$host.pub">
		HTML
	done
	cp "$BATS_FILE_TMPDIR/example.pub" "$web/site/cdn.example.net/example.com.pub"
	publish example.com/tools 3 example '' with_tools
	publish example.com/bulk 1 example '' with_bulk
	publish example.com/app 1.2 example '"app":{"exec":["/bin/sh","-c","cat /data/words; echo $#"],"user":"0","group":"0"},
		"dependencies":[{"imageName":"example.com/tools"},{"imageName":"example.com/bulk","labels":[{"name":"version","value":"1"}]}]' nothing
}

# What the store holds: every file with its size and time, every image.
tree() {
	find "$CAROB_ROOT" -name lock -prune -o -printf '%P %y %s\n' | sort
	carob image list -q | sort
}

# logged N: so many requests for archives were answered to their end. The server writes a request down
# when it has sent everything, which may be after its client has gone on.
logged() {
	until_true 5 eval '[ "$(web_log site "select(.path | endswith(\".aci\")) | .status" | wc -l)" -ge '"$1"' ]'
}

app=example.com/app

# ---- the way ----------------------------------------------------------------------------------------

@test "an image with two dependencies by its name, through a proxy, cut twice on the way" {
	web_rules site '[{"path": "*bulk*.aci", "cut": 1500000, "first": 1}, {"path": "*bulk*.aci", "asked": "range", "cut": 2000000, "first": 1}]'
	run -0 --separate-stderr carob run --rm $app:1.2
	[ "$output" = $'words\n0' ]
	logged 5
	run -0 web_log site 'select(.path | endswith(".aci")) | [.path, .status, .range != null]'
	[ "$(grep -c bulk <<<"$output")" = 3 ]
	[ "$(grep bulk <<<"$output" | grep -c '206,true')" = 2 ]
	all=$(cd "$web/site/cdn.example.net/example.com" && cat app-1.2-*.aci* bulk-1-*.aci* tools-3-*.aci* "$web/site/example.com/index.html" | wc -c)
	[ "$(web_sent site)" -ge "$all" ]
	[ $(($(web_sent site) * 100)) -le $((all * 105)) ]
	# all of it went through the proxy
	[ "$(jq -rs 'map(.target // .path // .url) | length' "$web/proxy.log")" -ge 4 ]
	# once there, nothing is asked for again
	: >"$web/site.log"
	run -0 carob run --rm $app
	run -0 carob fetch $app
	[ "$(cat "$web/site.log")" = "" ]
}

@test "what came is known: where from, under which key and rule" {
	run -0 carob fetch -q $app
	id=$output
	run -0 carob image show --json $app
	key=$(gpg --with-colons --fingerprint example@example.com | awk -F: '/^fpr/ { print $10; exit }')
	jq -e --arg key "$key" --arg id "$id" '.id == $id and .origin.signature.key == $key and .origin.signature.rule == "example.com" and
		.origin.url == "https://cdn.example.net/example.com/app-latest-linux-amd64.aci" and .origin.transport == "https"' <<<"$output"
	run -0 carob image show $app
	[[ "$output" == *"$key"* ]]
	run -0 carob image verify $app
}

@test "by URL, the signer must be trusted for the name inside" {
	run -0 carob fetch -q https://cdn.example.net/example.com/tools-3-linux-amd64.aci
	publish example.com/foreign 1 other '' nothing
	before=$(tree)
	run -1 carob fetch -q https://cdn.example.net/example.com/foreign-1-linux-amd64.aci
	[[ "$output" == *"example.com/foreign"* && "$output" == *"other.org"* ]]
	[ "$(tree)" = "$before" ]
}

@test "several at once, some of which do not exist" {
	run -3 --separate-stderr carob fetch -q --json example.com/tools example.com/nowhere example.com/bulk:1
	jq -e 'length == 3 and ([.[] | select(.error == null)] | length) == 2 and ([.[] | select(.reference == "example.com/nowhere")][0].error | contains("404"))' <<<"$output"
	[[ "$stderr" == *"nowhere-latest-linux-amd64.aci"* ]]
	# nobody knows anything of that name: all that was tried is said
	run -3 carob fetch -q cdn.example.net/nowhere/at/all
	for url in /nowhere/at/all /nowhere/at /nowhere ''; do
		[[ "$output" == *"https://cdn.example.net$url?ac-discovery=1"* ]]
	done
}

@test "two fetches of one image at once transfer it once" {
	web_rules site '[{"path": "*bulk*.aci", "slow": [1000000, 0.2]}]'
	carob fetch -q example.com/bulk >"$BATS_TEST_TMPDIR/a" 3>&- &
	a=$!
	carob fetch -q example.com/bulk >"$BATS_TEST_TMPDIR/b" 3>&- &
	ends_with 0 $a
	ends_with 0 $!
	cmp "$BATS_TEST_TMPDIR/a" "$BATS_TEST_TMPDIR/b"
	logged 1
	run -0 web_log site 'select(.path | endswith(".aci")) | .status'
	[ "$output" = 200 ]
}

@test "--pull: missing, never, always" {
	run -125 carob run --rm --pull never $app
	[[ "$output" == *"$app"*"--pull never"* ]]
	[ "$(cat "$web/site.log")" = "" ]
	run -0 carob fetch -q $app
	logged 3
	: >"$web/site.log"
	run -0 carob run --rm --pull always $app
	logged 1
	[ "$(web_log site .path | grep -c "/app-")" -ge 1 ]
	publish example.com/tools 3 example '"annotations":[{"name":"authors","value":"somebody"}]' with_tools
	old=$(carob image show --json example.com/tools | jq -r .id)
	run -0 carob fetch -q --pull always example.com/tools
	[ "$output" != "$old" ]
}

@test "a newer image of the same name does not come by itself" {
	run -0 carob fetch -q example.com/tools
	publish example.com/tools 3 example '' with_tools
	logged 1
	: >"$web/site.log"
	run -0 carob fetch -q example.com/tools
	[ "$(cat "$web/site.log")" = "" ]
}

@test "progress: plain lines, JSON lines, nothing" {
	web_rules site '[{"path": "*bulk*.aci", "slow": [1000000, 0.1]}]'
	run -0 --separate-stderr carob fetch --progress json example.com/bulk
	jq -es 'map(select(.what | contains("bulk"))) | length >= 2 and (last | .done == .total and .total > 6000000)' <<<"$stderr"
	carob image rm example.com/bulk
	run -0 --separate-stderr carob fetch example.com/bulk
	[[ "$stderr" == *example.com/bulk*%* ]]
	carob image rm example.com/bulk
	run -0 --separate-stderr carob fetch -q example.com/bulk
	[ "$stderr" = "" ]
	carob image rm example.com/bulk
	run -0 "$BATS_TEST_DIRNAME/terminal.py" -- carob fetch example.com/bulk
	[[ "$output" == *"["*"#"*"]"* ]]
}

# ---- refused ----------------------------------------------------------------------------------------

# refused WORD...: the fetch of example.com/bad fails, says all the words, and the store is as before.
refused() {
	local before word
	before=$(tree)
	run -1 carob fetch -q "${reference:-example.com/bad}"
	echo "$output"
	for word; do [[ "$output" == *"$word"* ]]; done
	[ "$(tree)" = "$before" ]
	run ! carob image show example.com/bad
}

@test "signed by the right key under the wrong name" {
	publish other.org/thing 1 example '' nothing
	mkdir -p "$web/site/cdn.example.net/other.org"
	reference=other.org/thing
	refused other.org "example.com" "$(gpg --with-colons --fingerprint example@example.com | awk -F: '/^fpr/ { print $10; exit }')"
	# and the right name around another image (S76)
	publish example.com/good 1 example '' nothing
	for file in aci aci.asc; do cp "$web/site/cdn.example.net/example.com/good-1-linux-amd64.$file" "$web/site/cdn.example.net/example.com/bad-latest-linux-amd64.$file"; done
	reference=
	refused example.com/bad example.com/good
}

@test "signed by another prefix's key, or one that nobody trusts" {
	publish example.com/bad latest other '' nothing
	refused "$(gpg --with-colons --fingerprint other@example.com | awk -F: '/^fpr/ { print $10; exit }')" other.org
	publish example.com/bad latest stranger '' nothing
	refused "example.com/bad" "carob trust add"
}

@test "not signed at all; --insecure signature takes it and says so" {
	publish example.com/bad latest '' '' nothing
	refused "no signature" 404 "--insecure signature"
	run -0 carob fetch -q --insecure signature example.com/bad
	run -0 carob image show --json example.com/bad
	jq -e '.origin.signature == null and (.origin.insecure | index("signature") != null)' <<<"$output"
}

@test "an unsigned image that then comes signed is known as signed, and never the other way round" {
	publish example.com/twice 1 example '' with_bulk
	file=$web/site/cdn.example.net/example.com/twice-1-linux-amd64.aci
	# the same image in another wrapping, and from a file
	gzip -dc "$file" >"$BATS_TEST_TMPDIR/twice.aci"
	run -0 carob image import "$BATS_TEST_TMPDIR/twice.aci"
	id=$(carob image list -q | head -n 1)
	run -0 carob image pin "$id"
	run -0 carob image verify --json "$id"
	jq -e '.[0].signature == "none"' <<<"$output"
	run -0 carob fetch -q --pull always example.com/twice:1
	[ "$output" = "$id" ]
	run -0 carob image show --json "$id"
	jq -e '.origin.signature.user == "example@example.com" and .origin.insecure == [] and .pinned' <<<"$output"
	[ "$(jq -r .archiveSize <<<"$output")" = "$(stat -c %s "$file")" ]
	run -0 carob image verify --json "$id"
	jq -e '.[0] | .archive == "good" and .signature == "good"' <<<"$output"
	cmp "$file" "$CAROB_ROOT/store/images/$id/aci"
	run -0 carob image check "$id"
	# now without its signature, and from the file once more
	rm "$file.asc"
	run -0 carob fetch -q --insecure signature --pull always example.com/twice:1
	run -0 carob image import "$BATS_TEST_TMPDIR/twice.aci"
	run -0 carob image show --json "$id"
	jq -e '.origin.signature != null and .origin.insecure == []' <<<"$output"
	run -0 carob image verify "$id"
	[ "$(ls "$CAROB_ROOT/store/staging")" = "" ]
}

@test "a damaged image that came without a signature is fetched again when that is allowed, and kept otherwise" {
	publish example.com/bad latest '' '' nothing
	run -0 carob fetch -q --insecure signature example.com/bad
	id=$output
	truncate -s 100 "$CAROB_ROOT/store/images/$id/aci"
	run -1 carob image check --repair
	[[ "$output" == *"images/$id/aci (example.com/bad)"*"not fetched again"*"no signature"*"--insecure signature"* ]]
	[ "$(carob image list -q)" = "$id" ]
	run -2 carob image check --insecure signature
	run -2 carob image check --repair --insecure nonsense
	run -0 carob image check --repair --insecure signature "$id"
	[[ "$output" == *"fetched again"* ]]
	run -0 carob image check
	[ "$output" = "" ]
}

@test "altered in its last byte" {
	publish example.com/bad latest example '' with_bulk
	file=$web/site/cdn.example.net/example.com/bad-latest-linux-amd64.aci
	size=$(stat -c %s "$file")
	printf %b "\\x$(printf %02x $(($(tail -c 1 "$file" | od -An -tu1) ^ 1)))" | dd of="$file" bs=1 seek=$((size - 1)) conv=notrunc status=none
	[ "$(stat -c %s "$file")" = "$size" ]
	refused "is bad"
}

@test "a server that flips the content between requests" {
	publish example.com/good 1 example '' nothing
	publish example.com/bad latest example '' nothing
	# signature of the one, archive of the other
	web_rules site '[{"path": "*bad-latest*.aci", "serve": "/example.com/good-1-linux-amd64.aci"}]'
	refused "signature"
	# one half of the archive, then another archive's
	publish example.com/bad latest example '' with_bulk
	web_rules site '[{"path": "*bad-latest*.aci", "cut": 3000000, "first": 1}, {"path": "*bad-latest*.aci", "asked": "range", "serve": "/example.com/bulk-1-linux-amd64.aci"}]'
	refused "signature"
}

@test "http is not asked, unless --insecure says so" {
	start_web plain --vhosts --dir "$web/site"
	proxy_map proxy "$(jq --argjson at "$port" '. + {"plain.example.com:80": $at}' "$web/proxy.map")"
	mkdir -p "$web/site/plain.example.com"
	cat >"$web/site/plain.example.com/index.html" <<-HTML
		<meta name="ac-discovery" content="plain.example.com http://plain.example.com/i.{ext}">
	HTML
	publish plain.example.com/x 1 '' '' nothing
	cp "$web/site/cdn.example.net/plain.example.com/x-1-linux-amd64.aci" "$web/site/plain.example.com/i.aci"
	: >"$web/plain.log"
	run ! carob fetch -q --insecure signature plain.example.com/x
	[ "$(cat "$web/plain.log")" = "" ]
	run ! carob fetch -q --insecure signature --insecure http:other.example.com plain.example.com/x
	[ "$(cat "$web/plain.log")" = "" ]
	run -0 carob fetch -q --insecure signature --insecure http plain.example.com/x
	run -0 carob image show --json plain.example.com/x
	jq -e '.origin.insecure | index("http") != null' <<<"$output"
	stop_web plain
}

@test "the white list: where images may come from" {
	sed '$a sources: [example.com]' "$CAROB_CONFIG" >"$BATS_TEST_TMPDIR/narrow.yaml"
	before=$(tree)
	run -1 carob --config "$BATS_TEST_TMPDIR/narrow.yaml" fetch -q example.com/tools
	[[ "$output" == *cdn.example.net* && "$output" == *sources* ]]
	[ "$(tree)" = "$before" ]
	sed '$a sources: [example.com, cdn.example.net/example.com]' "$CAROB_CONFIG" >"$BATS_TEST_TMPDIR/narrow.yaml"
	run -0 carob --config "$BATS_TEST_TMPDIR/narrow.yaml" fetch -q example.com/tools
}

@test "a dependency that cannot be had: the image says which, and is not run" {
	publish example.com/needs 1 example '"app":{"exec":["/x"],"user":"0","group":"0"},"dependencies":[{"imageName":"example.com/absent"}]' nothing
	run -125 carob run --rm example.com/needs
	[[ "$output" == *example.com/absent*example.com/needs* ]]
}

@test "a dependency says its ID and size" {
	id=$(carob image import "$web/site/cdn.example.net/example.com/tools-3-linux-amd64.aci")
	carob image rm "$id"
	size=$(stat -c %s "$web/site/cdn.example.net/example.com/tools-3-linux-amd64.aci")
	publish example.com/exact 1 example '"dependencies":[{"imageName":"example.com/tools","imageID":"'"$id"'","size":'"$size"'}]' nothing
	run -0 carob fetch -q example.com/exact
	carob image rm example.com/exact example.com/tools
	publish example.com/small 1 example '"dependencies":[{"imageName":"example.com/tools","size":'$((size - 1))'}]' nothing
	run -1 carob fetch -q example.com/small
	[[ "$output" == *example.com/tools* ]]
	publish example.com/wrong 1 example '"dependencies":[{"imageName":"example.com/bulk","imageID":"'"$id"'"}]' nothing
	run -1 carob fetch -q example.com/wrong
	[[ "$output" == *"$id"* ]]
}

@test "labels with commas and percent signs, asked for and depended upon" {
	publish example.com/comma 1,2 example '' with_bulk
	publish example.com/percent 50% example '' with_bulk
	publish example.com/both 1 example '"app":{"exec":["/bin/sh","-c","cat /data/words"],"user":"0","group":"0"},
		"dependencies":[{"imageName":"example.com/tools"},{"imageName":"example.com/comma","labels":[{"name":"version","value":"1,2"}]},
		{"imageName":"example.com/percent","labels":[{"name":"version","value":"50%"}]}]' nothing
	run -0 --separate-stderr carob run --rm example.com/both:1
	[ "$output" = words ]
	run -0 carob fetch -q --pull never example.com/comma:1%2C2 example.com/percent:50%25 example.com/percent:50%
	[ "$(sort -u <<<"$output" | wc -l)" = 2 ]
	run -3 carob fetch -q --pull never example.com/comma:1%2C3
}

@test "an encrypted image is refused, with the remedy" {
	publish example.com/bad latest example '' nothing
	file=$web/site/cdn.example.net/example.com/bad-latest-linux-amd64.aci
	for armor in --armor --no-armor; do
		gpg --batch --yes --quiet --pinentry-mode loopback --passphrase word "$armor" --symmetric --cipher-algo AES256 --output "$file.gpg" "$file"
		cp "$file.gpg" "$file.enc.aci"
		sign example "$file.enc.aci"
		reference=https://cdn.example.net/example.com/bad-latest-linux-amd64.aci.enc.aci
		refused "encrypted" "gpg --decrypt"
	done
}

@test "keys that the owner of a name offers are shown, and trusted when asked to" {
	mkdir "$BATS_TEST_TMPDIR/trust"
	chmod 700 "$BATS_TEST_TMPDIR/trust"
	export CAROB_TRUST=$BATS_TEST_TMPDIR/trust
	run ! carob fetch -q example.com/tools
	# nobody there to be asked
	run ! carob trust add --prefix example.com/tools </dev/null
	[[ "$output" == *--yes* ]]
	run -0 carob trust add --yes --prefix example.com/tools
	key=$(gpg --with-colons --fingerprint example@example.com | awk -F: '/^fpr/ { print $10; exit }')
	[[ "$output" == *"$key"*example@example.com* ]]
	run -0 carob trust list --json
	jq -e --arg key "$key" 'length == 1 and .[0].prefix == "example.com/tools"' <<<"$output"
	run -0 carob fetch -q example.com/tools
	run -1 carob fetch -q example.com/bulk
	[[ "$output" == *"no key is trusted for example.com/bulk"* ]]
}

# ---- death on the way -------------------------------------------------------------------------------

@test "carob, carob-fetch, carob-unpack killed at many points; the same fetch again succeeds" {
	web_rules site '[{"path": "*bulk*.aci", "slow": [400000, 0.02]}]'
	for i in $(seq "$(times 30)"); do
		carob fetch -q $app >/dev/null 2>&1 3>&- &
		pid=$!
		sleep "0.$(printf '%02d' $((i * 3 % 70)))"
		case $((i % 3)) in
		0) kill -KILL $pid 2>/dev/null || true ;;
		1) kill_helpers $pid carob-fetch ;;
		2) kill_helpers $pid carob-unpack ;;
		esac
		wait $pid 2>/dev/null || true
		until_true 5 nobody_left
	done
	web_rules site '[]'
	run -0 carob fetch -q $app
	run -0 carob image check
	run -0 carob run --rm $app
	[ "$output" = $'words\n0' ]
}

# Ends the helpers of this name that work for the process: children of its workers.
kill_helpers() {
	local comm pid name
	for comm in /proc/[0-9]*/comm; do
		pid=${comm#/proc/} pid=${pid%/comm}
		if read -r name 2>/dev/null <"$comm" && [ "$name" = "$2" ] &&
			[ "$(field PPid "/proc/$(field PPid "/proc/$pid/status" 2>/dev/null)/status" 2>/dev/null)" = "$1" ]; then
			kill -KILL "$pid" 2>/dev/null || true
		fi
	done
}

# Nobody has a file of our store open any more.
nobody_left() {
	[ "$(find /proc/[0-9]*/fd -lname "$CAROB_ROOT/*" 2>/dev/null)" = "" ]
}

@test "a download goes on after kill -9, from the byte where it was" {
	web_rules site '[{"path": "*bulk*.aci", "stall": 3000000, "first": 1}]'
	carob fetch -q example.com/bulk >/dev/null 2>&1 3>&- &
	pid=$!
	until_true 10 eval '[ "$(find "$CAROB_ROOT/store" -path "*/partial/*" -name data -size +1500k 2>/dev/null)" ]'
	kill -KILL $pid
	wait $pid || true
	until_true 5 nobody_left
	stop_web site
	start_again
	run -0 carob fetch -q example.com/bulk
	logged 1
	run -0 web_log site 'select(.path | endswith(".aci")) | .range'
	[[ "$output" == *"bytes="[1-3]* ]] # in the middle
}

start_again() {
	start_web site --vhosts --tls "$web/example.com.pem" "$web/example.com.key"
	proxy_map proxy "$(jq -n --argjson at "$(web_port site)" '{"example.com:443": $at, "other.org:443": $at, "cdn.example.net:443": $at}')"
}

@test "ctrl-C and SIGTERM end a fetch at once, with nothing running on" {
	web_rules site '[{"path": "*bulk*.aci", "stall": 3000000}]'
	for signal in TERM INT; do
		(trap - INT; exec carob fetch -q example.com/bulk) >"$BATS_TEST_TMPDIR/out" 2>&1 3>&- &
		pid=$!
		until_true 10 eval '[ "$(find "$CAROB_ROOT/store" -path "*/partial/*" -name data -size +1500k 2>/dev/null)" ]'
		kill -$signal $pid
		ends_with $((128 + $(kill -l $signal))) $pid
		until_true 5 nobody_left
	done
}
