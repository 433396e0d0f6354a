# shellcheck shell=bash
# The cache: things that are made once and used by many runs. A thing's name ends in a hash of what
# it is made of, so one that is out of date is not found and made anew. Runs that want the same
# thing at the same time wait for the one that makes it.

cache_dir=$(realpath -m "${CAROB_VM_CACHE:-$vm_dir/../../build/vm-cache}")

# Things that nobody used for so long go when something new comes.
cache_days_kept=7

# What is being made at the moment; removed when the run ends early.
cache_unfinished=

# Runs a program so that a signal to this shell is not kept waiting until the program has ended.
interruptible() {
	"$@" &
	wait "$!"
}

# A short hash of the arguments and the standard input.
cache_hash() {
	local sum

	sum=$({ printf '%s\0' "$@" && cat; } | sha256sum)
	echo "${sum:0:12}"
}

# cache_make PATH BUILDER [ARG...]: unless PATH exists, calls BUILDER with a path to make and ARGs.
cache_make() {
	local target=$1 builder=$2 lock
	shift 2

	if [ ! -e "$target" ]; then
		mkdir -p "$cache_dir"
		exec {lock}>"$cache_dir/lock"
		interruptible flock "$lock"
		if [ ! -e "$target" ]; then
			cache_unfinished=$target.part
			rm -rf "$cache_unfinished"
			"$builder" "$cache_unfinished" "$@"
			mv -T "$cache_unfinished" "$target"
			cache_unfinished=
			cache_prune
		fi
		exec {lock}>&-
	fi
	touch -c "$target"
}

cache_prune() {
	find "$cache_dir" -mindepth 1 -maxdepth 1 ! -name lock -mtime "+$cache_days_kept" \
		-exec rm -rf {} +
}
