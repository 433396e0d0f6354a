#!/usr/bin/env bats
# `carob discover` against real servers: names are mapped by a proxy, so nothing leaves this host.

load helpers
load web

setup_file() {
	make_ca
	make_ca other
	make_cert example.com,www.example.com,plain.example
	make_cert untrusted.example --ca other
	start_web secure --vhosts --tls "$web/example.com.pem" "$web/example.com.key"
	start_web untrusted --vhosts --tls "$web/untrusted.example.pem" "$web/untrusted.example.key"
	start_web plain --vhosts
	start_proxy proxy
	proxy_map proxy "{
		\"example.com:443\": $(web_port secure), \"www.example.com:443\": $(web_port secure),
		\"untrusted.example:443\": $(web_port untrusted),
		\"example.com:80\": $(web_port plain), \"plain.example:80\": $(web_port plain)}"
	cat >"$web/carob.yaml" <<-YAML
		proxy:
		  http: http://127.0.0.1:$(web_port proxy)
		  https: http://127.0.0.1:$(web_port proxy)
		retries: 0
		hosts:
	YAML
	local host
	for host in example.com www.example.com untrusted.example; do
		printf '  %s: {ca: %s}\n' "$host" "$web/ca.pem" >>"$web/carob.yaml"
	done
}

teardown_file() { stop_web; }

setup() {
	export CAROB_CONFIG=$web/carob.yaml
	rm -rf "$web"/{secure,untrusted,plain}/*
	: >"$web/secure.log"
	: >"$web/plain.log"
	web_rules secure '[]'
	web_rules plain '[]'
}

# page SERVER NAME TAG...: NAME's page with these lines in its head.
page() {
	local dir=$web/$1/$2
	shift 2
	mkdir -p "$dir"
	printf '<!DOCTYPE html>\n<html><head><title>x</title>\n' >"$dir/index.html"
	printf '%s\n' "$@" '</head><body></body></html>' >>"$dir/index.html"
}

# endpoint PREFIX TEMPLATE, keys PREFIX URL: tags.
endpoint() { printf '<meta name="ac-discovery" content="%s %s">' "$1" "$2"; }
keys() { printf '<meta name="ac-discovery-pubkeys" content="%s %s">' "$1" "$2"; }

# What the server was asked, a line each.
asked() { web_log "$1" .path | tr -d '"'; }

@test "the whole search is shown, and nothing but pages is asked for" {
	page secure example.com/a/b "$(endpoint example.com/a 'https://dl.example.com/{name}-{version}-{os}.{ext}')"
	page secure example.com "$(keys example.com https://example.com/keys.gpg)" \
		"$(endpoint example.com https://wrong.example/)"
	run -0 --separate-stderr carob discover example.com/a/b/c:1.2
	[ "$output" = "tried        https://example.com/a/b/c?ac-discovery=1: 404
tried        https://example.com/a/b?ac-discovery=1: 200, 1 endpoint
tried        https://example.com/a?ac-discovery=1: 404
tried        https://example.com?ac-discovery=1: 200, 1 key
archive      https://dl.example.com/example.com/a/b/c-1.2-linux.aci
signature    https://dl.example.com/example.com/a/b/c-1.2-linux.aci.asc
key          https://example.com/keys.gpg" ]
	[ -z "$stderr" ]
	[ "$(asked secure)" = "/a/b/c?ac-discovery=1
/a/b?ac-discovery=1
/a?ac-discovery=1
/?ac-discovery=1" ]
	[ ! -s "$web/plain.log" ]
}

@test "--keys looks for keys alone" {
	page secure example.com/a "$(endpoint example.com https://x.example/)" "$(keys example.com/a https://example.com/1.gpg)"
	run -0 carob discover --keys example.com/a
	[ "$output" = "tried        https://example.com/a?ac-discovery=1: 200, 1 key
key          https://example.com/1.gpg" ]
}

@test "when nothing is found, the exit code is 3 and every URL has its outcome" {
	page secure example.com/a '<meta name="description" content="nothing">'
	web_rules secure '[{"path": "/b/a*", "status": 503}]'
	run -3 --separate-stderr carob discover example.com/b/a
	[[ $output == *"https://example.com/b/a?ac-discovery=1: 503"* ]]
	[[ $output == *"https://example.com/b?ac-discovery=1: 404"* ]]
	[[ $output == *"https://example.com?ac-discovery=1: 404" ]]
	[ "$stderr" = "carob: nothing was found for example.com/b/a" ]
	run -3 carob discover example.com/a
	[[ $output == *"https://example.com/a?ac-discovery=1: 200, it has no tags"* ]]
}

@test "JSON" {
	page secure example.com "$(endpoint example.com 'https://dl.example.com/{name}.{ext}')" \
		"$(endpoint example.com 'https://dl.example.com/{colour}')" "$(keys example.com https://example.com/1.gpg)"
	run -0 carob discover --json example.com
	[ "$(jq -r '.name, .endpoints[0].archive, .endpoints[0].signature, .keys[0], .overHttp' <<<"$output")" = \
		"example.com
https://dl.example.com/example.com.aci
https://dl.example.com/example.com.aci.asc
https://example.com/1.gpg
false" ]
	[ "$(jq -r '.endpointsPage, .keysPage' <<<"$output" | sort -u)" = "https://example.com?ac-discovery=1" ]
	[ "$(jq '.endpoints | length' <<<"$output")" = 1 ]
	[[ "$(jq -r '.attempts[1].outcome' <<<"$output")" == "left out: "* ]]
	run -0 carob discover --json --keys example.com/x,os=plan9
	[ "$(jq -c '[.endpoints, .endpointsPage, (.keys | length)]' <<<"$output")" = '[[],null,1]' ]
	run -3 --separate-stderr carob discover --json www.example.com
	[ "$(jq -c '[.endpoints, .keys, (.attempts | length)]' <<<"$output")" = '[[],[],1]' ]
}

@test "http is asked only where it is allowed, and https first" {
	page plain plain.example/a "$(endpoint plain.example 'https://dl.example.com/{name}.{ext}')"
	page plain example.com/a "$(endpoint example.com https://wrong.example/)"
	run -3 carob discover plain.example/a
	[ ! -s "$web/plain.log" ]
	run -3 carob discover --insecure http:other.example plain.example/a
	[ ! -s "$web/plain.log" ]
	run -0 carob discover --insecure http plain.example/a
	[[ ${lines[0]} == "tried        https://plain.example/a?ac-discovery=1: "* ]]
	[ "${lines[1]}" = "tried        http://plain.example/a?ac-discovery=1: 200, 1 endpoint" ]
	run -0 carob discover --json --insecure http:plain.example plain.example/a
	[ "$(jq .overHttp <<<"$output")" = true ]
	# a page without tags over https is an answer
	page secure example.com/a
	: >"$web/plain.log"
	run -3 carob discover --insecure http example.com/a
	asked plain >"$BATS_TEST_TMPDIR/asked"
	[ -s "$BATS_TEST_TMPDIR/asked" ]
	run ! grep '/a?' "$BATS_TEST_TMPDIR/asked"
}

@test "a certificate of somebody else is no answer" {
	page untrusted untrusted.example "$(endpoint untrusted.example https://wrong.example/)"
	run -3 carob discover untrusted.example
	[[ ${lines[0]} == "tried        https://untrusted.example?ac-discovery=1: "*certificate* ]]
	[[ $output != *archive* ]]
}

@test "redirects are followed, but not from https to http" {
	page secure www.example.com/moved "$(endpoint example.com 'https://dl.example.com/{name}')"
	web_rules secure '[
		{"host": "example.com*", "path": "/a*", "redirect": "https://www.example.com/moved/"},
		{"host": "example.com*", "path": "/b*", "redirect": "http://example.com/moved/"}]'
	page plain example.com/moved "$(endpoint example.com https://wrong.example/)"
	run -0 carob discover example.com/a
	[ "${lines[0]}" = "tried        https://example.com/a?ac-discovery=1: 200 from https://www.example.com/moved/, 1 endpoint" ]
	run -3 carob discover --insecure http:example.com example.com/b
	[[ $output != *wrong.example* ]]
}

@test "pages that are too much are passed by" {
	mkdir -p "$web/secure/example.com"/{deep,long}
	python3 -c 'print("<p><b>" * 170000)' >"$web/secure/example.com/deep/index.html"
	python3 -c 'print(" " * 1100000)' >"$web/secure/example.com/long/index.html"
	page secure example.com "$(endpoint example.com 'https://dl.example.com/{name}')"
	SECONDS=0
	run -0 carob discover example.com/deep
	[[ $output == *"archive      https://dl.example.com/example.com/deep"* ]]
	[ "$SECONDS" -lt 20 ]
	run -0 carob discover example.com/long
	[[ ${lines[0]} == *LIMIT_PAGE_BYTES* ]]
	[[ $output == *"archive      https://dl.example.com/example.com/long"* ]]
}

@test "what a page says cannot act upon the terminal" {
	page secure example.com "$(endpoint example.com 'https://dl.example.com/&#x202e;{name}')" \
		"$(endpoint example.com $'https://dl.example.com/\033[2J')"
	carob discover example.com >"$BATS_TEST_TMPDIR/out" || true
	[ -s "$BATS_TEST_TMPDIR/out" ]
	run ! grep -a $'\033' "$BATS_TEST_TMPDIR/out"
}

# by_carob NAME, by_actool NAME: what they find, in the same lines.
by_carob() {
	carob discover --json "$1" | jq -r '(.endpoints[] | .archive, .signature), .keys[]'
}

by_actool() {
	HTTPS_PROXY=http://127.0.0.1:$(web_port proxy) SSL_CERT_FILE=$web/ca.pem actool discover --json "$1" 2>/dev/null |
		sed -n '/^{/,/^}/p' | # it prints the pages that it did not find, too
		jq -r '(.ACIEndpoints // [] | .[] | .ACI, .ASC), (.PublicKeys // [] | .[])'
}

@test "finds what actool finds" {
	page secure example.com/a/b "$(endpoint example.com/a 'https://dl.example.com/{name}-{version}-{os}-{arch}.{ext}')" \
		"$(endpoint example.com 'https://mirror.example.com/{channel}/{name}.{ext}')" \
		"<META CONTENT='example.com https://dl.example.com/&#x7b;name}?a&amp;b' NAME=ac-discovery>" \
		"<!-- $(endpoint example.com https://comment.example) -->" \
		"<script>'$(endpoint example.com https://script.example)'</script>"
	page secure example.com "$(keys example.com https://example.com/1.gpg)" "$(keys example.com/b https://example.com/2.gpg)" \
		"$(endpoint example.co 'https://dl.example.com/{name}.{ext}')"
	local name
	for name in example.com example.com/a example.com/a/b:1.2 example.com/a/b/c,channel=beta example.com/b:2,x=y; do
		by_carob "$name,os=linux,arch=amd64" >"$BATS_TEST_TMPDIR/ours"
		by_actool "$name,os=linux,arch=amd64" >"$BATS_TEST_TMPDIR/theirs"
		[ -s "$BATS_TEST_TMPDIR/theirs" ]
		diff -u "$BATS_TEST_TMPDIR/theirs" "$BATS_TEST_TMPDIR/ours"
	done
}
