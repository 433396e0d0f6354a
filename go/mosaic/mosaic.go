package mosaic

// #cgo pkg-config: mosaic
// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"strings"
	"sync"
	"syscall"
	"unsafe"
)

// NameMax is how many bytes the name of a volume has at most.
const NameMax = C.MOSAIC_NAME_MAX

// ValueMax is how many bytes a value of private data has at most.
const ValueMax = C.MOSAIC_VALUE_MAX

// A Mosaic is an open mosaic. Close lets go of it.
type Mosaic struct {
	mu sync.Mutex
	p  *C.struct_mosaic
}

// do calls fn with the open mosaic; nobody else uses it meanwhile.
func (m *Mosaic) do(fn func(p *C.struct_mosaic, e *C.struct_error) C.int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.p == nil {
		return local(syscall.EBADF, "the mosaic is closed")
	}
	var e C.struct_error
	return failure(fn(m.p, &e), &e)
}

// named is do for calls that begin with the name of a volume.
func (m *Mosaic) named(name string, fn func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int) error {
	var t texts
	defer t.free()
	c := t.of(name)
	if err := t.check(); err != nil {
		return err
	}
	return m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int { return fn(p, c, e) })
}

// OpenFlags change what opening does.
type OpenFlags uint

// OpenCreate makes a mosaic that is missing.
const OpenCreate OpenFlags = C.MOSAIC_OPEN_CREATE

func opened(fn func(ret **C.struct_mosaic, e *C.struct_error) C.int) (*Mosaic, error) {
	var m Mosaic
	var e C.struct_error
	ret := (**C.struct_mosaic)(C.calloc(1, C.size_t(unsafe.Sizeof(m.p))))
	defer C.free(unsafe.Pointer(ret))
	if err := failure(fn(ret, &e), &e); err != nil {
		return nil, err
	}
	m.p = *ret
	return &m, nil
}

// Open opens the mosaic at location. With OpenCreate a missing one is made, with that driver, or
// with the best that works there when driver is "".
func Open(location, driver string, flags OpenFlags) (*Mosaic, error) {
	var t texts
	defer t.free()
	at, kind := t.of(location), t.orNull(driver)
	if err := t.check(); err != nil {
		return nil, err
	}
	return opened(func(ret **C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_open(ret, at, kind, C.uint(flags), e)
	})
}

// OpenNamed opens what a description describes: a name that is looked for in the mosaic path, the
// path of a .mos file, or, when it is a directory, a location.
func OpenNamed(what string, flags OpenFlags) (*Mosaic, error) {
	var t texts
	defer t.free()
	word := t.of(what)
	if err := t.check(); err != nil {
		return nil, err
	}
	return opened(func(ret **C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_open_named(ret, word, C.uint(flags), e)
	})
}

// OpenConfig opens what a description says.
func OpenConfig(config *Config, flags OpenFlags) (*Mosaic, error) {
	var t texts
	defer t.free()
	c := config.c(&t)
	if err := t.check(); err != nil {
		return nil, err
	}
	return opened(func(ret **C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_open_config(ret, c, C.uint(flags), e)
	})
}

// Close lets go of the locks of what this process has mounted and attached with m; mounts that are
// in use stay. Closing twice is no error.
func (m *Mosaic) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	C.mosaic_close(m.p)
	m.p = nil
	return nil
}

// text is a word that an open mosaic has; "" for a closed one.
func (m *Mosaic) text(fn func(p *C.struct_mosaic) *C.char) (s string) {
	_ = m.do(func(p *C.struct_mosaic, _ *C.struct_error) C.int {
		s = C.GoString(fn(p))
		return 0
	})
	return s
}

// Type is the name of the driver.
func (m *Mosaic) Type() string {
	return m.text(func(p *C.struct_mosaic) *C.char { return C.mosaic_type(p) })
}

// Location is the directory that the mosaic is in.
func (m *Mosaic) Location() string {
	return m.text(func(p *C.struct_mosaic) *C.char { return C.mosaic_location(p) })
}

// ID is the mosaic's identity; "" for one made before there were any.
func (m *Mosaic) ID() string {
	return m.text(func(p *C.struct_mosaic) *C.char { return C.mosaic_id(p) })
}

// Features are what a driver can do, as it works at a location.
type Features uint32

// The features.
const (
	FeatureClone        Features = C.MOSAIC_CLONE         // clones share data with what they come from
	FeatureSnapshot     Features = C.MOSAIC_SNAPSHOT      // and snapshots too
	FeatureRaw          Features = C.MOSAIC_RAW           // volumes without a file system
	FeatureDevice       Features = C.MOSAIC_DEVICE        // volumes can be had as block devices
	FeatureResizeUp     Features = C.MOSAIC_RESIZE_UP     // volumes can grow
	FeatureResizeDown   Features = C.MOSAIC_RESIZE_DOWN   // and shrink
	FeatureQuota        Features = C.MOSAIC_QUOTA         // a volume's size limits what it can hold
	FeatureSend         Features = C.MOSAIC_SEND          // a native stream between two mosaics of this driver
	FeatureSnapshotSet  Features = C.MOSAIC_SNAPSHOT_SET  // snapshots of several volumes in use are of one instant
	FeatureSnapshotLive Features = C.MOSAIC_SNAPSHOT_LIVE // a volume in use can be cloned and snapshotted
	FeatureExclusive    Features = C.MOSAIC_EXCLUSIVE     // Usage tells exclusive from shared bytes
)

// Has tells whether all of these are there.
func (f Features) Has(all Features) bool { return f&all == all }

// String is the words of the features, with commas between.
func (f Features) String() string {
	var words []string
	for bit := Features(1); bit != 0 && bit <= f; bit <<= 1 {
		if f&bit == 0 {
			continue
		}
		if word := C.mosaic_feature_name(C.uint32_t(bit)); word != nil {
			words = append(words, C.GoString(word))
		}
	}
	return strings.Join(words, ",")
}

// Features are what the driver can do here; none when m is closed.
func (m *Mosaic) Features() (f Features) {
	_ = m.do(func(p *C.struct_mosaic, _ *C.struct_error) C.int {
		f = Features(C.mosaic_features(p))
		return 0
	})
	return f
}

// Limits are how much a mosaic can hold.
type Limits struct {
	SizeMin, SizeMax uint64   // bytes of a volume; 0, 0: volumes have no size
	MaxVolumes       uint64   // 0: what the file system can hold
	MaxSnapshots     uint64   // of one volume; 0: as many as volumes
	Total, Available uint64   // bytes of the storage
	Filesystems      []string // what volumes can be made with, the default first; none: what the mosaic is on
}

// Limits tells how much the mosaic can hold.
func (m *Mosaic) Limits() (l Limits, err error) {
	var c C.struct_mosaic_limits
	err = m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		r := C.mosaic_limits(p, &c, e)
		if r < 0 {
			return r
		}
		l = Limits{
			SizeMin: uint64(c.size_min), SizeMax: uint64(c.size_max),
			MaxVolumes: uint64(c.max_volumes), MaxSnapshots: uint64(c.max_snapshots),
			Total: uint64(c.total), Available: uint64(c.available),
		}
		if c.filesystems != nil {
			for _, fs := range unsafe.Slice(c.filesystems, 64) {
				if fs == nil {
					break
				}
				l.Filesystems = append(l.Filesystems, C.GoString(fs))
			}
		}
		return r
	})
	return l, err
}
