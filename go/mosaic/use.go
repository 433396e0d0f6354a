package mosaic

// #include "shim.h"
import "C"

import (
	"os"
	"runtime/cgo"
)

// MountFlags change how a volume is mounted.
type MountFlags uint

// How a volume is mounted.
const (
	MountReadOnly MountFlags = C.MOSAIC_MOUNT_READONLY
	MountVolatile MountFlags = C.MOSAIC_MOUNT_VOLATILE // contents need not survive a crash of the machine
)

// MountOptions say how a volume is mounted.
type MountOptions struct {
	Flags      MountFlags
	Attributes uint64   // MOUNT_ATTR_* of linux/mount.h, added
	UserNS     *os.File // a user namespace whose id map the mount gets; nil: none
}

func (o *MountOptions) c() (c C.struct_mosaic_mount) {
	if o == nil {
		return c
	}
	c.flags, c.attributes = C.uint(o.Flags), C.uint64_t(o.Attributes)
	if o.UserNS != nil {
		c.userns = C.int(o.UserNS.Fd())
	}
	return c
}

// Mount is a detached mount of the volume: its root directory, which no mount table has, and which
// vanishes with the last that has it open. As long as m and the file are open, the volume is in
// use. how may be nil.
func (m *Mosaic) Mount(name string, how *MountOptions) (root *os.File, err error) {
	c := how.c()
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		var fd C.int
		r := C.mosaic_mount(p, name, &c, &fd, e)
		if r >= 0 {
			root = os.NewFile(uintptr(fd), "volume")
		}
		return r
	})
	return root, err
}

// MountAt mounts the volume at a directory. how may be nil.
func (m *Mosaic) MountAt(name, path string, how *MountOptions) error {
	c := how.c()
	return m.two(name, path, func(p *C.struct_mosaic, name, path *C.char, e *C.struct_error) C.int {
		return C.mosaic_mount_at(p, name, path, &c, e)
	})
}

// Umount ends a mount. With name "" it is whatever volume of the mosaic is mounted there.
// syscall.EBUSY while something below path is in use; syscall.EINVAL when that volume is not mounted
// there.
func (m *Mosaic) Umount(name, path string) error {
	var t texts
	defer t.free()
	volume, at := t.orNull(name), t.of(path)
	if err := t.check(); err != nil {
		return err
	}
	return m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_umount(p, volume, at, e)
	})
}

// MountMetadata is the metadata directory as a detached mount. how may be nil.
func (m *Mosaic) MountMetadata(how *MountOptions) (root *os.File, err error) {
	c := how.c()
	err = m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		var fd C.int
		r := C.mosaic_mount_metadata(p, &c, &fd, e)
		if r >= 0 {
			root = os.NewFile(uintptr(fd), "metadata")
		}
		return r
	})
	return root, err
}

// AttachFlags change how a volume is attached.
type AttachFlags uint

// How a volume is attached.
const (
	AttachReadOnly AttachFlags = C.MOSAIC_ATTACH_READONLY
	AttachKeep     AttachFlags = C.MOSAIC_ATTACH_KEEP // it outlives this process, until as many Detach
)

// Attach makes the volume a block device, whose path it returns. The device lives as long as its
// users.
func (m *Mosaic) Attach(name string, flags AttachFlags) (device string, err error) {
	var path [C.MOSAIC_DEVICE_MAX]C.char
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_attach(p, name, C.uint(flags), &path[0], e)
	})
	if err != nil {
		return "", err
	}
	return C.GoString(&path[0]), nil
}

// Detach ends an Attach. syscall.EINVAL when the volume is not attached; syscall.EBUSY, and nothing
// is done, while the device is mounted and this was the last.
func (m *Mosaic) Detach(name string) error {
	return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_detach(p, name, e)
	})
}

// Device is the path of the block device that the volume is up as; "" when it is not. It brings
// nothing up.
func (m *Mosaic) Device(name string) (device string, err error) {
	var path [C.MOSAIC_DEVICE_MAX]C.char
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		r := C.mosaic_get_device(p, name, &path[0], e)
		if r == C.MOSAIC_NO_DEVICE {
			path[0] = 0
		}
		return r
	})
	if err != nil {
		return "", err
	}
	return C.GoString(&path[0]), nil
}

// A MountPoint is a place where a volume is mounted.
type MountPoint struct {
	Path     string // as the processes of that namespace see it
	Here     bool   // in the caller's mount namespace
	PID      int    // one process of that namespace
	ReadOnly bool
}

// MountPoints lists where the volume is mounted, in every mount namespace that a process is in.
func (m *Mosaic) MountPoints(name string) ([]MountPoint, error) {
	var list []MountPoint
	h := cgo.NewHandle(&list)
	defer h.Delete()
	err := m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.shim_each_mount_point(p, name, C.uintptr_t(h), e)
	})
	return list, err
}

// IsMounted tells whether the volume is mounted anywhere.
func (m *Mosaic) IsMounted(name string) (mounted bool, err error) {
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		r := C.mosaic_is_mounted(p, name, e)
		mounted = r == 1
		return r
	})
	return mounted, err
}

// IsUsed tells whether the volume is mounted, attached, or locked by a living user of the library.
func (m *Mosaic) IsUsed(name string) (used bool, err error) {
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		r := C.mosaic_is_used(p, name, e)
		used = r == 1
		return r
	})
	return used, err
}
