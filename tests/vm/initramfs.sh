# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shares variables with run and its other parts
# The initramfs: the guest's first process (guest/), and the modules it needs before it can see the
# host's files. Everything else is loaded from there, by the guest's own modprobe.

# Loaded before the machine is saved.
initramfs_boot_modules=(virtio_pci virtio_console 9pnet_virtio 9p overlay)

# Loaded after the machine is restored: the disks may have another size then.
initramfs_late_modules=(virtio_blk)

# initramfs_copy_modules DIRECTORY MODULE...: copies modules and what they depend on, uncompressed,
# with names in the order to load them.
initramfs_copy_modules() {
	local directory=$1 files file name number=100
	shift

	files=$(modprobe -C /dev/null -d "$kernel_dir" -S "$kernel_release" --show-depends -a "$@" |
		awk '$1 == "insmod" && !seen[$2]++ { print $2 }')
	mkdir -p "$directory"
	while read -r file; do
		name=${file##*/}
		name=$directory/$number-${name%.xz}
		case $file in
		*.xz) xz -dc "$file" >"$name" ;;
		*) cp "$file" "$name" ;;
		esac
		number=$((number + 1))
	done <<<"$files"
}

initramfs_build() {
	local target=$1 tree=$run_dir/initramfs

	mkdir "$tree"
	gcc -std=gnu11 -O2 -Wall -Wextra -static -s -o "$tree/init" "$vm_dir"/guest/*.c
	initramfs_copy_modules "$tree/modules/boot" "${initramfs_boot_modules[@]}"
	initramfs_copy_modules "$tree/modules/late" "${initramfs_late_modules[@]}"
	(cd "$tree" && find . | cpio -o -H newc --quiet) >"$target"
}

# Sets initramfs.
initramfs_get() {
	local hash

	hash=$(cat "$vm_dir/initramfs.sh" "$vm_dir"/guest/* | cache_hash "$kernel_dir" "$kernel_release")
	initramfs=$cache_dir/initramfs-$hash
	cache_make "$initramfs" initramfs_build
}
