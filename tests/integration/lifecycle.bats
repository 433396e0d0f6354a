#!/usr/bin/env bats
# Pods from prepare to gc, what the verbs say about them, their logs and their API; images in the store.

# what stands in single quotes is for the shell in the pod
# shellcheck disable=SC2016
load helpers

box=example.com/box

setup_file() { setup_state; }
teardown_file() { teardown_state; }

none_of_mine() { [ "$(carob list -q)" = "" ]; }
end_all() { for pod in $(carob list -q); do carob rm -f "$pod"; done; }
teardown() { end_all; }

# ---- detached, listed, named -------------------------------------------------------------------------

@test "detached: the UUID is printed, the pod runs, its code can be waited for" {
	run -0 carob run --detach $box /bin/sh -c 'until [ -e /tmp/end ]; do sleep 0.05; done; exit 4' 3>&-
	[[ "$output" =~ ^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$ ]]
	uuid=$output
	[ "$(pod_json "$uuid" .state)" = running ]
	carob wait "$uuid" >"$BATS_TEST_TMPDIR/waited" 3>&- &
	carob enter "$uuid" /bin/touch /tmp/end
	ends_with 4 $!
	run -4 carob wait "$uuid"
	[ "$(pod_json "$uuid" '.state, .exit, .apps[0].exit' | xargs)" = "exited 4 4" ]
	carob rm "$uuid"
	run -3 carob status "$uuid"
}

@test "a detached pod keeps nothing of the caller's: descriptors, terminal, directory, session" {
	start_pod alone $box /bin/sleep 1000
	keeper=$(ps -o ppid= "$(app_pid alone)" 2>/dev/null || field PPid "/proc/$(app_pid alone)/status")
	keeper=$(( keeper ))
	for fd in 0 1 2; do [ "$(readlink /proc/$keeper/fd/$fd)" = /dev/null ]; done
	[ "$(awk '{ print $6 }' "/proc/$keeper/stat")" = "$keeper" ]
	[[ "$(readlink /proc/$keeper/cwd)" != "$PWD" || "$PWD" = / ]]
}

@test "a start in the background that fails tells as much as one in the foreground" {
	run -127 --separate-stderr carob run --detach $box /bin/absent 3>&-
	says box exec /bin/absent
	run -126 carob run --detach $box /etc/passwd 3>&-
	run -125 --separate-stderr carob run --detach --user nobody2 $box /bin/true 3>&-
	says user nobody2
	run -125 carob run --pull never --detach example.com/absent 3>&-
	none_of_mine
}

@test "names: one pod each, free again when it is removed" {
	start_pod web $box /bin/sleep 1000
	run -125 --separate-stderr carob run --name web $box /bin/true
	says web
	run -125 carob run --detach --name web $box /bin/true 3>&-
	[ "$(carob list -q | wc -l)" = 1 ]
	carob stop --grace 0 web
	run -125 carob run --name web $box /bin/true
	carob rm web
	run -0 carob run --rm --name web $box /bin/true
	for bad in '' Web web/x ../x '-x' 'a b' "$(printf 'a%.0s' $(seq 300))"; do
		run ! carob run --rm "--name=$bad" $box /bin/true
	done
	none_of_mine
}

@test "a pod is found by name, UUID and the beginning of the UUID" {
	start_pod found $box /bin/sleep 1000
	for word in found "$uuid" "${uuid:0:8}" "${uuid:0:13}"; do
		run -0 carob status --json "$word"
		[ "$(jq -r .uuid <<<"$output")" = "$uuid" ]
	done
	for word in notfound "${uuid:0:3}" "${uuid}0" "$(tr 0-9a-f 1-9a-f0 <<<"${uuid:0:8}")" '' . .. /; do
		run -3 carob status "$word"
	done
}

@test "a beginning that fits two pods is refused and both are listed" {
	for i in $(seq 40); do carob prepare $box >/dev/null; done
	# forty of 65536 beginnings of four: make a pair by hand where chance does not
	mapfile -t all < <(carob list -q)
	twin=${all[0]:0:8}$(printf '%s' "${all[1]:8}")
	cp -a "$CAROB_ROOT/pods/${all[1]}" "$CAROB_ROOT/pods/$twin"
	run -4 --separate-stderr carob status "${twin:0:8}"
	[[ "$stderr" == *"$twin"* && "$stderr" == *"${all[0]}"* ]]
	run -4 carob rm "${twin:0:8}"
	run -0 carob status "$twin"
	rm -r "$CAROB_ROOT/pods/$twin"
}

@test "list and status as JSON have the documented members" {
	start_pod shown --app-name one $box /bin/sleep 1000 --- --app-name two $box /bin/sleep 1000
	run -0 carob list --json
	jq -e --arg uuid "$uuid" '. | length == 1 and (.[0] | .uuid == $uuid and .name == "shown" and .state == "running"
		and .exit == null and .appNames == ["one", "two"] and .images == ["example.com/box", "example.com/box"]
		and .detached == true and (.created | endswith("Z")) and (.hostname | startswith("carob-")))' <<<"$output"
	run -0 carob status --json shown
	jq -e '.state == "running" and .exit == null and .notes == [] and (.stats.pids >= 3) and (.stats.memory_bytes > 0)
		and ([.apps[].name] == ["one", "two"]) and (.apps | all(.state == "running" and .pid > 1 and .exit == null
		and .signal == null and .ended == null and .error == null and .oom == false and (.started | endswith("Z"))))' <<<"$output"
	carob stop --grace 0 shown
	run -0 carob status --json shown
	jq -e '.state == "exited" and .exit == 137 and (.apps | all(.state == "exited" and .signal == 9 and .exit == 137 and .pid == null and (.ended | endswith("Z"))))' <<<"$output"
}

@test "list for people: a title, a line each, by state" {
	start_pod alive $box /bin/sleep 1000
	carob run --name dead $box /bin/true
	ready=$(carob prepare --name ready $box)
	run -0 carob list
	[ "${#lines[@]}" = 4 ]
	[[ "${lines[0]}" == *UUID*NAME*STATE* ]]
	[[ "$output" == *alive*running*box* && "$output" == *dead*exited* && "$output" == *ready*prepared* ]]
	run -0 carob list --no-legend --state prepared
	[ "${#lines[@]}" = 1 ]
	[ "$(carob list -q --state running)" = "$uuid" ]
	[ "$(carob list -q | sort)" = "$(printf '%s\n' "$uuid" "$ready" "$(carob list -q --state exited)" | sort)" ]
	run -2 carob list --state nonsense
}

@test "the UUID goes into a file too" {
	run -0 carob run --uuid-file "$BATS_TEST_TMPDIR/uuid" --name filed $box /bin/true
	[ "$(cat "$BATS_TEST_TMPDIR/uuid")" = "$(carob list -q)" ]
	carob rm filed
	run -125 carob run --rm --uuid-file /proc/absent/uuid $box /bin/true
	none_of_mine
}

# ---- prepare, dry-run --------------------------------------------------------------------------------

@test "prepare, then run-prepared, once" {
	ready=$(carob prepare --name later --env A=b $box /bin/sh -c 'echo $A; exit 3')
	[ "$(pod_json later .state)" = prepared ]
	run -5 carob wait later
	run -5 carob stop later
	run -125 carob run-prepared nosuch
	run -3 carob run-prepared later
	[ "$output" = b ]
	[ "$(pod_json "$ready" '.state, .exit' | xargs)" = "exited 3" ]
	run -125 --separate-stderr carob run-prepared later
	says later prepared
	ready=$(carob prepare $box /bin/sleep 1000)
	run -0 carob run-prepared --detach "$ready" 3>&-
	[ "$output" = "$ready" ]
	[ "$(pod_json "$ready" .state)" = running ]
	run -125 carob run-prepared "$ready"
}

@test "a dry run prints the manifest, which carob validate and carob run take" {
	run -0 carob run --dry-run --volume v,kind=empty --mount volume=v,target=/v --memory 64M $box /bin/sh -c 'grep -c " /v " /proc/self/mountinfo'
	none_of_mine
	echo "$output" >"$BATS_TEST_TMPDIR/pod.json"
	jq -e '.acKind == "PodManifest" and .apps[0].mounts[0].path == "/v" and (.apps[0].image.id | startswith("sha512-")) and .annotations == []' "$BATS_TEST_TMPDIR/pod.json"
	run -0 carob validate "$BATS_TEST_TMPDIR/pod.json"
	run -0 carob run --rm --pod-manifest "$BATS_TEST_TMPDIR/pod.json"
	[ "$output" = 1 ]
	run -2 carob run --pod-manifest "$BATS_TEST_TMPDIR/pod.json" $box
	echo '{"acKind":"PodManifest"}' >"$BATS_TEST_TMPDIR/bad.json"
	run -125 --separate-stderr carob run --pod-manifest "$BATS_TEST_TMPDIR/bad.json"
	says bad.json acVersion
}

# ---- stop, kill, rm ----------------------------------------------------------------------------------

@test "stop: SIGTERM first, SIGKILL when the grace is over" {
	start_pod polite $box /bin/sh -c 'trap "echo asked; exit 8" TERM; touch /tmp/ready; while :; do sleep 0.05; done'
	until_true 10 carob enter polite /bin/test -e /tmp/ready
	run -0 carob stop polite
	run -8 carob wait polite
	run -0 carob logs polite
	[[ "$output" == *asked* ]]
	start_pod stubborn $box /bin/sh -c 'trap "" TERM; touch /tmp/ready; while :; do sleep 0.05; done'
	until_true 10 carob enter stubborn /bin/test -e /tmp/ready
	before=$SECONDS
	run -0 carob stop --grace 1 stubborn
	[ $((SECONDS - before)) -ge 1 ] && [ $((SECONDS - before)) -le 5 ]
	run -137 carob wait stubborn
	run -5 --separate-stderr carob stop stubborn
	says stubborn exited
	run -3 carob stop nosuch
}

@test "kill: any signal, by name or number, to all or to one" {
	loop='for s in HUP USR1 USR2 TERM; do trap "echo $s >> /tmp/got" $s; done; touch /tmp/ready; while :; do sleep 0.05; done'
	start_pod ear --app-name a $box /bin/sh -c "$loop" --- --app-name b $box /bin/sh -c "$loop"
	until_true 10 carob enter --app a ear /bin/test -e /tmp/ready
	until_true 10 carob enter --app b ear /bin/test -e /tmp/ready
	for signal in HUP SIGUSR1 usr2 15; do run -0 carob kill -s $signal --app a ear; sleep 0.2; done
	carob kill -s USR1 ear
	until_true 5 carob enter --app b ear /bin/test -e /tmp/got
	run -0 carob enter --app b ear /bin/cat /tmp/got
	[ "$output" = USR1 ]
	until_true 5 carob enter --app a ear /bin/sh -c '[ $(wc -l < /tmp/got) = 5 ]'
	run -0 carob enter --app a ear /bin/cat /tmp/got
	[ "$output" = $'HUP\nUSR1\nUSR2\nTERM\nUSR1' ]
	run -2 carob kill -s NOSUCH ear
	run -2 carob kill -s 0 ear
	run -3 carob kill -s TERM --app none ear
	run -0 carob kill ear
	run -137 carob wait ear
	run -5 carob kill ear
	run -3 carob kill nosuch
}

@test "rm: not what runs, unless forced; all that can go, goes" {
	start_pod busy $box /bin/sleep 1000
	carob run --name over $box /bin/true
	run -5 --separate-stderr carob rm busy over
	[[ "$stderr" == *"$uuid"*running* ]]
	run -3 carob status over
	run -0 carob status busy
	run -0 carob rm -f busy nosuch
	none_of_mine
	run -3 carob rm nosuch
}

@test "rm leaves nothing of a pod anywhere" {
	start_pod trace --volume v,kind=empty --mount volume=v,target=/v $box /bin/sh -c 'echo x > /v/x; echo y > /y; sleep 1000'
	[ -e "$CAROB_RUNROOT/pods/$uuid/api.sock" ]
	[ "$(readlink "$CAROB_RUNROOT/names/trace")" = "$uuid" ]
	carob rm -f trace
	run -0 find "$CAROB_ROOT" "$CAROB_RUNROOT" -name "*$uuid*" -o -name trace
	[ "$output" = "" ]
	run -0 find /sys/fs/cgroup -maxdepth 4 -name "*$uuid*"
	[ "$output" = "" ]
}

# ---- gc ----------------------------------------------------------------------------------------------

@test "gc removes what ended long enough ago, and what died; not what lives or is prepared" {
	start_pod alive $box /bin/sleep 1000
	alive=$uuid
	carob run --name over $box /bin/true
	over=$(carob list -q --state exited)
	ready=$(carob prepare --name ready $box)
	run -0 carob gc --grace-period 1h
	[ "$(carob list -q | wc -l)" = 3 ]
	run -0 carob gc --grace-period 0 --dry-run
	[[ "$output" == *"$over"* && "$output" != *"$alive"* ]]
	[ "$(carob list -q | wc -l)" = 3 ]
	run -0 carob gc --grace-period 0
	[ "$(carob list -q | sort)" = "$(printf '%s\n%s\n' "$alive" "$ready" | sort)" ]
	[ "$(pod_json alive .state)" = running ]
	# a holder that died: what it held goes, and only that
	keeper=$(field PPid "/proc/$(app_pid alive)/status")
	kill -KILL "$keeper"
	until_true 10 eval '[ "$(pod_json alive .state)" = aborted ]'
	run -5 carob wait alive
	run -0 carob gc
	[ "$(carob list -q)" = "$ready" ]
	run -0 find "$CAROB_ROOT" "$CAROB_RUNROOT" /sys/fs/cgroup -maxdepth 5 -name "*$alive*"
	[ "$output" = "" ]
	# the name is free again
	run -0 carob run --rm --name alive $box /bin/true
}

# ---- logs --------------------------------------------------------------------------------------------

@test "logs: both streams, each to its own; of one app, the end, with times" {
	carob run --name talk --app-name a $box /bin/sh -c 'echo out-a; echo err-a >&2; printf unfinished' --- --app-name b $box /bin/sh -c 'echo out-b' >/dev/null 2>&1
	run -0 --separate-stderr carob logs --app a talk
	[ "$output" = $'out-a\nunfinished' ]
	[ "$stderr" = err-a ]
	run -0 carob logs talk
	[[ "$output" == *out-a* && "$output" == *out-b* && "$output" == *err-a* ]]
	run -3 carob logs --app none talk
	run -3 carob logs nosuch
	carob run --name long $box /bin/seq 1 5000 >/dev/null
	[ "$(carob logs long | sha256sum)" = "$(seq 1 5000 | sha256sum)" ]
	[ "$(carob logs --tail 3 long)" = $'4998\n4999\n5000' ]
	[ "$(carob logs --tail 0 long)" = "" ]
	[ "$(carob logs --tail 100000 long | wc -l)" = 5000 ]
	run -0 carob logs --tail 1 --timestamps long
	[[ "$output" =~ ^20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]+Z\ .*5000$ ]]
}

@test "logs -f follows until the end of the pod" {
	start_pod slow $box /bin/sh -c 'echo first; until [ -e /tmp/more ]; do sleep 0.05; done; echo second; until [ -e /tmp/end ]; do sleep 0.05; done; echo last'
	carob logs -f slow >"$BATS_TEST_TMPDIR/followed" 3>&- &
	pid=$!
	until_true 10 grep -q first "$BATS_TEST_TMPDIR/followed"
	carob enter slow /bin/touch /tmp/more
	until_true 10 grep -q second "$BATS_TEST_TMPDIR/followed"
	carob enter slow /bin/touch /tmp/end || [ $? = 137 ] # the end of the pod can come before its own
	ends_with 0 $pid
	[ "$(cat "$BATS_TEST_TMPDIR/followed")" = $'first\nsecond\nlast' ]
}

@test "logs of long lines, without an end, and of bytes that are no text come out as they went in" {
	make='i=0; while [ $i -lt 3000 ]; do printf 0123456789abcdef; i=$((i+1)); done; echo; printf "\000\001\377\033[31m\n\r\n\n"; head -c 70000 /dev/zero; printf end'
	carob run --name odd $box /bin/sh -c "$make" >"$BATS_TEST_TMPDIR/out"
	[ "$(stat -c %s "$BATS_TEST_TMPDIR/out")" -gt 118000 ]
	carob logs odd >"$BATS_TEST_TMPDIR/log"
	cmp "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/log"
}

@test "on a terminal, what could steer it is escaped (S63)" {
	carob run --name escape $box /bin/sh -c 'printf "\033]52;c;x\007 \033[2J tab\there \342\202\254 \302\233 end\n"' >/dev/null
	run -0 "$BATS_TEST_DIRNAME/terminal.py" -- carob logs escape
	[[ "$output" != *$'\033'* && "$output" != *$'\007'* && "$output" != *$'\302\233'* ]]
	[[ "$output" == *$'\342\202\254'* && "$output" == *end* ]]
}

@test "a log is kept for the owner alone" {
	carob run --name private $box /bin/echo secret >/dev/null
	[ "$(find "$CAROB_ROOT/pods" -name log -perm /077)" = "" ]
	[ "$(find "$CAROB_ROOT/pods" -mindepth 1 -maxdepth 1 -perm /027)" = "" ]
}

# ---- the API -----------------------------------------------------------------------------------------

@test "api.sock: mode 0600 in a directory of mode 0700" {
	start_pod api $box /bin/sleep 1000
	[ "$(stat -c '%a %U %F' "$CAROB_RUNROOT/pods/$uuid/api.sock")" = "600 root socket" ]
	[ "$(stat -c %a "$CAROB_RUNROOT/pods/$uuid")" = 700 ]
	run ! setpriv --reuid 65534 --clear-groups python3 "$BATS_TEST_DIRNAME/api.py" "$CAROB_RUNROOT/pods/$uuid/api.sock" status
}

@test "the API answers as documented" {
	start_pod api $box /bin/sleep 1000
	for test in status wrong_lines unknown_method wrong_params pieces long_line descriptors exec; do
		echo "# $test"
		"$BATS_TEST_DIRNAME/api.py" "$CAROB_RUNROOT/pods/$uuid/api.sock" $test
		[ "$(pod_json api .state)" = running ]
	done
}

@test "clients that are many, deaf or gone do not stop the pod" {
	start_pod api $box /bin/sh -c 'i=0; while :; do i=$((i+1)); echo $i > /tmp/n; sleep 0.05; done'
	pid=$(app_pid api)
	keeper=$(field PPid "/proc/$pid/status")
	open_fds() { find "/proc/$keeper/fd" -type l | wc -l; }
	before=$(open_fds)
	for test in many deaf; do
		"$BATS_TEST_DIRNAME/api.py" "$CAROB_RUNROOT/pods/$uuid/api.sock" $test
	done
	until_true 5 eval '[ "$(open_fds)" = "$before" ]'
	[ "$(pod_json api .state)" = running ]
	"$BATS_TEST_DIRNAME/api.py" "$CAROB_RUNROOT/pods/$uuid/api.sock" wait
	[ "$(pod_json api '.state, .exit' | xargs)" = "exited 137" ]
}

# ---- verbs -------------------------------------------------------------------------------------------

@test "help of every verb, by option and by verb" {
	run -0 carob help
	[[ "$output" == *run*list*status* ]]
	run -0 carob --help
	verbs=$(carob help | sed -n 's/^  \([a-z-]*\)  .*/\1/p')
	[ "$(wc -w <<<"$verbs")" -ge 15 ]
	for verb in $verbs; do
		run -0 carob help "$verb"
		[[ "$output" == "usage: carob $verb"* ]]
		run -0 carob "$verb" --help
		[[ "$output" == "usage: carob $verb"* ]]
	done
	for verb in import list show cat-manifest rm export build; do
		run -0 carob image "$verb" --help
		[[ "$output" == "usage: carob image $verb"* ]]
	done
}

@test "what is not there is a fault of the command line: 2" {
	run -2 carob
	run -2 --separate-stderr carob lists
	[[ "$stderr" == *lists*list* ]]
	run -2 carob --nosuch list
	run -2 carob list --nosuch
	run -2 carob list word
	run -2 carob image
	run -2 carob image nosuch
	for verb in run enter stop kill wait rm status logs ps run-prepared; do
		run -2 carob $verb
		run -2 carob $verb --nosuch x
	done
}

@test "info, version, completion" {
	run -0 carob version
	[[ "$output" =~ [0-9]+\.[0-9]+ ]]
	run -0 carob --version
	run -0 carob info
	[[ "$output" == *"$CAROB_ROOT"* && "$output" == *cgroup* ]]
	run -0 carob info --json
	jq -e . <<<"$output"
	for shell in bash zsh fish; do
		run -0 carob completion $shell
		[[ "$output" == *run-prepared* ]]
	done
	run -2 carob completion csh
}

@test "what cannot be written is an error" {
	run -1 bash -c 'carob list >/dev/full'
	run -1 bash -c 'carob help >/dev/full'
	run -1 bash -c 'carob image list --json >/dev/full'
}

# ---- images ------------------------------------------------------------------------------------------

@test "validate: archives, directories, manifests; faults by their place" {
	dir=$BATS_FILE_TMPDIR/images/box
	run -0 carob validate "$dir.aci"
	run -0 carob validate "$dir"
	run -0 carob validate "$dir/manifest"
	echo '{"acKind":"ImageManifest","acVersion":"0.8.11","name":"Bad Name","labels":[{"name":"version","value":"1"},{"name":"version","value":"2"}]}' >"$BATS_TEST_TMPDIR/bad"
	run -1 carob validate "$BATS_TEST_TMPDIR/bad"
	[[ "$output" == *name* && "$output" == *labels* ]]
	head -c 100000 "$dir.aci" >"$BATS_TEST_TMPDIR/cut.aci"
	run -1 carob validate "$BATS_TEST_TMPDIR/cut.aci"
	run -1 carob validate /etc/hostname
	run -1 carob validate "$BATS_TEST_TMPDIR/absent"
}

@test "image list, show, cat-manifest, export: byte for byte" {
	dir=$BATS_FILE_TMPDIR/images/box
	id=$(carob image list --json | jq -r '.[] | select(.name == "example.com/box") | .id')
	[ "$id" = "sha512-$(sha512sum <"$dir.aci" | cut -d ' ' -f 1)" ]
	run -0 carob image list
	[[ "$output" == *example.com/box*version=1* ]]
	run -0 carob image show $box
	[[ "$output" == *"$id"* && "$output" == *example.com/box* ]]
	carob image cat-manifest $box | cmp - "$dir/manifest"
	carob image cat-manifest "${id:0:30}" | cmp - "$dir/manifest"
	carob image export $box "$BATS_TEST_TMPDIR/out.aci"
	cmp "$BATS_TEST_TMPDIR/out.aci" "$dir.aci"
	carob image export $box - | cmp - "$dir.aci"
	run -1 carob image export $box "$BATS_TEST_TMPDIR/out.aci"
	run -0 carob image export --overwrite $box "$BATS_TEST_TMPDIR/out.aci"
	for compression in none gzip bzip2 xz; do
		carob image build --compression $compression --rootfs "$dir/rootfs" --manifest "$dir/manifest" "$BATS_TEST_TMPDIR/$compression.aci"
		run -0 carob image import "$BATS_TEST_TMPDIR/$compression.aci"
		[ "$output" = "$id" ]
	done
	run -3 carob image show example.com/absent
	run -3 carob image cat-manifest sha512-0123456789ab
}

@test "image rm: not while a pod uses it" {
	make_image going '{"exec":["/bin/sleep","1000"],"user":"0","group":"0","environment":[{"name":"A","value":"going"}]}'
	start_pod user example.com/going
	run -5 --separate-stderr carob image rm example.com/going
	[[ "$stderr" == *going* || "$stderr" == *"$uuid"* ]]
	run -0 carob image show example.com/going
	carob rm -f user
	run -0 carob image rm example.com/going
	run -3 carob image show example.com/going
	run -3 carob image rm example.com/going
	run -0 carob image rm -f example.com/going
	run -125 carob run --pull never --rm example.com/going
	# the other is as it was
	run -0 carob run --rm $box /bin/true
}

@test "a damaged archive is refused and leaves nothing" {
	before=$(find "$CAROB_ROOT/store" "$CAROB_ROOT/mosaic" | sort)
	head -c 100000 "$BATS_FILE_TMPDIR/images/box.aci" >"$BATS_TEST_TMPDIR/cut.aci"
	gzip -c "$BATS_FILE_TMPDIR/images/box.aci" | head -c 300000 >"$BATS_TEST_TMPDIR/cutgz.aci"
	for file in cut.aci cutgz.aci; do
		run -1 --separate-stderr carob image import "$BATS_TEST_TMPDIR/$file"
		[[ "$stderr" == *$file* ]]
	done
	run -1 carob image import "$BATS_TEST_TMPDIR/absent.aci"
	[ "$(find "$CAROB_ROOT/store" "$CAROB_ROOT/mosaic" | sort)" = "$before" ]
}
