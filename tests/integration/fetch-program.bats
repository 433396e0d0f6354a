#!/usr/bin/env bats
# carob-fetch alone, against servers of every kind: what it promises in images/fetch/fetch.h.

load helpers
load web

program=$prefix/libexec/carob/carob-fetch

setup_file() {
	make_ca
	make_ca other
	make_cert localhost,127.0.0.1,example.com
	make_cert wrong.example.com
	make_cert expired.example.com,localhost --days -1
	make_cert self.example.com,localhost --self
	make_cert client --client
	make_cert stranger --client --ca other
	start_web plain
	head -c 3000000 /dev/urandom >"$web/plain/a"
	head -c 3000000 /dev/urandom >"$web/plain/b"
	printf 'small' >"$web/plain/small"
	: >"$web/plain/empty"
	start_web secure --dir "$web/plain" --tls "$web/localhost.pem" "$web/localhost.key"
	start_proxy proxy
	proxy_map proxy "{\"example.com:443\": $(web_port secure), \"example.com:80\": $(web_port plain)}"
}

teardown_file() { stop_web; }

setup() {
	plain=http://127.0.0.1:$(web_port plain)
	secure=https://localhost:$(web_port secure)
	body=$BATS_TEST_TMPDIR/body
	rules
}

teardown() { stop_extra; }

# Servers of one test.
stop_extra() {
	local file name
	for file in "$web"/extra*.pid; do
		name=${file##*/}
		stop_web "${name%.pid}"
	done
}

# rules [OBJECT]...: those of both servers.
rules() {
	local list
	list=$(printf ',%s' "$@")
	web_rules plain "[${list#,}]"
	web_rules secure "[${list#,}]"
	: >"$web/plain.log"
	: >"$web/secure.log"
}

driver() {
	timeout -k 5 90 "$BATS_TEST_DIRNAME/fetch-driver.py" "$@"
}

# fetch [OPTION]... MEMBER...: the records are in $output then.
fetch() {
	local options=()
	while [[ $1 = --* ]]; do
		options+=("$1" "$2")
		shift 2
	done
	run driver --file "$body" "${options[@]}" "$program" "$@"
}

# secure_fetch ...: with our CA.
secure_fetch() {
	fetch --ca "$web/ca.pem" "$@"
}

# records KIND: what they say, a line each.
records() {
	jq -r --arg kind "$1" 'select(.kind == $kind) | .text // .value' <<<"$output"
}

last() {
	tail -n 1 <<<"$output" | jq -r "$1"
}

# done_with SIZE: it has ended well, with so many bytes in the file.
done_with() {
	local seen
	seen="$status $(last '"\(.kind) \(.value)"') $(stat -c %s "$body")"
	[ "$seen" = "0 done $1 $1" ] || { echo "$seen: $output"; return 1; }
}

# same FILE: the body is what the server has.
same() {
	cmp "$body" "$web/plain/$1"
}

# fails CLASS WORD...: the last record is a failure of that class whose text has all the words.
fails() {
	local class=$1 word text
	shift
	[ "$status $(last '"\(.kind) \(.value)"')" = "1 failure $class" ] || { echo "not $class: $output"; return 1; }
	text=$(last .text)
	for word; do
		[[ $text = *"$word"* ]] || { echo "no $word in: $text"; return 1; }
	done
}

# with_beginning N: the file has the first N bytes of a.
with_beginning() {
	head -c "$1" "$web/plain/a" >"$body"
}

etag_of() {
	printf '"%s"' "$(sha256sum "$web/plain/$1" | cut -c 1-32)"
}

# ---- bodies ----

@test "a body comes whole, and what is reported of it is right" {
	fetch url="$plain/a"
	done_with 3000000
	same a
	[ "$(jq -r .kind <<<"$output" | uniq | grep -v progress | tr '\n' ' ')" = "status header start total done " ]
	[ "$(records status)" = 200 ]
	[ "$(records start)" = 0 ]
	[ "$(records total)" = 3000000 ]
	records header | grep -qx "etag: $(etag_of a)"
	records header | grep -qx 'content-type: application/octet-stream'
	records header | grep -q '^last-modified: '
	[ "$(web_log plain '[.method, .status, .sent, .authorization, .range]')" = '["GET",200,3000000,false,null]' ]
	web_log plain .agent | grep -q '"carob/'
}

@test "an empty body, and one that replaces a longer file" {
	fetch url="$plain/empty"
	done_with 0
	with_beginning 100000
	fetch url="$plain/small"
	done_with 5
	same small
}

@test "chunks, with and without trailers: a trailer says nothing" {
	rules '{"path":"/a","chunked":true,"trailers":{"ETag":"\"late\"","Content-Length":"1","Content-Encoding":"gzip"}}'
	fetch url="$plain/a"
	done_with 3000000
	same a
	[ -z "$(records total)" ]
	[[ $(records header) != *late* ]]
}

@test "a body that only the end of the connection ends" {
	rules '{"path":"/a","no_length":true}'
	fetch url="$plain/a"
	done_with 3000000
	same a
}

@test "progress is told a few times a second" {
	rules '{"path":"/a","slow":[150000,0.1]}'
	fetch url="$plain/a"
	done_with 3000000
	local n
	n=$(records progress | wc -l)
	[ "$n" -ge 4 ] && [ "$n" -le 20 ]
	records progress | sort -n -c
}

@test "interim answers are not the answer" {
	rules '{"path":"/a","interim":3}'
	fetch url="$plain/a"
	done_with 3000000
	same a
	[ "$(records status)" = 200 ]
	[[ $(records header) != *interim* ]]
}

# ---- going on ----

@test "it goes on at the byte where it was" {
	with_beginning 1234567
	fetch url="$plain/a" offset=1234567 validator="$(etag_of a)"
	done_with 3000000
	same a
	[ "$(records status)" = 206 ]
	[ "$(records start)" = 1234567 ]
	[ "$(records total)" = 3000000 ]
	[ "$(web_log plain '[.range, .sent]')" = '["bytes=1234567-",1765433]' ]
	web_log plain .if_range | grep -qF "$(etag_of a | tr -d '"')"
}

@test "what is in the file behind the place is not kept" {
	head -c 4000000 /dev/zero >"$body"
	dd if="$web/plain/a" of="$body" bs=1000 count=1000 conv=notrunc status=none
	fetch url="$plain/a" offset=1000000
	done_with 3000000
	same a
}

@test "another file on the server by now: it comes from its beginning" {
	with_beginning 1000000
	rules '{"path":"/a","serve":"/b"}'
	fetch url="$plain/a" offset=1000000 validator="$(etag_of a)"
	done_with 3000000
	same b
	[ "$(records status)" = 200 ]
	[ "$(records start)" = 0 ]
}

@test "a server that knows no ranges: it comes from its beginning" {
	with_beginning 1000000
	rules '{"path":"/a","no_range":true}'
	fetch url="$plain/a" offset=1000000
	done_with 3000000
	same a
	[ "$(records start)" = 0 ]
}

@test "a part that is not the one asked for leaves the file alone" {
	local range
	for range in 'bytes 0-2999999/3000000' 'bytes 999999-2999999/3000000' 'bytes 1000001-2999999/3000000' \
		'bytes 1000000-2999999/2000000' 'bytes 1000000-999999/3000000' 'bytes */3000000' 'bytes=1000000-2999999/3000000' \
		'bytes 1000000-2999999' 'bytes 1000000-2999999/18446744073709551617' 'bytes 1000000-1999999/3000000' ''; do
		with_beginning 1000000
		rules "{\"path\":\"/a\",\"content_range\":\"$range\"}"
		fetch url="$plain/a" offset=1000000
		fails failed server
		[ "$(stat -c %s "$body")" = 1000000 ]
	done
	rules '{"path":"/a","status":206,"body":"part"}'
	fetch url="$plain/a"
	fails failed '206' 'all was asked for'
}

@test "a part that ends before the whole does is to be gone on with" {
	with_beginning 1000000
	rules '{"path":"/a","raw":"HTTP/1.1 206 Part\r\nContent-Range: bytes 1000000-1000003/3000000\r\nContent-Length: 4\r\n\r\nabcd"}'
	fetch url="$plain/a" offset=1000000
	fails again 1000004 3000000
	[ "$(stat -c %s "$body")" = 1000004 ]
}

@test "nothing is left to ask for: 416, and the total" {
	with_beginning 3000000
	fetch url="$plain/a" offset=3000000 keep-error=100
	done_with 3000000
	[ "$(records status)" = 416 ]
	[ "$(records total)" = 3000000 ]
}

@test "a place behind the end of the file is the caller's mistake" {
	with_beginning 10
	fetch url="$plain/a" offset=11
	fails local 'from byte 11' 'has 10'
	[ -z "$(web_log plain)" ]
}

# ---- cuts and stalls ----

@test "a cut says where, and what came stays" {
	rules '{"path":"/a","cut":1000000}'
	fetch url="$plain/a"
	fails again 'was cut after 1000000 of 3000000 bytes'
	cmp -n 1000000 "$body" "$web/plain/a"
	[ "$(stat -c %s "$body")" = 1000000 ]
	with_beginning 1000000
	fetch url="$plain/a" offset=1000000
	fails again 'was cut after 2000000 of 3000000 bytes'
	cmp -n 2000000 "$body" "$web/plain/a"
}

@test "a reset, a cut among chunks, a chunked body without its last chunk" {
	local rule
	for rule in '"reset":true,"cut":1000000' '"chunked":true,"cut":1000000' '"chunked":true,"no_last":true'; do
		rules "{\"path\":\"/a\",$rule}"
		fetch url="$plain/a"
		fails again 'was cut after'
	done
}

@test "a connection that ends or breaks before an answer" {
	rules '{"path":"/a","close":true}'
	fetch url="$plain/a"
	fails again 'without an answer'
	rules '{"path":"/a","reset":true}'
	fetch url="$plain/a"
	fails again
}

@test "TLS that ends without its own end is a cut, with and without a length" {
	rules '{"path":"/a","no_length":true,"cut":2000000,"no_close_notify":true}'
	secure_fetch url="$secure/a"
	fails again 'was cut after'
	rules '{"path":"/a","cut":2000000,"no_close_notify":true}'
	secure_fetch url="$secure/a"
	fails again 'was cut after 2000000 of 3000000 bytes'
	# with its own end it is the end of the body
	rules '{"path":"/a","no_length":true}'
	secure_fetch url="$secure/a"
	done_with 3000000
}

@test "less than a byte a second for too long" {
	rules '{"path":"/a","stall":500000}'
	fetch url="$plain/a" stall-timeout=2
	fails again 'sent nothing for 2 seconds, after 500000 bytes'
	rules '{"path":"/a","stall_head":true}'
	fetch url="$plain/a" stall-timeout=2 connect-timeout=2
	fails again
}

@test "slow is not stalled" {
	rules '{"path":"/small","slow":[1,0.7]}'
	fetch url="$plain/small" stall-timeout=2 min-speed=1
	done_with 5
}

@test "a body that drips for ever has an end, and what came of it is kept" {
	rules '{"path":"/a","slow":[100,0.3]}'
	local before=$SECONDS
	fetch url="$plain/a" stall-timeout=3
	fails again 'sent less than 1024 bytes a second for 3 seconds, up to byte'
	[ $((SECONDS - before)) -lt 30 ]
	[ "$(stat -c %s "$body")" -gt 300 ]
	cmp -n "$(stat -c %s "$body")" "$body" "$web/plain/a"
	# and that is where it goes on
	rules
	fetch url="$plain/a" offset="$(stat -c %s "$body")"
	done_with 3000000
}

@test "a name server that never answers" {
	echo 'nameserver 127.99.99.99' >"$BATS_TEST_TMPDIR/resolv.conf"
	echo 'hosts: dns' >"$BATS_TEST_TMPDIR/nsswitch.conf"
	cat >"$BATS_TEST_TMPDIR/lost" <<-SH
		#!/bin/sh
		mount --bind $BATS_TEST_TMPDIR/resolv.conf /etc/resolv.conf
		mount --bind $BATS_TEST_TMPDIR/nsswitch.conf /etc/nsswitch.conf
		exec "\$@"
	SH
	chmod +x "$BATS_TEST_TMPDIR/lost"
	python3 -c 'import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.99.99.99", 53))
open(sys.argv[1], "w").close()
while True: s.recv(4096)' "$BATS_TEST_TMPDIR/bound" 3>&- &
	local server=$! before
	until_true 5 test -e "$BATS_TEST_TMPDIR/bound"
	before=$SECONDS
	run driver --file "$body" --under "unshare -m $BATS_TEST_TMPDIR/lost" "$program" url=http://slow.example.com/a connect-timeout=2
	kill "$server"
	fails again 'cannot look slow.example.com up within 2 seconds'
	[ $((SECONDS - before)) -lt 8 ]
}

@test "a head that drips has an end" {
	rules '{"path":"/a","slow_head":0.2}'
	fetch url="$plain/a" stall-timeout=2
	fails again 'has not answered within 2 seconds'
}

@test "nobody there; somebody who never shakes hands" {
	start_web extra
	local port
	port=$(web_port extra)
	stop_web extra
	fetch url="http://127.0.0.1:$port/a"
	fails again "cannot connect to 127.0.0.1 port $port" refused
	start_proxy extra --stall
	fetch url="https://localhost:$(web_port extra)/a" connect-timeout=2
	fails again 'no connection with localhost' 'within 2 seconds'
}

# ---- how much ----

@test "more than is allowed: by what the server says, and by what comes" {
	fetch url="$plain/a" max=3000000
	done_with 3000000
	rm "$body"
	fetch url="$plain/a" max=2999999
	fails too-large '3000000 bytes' '2999999 are allowed'
	[ "$(stat -c %s "$body")" = 0 ]
	with_beginning 1000000
	fetch url="$plain/a" offset=1000000 max=2999999
	fails too-large
	rules '{"path":"/a","chunked":true,"endless":true}'
	fetch url="$plain/a" max=5000000
	fails too-large 'more than 5000000'
	[ "$(stat -c %s "$body")" -le 5000000 ]
	rules '{"path":"/a","no_length":true}'
	fetch url="$plain/a" max=2999999
	fails too-large
	[ "$(stat -c %s "$body")" -le 2999999 ]
}

@test "a Content-Length that is not true" {
	rules '{"path":"/a","length":4000000}'
	fetch url="$plain/a"
	fails again 'was cut after 3000000 of 4000000 bytes'
	rules '{"path":"/a","length":2000000}'
	fetch url="$plain/a"
	done_with 2000000 # what is behind belongs to no answer
	rules '{"path":"/a","length":18446744073709551615}'
	fetch url="$plain/a"
	fails failed Content-Length
	rules '{"path":"/a","length":9223372036854775807}'
	fetch url="$plain/a"
	fails too-large
}

@test "the headers have a limit in bytes and in number" {
	rules '{"path":"/a","header_bytes":70000}'
	fetch url="$plain/a"
	fails failed LIMIT_FETCH_HEADER_BYTES
	rules '{"path":"/a","header_count":300}'
	fetch url="$plain/a"
	fails failed LIMIT_FETCH_HEADERS
	rules '{"path":"/a","interim":200}'
	fetch url="$plain/a"
	fails failed LIMIT_FETCH_HEADERS
	rules '{"path":"/a","headers":{"Location":"'"$(printf 'x%.0s' $(seq 9000))"'"}}'
	fetch url="$plain/a"
	fails failed location
}

# ---- what is no answer ----

@test "no content encoding, asked for or not" {
	rules '{"path":"/a","gzip":true}'
	fetch url="$plain/a"
	fails failed 'Content-Encoding: gzip' 'nobody asked'
	with_beginning 1000
	fetch url="$plain/a" offset=1000
	fails failed 'Content-Encoding: gzip'
	[ "$(stat -c %s "$body")" = 1000 ]
}

# raw ANSWER CLASS: what becomes of an answer of just these bytes.
raw() {
	rules "{\"path\":\"/a\",\"raw\":\"$1\"}"
	fetch url="$plain/a"
	fails "$2"
}

@test "answers that are none" {
	local h='HTTP/1.1 200 OK\r\n'
	raw 'SSH-2.0-OpenSSH_9.2\r\n' failed
	raw 'hello\r\n\r\n' failed
	raw 'HTTP/1.1 abc OK\r\n\r\n' failed
	raw 'HTTP/1.1 2000 OK\r\n\r\n' failed
	raw 'HTTP/3.1 200 OK\r\n\r\n' failed
	raw 'HTTP/1.1 101 Other\r\nUpgrade: x\r\n\r\n' failed
	raw "${h}"'Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello' failed
	raw "${h}"'Content-Length: -5\r\n\r\nhello' failed
	raw "${h}"'Content-Length: 5, 5\r\n\r\nhello' failed
	raw "${h}"'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' failed
	raw "${h}"'Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n' failed
	raw "${h}"'Transfer-Encoding: chunked\r\n\r\nthis is no size\r\n' failed
	raw "${h}"'Transfer-Encoding: chunked\r\n\r\n123456789abcdef01\r\nhello' failed
	raw "${h}"'Content-Length: 5\r\nX: \u0000\r\n\r\nhello' failed
	raw "${h}"'Content-Le' again
	raw 'HTTP/1.1 100 Go on\r\n\r\n' again
}

@test "garbage among the chunks" {
	rules '{"path":"/a","chunked":true,"garbage":true}'
	fetch url="$plain/a"
	fails failed
}

# ---- other answers ----

@test "a redirect is told and not followed" {
	rules '{"path":"/a","redirect":"http://127.0.0.1:1/elsewhere","status":301}'
	with_beginning 100
	fetch url="$plain/a" keep-error=4096
	done_with 100
	[ "$(records status)" = 301 ]
	[ "$(records header | grep ^location)" = 'location: http://127.0.0.1:1/elsewhere' ]
	[ "$(records body)" = elsewhere ]
	[ "$(web_log plain | wc -l)" = 1 ]
}

@test "of an error as much of its body as is wanted; the file stays" {
	with_beginning 100
	rules "{\"path\":\"/a\",\"status\":503,\"headers\":{\"Retry-After\":\"7\"},\"body\":\"$(printf '0123456789%.0s' $(seq 2000))\"}"
	fetch url="$plain/a" keep-error=10005
	done_with 100
	[ "$(records status)" = 503 ]
	records header | grep -qx 'retry-after: 7'
	[ "$(records body | tr -d '\n' | wc -c)" = 10005 ]
	fetch url="$plain/a"
	done_with 100
	[ -z "$(records body)" ]
	fetch url="$plain/missing" keep-error=4096
	done_with 100
	[ "$(records status) $(records body)" = '404 no such file' ]
}

@test "an error whose body is cut, stalls or has no end is an answer all the same" {
	local how
	for how in '"length":100,"cut":9' '"length":100,"stall":9' '"chunked":true,"endless":true'; do
		rules "{\"path\":\"/a\",\"status\":500,\"body\":\"half of i\",$how}"
		fetch url="$plain/a" keep-error=1000 stall-timeout=2
		echo "$how: ${output:0:300}"
		[ "$(last .kind)" = "done" ]
		[ "$(records status)" = 500 ]
		[ "$(records body | tr -d '\0\n')" = 'half of i' ]
		[ "$(records body | tr -d '\n' | wc -c)" -le 1000 ]
	done
}

@test "credentials go in a header; what is asked for is told" {
	rules '{"path":"/a","auth":"basic user:secret","www_authenticate":"Basic realm=\"here\""}'
	fetch url="$plain/a"
	[ "$(records status)" = 401 ]
	records header | grep -qx 'www-authenticate: Basic realm="here"'
	fetch url="$plain/a" header="Authorization: Basic $(printf user:secret | base64)" header='Accept: application/x'
	done_with 3000000
	[ "$(web_log plain '[.status, .authorization]' | tail -n 1)" = '[200,true]' ]
	[ "$(web_log plain .accept | tail -n 1)" = '"application/x"' ]
	rules '{"path":"/a","auth":"bearer abc"}'
	fetch url="$plain/a" header='Authorization: Bearer abc' header='X-Odd: a b: c'
	done_with 3000000
}

# ---- TLS ----

@test "https with our CA, by name and by address; going on" {
	secure_fetch url="$secure/a"
	done_with 3000000
	same a
	with_beginning 1000000
	secure_fetch url="https://127.0.0.1:$(web_port secure)/a" offset=1000000
	done_with 3000000
	same a
	[ "$(records start)" = 1000000 ]
}

@test "a CA that nobody trusts: another one, the system's, none" {
	fetch --ca "$web/other.pem" url="$secure/a"
	fails failed 'the certificate of localhost is not trusted: unable to get local issuer certificate'
	fetch url="$secure/a"
	fails failed 'the certificate of localhost is not trusted'
	printf 'no certificate\n' >"$BATS_TEST_TMPDIR/none"
	fetch --ca "$BATS_TEST_TMPDIR/none" url="$secure/a"
	fails failed
	: >"$BATS_TEST_TMPDIR/none"
	fetch --ca "$BATS_TEST_TMPDIR/none" url="$secure/a"
	fails local empty
	[ -z "$(web_log secure 'select(.method)')" ]
}

@test "a certificate for another name, one that has expired, one signed by itself" {
	start_web extra1 --dir "$web/plain" --tls "$web/wrong.example.com.pem" "$web/wrong.example.com.key"
	secure_fetch url="https://localhost:$(web_port extra1)/a"
	fails failed 'the certificate of localhost is not trusted' 'name'
	start_web extra2 --dir "$web/plain" --tls "$web/expired.example.com.pem" "$web/expired.example.com.key"
	secure_fetch url="https://localhost:$(web_port extra2)/a"
	fails failed 'the certificate of localhost is not trusted: certificate has expired'
	start_web extra3 --dir "$web/plain" --tls "$web/self.example.com.pem" "$web/self.example.com.key"
	secure_fetch url="https://localhost:$(web_port extra3)/a"
	fails failed 'the certificate of localhost is not trusted: self'
	[ -z "$(web_log extra1 'select(.method)')$(web_log extra2 'select(.method)')$(web_log extra3 'select(.method)')" ]
}

@test "a certificate of ours, for servers that want one" {
	start_web extra --dir "$web/plain" --tls "$web/localhost.pem" "$web/localhost.key" --client-ca "$web/ca.pem"
	local url
	url=https://localhost:$(web_port extra)/a
	secure_fetch --cert "$web/client.pem" --key "$web/client.key" url="$url"
	done_with 3000000
	secure_fetch url="$url"
	fails failed alert
	secure_fetch --cert "$web/stranger.pem" --key "$web/stranger.key" url="$url"
	fails failed alert
	secure_fetch --cert "$web/client.pem" --key "$web/stranger.key" url="$url"
	fails failed 'our certificate or its key cannot be used'
	secure_fetch --cert "$web/client.pem" url="$url"
	fails local 'go together'
	# with a passphrase: nobody is asked for it
	openssl ec -in "$web/client.key" -aes128 -passout pass:secret -out "$BATS_TEST_TMPDIR/locked.key" 2>/dev/null
	secure_fetch --cert "$web/client.pem" --key "$BATS_TEST_TMPDIR/locked.key" url="$url"
	fails failed 'our certificate or its key cannot be used'
}

@test "no TLS before 1.2, and none where there is no TLS" {
	start_web extra --dir "$web/plain" --tls "$web/localhost.pem" "$web/localhost.key" --tls-max TLSv1_1
	secure_fetch url="https://localhost:$(web_port extra)/a"
	fails failed 'no TLS with localhost'
	secure_fetch url="https://127.0.0.1:$(web_port plain)/a"
	fails failed 'no TLS with 127.0.0.1'
	fetch url="http://127.0.0.1:$(web_port secure)/a"
	fails again
}

# ---- proxies ----

@test "through a proxy: a tunnel for https, a whole URL for http; nothing is looked up" {
	local proxy
	proxy=http://127.0.0.1:$(web_port proxy)
	: >"$web/proxy.log"
	secure_fetch url=https://example.com/a proxy="$proxy" header='Authorization: Bearer secret'
	done_with 3000000
	same a
	[ "$(records status)" = 200 ]
	[ "$(records header | grep ^etag)" = "etag: $(etag_of a)" ]
	fetch url=http://example.com/a proxy="$proxy"
	done_with 3000000
	[ "$(web_log proxy '[.method, .target, .status, .header_leak]' | tr '\n' ' ')" = \
		'["CONNECT","example.com:443",200,false] ["GET","http://example.com/a",200,false] ' ]
	[ "$(web_log secure .host)" = '"example.com"' ]
}

@test "a proxy that wants credentials, does not know the host, is overloaded, cuts, is not there" {
	start_proxy extra1 --auth user:secret --map "example.com:443=$(web_port secure)"
	secure_fetch url=https://example.com/a proxy="http://127.0.0.1:$(web_port extra1)"
	fails failed 'the proxy 127.0.0.1 does not connect to example.com: it answers 407' credentials
	secure_fetch url=https://example.com/a proxy="http://user:secret@127.0.0.1:$(web_port extra1)"
	done_with 3000000
	secure_fetch url=https://elsewhere.example.com/a proxy="http://127.0.0.1:$(web_port proxy)"
	fails again 'it answers 502'
	start_proxy extra2 --refuse 403
	secure_fetch url=https://example.com/a proxy="http://127.0.0.1:$(web_port extra2)"
	fails failed 'it answers 403'
	start_proxy extra3 --cut 1000000 --map "example.com:443=$(web_port secure)"
	secure_fetch url=https://example.com/a proxy="http://127.0.0.1:$(web_port extra3)"
	fails again 'was cut after' 'of 3000000 bytes'
	local at
	at=$(stat -c %s "$body")
	[ "$at" -gt 900000 ]
	secure_fetch url=https://example.com/a proxy="http://127.0.0.1:$(web_port extra3)" offset="$at"
	done_with 3000000
	same a
	stop_web extra2
	secure_fetch url=https://example.com/a proxy=http://127.0.0.1:1
	fails again 'cannot connect to the proxy 127.0.0.1 port 1'
}

# ---- the job ----

# refused CLASS WORD MEMBER...: and nobody was asked.
refused() {
	local class=$1 word=$2
	shift 2
	fetch "$@"
	fails "$class" "$word"
	[ -z "$(web_log plain)" ]
}

@test "a job that is not as it should be" {
	local u=url=$plain/a
	refused local 'not known: colour' "$u" colour=red
	refused local 'without "="' "$u" url
	refused local 'no url=' max=1
	refused local 'url= is in the job twice' "$u" "$u"
	refused local max= "$u" max=-1
	refused local max= "$u" max=1k
	refused local offset= "$u" offset=9223372036854775808
	refused local connect-timeout= "$u" connect-timeout=0
	refused local header= "$u" header=Authorization
	refused local header= "$u" header='X: a
Y: b'
	refused local 'Range is not' "$u" header='Range: bytes=0-1'
	refused local 'Host is not' "$u" header='Host: example.com'
	refused local url= 'url=http://127.0.0.1/a b'
	refused local url= 'url=http://exämple.com/'
	refused failed 'neither http' url=ftp://127.0.0.1/a
	refused failed 'http://HOST' url=file:///etc/passwd
	refused failed 'http://' url=127.0.0.1/a
	refused failed 'a user in it' "url=http://me:secret@127.0.0.1:1/a"
	refused failed 'proxy' "$u" proxy=socks5://127.0.0.1:1
	refused failed 'zone' 'url=http://[fe80::1%25lo]/a'
	[[ $output != *secret* ]]
	run driver --file "$body" --raw "$u" "$program"
	fails local 'cut off'
	run driver --file "$body" --raw '' "$program"
	fails local 'cut off'
}

@test "a host without an address" {
	fetch url=http://nowhere.invalid/a
	[ "$(last .kind)" = failure ]
	[[ $(last .text) = *nowhere.invalid* ]]
	[[ $(last .value) = failed || $(last .value) = again ]]
}

@test "an address of IPv6" {
	[ -e /proc/net/if_inet6 ] || skip "no IPv6 on this host"
	start_web extra --dir "$web/plain" --bind ::1
	fetch url="http://[::1]:$(web_port extra)/a"
	done_with 3000000
}

# ---- alone ----

# begin_stalled: a transfer that waits; $pid is carob-fetch.
begin_stalled() {
	rules '{"path":"/a","stall":500000}'
	rm -f "$BATS_TEST_TMPDIR/pid"
	driver --pid-file "$BATS_TEST_TMPDIR/pid" --file "$body" --ca "$web/ca.pem" "$program" \
		url="$secure/a" >"$BATS_TEST_TMPDIR/records" 3>&- &
	driver_pid=$!
	until_true 20 test -s "$web/secure.log"
	pid=$(cat "$BATS_TEST_TMPDIR/pid")
}

@test "while it transfers it has no rights, and nothing open but what it needs" {
	begin_stalled
	cp "/proc/$pid/status" "$BATS_TEST_TMPDIR/status"
	local nobody group fds
	nobody=$(id -u carob-fetch 2>/dev/null || id -u nobody)
	group=$(getent group carob-fetch | cut -d : -f 3)
	group=${group:-$(getent group nogroup nobody | head -n 1 | cut -d : -f 3)}
	status_is() { [ "$(field "$1" "$BATS_TEST_TMPDIR/status")" = "$2" ] || { grep "$1" "$BATS_TEST_TMPDIR/status"; return 1; }; }
	status_is Uid "$nobody $nobody $nobody $nobody"
	status_is Gid "$group $group $group $group"
	status_is Groups ''
	status_is NoNewPrivs 1
	status_is Seccomp 2
	status_is Threads 1
	local set
	for set in CapInh CapPrm CapEff CapBnd CapAmb; do status_is "$set" 0000000000000000; done
	# the file, the report, /dev/null, and sockets
	fds=$(for fd in "/proc/$pid/fd"/*; do echo "${fd##*/} $(readlink "$fd")"; done)
	[ "$(grep -vE ' (socket|pipe):|anon_inode:\[(eventfd|eventpoll)\]' <<<"$fds" | sort)" = "$(printf '1 /dev/null\n2 /dev/null\n3 %s' "$body")" ]
	grep -q '^4 pipe:' <<<"$fds"
	[ "$(grep -c pipe: <<<"$fds")" = 1 ]
	[ "$(stat -c %u "/proc/$pid/environ")" = 0 ] # not dumpable: its memory is not the user's to read
	grep -qE 'Max core file size +0 +0' "/proc/$pid/limits"
	grep -qE 'Max open files +64 +64' "/proc/$pid/limits"
	kill "$pid"
	wait "$driver_pid" || true
}

@test "it ends with whoever started it, and with whoever reads its report" {
	begin_stalled
	kill -9 "$(ps -o ppid= -p "$pid" | tr -d ' ')"
	until_true 5 eval "! kill -0 $pid 2>/dev/null"
	rules '{"path":"/a","slow":[50000,0.2]}'
	run driver --file "$body" --no-report "$program" url="$plain/a"
	[ "$status" = 1 ]
	[ "$(stat -c %s "$body")" -lt 3000000 ]
}

# The calls behind the filter (and so behind landlock) in the order in which they were made.
@test "behind its walls nothing is opened, made or started; landlock is there where the kernel has it" {
	run driver --file "$body" --ca "$web/ca.pem" --under "strace -f -o $BATS_TEST_TMPDIR/trace" "$program" url="$secure/a"
	done_with 3000000
	sed '1,/seccomp(SECCOMP_SET_MODE_FILTER/d' "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/behind"
	grep -q connect "$BATS_TEST_TMPDIR/behind"
	[ "$(grep -cE '^[0-9]+ +(open|openat|openat2|execve|execveat|clone|clone3|fork|vfork|bind|listen)\(.*= [0-9]' "$BATS_TEST_TMPDIR/behind")" = 0 ]
	[ "$(grep -c 'PROT_EXEC' "$BATS_TEST_TMPDIR/behind")" = 0 ]
	# nothing was sent or read from the network before
	sed '/seccomp(SECCOMP_SET_MODE_FILTER/,$d' "$BATS_TEST_TMPDIR/trace" >"$BATS_TEST_TMPDIR/before"
	[ "$(grep -c "htons($(web_port secure))" "$BATS_TEST_TMPDIR/before")" = 0 ]
	if grep -q 'landlock_create_ruleset(NULL, 0, .*= [1-9]' "$BATS_TEST_TMPDIR/trace"; then
		grep -q 'landlock_restrict_self([0-9]*, 0) *= 0' "$BATS_TEST_TMPDIR/before"
	fi
}

without_report() {
	"$@" 4>&-
}

@test "a full file system, and a descriptor that is no file, are its caller's trouble" {
	local small=$BATS_TEST_TMPDIR/small
	mkdir "$small"
	mount -t tmpfs -o size=1m tmpfs "$small"
	body=$small/body
	fetch url="$plain/a"
	umount "$small"
	fails local 'cannot write the file' 'No space left'
	body=/dev/null
	fetch url="$plain/a"
	fails local 'no regular file'
	# bats has a descriptor 4 of its own
	run -1 without_report "$program"
	[[ $output = *'is started by carob'* ]]
}
