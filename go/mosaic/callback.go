package mosaic

// #include "shim.h"
import "C"

import (
	"errors"
	"runtime/cgo"
	"syscall"
)

// A guard keeps a panic of a Go function from unwinding C's frames, whose locks and descriptors
// would stay: C sees an error, and the panic goes on where C was called.
type guard struct {
	panicked bool
	value    any
}

// run calls fn. It returns ECANCELED, negative, when fn panicked.
func (g *guard) run(fn func() C.int) (r C.int) {
	defer func() {
		if v := recover(); v != nil {
			g.panicked, g.value = true, v
			r = -C.int(syscall.ECANCELED)
		}
	}()
	return fn()
}

// rethrow panics if a function did.
func (g *guard) rethrow() {
	if g.panicked {
		panic(g.value)
	}
}

// A Progress is told how far long work is: bytes of a total, which is 0 when it is not known. An
// error ends the work, whose own error is then that one; when the work was done it is too late.
type Progress func(done, total uint64) error

type progress struct {
	guard
	fn  Progress
	err error
}

// A Quiesce makes whoever writes stand still while snapshots of several volumes are taken.
type Quiesce struct {
	Quiesce func() error
	Resume  func()
}

type quiesce struct {
	guard
	Quiesce
	err error
}

//export mosaicGoVolume
func mosaicGoVolume(v *C.struct_mosaic_volume, h C.uintptr_t) C.int {
	list := cgo.Handle(h).Value().(*[]Volume)
	*list = append(*list, volumeOf(v))
	return 0
}

//export mosaicGoMountPoint
func mosaicGoMountPoint(p *C.struct_mosaic_mount_point, h C.uintptr_t) C.int {
	list := cgo.Handle(h).Value().(*[]MountPoint)
	*list = append(*list, MountPoint{
		Path:     C.GoString(p.path),
		Here:     bool(p.here),
		PID:      int(p.pid),
		ReadOnly: bool(p.read_only),
	})
	return 0
}

//export mosaicGoWord
func mosaicGoWord(word *C.char, h C.uintptr_t) C.int {
	list := cgo.Handle(h).Value().(*[]string)
	*list = append(*list, C.GoString(word))
	return 0
}

//export mosaicGoProblem
func mosaicGoProblem(p *C.struct_mosaic_problem, h C.uintptr_t) C.int {
	list := cgo.Handle(h).Value().(*[]Problem)
	*list = append(*list, Problem{
		Where:  C.GoString(p.where),
		Text:   C.GoString(p.text),
		Mended: bool(p.mended),
	})
	return 0
}

//export mosaicGoProgress
func mosaicGoProgress(done, total C.uint64_t, h C.uintptr_t) C.int {
	p := cgo.Handle(h).Value().(*progress)
	return p.run(func() C.int {
		if err := p.fn(uint64(done), uint64(total)); err != nil {
			p.err = err
			return 1
		}
		return 0
	})
}

//export mosaicGoQuiesce
func mosaicGoQuiesce(e *C.struct_error, h C.uintptr_t) C.int {
	q := cgo.Handle(h).Value().(*quiesce)
	return q.run(func() C.int {
		if q.Quiesce.Quiesce == nil {
			return 0
		}
		err := q.Quiesce.Quiesce()
		if err == nil {
			return 0
		}
		q.err = err
		errno := syscall.ECANCELED
		_ = errors.As(err, &errno)
		e.code = -C.int(errno)
		return e.code
	})
}

//export mosaicGoResume
func mosaicGoResume(h C.uintptr_t) {
	q := cgo.Handle(h).Value().(*quiesce)
	q.run(func() C.int {
		if q.Resume != nil {
			q.Resume()
		}
		return 0
	})
}
