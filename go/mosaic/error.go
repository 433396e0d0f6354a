package mosaic

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"strings"
	"syscall"
	"unsafe"
)

// An Error is what a failed call tells.
type Error struct {
	Step   string        // what was being done; may be empty
	Object string        // what it was done to; may be empty
	Text   string        // the sentence, with the remedy where there is one
	Errno  syscall.Errno // errors.Is finds it
	line   string
}

// Error is the whole on one line: "step object: sentence".
func (e *Error) Error() string {
	if e.line == "" {
		return e.Text
	}
	return e.line
}

// Unwrap makes errors.Is(err, syscall.ENOENT) and errors.Is(err, fs.ErrNotExist) work.
func (e *Error) Unwrap() error { return e.Errno }

const errorLine = 1024

// failure is the error of a call that returned r, or nil when it did not fail.
func failure(r C.int, e *C.struct_error) error {
	if r >= 0 {
		return nil
	}
	var line [errorLine]C.char
	C.mosaic_error_format(e, &line[0], C.size_t(len(line)))
	return &Error{
		Step:   C.GoString(&e.step[0]),
		Object: C.GoString(&e.object[0]),
		Text:   C.GoString(&e.text[0]),
		Errno:  syscall.Errno(-r),
		line:   C.GoString(&line[0]),
	}
}

// local is an error of this package's own.
func local(errno syscall.Errno, text string) error {
	return &Error{Text: text, Errno: errno}
}

// texts are C strings for the time of one call. They are freed together; an empty one can be NULL.
type texts struct {
	all []unsafe.Pointer
	bad bool
}

// of is s for C. What C would cut at a NUL makes check fail.
func (t *texts) of(s string) *C.char {
	if strings.IndexByte(s, 0) >= 0 {
		t.bad = true
		s = ""
	}
	c := C.CString(s)
	t.all = append(t.all, unsafe.Pointer(c))
	return c
}

// orNull is NULL for what was not given.
func (t *texts) orNull(s string) *C.char {
	if s == "" {
		return nil
	}
	return t.of(s)
}

// memory is n bytes of C's, freed with the strings.
func (t *texts) memory(n C.size_t) unsafe.Pointer {
	p := C.calloc(1, n)
	t.all = append(t.all, p)
	return p
}

func (t *texts) check() error {
	if t.bad {
		return local(syscall.EINVAL, "a word has a NUL byte in it")
	}
	return nil
}

func (t *texts) free() {
	for _, p := range t.all {
		C.free(p)
	}
	t.all = nil
}
