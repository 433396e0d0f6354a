#!/usr/bin/env bats
# shellcheck disable=SC2154 # $output, $stderr, $status are set by `run`
# carob-volume-plugin: every call by curl, what survives its death, and podman.

load helpers

setup() {
	# short: a socket's path has 107 bytes
	dir=$(mktemp -d /tmp/vp.XXXXXX)
	socket=$dir/carob.sock rundir=$dir/run m=$dir/mosaic pid=
	export PATH=$prefix/sbin:$PATH
}

teardown() {
	local mount
	end_plugin
	awk -v dir="$dir/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r mount; do umount -l "$(printf %b "$mount")"; done
	rm -rf --one-file-system "$dir"
}

# not COMMAND...: `!` alone does not end a test
not() {
	if "$@"; then return 1; fi
}

# serve [TYPE]: the plugin over a mosaic of that type, until it listens.
serve() {
	[ -e "$m" ] || moctl "$m" make --type "${1:-plain}"
	carob-volume-plugin --mosaic "$m" --socket "$socket" --run-dir "$rundir" 2>>"$dir/log" 3>&- &
	pid=$!
	until_true 20 listens || { cat "$dir/log"; return 1; }
}

listens() {
	kill -0 "$pid" && curl -s --unix-socket "$socket" -X POST http://d/Plugin.Activate >/dev/null
}

# end_plugin [SIGNAL]: its status goes to $ended.
end_plugin() {
	ended=0
	[ -n "$pid" ] || return 0
	kill "-${1:-TERM}" "$pid" 2>/dev/null || true
	wait "$pid" || ended=$?
	pid=
}

# call NAME [BODY [CURL-OPTION...]]: the answer is in $answer, its status in $code.
call() {
	local name=$1 body=${2:-}
	shift; shift || true
	answer=$(curl -sS --max-time 60 --unix-socket "$socket" -w '\n%{http_code}' -X POST --data-binary "$body" "$@" \
		"http://d/$name")
	code=${answer##*$'\n'} answer=${answer%$'\n'*}
}

# well NAME BODY: it works, and says so.  ill CODE WORD NAME BODY: it fails with that sentence.
well() {
	call "$@"
	if [ "$code" != 200 ] || ! jq -e '.Err == ""' <<<"$answer" >/dev/null; then
		echo "$1: $code $answer"
		return 1
	fi
}

ill() {
	local want=$1 word=$2
	shift 2
	call "$@"
	if [ "$code" != "$want" ] || ! jq -e --arg w "$word" '.Err | contains($w)' <<<"$answer" >/dev/null; then
		echo "$1: $code $answer"
		return 1
	fi
	[ "$(jq -r 'keys | join(" ")' <<<"$answer")" = Err ]
	grep -qF "$word" "$dir/log"
}

# said FILTER: what the last answer has.
said() {
	jq -r "$1" <<<"$answer"
}

mounted() {
	mountpoint -q "$rundir/$1"
}

# ---- calls ----------------------------------------------------------------------------------------

@test "it says what it is, in the protocol's words" {
	serve
	[ "$(stat -c %a "$socket")" = 600 ]
	well Plugin.Activate
	[ "$(said '.Implements[]')" = VolumeDriver ]
	well VolumeDriver.Capabilities '{}'
	[ "$(said .Capabilities.Scope)" = local ]
	curl -sS -i --unix-socket "$socket" -X POST http://d/VolumeDriver.List |
		grep -i '^content-type: application/vnd.docker.plugins.v1.2+json'
}

@test "a volume is made, mounted, seen, unmounted and removed" {
	serve
	well VolumeDriver.List
	[ "$(said '.Volumes | length')" = 0 ]
	well VolumeDriver.Create '{"Name":"web","Opts":{}}'
	moctl "$m" have volume.web
	well VolumeDriver.Path '{"Name":"web"}'
	[ "$(said .Mountpoint)" = "" ]
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	[ "$(said .Mountpoint)" = "$rundir/web" ]
	mounted web
	echo hello >"$rundir/web/file"
	well VolumeDriver.Path '{"Name":"web"}'
	[ "$(said .Mountpoint)" = "$rundir/web" ]
	well VolumeDriver.Get '{"Name":"web"}'
	[ "$(said .Volume.Name) $(said .Volume.Mountpoint) $(said .Volume.Status.users)" = "web $rundir/web 1" ]
	[ "$(date -d "$(said .Volume.CreatedAt)" +%s)" -ge "$(stat -c %Y "$m/type")" ]
	well VolumeDriver.List '{}'
	[ "$(said '.Volumes[] | .Name + " " + .Mountpoint')" = "web $rundir/web" ]
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	not mounted web
	[ ! -e "$rundir/web" ]
	well VolumeDriver.Mount '{"Name":"web","ID":"two"}'
	[ "$(cat "$rundir/web/file")" = hello ]
	well VolumeDriver.Unmount '{"Name":"web","ID":"two"}'
	well VolumeDriver.Remove '{"Name":"web"}'
	not moctl "$m" have volume.web
}

@test "the first user brings a volume up, the last takes it down; twice the same is once" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"two"}'
	[ "$(grep -c " $rundir/web " /proc/self/mountinfo)" = 1 ]
	ill 500 "is mounted for 2 users" VolumeDriver.Remove '{"Name":"web"}'
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	well VolumeDriver.Unmount '{"Name":"web","ID":"stranger"}'
	mounted web
	well VolumeDriver.Unmount '{"Name":"web","ID":"two"}'
	not mounted web
}

@test "a volume that a process is in stays, and its user too" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	(cd "$rundir/web" && exec sleep 100) 3>&- &
	local sleeper=$!
	until_true 10 eval "[ \$(readlink /proc/$sleeper/cwd) = $rundir/web ]"
	ill 500 "is in use" VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	mounted web
	well VolumeDriver.Get '{"Name":"web"}'
	[ "$(said .Volume.Status.users)" = 1 ]
	kill "$sleeper"
	wait "$sleeper" || true
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	not mounted web
}

@test "options: size and fs" {
	serve fsimg
	well VolumeDriver.Create '{"Name":"web","Opts":{"size":"64M","fs":"ext4"}}'
	well VolumeDriver.Get '{"Name":"web"}'
	[ "$(said '.Volume.Status | [.type, .fs, .size] | join(" ")')" = "fsimg ext4 67108864" ]
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	[ "$(stat -f -c %T "$rundir/web")" = ext2/ext3 ]
	[ "$(df --output=size -B1M "$rundir/web" | tail -n 1)" -lt 64 ]
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	ill 500 "btrfs" VolumeDriver.Create '{"Name":"other","Opts":{"fs":"btrfs"}}'
	not moctl "$m" have volume.other
	well VolumeDriver.Create '{"Name":"copy","Opts":{"from":"web","size":"96M"}}'
	well VolumeDriver.Get '{"Name":"copy"}'
	[ "$(said .Volume.Status.size)" = 100663296 ]
	# what cannot be sized is not left behind
	ill 500 "" VolumeDriver.Create '{"Name":"small","Opts":{"from":"web","size":"1K"}}'
	not moctl "$m" have volume.small
	well VolumeDriver.Remove '{"Name":"web"}'
	well VolumeDriver.Remove '{"Name":"copy"}'
	not grep -F "$m" <(losetup -a)
}

@test "options: from a volume of the plugin, and from a snapshot of the mosaic" {
	serve overlay
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	echo first >"$rundir/web/file"
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	moctl "$m" snapshot volume.web before
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	echo second >"$rundir/web/file"
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	well VolumeDriver.Create '{"Name":"now","Opts":{"from":"web"}}'
	well VolumeDriver.Create '{"Name":"then","Opts":{"from":"before"}}'
	well VolumeDriver.Mount '{"Name":"now","ID":"one"}'
	well VolumeDriver.Mount '{"Name":"then","ID":"one"}'
	[ "$(cat "$rundir/now/file" "$rundir/then/file" | xargs)" = "second first" ]
	well VolumeDriver.Unmount '{"Name":"now","ID":"one"}'
	well VolumeDriver.Unmount '{"Name":"then","ID":"one"}'
	well VolumeDriver.List
	[ "$(said '.Volumes | map(.Name) | sort | join(" ")')" = "now then web" ]
	ill 500 "file system" VolumeDriver.Create '{"Name":"x","Opts":{"from":"web","fs":"ext4"}}'
	ill 500 "nothing" VolumeDriver.Create '{"Name":"x","Opts":{"from":"nothing"}}'
}

@test "errors have a sentence and a status" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	ill 500 "there is a volume web already" VolumeDriver.Create '{"Name":"web"}'
	ill 500 "there is no volume no" VolumeDriver.Remove '{"Name":"no"}'
	ill 500 "there is no volume no" VolumeDriver.Mount '{"Name":"no","ID":"x"}'
	ill 500 "there is no volume no" VolumeDriver.Unmount '{"Name":"no","ID":"x"}'
	ill 500 "there is no volume no" VolumeDriver.Path '{"Name":"no"}'
	ill 500 "there is no volume no" VolumeDriver.Get '{"Name":"no"}'
	ill 500 "size" VolumeDriver.Create '{"Name":"x","Opts":{"size":"1G"}}' # plain has no sizes
	ill 400 "there is no such option" VolumeDriver.Create '{"Name":"x","Opts":{"o":"1G"}}'
	ill 400 "is no size" VolumeDriver.Create '{"Name":"x","Opts":{"size":"much"}}'
	ill 400 "Name: is missing" VolumeDriver.Create '{}'
	ill 400 "is no name" VolumeDriver.Create '{"Name":"../up"}'
	ill 400 "is no name" VolumeDriver.Create '{"Name":".."}'
	ill 400 "is no name" VolumeDriver.Mount '{"Name":".users","ID":"x"}'
	ill 400 "is no name" VolumeDriver.Create "{\"Name\":\"$(printf 'n%.0s' $(seq 194))\"}"
	ill 400 "ID: is missing" VolumeDriver.Mount '{"Name":"web"}'
	ill 400 "line 1" VolumeDriver.Get 'Name=web'
	ill 404 "there is no call" VolumeDriver.Explode '{}'
	ill 404 "there is no call" '' '{}'
	[ ! -e "$rundir/no" ]
	run -0 curl -sS -o /dev/null -D - --unix-socket "$socket" http://d/VolumeDriver.List
	[[ "$output" == *" 405 "* && "$output" == *"Allow: POST"* ]]
}

@test "odd names are names" {
	serve
	local name
	for name in 'a b' 'ä' 'x..' '-f' 'a%2Fb' "$(printf 'n%.0s' $(seq 193))" 'a\"b' 'a\\b'; do
		well VolumeDriver.Create "{\"Name\":\"$name\"}"
		well VolumeDriver.Mount "{\"Name\":\"$name\",\"ID\":\"x\"}"
		[ -d "$(said .Mountpoint)" ]
		mountpoint -q "$(said .Mountpoint)"
		well VolumeDriver.Unmount "{\"Name\":\"$name\",\"ID\":\"x\"}"
		well VolumeDriver.Remove "{\"Name\":\"$name\"}"
	done
	well VolumeDriver.List
	[ "$(said '.Volumes | length')" = 0 ]
}

@test "a request is limited, announced or not" {
	serve
	local big
	big=$dir/big
	head -c 70000 /dev/zero >"$big"
	ill 413 "at most 65536 bytes" VolumeDriver.Get "@$big"
	ill 413 "at most 65536 bytes" VolumeDriver.Get "@$big" -H 'Transfer-Encoding: chunked' -H 'Expect:'
	head -c 100000 /dev/zero | tr '\0' x >"$big"
	run curl -sS -o /dev/null -w '%{http_code}' --unix-socket "$socket" -X POST -H "X-Long: $(cat "$big")" http://d/VolumeDriver.List
	[[ "$output" == *431* || "$status" != 0 ]]
	well VolumeDriver.List
}

# ---- life and death -------------------------------------------------------------------------------

@test "SIGTERM ends it cleanly; volumes stay mounted, the next one goes on" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	end_plugin
	[ "$ended" = 0 ]
	[ ! -e "$socket" ]
	mounted web
	serve
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	[ "$(grep -c " $rundir/web " /proc/self/mountinfo)" = 1 ]
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	not mounted web
}

@test "a killed one is started again and knows its users" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"two"}'
	end_plugin KILL
	[ -S "$socket" ]
	serve
	well VolumeDriver.Unmount '{"Name":"web","ID":"two"}'
	mounted web
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	not mounted web
}

# traced STRACE-OPTION...: strace of the plugin, until it has it; its number is $tracer.
traced() {
	strace -f -qq "$@" -p "$pid" 2>/dev/null 3>&- &
	tracer=$!
	until_true 10 eval "grep -q '^TracerPid:[[:space:]]*[1-9]' /proc/$pid/status || ! kill -0 $pid"
}

untraced() {
	kill "$tracer" 2>/dev/null || true
	wait "$tracer" || true
}

# points VERB: every system call of that call as "NAME N", the N-th of that name.
points() {
	traced -o "$dir/trace"
	well "VolumeDriver.$1" '{"Name":"web","ID":"one"}'
	untraced
	awk '{ sub(/^[0-9]+ +/, "") } match($0, /^[a-z_0-9]+\(/) { name = substr($0, 1, RLENGTH - 1); print name, ++n[name] }' \
		"$dir/trace" | grep -vE '^(poll|epoll_wait) '
}

# Whatever happened: users and mounts agree, and the call can be made again.
check_after() {
	well VolumeDriver.Get '{"Name":"web"}'
	if [ "$(said .Volume.Status.users)" = 1 ]; then mounted web; else not mounted web; fi
	well "VolumeDriver.$1" '{"Name":"web","ID":"one"}'
	if [ "$1" = Mount ]; then mounted web; else not mounted web; fi
	well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
	not mounted web
}

@test "killed at any system call of a mount or an unmount, the next one has it right" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	local verb name n tried=0 killed=0
	for verb in Mount Unmount; do
		points $verb >"$dir/points"
		[ $verb = Unmount ] || well VolumeDriver.Unmount '{"Name":"web","ID":"one"}'
		while read -r name n; do
			[ $verb = Mount ] || well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
			traced -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n"
			tried=$((tried + 1))
			curl -s -o /dev/null --max-time 10 --unix-socket "$socket" -X POST -d '{"Name":"web","ID":"one"}' \
				"http://d/VolumeDriver.$verb" || killed=$((killed + 1))
			untraced
			end_plugin KILL
			serve
			check_after $verb
		done < <(shuf -n "$(times 25)" --random-source=<(yes) "$dir/points")
		well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	done
	echo "# killed at $killed of $tried points" >&3
	# those behind the answer are survived by it
	[ "$tried" -ge 20 ] && [ $((killed * 10)) -ge $((tried * 7)) ]
}

# create_points BODY: as points, for a Create.
create_points() {
	traced -o "$dir/trace"
	well VolumeDriver.Create "$1"
	untraced
	awk '{ sub(/^[0-9]+ +/, "") } match($0, /^[a-z_0-9]+\(/) { name = substr($0, 1, RLENGTH - 1); print name, ++n[name] }' \
		"$dir/trace" | grep -vE '^(poll|epoll_wait) '
}

# size_of VOLUME: as the plugin says.
size_of() {
	well VolumeDriver.Get "{\"Name\":\"$1\"}" && said .Volume.Status.size
}

@test "killed at any system call of the creation of a clone with a size, it is whole or not there" {
	local body='{"Name":"copy","Opts":{"from":"web","size":"48M"}}' name n tried=0 there=0
	serve fsimg
	well VolumeDriver.Create '{"Name":"web","Opts":{"size":"32M"}}'
	create_points "$body" >"$dir/points"
	well VolumeDriver.Remove '{"Name":"copy"}'
	while read -r name n; do
		traced -o /dev/null -e "trace=$name" -e "inject=$name:signal=KILL:when=$n"
		tried=$((tried + 1))
		curl -s -o /dev/null --max-time 10 --unix-socket "$socket" -X POST -d "$body" http://d/VolumeDriver.Create || true
		untraced
		end_plugin KILL
		serve
		if moctl "$m" have volume.copy; then
			there=$((there + 1))
			[ "$(size_of copy)" = $((48 << 20)) ] || { echo "$name $n: $(size_of copy)"; return 1; }
			well VolumeDriver.Remove '{"Name":"copy"}'
		else
			well VolumeDriver.Create "$body"
			[ "$(size_of copy)" = $((48 << 20)) ]
			well VolumeDriver.Remove '{"Name":"copy"}'
		fi
		moctl "$m" check --repair
	done < <(shuf -n "$(times 12)" --random-source=<(yes) "$dir/points"; grep -A 400 '^symlinkat ' "$dir/points" | shuf -n "$(times 16)")
	echo "# there after $there of $tried" >&3
	[ "$tried" -ge 4 ] && [ "$there" -ge 1 ] && [ "$there" -lt "$tried" ]
}

@test "what was begun is finished at the next start, and only that" {
	serve fsimg
	well VolumeDriver.Create '{"Name":"web","Opts":{"size":"32M"}}'
	well VolumeDriver.Create '{"Name":"sized","Opts":{"from":"web","size":"40M"}}'
	end_plugin
	[ -z "$(ls -A "$m/metadata/volume-plugin")" ]
	moctl "$m" clone volume.web volume.half
	moctl "$m" create --size 32M volume.other
	moctl "$m" clone volume.web volume.small
	ln -s "50331648 volume.web" "$m/metadata/volume-plugin/volume.half"
	ln -s "50331648 volume.web" "$m/metadata/volume-plugin/volume.other"
	ln -s "1024 volume.web" "$m/metadata/volume-plugin/volume.small"
	ln -s "50331648 volume.web" "$m/metadata/volume-plugin/volume.gone"
	ln -s nonsense "$m/metadata/volume-plugin/volume.web"
	serve
	[ "$(size_of half)" = $((48 << 20)) ]
	[ "$(size_of other)" = $((32 << 20)) ] # made of nothing: not what was begun
	[ "$(size_of small)" = $((32 << 20)) ] # cannot be, and says so
	grep -F "volume small was made" "$dir/log"
	[ "$(size_of web)" = $((32 << 20)) ]
	not moctl "$m" have volume.gone
	[ -z "$(ls -A "$m/metadata/volume-plugin")" ]
}

@test "what was unmounted behind its back is mounted again; what nobody has is unmounted" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Create '{"Name":"old"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	umount "$rundir/web"
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	mounted web
	umount "$rundir/web"
	end_plugin KILL
	mkdir "$rundir/old"
	moctl "$m" mount volume.old "$rundir/old"
	serve
	well VolumeDriver.Get '{"Name":"web"}'
	[ "$(said .Volume.Status.users)" = 0 ]
	not mounted old
	[ ! -e "$rundir/old" ]
}

@test "users of another boot are forgotten" {
	serve
	well VolumeDriver.Create '{"Name":"web"}'
	well VolumeDriver.Mount '{"Name":"web","ID":"one"}'
	end_plugin
	umount "$rundir/web"
	jq -c '.boot = "0d9a1f1e-0000-4000-8000-000000000000"' "$rundir/.users" >"$dir/users"
	cp "$dir/users" "$rundir/.users"
	serve
	well VolumeDriver.Get '{"Name":"web"}'
	[ "$(said .Volume.Status.users)" = 0 ]
	well VolumeDriver.Remove '{"Name":"web"}'
}

@test "one plugin for a run directory, one for a socket" {
	serve
	run -1 --separate-stderr carob-volume-plugin --mosaic "$m" --socket "$dir/other.sock" --run-dir "$rundir"
	says "another carob-volume-plugin runs with $rundir"
	run -1 --separate-stderr carob-volume-plugin --mosaic "$m" --socket "$socket" --run-dir "$dir/other"
	says "somebody listens at $socket already"
	well VolumeDriver.List
	end_plugin
	touch "$socket"
	run -1 --separate-stderr carob-volume-plugin --mosaic "$m" --socket "$socket" --run-dir "$rundir"
	says "$socket is there and is no socket"
	run -1 --separate-stderr carob-volume-plugin --mosaic "$m" --socket "$dir/$(printf 's%.0s' $(seq 108))" --run-dir "$rundir"
	says "at most 107 bytes"
	echo nonsense >"$rundir/.users"
	run -1 --separate-stderr carob-volume-plugin --mosaic "$m" --socket "$dir/other.sock" --run-dir "$rundir"
	says "who has what mounted, .users"
}

@test "the command line" {
	run -0 carob-volume-plugin --help
	local option
	while read -r option; do
		grep -qF -- "*$option*" "$top/docs/man/carob-volume-plugin.8.scd"
	done < <(grep -oE -- '--[a-z-]+' <<<"$output")
	run -0 carob-volume-plugin --version
	[[ "$output" == "carob-volume-plugin "* ]]
	run -2 --separate-stderr carob-volume-plugin --sock x
	[[ "$stderr" == *"--sock"* && "$stderr" == *"see "* ]]
	run -2 carob-volume-plugin word
	run -1 --separate-stderr carob-volume-plugin --mosaic "$dir/none.mos" --socket "$socket" --run-dir "$rundir"
	says "none.mos"
	run -1 --separate-stderr setpriv --reuid 65534 --clear-groups "$(command -v carob-volume-plugin)" --socket "$socket"
	says "only root"
}

@test "without --mosaic it is Carob's own, and carob uses the same volumes" {
	export CAROB_ROOT=$dir/root CAROB_RUNROOT=$dir/runroot
	carob-volume-plugin --socket "$socket" --run-dir "$rundir" 2>>"$dir/log" 3>&- &
	pid=$!
	until_true 20 listens
	well VolumeDriver.Create '{"Name":"shared"}'
	moctl "$dir/root/mosaic/default" have volume.shared
	[ "$(stat -c %a "$dir/root")" = 700 ]
	BATS_FILE_TMPDIR=$dir make_image box "$root_app"
	carob run --volume data,kind=named,source=shared --mount volume=data,target=/data example.com/box -- \
		/bin/sh -c 'echo from carob >/data/file'
	well VolumeDriver.Mount '{"Name":"shared","ID":"one"}'
	[ "$(cat "$rundir/shared/file")" = "from carob" ]
	well VolumeDriver.Unmount '{"Name":"shared","ID":"one"}'
}

# ---- podman ---------------------------------------------------------------------------------------

# Of its own, with nothing of this host's; cgroups by files, runc because crun refuses hybrid hosts.
podman_here() {
	CONTAINERS_CONF=$dir/containers.conf timeout 120 podman --root "$dir/podman" --runroot "$dir/podman-run" --tmpdir "$dir/podman-tmp" \
		--storage-driver vfs --cgroup-manager cgroupfs --runtime runc "$@" 3>&-
}

# in_box [OPTION...] COMMAND: a shell in a container of the image box.
in_box() {
	podman_here run --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024 "${@:1:$#-1}" box /bin/sh -c "${!#}"
}

setup_podman() {
	printf '[containers]\nlog_driver = "k8s-file"\n[engine]\nevents_logger = "file"\n[engine.volume_plugins]\ncarob = "%s"\n' "$socket" \
		>"$dir/containers.conf"
	mkdir -p "$dir/rootfs"/{bin,etc,tmp,proc,dev,sys,run,data}
	cp "$(command -v busybox)" "$dir/rootfs/bin/busybox"
	ln -s busybox "$dir/rootfs/bin/sh"
	tar -C "$dir/rootfs" -c . | podman_here import -q - box
}

@test "podman: volumes of the driver are made, listed, inspected and removed" {
	setup_podman
	serve fsimg
	[ "$(podman_here volume create --driver carob --opt size=64M data)" = data ]
	moctl "$m" have volume.data
	[ "$(podman_here volume ls --format '{{.Driver}} {{.Name}}')" = "carob data" ]
	[ "$(podman_here volume inspect data --format '{{.Driver}} {{.Options.size}}')" = "carob 64M" ]
	run podman_here volume create --driver carob --opt colour=red other
	[ "$status" != 0 ]
	[[ "$output" == *"there is no such option"* ]]
	[ "$(podman_here volume rm data)" = data ]
	not moctl "$m" have volume.data
	# a volume that others made is found
	moctl "$m" create volume.theirs --size 64M
	podman_here volume reload
	[ "$(podman_here volume ls --format '{{.Driver}} {{.Name}}')" = "carob theirs" ]
}

@test "podman: one container writes into a volume, the next one reads it" {
	setup_podman
	serve overlay
	in_box --rm true 2>"$dir/why" || skip "podman cannot run a container here: $(tail -n 1 "$dir/why")"
	podman_here volume create --driver carob data
	in_box --rm -v data:/data 'echo written by the first >/data/file'
	not mounted data
	[ "$(in_box --rm -v data:/data '/bin/busybox cat /data/file')" = "written by the first" ]
	# while one has it, it cannot go, and others may have it too
	in_box -d --name holder -v data:/data 'while :; do /bin/busybox sleep 1; done'
	mounted data
	run podman_here volume rm data
	[ "$status" != 0 ]
	[ "$(in_box --rm -v data:/data '/bin/busybox cat /data/file')" = "written by the first" ]
	mounted data
	podman_here rm -f -t 1 holder
	not mounted data
	podman_here volume rm data
	not moctl "$m" have volume.data
}
