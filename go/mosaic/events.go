package mosaic

// #include <stdlib.h>
// #include "shim.h"
import "C"

import (
	"context"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

// An EventKind is what happened to a volume.
type EventKind int

// What happens.
const (
	EventCreate   EventKind = C.MOSAIC_EVENT_CREATE
	EventCommit   EventKind = C.MOSAIC_EVENT_COMMIT
	EventClone    EventKind = C.MOSAIC_EVENT_CLONE    // Other: from
	EventSnapshot EventKind = C.MOSAIC_EVENT_SNAPSHOT // Other: from
	EventRollback EventKind = C.MOSAIC_EVENT_ROLLBACK // Other: snapshot
	EventResize   EventKind = C.MOSAIC_EVENT_RESIZE   // Other: bytes, decimal
	EventDrop     EventKind = C.MOSAIC_EVENT_DROP
	EventMount    EventKind = C.MOSAIC_EVENT_MOUNT  // Other: path, "" when detached
	EventUmount   EventKind = C.MOSAIC_EVENT_UMOUNT // Other: path
	EventAttach   EventKind = C.MOSAIC_EVENT_ATTACH // Other: device
	EventDetach   EventKind = C.MOSAIC_EVENT_DETACH
	EventSend     EventKind = C.MOSAIC_EVENT_SEND
	EventReceive  EventKind = C.MOSAIC_EVENT_RECEIVE
)

// String is the kind's word: "create".
func (k EventKind) String() string {
	word := C.mosaic_event_name(C.enum_mosaic_event_kind(k))
	if word == nil {
		return "unknown"
	}
	return C.GoString(word)
}

// An Event is something that happened to a volume.
type Event struct {
	Time   time.Time
	Kind   EventKind
	PID    int // who did it
	Volume string
	Other  string // what else belongs to it, by kind
}

// EventsFlags change what is followed.
type EventsFlags uint

// EventsAll gives also what is remembered from before.
const EventsAll EventsFlags = C.MOSAIC_EVENTS_ALL

// Events follow what happens in a mosaic. Close lets go of them; they outlive the mosaic's Close.
type Events struct {
	mu   sync.Mutex
	c    *C.struct_mosaic_events
	wake *os.File // the same descriptor, for Go's poller
}

// Events follows what happens from now on, or with EventsAll also what is remembered.
func (m *Mosaic) Events(flags EventsFlags) (*Events, error) {
	ret := (**C.struct_mosaic_events)(C.calloc(1, C.size_t(unsafe.Sizeof((*C.struct_mosaic_events)(nil)))))
	defer C.free(unsafe.Pointer(ret))
	err := m.do(func(p *C.struct_mosaic, e *C.struct_error) C.int {
		return C.mosaic_events_open(p, C.uint(flags), ret, e)
	})
	if err != nil {
		return nil, err
	}
	fd, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(C.mosaic_events_fd(*ret)), syscall.F_DUPFD_CLOEXEC, 0)
	if errno != 0 {
		C.mosaic_events_close(*ret)
		return nil, errno
	}
	return &Events{c: *ret, wake: os.NewFile(fd, "events")}, nil
}

// Next is the next event; ok is false when there is none now. syscall.EOVERFLOW: some were lost, for
// they were not read for too long; the next call goes on.
func (e *Events) Next() (event Event, ok bool, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c == nil {
		return event, false, local(syscall.EBADF, "the events are closed")
	}
	var c C.struct_mosaic_event
	var ce C.struct_error
	r := C.mosaic_events_next(e.c, &c, &ce)
	if r <= 0 {
		return event, false, failure(r, &ce)
	}
	return Event{
		Time: time.Unix(0, int64(c.time_ns)), Kind: EventKind(c.kind), PID: int(c.pid),
		Volume: C.GoString(&c.volume[0]), Other: C.GoString(&c.other[0]),
	}, true, nil
}

// Wait is the next event, waited for until the context ends. Not for several goroutines at once.
func (e *Events) Wait(ctx context.Context) (event Event, err error) {
	conn, err := e.wake.SyscallConn()
	if err != nil {
		return event, err
	}
	// what a context before this one left
	if err := e.wake.SetReadDeadline(time.Time{}); err != nil {
		return event, err
	}
	done := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-ctx.Done():
			_ = e.wake.SetReadDeadline(time.Now())
		case <-done:
		}
	}()
	defer func() { close(done); <-ended }()
	var ok bool
	waited := conn.Read(func(uintptr) bool {
		event, ok, err = e.Next()
		return ok || err != nil
	})
	if ctx.Err() != nil && !ok {
		return event, ctx.Err()
	}
	if waited != nil && !ok && err == nil {
		err = waited
	}
	return event, err
}

// Close ends the following. Closing twice is no error.
func (e *Events) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.c != nil {
		C.mosaic_events_close(e.c)
		e.c = nil
		e.wake.Close()
	}
	return nil
}
