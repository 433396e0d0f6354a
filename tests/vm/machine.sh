# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shares variables with run and its other parts
# The machine, as QEMU's arguments.
#
# They are kept in two arrays. machine_shape is what the guest's kernel sees: a saved machine can
# only be restored into one of the same shape, so the shape is part of a snapshot's name.
# machine_backends are the files and directories behind it, which are new in every run.

machine_kernel_arguments=(
	console=ttyS0 loglevel=4
	panic=-1                           # a panic ends the machine, by -no-reboot
	mitigations=off audit=0 nowatchdog # of no use here, and slow
	random.trust_cpu=1                 # nothing else gives randomness so early
	tsc=reliable no_timer_check        # an overloaded host must not look like a broken clock
)

# So many shares there are always, if need be of an empty directory that the guest does not mount:
# one shape, and one snapshot, for all runs that share little.
machine_shares_min=2

# A comma in a file name would end QEMU's option.
machine_escape() {
	echo "${1//,/,,}"
}

# machine_add_share ID DIRECTORY SUFFIX
machine_add_share() {
	machine_shape+=(-device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
	machine_backends+=(
		-fsdev "local,id=$1,path=$(machine_escape "$2"),security_model=none,multidevs=remap$3"
	)
}

# machine_add_disk ID FILE. The host's page cache is all the durability that a test needs: it
# outlives the machine, however that ends. What the guest discards or zeroes becomes a hole.
machine_add_disk() {
	local options=format=raw,cache=unsafe,discard=unmap,detect-zeroes=unmap

	machine_shape+=(-device "virtio-blk-pci,drive=$1,serial=$1")
	machine_backends+=(-drive "if=none,id=$1,file=$(machine_escape "$2"),$options")
}

# Sets machine_shape and machine_backends from the options and from what was made for this run.
machine_describe() {
	local i

	machine_shape=(
		-name carob-vm -machine q35 -accel tcg -cpu max -smp "$opt_smp" -m "$opt_mem"
		-nodefaults -no-user-config -display none -no-reboot
		-kernel "$kernel_dir/vmlinux" -initrd "$initramfs"
		-append "${machine_kernel_arguments[*]} $opt_append"
		-serial chardev:console
		-device "virtio-serial-pci,max_ports=2"
		-device "virtserialport,nr=1,chardev=channel"
	)
	machine_backends=(
		-chardev "pipe,id=channel,path=$(machine_escape "$run_dir/channel")"
	)
	machine_add_share root / ,readonly=on
	for ((i = 0; i < ${#opt_rw[@]} || i < machine_shares_min; i++)); do
		machine_add_share "share$i" "${opt_rw[i]-$run_dir/no-share}" ''
	done
	for i in "${!disks[@]}"; do
		machine_add_disk "disk$i" "${disks[i]}"
	done
}

# machine_exec CONSOLE [ARG...]: becomes QEMU; to be called in a child process. QEMU does not
# outlive the shell that started it, even if that is killed.
#
# QEMU prints nothing on its standard output, but holds it open; that it is the channel's pipe is
# for the reader there, who then sees the end even of a QEMU that never opened the channel.
machine_exec() {
	local console=$1
	shift

	# shellcheck disable=SC2094 # the console is only written to
	exec setpriv --pdeathsig KILL qemu-system-x86_64 \
		"${machine_shape[@]}" "${machine_backends[@]}" \
		-chardev "file,id=console,path=$(machine_escape "$console"),append=on" "$@" \
		</dev/null 1<>"$run_dir/channel.out" 2>>"$console"
}
