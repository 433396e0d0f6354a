# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shares variables with run and its other parts
# The guest's kernel: a Debian package that is unpacked into the cache. It is never installed, so
# no hook runs and the host keeps its own kernel.

# The first that the host's package lists know. Wanted is 6.12: everything that the tests need is
# in it. The other one is Debian 12's own, 6.1.
kernel_metapackages=(linux-image-6.12-amd64 linux-image-amd64)

# The package that a metapackage stands for now, for example linux-image-6.12.117+deb12-amd64.
kernel_package() {
	local metapackage relation package

	for metapackage in "${kernel_metapackages[@]}"; do
		while read -r relation package; do
			if [ "$relation" = Depends: ] && [[ $package = linux-image-* ]]; then
				echo "$package"
				return
			fi
		done < <(apt-cache depends "$metapackage" 2>/dev/null)
	done
	echo "vm: no kernel package is known: run apt-get update" >&2
	return 1
}

# Makes a directory with boot/, lib/modules/, the uncompressed kernel, and the kernel's release.
kernel_build() {
	local target=$1 package release

	package=$(kernel_package)
	release=${package#linux-image-}
	mkdir -p "$target/download"
	# The user _apt cannot write there, and apt-get would say so.
	interruptible env -C "$target/download" \
		apt-get -qq -o APT::Sandbox::User=root download "$package" >&2
	interruptible dpkg-deb -x "$target"/download/*.deb "$target"
	rm -r "$target/download"
	interruptible depmod -b "$target" "$release"
	interruptible "$vm_dir/extract-vmlinux" "$target/boot/vmlinuz-$release" "$target/vmlinux"
	echo "$release" >"$target/release"
}

# Sets kernel_dir and kernel_release.
kernel_get() {
	local hash

	hash=$(cat "$vm_dir/kernel.sh" "$vm_dir/extract-vmlinux" | cache_hash)
	kernel_dir=$cache_dir/kernel-$hash
	cache_make "$kernel_dir" kernel_build
	read -r kernel_release <"$kernel_dir/release"
}
