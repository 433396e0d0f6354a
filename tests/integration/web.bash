# Web servers and proxies for tests, on 127.0.0.1 only, and the certificates they show.
# Use: load helpers; load web
#
#   make_ca [NAME]                   a CA: $web/NAME.pem and .key (NAME: ca)
#   make_cert NAME[,NAME]... [OPTION]...
#                                    a certificate for these names and IP addresses, called after the
#                                    first: $web/NAME.pem and .key
#       --ca NAME       signed by that CA
#       --days N        valid for so long; -1: it has expired
#       --client        to be shown by a client
#       --self          signed by itself
#   start_web NAME [ARGUMENT]...     webserver.py (see there) with its files in $web/NAME/; its port
#                                    goes to $port, its log is $web/NAME.log, its rules
#                                    $web/NAME.rules. Without --dir: made and empty.
#   web_rules NAME JSON              sets its rules
#   web_log NAME [FILTER]            what it has logged, through jq -c
#   web_sent NAME                    bytes of bodies that it has sent since its log was emptied
#   start_proxy NAME [ARGUMENT]...   proxy.py (see there); $port, $web/NAME.log, $web/NAME.map
#   proxy_map NAME JSON              sets the map
#   web_port NAME                    the port of a server or proxy that runs
#   stop_web NAME...                 ends servers and proxies; without a name all of this file
#
# $web is $BATS_FILE_TMPDIR/web: what setup_file starts serves all tests of a file, and
# teardown_file has to call stop_web.

web=$BATS_FILE_TMPDIR/web
mkdir -p "$web"

make_ca() {
	local name=${1:-ca}
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=Test $name" \
		-addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign' \
		-keyout "$web/$name.key" -out "$web/$name.pem" 2>/dev/null
}

make_cert() {
	local names=$1 ca=ca days=30 usage=serverAuth alternatives='' name file
	shift
	while [ $# -gt 0 ]; do
		case $1 in
		--ca) ca=$2 && shift ;;
		--days) days=$2 && shift ;;
		--client) usage=clientAuth ;;
		--self) ca= ;;
		*) echo "make_cert: no option $1" && return 1 ;;
		esac
		shift
	done
	for name in ${names//,/ }; do
		case $name in
		*[!0-9.]*) [ -z "${name##*:*}" ] && name=IP:$name || name=DNS:$name ;;
		*) name=IP:$name ;;
		esac
		alternatives+=,$name
	done
	file=$web/${names%%,*}
	printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=%s\nsubjectAltName=%s\n' "$usage" "${alternatives#,}" >"$file.ext"
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=${names%%,*}" \
		-keyout "$file.key" -out "$file.csr" 2>/dev/null
	if [ "$ca" ]; then
		openssl x509 -req -in "$file.csr" -CA "$web/$ca.pem" -CAkey "$web/$ca.key" -days "$days" \
			-extfile "$file.ext" -out "$file.pem" 2>/dev/null
	else
		openssl x509 -req -in "$file.csr" -signkey "$file.key" -days "$days" -extfile "$file.ext" \
			-out "$file.pem" 2>/dev/null
	fi
}

# start_server NAME PROGRAM ARGUMENT...: its port is in $port then.
start_server() {
	local name=$1
	shift
	rm -f "$web/$name.port"
	# bats waits for whoever has its descriptor 3
	"$BATS_TEST_DIRNAME/$1" --port-file "$web/$name.port" --log "$web/$name.log" "${@:2}" \
		>"$web/$name.out" 2>&1 3>&- &
	echo $! >"$web/$name.pid"
	until_true 20 test -e "$web/$name.port" || { cat "$web/$name.out"; return 1; }
	port=$(cat "$web/$name.port")
}

start_web() {
	local name=$1
	shift
	mkdir -p "$web/$name"
	: >"$web/$name.log"
	case " $* " in
	*' --dir '*) ;;
	*) set -- --dir "$web/$name" "$@" ;;
	esac
	start_server "$name" webserver.py --rules "$web/$name.rules" "$@"
}

start_proxy() {
	local name=$1
	shift
	[ -e "$web/$name.map" ] || echo '{}' >"$web/$name.map"
	: >"$web/$name.log"
	start_server "$name" proxy.py --map-file "$web/$name.map" "$@"
}

# By rename: a server never reads half of it.
web_rules() {
	printf '%s\n' "$2" >"$web/$1.rules.new"
	mv "$web/$1.rules.new" "$web/$1.rules"
}

proxy_map() {
	printf '%s\n' "$2" >"$web/$1.map.new"
	mv "$web/$1.map.new" "$web/$1.map"
}

web_log() {
	jq -c "${2:-.}" "$web/$1.log"
}

web_sent() {
	jq -s 'map(.sent // 0) | add // 0' "$web/$1.log"
}

web_port() {
	cat "$web/$1.port"
}

stop_web() {
	local file pid name
	[ $# -gt 0 ] || for file in "$web"/*.pid; do
		name=${file##*/}
		set -- "$@" "${name%.pid}"
	done
	for name; do
		[ -e "$web/$name.pid" ] || continue
		pid=$(cat "$web/$name.pid")
		rm -f "$web/$name.pid" "$web/$name.port"
		kill "$pid" 2>/dev/null || continue
		wait "$pid" 2>/dev/null || true # where it is a child of this shell
		until_true 10 eval "! kill -0 $pid 2>/dev/null"
	done
}
