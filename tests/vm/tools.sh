# shellcheck shell=bash
# The programs that a test machine needs on the host, and the Debian packages they come from.
# What is "essential" to Debian (dpkg, flock, setpriv, sed and the like) is taken for granted.

# Each line: a command, or the path of a file; its package.
tools_table='
qemu-system-x86_64    qemu-system-x86
gcc                   gcc
/usr/include/stdio.h  libc6-dev
cpio                  cpio
modprobe              kmod
/usr/bin/python3      python3
xz                    xz-utils
zstd                  zstd
'

tools_packages() {
	local tool package

	while read -r tool package; do
		[ -z "$tool" ] || echo "$package"
	done <<<"$tools_table"
}

# Prints a line for each tool that is not there.
tools_missing() {
	local tool package

	while read -r tool package; do
		case $tool in
		'') ;;
		/*) [ -e "$tool" ] || echo "$tool is missing: install the package $package" ;;
		*)
			command -v "$tool" >/dev/null ||
				echo "$tool is missing: install the package $package"
			;;
		esac
	done <<<"$tools_table"
}
