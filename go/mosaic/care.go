package mosaic

// #include "shim.h"
import "C"

import (
	"runtime/cgo"
	"sync"
)

// Collect removes what dead makers left half-made, and tells how many.
func (m *Mosaic) Collect() (int, error) {
	var n C.uint
	err := m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int { return C.mosaic_collect(p, &n, e) })
	return int(n), err
}

// Leftovers lists what Collect would remove, as places below the location.
func (m *Mosaic) Leftovers() ([]string, error) {
	var list []string
	h := cgo.NewHandle(&list)
	defer h.Delete()
	err := m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.shim_each_leftover(p, C.uintptr_t(h), e)
	})
	return list, err
}

// CheckFlags change what Check does.
type CheckFlags uint

// CheckRepair mends what is wrong, or removes it if it was never finished. A finished volume is never
// removed.
const CheckRepair CheckFlags = C.MOSAIC_CHECK_REPAIR

// A Problem is something that is, or was, wrong.
type Problem struct {
	Where  string // "staging/...", "volumes/NAME", "device ..."
	Text   string
	Mended bool
}

// Check looks at everything: leftovers, volumes that are damaged or whose parent is gone, devices that
// belong to nobody. wrong is how many problems there are still.
func (m *Mosaic) Check(flags CheckFlags) (problems []Problem, wrong int, err error) {
	h := cgo.NewHandle(&problems)
	defer h.Delete()
	var n C.uint
	err = m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.shim_check(p, C.uint(flags), C.uintptr_t(h), &n, e)
	})
	return problems, int(n), err
}

// A LogLevel is how much a line of the log matters.
type LogLevel int

// The levels, the most important first.
const (
	LogError   LogLevel = C.MOSAIC_LOG_ERROR
	LogWarning LogLevel = C.MOSAIC_LOG_WARNING
	LogInfo    LogLevel = C.MOSAIC_LOG_INFO
	LogDebug   LogLevel = C.MOSAIC_LOG_DEBUG
)

var logger struct {
	sync.RWMutex
	fn func(level LogLevel, text string)
}

// SetLog tells fn what the library does, step by step, up to that level. One function for the process;
// nil: none. It must not panic.
func SetLog(fn func(level LogLevel, text string), most LogLevel) {
	logger.Lock()
	defer logger.Unlock()
	logger.fn = fn
	on := C.int(0)
	if fn != nil {
		on = 1
	}
	C.shim_set_log(on, C.enum_mosaic_log_level(most))
}

//export mosaicGoLog
func mosaicGoLog(level C.int, text *C.char) {
	logger.RLock()
	fn := logger.fn
	logger.RUnlock()
	if fn != nil {
		fn(LogLevel(level), C.GoString(text))
	}
}

var copying struct {
	sync.Mutex
	h cgo.Handle // of the last function; 0: none
}

// SetCopyProgress tells fn how far the copying of data is, within Clone, Snapshot and all else that
// copies what it cannot share: the bytes since this call, of a total that is not known (0). An error
// ends the copying with syscall.ECANCELED. One function for the process, to be set while nothing is
// copied; nil: none.
func SetCopyProgress(fn Progress) {
	copying.Lock()
	defer copying.Unlock()
	before := copying.h
	copying.h = 0
	if fn != nil {
		copying.h = cgo.NewHandle(&progress{fn: fn})
	}
	C.shim_set_copy_progress(C.uintptr_t(copying.h))
	if before != 0 {
		before.Delete()
	}
}
