package mosaic

// #include "shim.h"
import "C"

import (
	"io"
	"os"
	"runtime/cgo"
)

// SendFlags change what Send does.
type SendFlags uint

// SendPortable sends the portable stream though the driver has one of its own.
const SendPortable SendFlags = C.MOSAIC_SEND_PORTABLE

// SendOptions say what of a volume is sent.
type SendOptions struct {
	Since    string // a snapshot from which the volume descends; "": everything
	Resume   string // the token of the other end; "": from the beginning
	Flags    SendFlags
	Progress Progress // may be nil
}

// told runs fn with the progress in *c, and returns what fn or the function that was told failed with.
func told(fn Progress, c *C.struct_mosaic_progress, run func() error) error {
	if fn == nil {
		return run()
	}
	state := progress{fn: fn}
	h := cgo.NewHandle(&state)
	defer h.Delete()
	C.shim_progress(c, C.uintptr_t(h))
	err := run()
	state.rethrow()
	if err != nil && state.err != nil {
		return state.err
	}
	return err
}

// Send writes the volume as a stream: a snapshot, or one that nobody writes to. how may be nil. A
// *os.File is written to as it is, everything else through a pipe.
func (m *Mosaic) Send(name string, w io.Writer, how *SendOptions) error {
	if how == nil {
		how = &SendOptions{}
	}
	if file, ok := w.(*os.File); ok {
		return m.send(name, file, how)
	}
	r, end, err := os.Pipe()
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		_, err := io.Copy(w, r)
		r.Close() // whoever writes still is told
		copied <- err
	}()
	err = m.send(name, end, how)
	end.Close()
	if failed := <-copied; failed != nil {
		return failed
	}
	return err
}

func (m *Mosaic) send(name string, file *os.File, how *SendOptions) error {
	var t texts
	defer t.free()
	// C's memory: it is given a handle
	c := (*C.struct_mosaic_send)(t.memory(C.sizeof_struct_mosaic_send))
	c.since, c.resume, c.flags = t.orNull(how.Since), t.orNull(how.Resume), C.uint(how.Flags)
	if err := t.check(); err != nil {
		return err
	}
	return told(how.Progress, &c.progress, func() error {
		return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
			return C.mosaic_send(p, name, c, C.int(file.Fd()), e)
		})
	})
}

// ReceiveFlags change what Receive does.
type ReceiveFlags uint

// ReceiveWritable makes a writable volume, no snapshot.
const ReceiveWritable ReceiveFlags = C.MOSAIC_RECEIVE_WRITABLE

// ReceiveOptions say what is made of a stream.
type ReceiveOptions struct {
	Flags    ReceiveFlags
	Size     uint64 // of the volume to be made; 0: as the sender's, where sizes are needed
	FS       string // as in CreateOptions
	Progress Progress
}

// Receive makes the volume name of a stream: whole and durable, or not there. What came of a stream
// that broke off is kept for a resumed one (ReceiveState). how may be nil. A *os.File is read as it
// is; everything else goes through a pipe, and may be read past the end of the stream.
func (m *Mosaic) Receive(name string, r io.Reader, how *ReceiveOptions) error {
	if how == nil {
		how = &ReceiveOptions{}
	}
	if file, ok := r.(*os.File); ok {
		return m.receive(name, file, how)
	}
	end, w, err := os.Pipe()
	if err != nil {
		return err
	}
	copied := make(chan error, 1)
	go func() {
		source := &source{r: r}
		_, _ = io.Copy(w, source) // the receiver says better what is missing
		w.Close()
		copied <- source.err
	}()
	err = m.receive(name, end, how)
	end.Close()
	if failed := <-copied; err != nil && failed != nil {
		return failed
	}
	return err
}

// A source remembers what its reader failed with.
type source struct {
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

func (m *Mosaic) receive(name string, file *os.File, how *ReceiveOptions) error {
	var t texts
	defer t.free()
	c := (*C.struct_mosaic_receive)(t.memory(C.sizeof_struct_mosaic_receive))
	c.flags, c.size, c.fs = C.uint(how.Flags), C.uint64_t(how.Size), t.orNull(how.FS)
	if err := t.check(); err != nil {
		return err
	}
	return told(how.Progress, &c.progress, func() error {
		return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
			return C.mosaic_receive(p, name, c, C.int(file.Fd()), e)
		})
	})
}

// ReceiveState tells how far a broken-off stream for name came: a token for SendOptions.Resume, or
// "" when there is none.
func (m *Mosaic) ReceiveState(name string) (token string, err error) {
	var c [C.MOSAIC_TOKEN_MAX]C.char
	err = m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		r := C.mosaic_receive_state(p, name, &c[0], e)
		if r == C.MOSAIC_NO_STATE {
			c[0] = 0
		}
		return r
	})
	if err != nil {
		return "", err
	}
	return C.GoString(&c[0]), nil
}

// ReceiveForget removes what was received of a broken-off stream.
func (m *Mosaic) ReceiveForget(name string) error {
	return m.named(name, func(p *C.struct_mosaic, name *C.char, e *C.struct_error) C.int {
		return C.mosaic_receive_forget(p, name, e)
	})
}
