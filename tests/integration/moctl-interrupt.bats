#!/usr/bin/env bats
# shellcheck disable=SC2154 # $output, $stderr, $status are set by `run`
# ctrl-C at any point of a verb that changes a mosaic, of moctl and of `carob volume`: it ends by the
# signal, nothing half made stays, what was there is there, and the next try works.

load helpers

setup_file() {
	export CAROB_ROOT=$BATS_FILE_TMPDIR/root CAROB_RUNROOT=$BATS_FILE_TMPDIR/run
	# where files can share data, and subvolumes be made
	mkdir "$BATS_FILE_TMPDIR/btrfs"
	truncate -s 2G "$BATS_FILE_TMPDIR/btrfs.img"
	mkfs.btrfs -q "$BATS_FILE_TMPDIR/btrfs.img" >/dev/null
	mount -o loop "$BATS_FILE_TMPDIR/btrfs.img" "$BATS_FILE_TMPDIR/btrfs"
}

teardown() {
	local at
	awk -v dir="$BATS_TEST_TMPDIR/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | tac |
		while read -r at; do umount "$(printf %b "$at")"; done
}

teardown_file() {
	umount "$BATS_FILE_TMPDIR/btrfs"
	until_true 20 no_files_of_ours
}

no_files_of_ours() {
	! grep -sqF "$BATS_FILE_TMPDIR" /sys/block/loop*/loop/backing_file
}

# tool VERB...: moctl with the mosaic, or carob's own word for it.
tool() {
	if [ "$program" = carob ]; then
		carob --mosaic "$m" volume "${@/#drop/rm}"
	else
		moctl "$m" "$@"
	fi
}

# What strace is to run for that.
words_of() {
	if [ "$program" = carob ]; then
		command=(carob --mosaic "$m" volume "${@/#drop/rm}")
	else
		command=(moctl "$m" "$@")
	fi
}

# The content of a volume as lines.
content() {
	local name=$1
	[ "$program" != carob ] || name=volume.$1
	moctl "$m" mount -o ro "$name" mnt
	(cd mnt && find . -name lost+found -prune -o -type f -exec sha256sum {} + | sort)
	moctl "$m" umount mnt
}

names() {
	tool list -q | xargs
}

# base TYPE PROGRAM: a mosaic in $m with the volume v, its snapshot s, and v written to since; a
# stream of it.
base() {
	program=$2 m=$BATS_TEST_TMPDIR/m
	cd "$BATS_TEST_TMPDIR" || return
	[ "$1" != btrfs ] || m=$BATS_FILE_TMPDIR/btrfs/$2
	mkdir -p mnt
	if [ "$1" = fsimg ] || [ "$1" = ploop ]; then
		moctl "$m" make --type "$1" -o size=20M
	else
		moctl "$m" make --type "$1"
	fi
	tool create v
	local name=v
	[ "$program" != carob ] || name=volume.v
	moctl "$m" mount $name mnt
	head -c 2000000 /dev/urandom >mnt/data
	(cd mnt && seq 40 | xargs touch)
	moctl "$m" umount mnt
	tool snapshot v s
	moctl "$m" mount $name mnt
	echo more >mnt/more
	moctl "$m" umount mnt
	content v >v.now
	content s >s.now
	tool send -q --portable s stream
}

# Nothing half made, nothing lost; what v has is one of its two states.
look() {
	[ -z "$(ls "$m/staging")" ] || { ls -R "$m/staging"; return 1; }
	moctl "$m" check || return 1
	content s | cmp - s.now
	content v >v.is
	cmp -s v.is v.now || { [ "$1" = rollback ] && cmp -s v.is s.now; } || { diff v.is v.now; return 1; }
}

# at_points HOW-MANY VERB...: ctrl-C where some of its system calls begin.
at_points() {
	local most=$1 name n code verb=$2
	shift 2
	words_of "$verb" "$@"
	[ "$verb" != drop ] || tool clone -q v new
	strace -qq -o trace "${command[@]}" >/dev/null 2>&1 || { "${command[@]}"; return 1; }
	awk 'match($0, /^[a-z_0-9]+\(/) { name = substr($0, 1, RLENGTH - 1); print name, ++n[name] }' trace >points
	settle "$verb" || return 1
	while read -r name n; do
		[ "$verb" != drop ] || tool clone -q v new
		code=0
		timeout 20 env --default-signal=INT strace -qq -o /dev/null -e "trace=$name" -e "inject=$name:signal=INT:when=$n" \
			"${command[@]}" >out 2>&1 3>&- || code=$?
		tried=$((tried + 1))
		if [ $code = 130 ]; then hit=$((hit + 1)); elif [ $code != 0 ]; then
			echo "$verb, $name $n: $code $(cat out)"
			return 1
		fi
		settle "$verb" || { echo "$verb, $name $n ($code): $(cat out)"; return 1; }
	done < <(awk '$1 !~ /^exit|^execve/' points | shuf -n "$(times "$most")")
	# and the next try works
	[ "$verb" != drop ] || tool clone -q v new
	"${command[@]}" >/dev/null || return 1
	settle "$verb"
}

# Looks, and puts things back as they were.
settle() {
	local verb=$1
	case $verb in
	receive) moctl "$m" receive --forget "$target" || return 1 ;;
	send) [ -z "$(find . -name 'sent*' ! -name sent)" ] && rm -f sent || return 1 ;;
	esac
	look "$verb" || return 1
	[ "$(names)" = "s v" ] || [ "$(names)" = "new s v" ] || { names; return 1; }
	tool drop --ignore-missing new || return 1
	if [ "$verb" = rollback ] && ! cmp -s v.is v.now; then cp s.now v.now; fi
}

# every_verb TYPE PROGRAM POINTS
every_verb() {
	tried=0 hit=0 target=new
	base "$1" "$2"
	[ "$2" != carob ] || target=volume.new
	at_points "$3" create new
	at_points "$3" clone -q v new
	at_points "$3" snapshot -q v new
	at_points "$3" send -q s sent
	at_points "$3" receive -q new stream
	at_points "$3" drop new
	[ "$2" = carob ] || at_points "$3" check
	[ "$2" = carob ] || at_points "$3" check --repair
	at_points "$3" rollback -q v s
	echo "# $2, $1: interrupted at $hit of $tried points" >&3
	[ $((hit * 10)) -ge $((tried * 7)) ]
}

@test "moctl, plain: ctrl-C at any point" { every_verb plain moctl 12; }
@test "moctl, overlay: ctrl-C at any point" { every_verb overlay moctl 8; }
@test "moctl, btrfs: ctrl-C at any point" { every_verb btrfs moctl 8; }
@test "moctl, fsimg: ctrl-C at any point" { every_verb fsimg moctl 8; }
@test "moctl, ploop: ctrl-C at any point" { every_verb ploop moctl 8; }
@test "carob volume, plain: ctrl-C at any point" { every_verb plain carob 8; }
@test "carob volume, fsimg: ctrl-C at any point" { every_verb fsimg carob 5; }

# At a terminal the whole group gets it: mkfs and other helpers too.
@test "ctrl-C to all processes of a command, once and twice" {
	local type verb i code group
	program=moctl
	for type in plain fsimg ploop; do
		tried=0 hit=0
		rm -rf "${BATS_TEST_TMPDIR:?}/m" stream
		base $type moctl
		for verb in "create new" "clone -q v new" "send -q s sent" "receive -q new stream" "rollback -q v s"; do
			for i in 1 4 10 20; do
				# shellcheck disable=SC2086 # a verb with its operands
				setsid env --default-signal=INT moctl "$m" $verb >out 2>&1 3>&- &
				group=$!
				sleep "$(printf 0.%03d "$i")"
				kill -INT -- "-$group" 2>/dev/null || true
				[ $((i % 4)) != 0 ] || kill -INT -- "-$group" 2>/dev/null || true
				code=0
				wait "$group" || code=$?
				tried=$((tried + 1))
				[ $code != 130 ] || hit=$((hit + 1))
				[ $code = 130 ] || [ $code = 0 ] || { echo "$verb $i: $code $(cat out)"; return 1; }
				target=new
				settle "${verb%% *}" || { echo "$verb $i: $(cat out)"; return 1; }
			done
		done
		echo "# $type: interrupted in $hit of $tried tries" >&3
	done
}

# A gigabyte in one file: what is copied in one call of the kernel's can be interrupted too.
@test "ctrl-C in the copy of a large file ends it soon" {
	local began
	program=moctl m=$BATS_TEST_TMPDIR/m
	cd "$BATS_TEST_TMPDIR" || return
	mkdir mnt
	moctl "$m" make --type plain
	moctl "$m" create v
	moctl "$m" mount v mnt
	head -c 1G /dev/zero | tr '\0' x >mnt/large
	moctl "$m" umount mnt
	env --default-signal=INT moctl "$m" clone v new 3>&- &
	until_true 10 eval "[ -n \"\$(ls $m/staging)\" ]"
	sleep 0.1
	began=$(date +%s%N)
	kill -INT "$!" || return
	ends_with 130 "$!"
	echo "# ended after $((($(date +%s%N) - began) / 1000000)) ms" >&3
	[ $((($(date +%s%N) - began) / 1000000)) -lt 3000 ]
	[ -z "$(ls "$m/staging")" ]
	[ "$(names)" = v ]
}
