package mosaic

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"os"
	"runtime/cgo"
	"syscall"
	"time"
	"unsafe"
)

// A Volume is what is known of a volume without looking into it.
type Volume struct {
	Name     string
	Parent   string // what it was cloned from, though that may be gone; "": nothing
	Created  time.Time
	ReadOnly bool // committed trees and snapshots
	Raw      bool
	FS       string // "ext4"; "" for raw volumes and for directories
	Size     uint64 // bytes of the device, or quota; 0: no limit
}

func volumeOf(v *C.struct_mosaic_volume) Volume {
	return Volume{
		Name:     C.GoString(&v.name[0]),
		Parent:   C.GoString(&v.parent[0]),
		Created:  time.Unix(0, int64(v.created_ns)),
		ReadOnly: bool(v.read_only),
		Raw:      bool(v.raw),
		FS:       C.GoString(&v.fs[0]),
		Size:     uint64(v.size),
	}
}

// Have tells whether there is such a volume.
func (m *Mosaic) Have(name string) (have bool) {
	_ = m.named(name, func(p *C.struct_mosaic, name *C.char, _ *C.struct_error) C.int {
		have = bool(C.mosaic_have(p, name))
		return 0
	})
	return have
}

// Info tells of one volume.
func (m *Mosaic) Info(name string) (v Volume, err error) {
	var c C.struct_mosaic_volume
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_info(p, name, &c, e)
	})
	if err == nil {
		v = volumeOf(&c)
	}
	return v, err
}

// Volumes lists all volumes, in no order.
func (m *Mosaic) Volumes() ([]Volume, error) {
	var list []Volume
	h := cgo.NewHandle(&list)
	defer h.Delete()
	err := m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.shim_each(p, C.uintptr_t(h), e)
	})
	return list, err
}

// Children lists the volumes whose parent this is.
func (m *Mosaic) Children(name string) ([]Volume, error) {
	var list []Volume
	h := cgo.NewHandle(&list)
	defer h.Delete()
	err := m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.shim_each_child(p, name, C.uintptr_t(h), e)
	})
	return list, err
}

// Usage is what a volume takes, in bytes.
type Usage struct {
	Used      uint64 // what it holds
	Exclusive uint64 // what would be free without it; the same as Used without FeatureExclusive
	Shared    uint64 // the rest
}

// Usage tells what a volume takes. It may read the whole volume.
func (m *Mosaic) Usage(name string) (u Usage, err error) {
	var c C.struct_mosaic_usage
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_usage(p, name, &c, e)
	})
	if err == nil {
		u = Usage{uint64(c.used), uint64(c.exclusive), uint64(c.shared)}
	}
	return u, err
}

// SetOwner says whose everything is that is made with m from now on; "": nobody's, as at first. It
// is for several users that share one mosaic.
func (m *Mosaic) SetOwner(owner string) error {
	var t texts
	defer t.free()
	c := t.orNull(owner)
	if err := t.check(); err != nil {
		return err
	}
	return m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int { return C.mosaic_set_owner(p, c, e) })
}

// Owner is whose a volume is; "" when it has no owner.
func (m *Mosaic) Owner(name string) (owner string, err error) {
	var c [C.MOSAIC_NAME_MAX + 1]C.char
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_get_owner(p, name, &c[0], e)
	})
	if err == nil {
		owner = C.GoString(&c[0])
	}
	return owner, err
}

// IsForeign tells whether a volume has an owner that is not the one of SetOwner.
func (m *Mosaic) IsForeign(name string) (bool, error) {
	foreign := false
	err := m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		r := C.mosaic_is_foreign(p, name, e)
		foreign = r == 1
		return r
	})
	return foreign, err
}

// CreateOptions say what a new volume is.
type CreateOptions struct {
	Size uint64 // bytes; 0: the driver's default, or no limit
	FS   string // "": the mosaic's default
	Raw  bool   // without a file system
}

// Create makes an empty writable volume, durable on return. how may be nil. What the driver has no
// means for is syscall.EOPNOTSUPP: nothing asked for is ignored.
func (m *Mosaic) Create(name string, how *CreateOptions) error {
	var t texts
	defer t.free()
	var c C.struct_mosaic_create
	if how != nil {
		c.size, c.fs = C.uint64_t(how.Size), t.orNull(how.FS)
		if how.Raw {
			c.flags = C.MOSAIC_CREATE_RAW
		}
	}
	if err := t.check(); err != nil {
		return err
	}
	return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_create(p, name, &c, e)
	})
}

// Staged is a tree that is being made. It ends by Commit or Discard, or with the mosaic's Close.
type Staged struct {
	Dir *os.File // its root directory, to be filled; Commit and Discard close it
	m   *Mosaic
	c   *C.struct_mosaic_staged // C's memory: it is C's between the calls
}

// Stage begins a tree volume.
func (m *Mosaic) Stage() (*Staged, error) {
	s := &Staged{m: m, c: (*C.struct_mosaic_staged)(C.calloc(1, C.size_t(unsafe.Sizeof(C.struct_mosaic_staged{}))))}
	var fd C.int
	err := m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_stage(p, s.c, &fd, e)
	})
	if err != nil {
		s.free()
		return nil, err
	}
	s.Dir = os.NewFile(uintptr(fd), "staged volume")
	return s, nil
}

func (s *Staged) free() {
	C.free(unsafe.Pointer(s.c))
	s.c = nil
}

// Commit makes the staged tree the read-only volume name, durably. When the name is taken already,
// exists is true and the staged tree is discarded. After an error it is still staged, but Dir is
// closed.
func (s *Staged) Commit(name string) (exists bool, err error) {
	if s.c == nil {
		return false, local(syscall.EINVAL, "nothing is staged any more")
	}
	s.Dir.Close()
	err = s.m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		r := C.mosaic_commit(p, s.c, name, e)
		exists = r == C.MOSAIC_EXISTS
		return r
	})
	if err == nil {
		s.free()
	}
	return exists, err
}

// Discard removes what is staged; after Commit it does nothing.
func (s *Staged) Discard() {
	if s.c == nil {
		return
	}
	s.Dir.Close()
	_ = s.m.do(func(p *C.struct_mosaic, _ *C.struct_error) C.int {
		C.mosaic_discard(p, s.c)
		return 0
	})
	s.free()
}

// two is for calls with two names.
func (m *Mosaic) two(a, b string, fn func(p *C.struct_mosaic, a, b *C.char, e *C.struct_error) C.int) error {
	var t texts
	defer t.free()
	second := t.of(b)
	if err := t.check(); err != nil {
		return err
	}
	return m.named(a, func(p *C.struct_mosaic, first *C.char, e *C.struct_error) C.int {
		return fn(p, first, second, e)
	})
}

// Clone makes a writable copy of from. Unless the driver has FeatureSnapshotLive, nobody may have
// from mounted writable: syscall.EBUSY. A power cut may take the clone back until Sync.
func (m *Mosaic) Clone(name, from string) error {
	return m.two(name, from, func(p *C.struct_mosaic, name, from *C.char, e *C.struct_error) C.int {
		return C.mosaic_clone(p, name, from, e)
	})
}

// Snapshot makes a read-only copy of from, durable on return. Otherwise it is as Clone.
func (m *Mosaic) Snapshot(name, from string) error {
	return m.two(name, from, func(p *C.struct_mosaic, name, from *C.char, e *C.struct_error) C.int {
		return C.mosaic_snapshot(p, name, from, e)
	})
}

// A Pair is a snapshot to be made, and of what.
type Pair struct {
	Name, From string
}

// SnapshotSet makes snapshots of several volumes, all or none. q may be nil: unless the driver has
// FeatureSnapshotSet, volumes in use are syscall.EBUSY then.
func (m *Mosaic) SnapshotSet(pairs []Pair, q *Quiesce) error {
	var t texts
	defer t.free()
	var list *C.struct_mosaic_pair
	if len(pairs) > 0 {
		list = (*C.struct_mosaic_pair)(t.memory(C.size_t(len(pairs)) * C.size_t(unsafe.Sizeof(*list))))
		c := unsafe.Slice(list, len(pairs))
		for i, pair := range pairs {
			c[i].name, c[i].from = t.of(pair.Name), t.of(pair.From)
		}
	}
	if err := t.check(); err != nil {
		return err
	}
	var cq *C.struct_mosaic_quiesce
	state := quiesce{}
	if q != nil {
		state.Quiesce = *q
		h := cgo.NewHandle(&state)
		defer h.Delete()
		cq = (*C.struct_mosaic_quiesce)(t.memory(C.size_t(unsafe.Sizeof(*cq))))
		C.shim_quiesce(cq, C.uintptr_t(h))
	}
	err := m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_snapshot_set(p, list, C.size_t(len(pairs)), cq, e)
	})
	state.rethrow()
	if state.err != nil {
		return state.err
	}
	return err
}

// Rollback gives the volume the snapshot's content again, at once and durably; the snapshot stays.
// syscall.EBUSY while the volume is in use.
func (m *Mosaic) Rollback(name, snapshot string) error {
	return m.two(name, snapshot, func(p *C.struct_mosaic, name, snapshot *C.char, e *C.struct_error) C.int {
		return C.mosaic_rollback(p, name, snapshot, e)
	})
}

// Resize changes the volume's size, or its quota (0: none). Growing works while it is mounted.
func (m *Mosaic) Resize(name string, bytes uint64) error {
	return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_resize(p, name, C.uint64_t(bytes), e)
	})
}

// DropFlags change what Drop does.
type DropFlags uint

// DropUnchecked says that the caller knows that nobody uses the volume.
const DropUnchecked DropFlags = C.MOSAIC_DROP_UNCHECKED

// Drop removes a volume; a missing one is no error. syscall.EBUSY while it is in use, or while others
// are cloned from it and need it.
func (m *Mosaic) Drop(name string, flags DropFlags) error {
	return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_drop(p, name, C.uint(flags), e)
	})
}

// Sync returns when everything done before survives a power cut.
func (m *Mosaic) Sync() error {
	return m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int { return C.mosaic_sync(p, e) })
}

// SetData remembers a value for a volume, durably. Values go with the volume, survive rollback and
// resize, and are not copied to clones and snapshots.
func (m *Mosaic) SetData(name, key string, value []byte) error {
	// never NULL, which would remove
	c := C.malloc(C.size_t(len(value) + 1))
	defer C.free(c)
	copy(unsafe.Slice((*byte)(c), len(value)+1), value)
	return m.two(name, key, func(p *C.struct_mosaic, name, key *C.char, e *C.struct_error) C.int {
		return C.mosaic_set_data(p, name, key, c, C.size_t(len(value)), e)
	})
}

// RemoveData forgets a value.
func (m *Mosaic) RemoveData(name, key string) error {
	return m.two(name, key, func(p *C.struct_mosaic, name, key *C.char, e *C.struct_error) C.int {
		return C.mosaic_set_data(p, name, key, nil, 0, e)
	})
}

// Data is a value; syscall.ENODATA when there is none of that key.
func (m *Mosaic) Data(name, key string) (value []byte, err error) {
	err = m.two(name, key, func(p *C.struct_mosaic, name, key *C.char, e *C.struct_error) C.int {
		var c *C.char
		var n C.size_t
		r := C.mosaic_get_data(p, name, key, &c, &n, e)
		if r >= 0 {
			value = C.GoBytes(unsafe.Pointer(c), C.int(n))
			C.free(unsafe.Pointer(c))
		}
		return r
	})
	return value, err
}

// DataKeys lists the keys that a volume has values for.
func (m *Mosaic) DataKeys(name string) ([]string, error) {
	var list []string
	h := cgo.NewHandle(&list)
	defer h.Delete()
	err := m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.shim_each_data(p, name, C.uintptr_t(h), e)
	})
	return list, err
}
