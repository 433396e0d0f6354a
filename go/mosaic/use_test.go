package mosaic_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"carob/mosaic"
)

func TestWhatItIs(t *testing.T) {
	m := open(t)
	config, err := mosaic.ReadConfig(os.Getenv(variable))
	ok(t, err)
	need(t, m.Type() == config.Type && m.Location() == config.Location, "%s at %s, not %+v", m.Type(), m.Location(), config)
	need(t, len(m.ID()) == 32, "%q", m.ID())
	other, err := mosaic.OpenConfig(config, 0)
	ok(t, err)
	defer other.Close()
	need(t, other.ID() == m.ID() && other.Features() == m.Features(), "another mosaic")
	need(t, mosaic.Features(mosaic.FeatureClone|mosaic.FeatureResizeUp).String() == "clone,resize-up", "%v", m.Features())
	t.Logf("%s can %v", m.Type(), m.Features())
}

func TestErrors(t *testing.T) {
	_, err := mosaic.Open(filepath.Join(t.TempDir(), "none"), "", 0)
	fails(t, err, syscall.ENOENT)
	need(t, errors.Is(err, fs.ErrNotExist), "%v", err)
	_, err = mosaic.Open(t.TempDir(), "cloud", mosaic.OpenCreate)
	fails(t, err, syscall.EINVAL)
	need(t, strings.Contains(err.Error(), "plain"), "it does not say which there are: %v", err)
	_, err = mosaic.Open("a\x00b", "", 0)
	fails(t, err, syscall.EINVAL)
	file := filepath.Join(t.TempDir(), "bad.mos")
	ok(t, os.WriteFile(file, []byte("type: plain\nlocation: /x\ncolour: red\n"), 0o600))
	_, err = mosaic.ReadConfig(file)
	need(t, err != nil && strings.Contains(err.Error(), "colour") && strings.Contains(err.Error(), "line 3"), "%v", err)
	m, err := mosaic.Open(t.TempDir(), "plain", mosaic.OpenCreate)
	ok(t, err)
	ok(t, m.Close())
	ok(t, m.Close())
	fails(t, m.Create("v", nil), syscall.EBADF)
	need(t, m.Type() == "" && !m.Have("v"), "a closed mosaic answers")
}

func TestMountTwice(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	one, err := m.Mount("v", nil)
	ok(t, err)
	defer one.Close()
	two, err := m.Mount("v", nil)
	ok(t, err)
	defer two.Close()
	ro, err := m.Mount("v", &mosaic.MountOptions{Flags: mosaic.MountReadOnly})
	ok(t, err)
	defer ro.Close()
	ok(t, os.WriteFile(below(one, "x"), []byte("1"), 0o600))
	for _, dir := range []*os.File{two, ro} {
		got, err := os.ReadFile(below(dir, "x"))
		ok(t, err)
		need(t, string(got) == "1", "%q", got)
	}
	need(t, errors.Is(os.WriteFile(below(ro, "y"), nil, 0o600), syscall.EROFS), "a read-only mount is not")
	_, err = m.Mount("w", nil)
	fails(t, err, syscall.ENOENT)
}

func TestMountPoints(t *testing.T) {
	m := open(t)
	at := filepath.Join(t.TempDir(), "a b")
	ok(t, os.Mkdir(at, 0o755))
	ok(t, m.Create("v", nil))
	ok(t, m.Create("w", nil))
	is, err := m.IsMounted("v")
	need(t, err == nil && !is, "%v %v", is, err)
	fails(t, m.Umount("v", at), syscall.EINVAL)
	ok(t, m.MountAt("v", at, nil))
	defer syscall.Unmount(at, syscall.MNT_DETACH)
	is, err = m.IsMounted("v")
	need(t, err == nil && is, "%v %v", is, err)
	is, err = m.IsUsed("v")
	need(t, err == nil && is, "%v %v", is, err)
	is, err = m.IsMounted("w")
	need(t, err == nil && !is, "%v %v", is, err)
	points, err := m.MountPoints("v")
	ok(t, err)
	need(t, len(points) == 1 && points[0].Here && !points[0].ReadOnly && points[0].Path == at && points[0].PID > 0, "%+v", points)
	fails(t, m.Drop("v", 0), syscall.EBUSY)
	fails(t, m.Umount("w", at), syscall.EINVAL)
	inside, err := os.Open(at)
	ok(t, err)
	fails(t, m.Umount("v", at), syscall.EBUSY)
	inside.Close()
	ok(t, m.Umount("v", at))
	ok(t, m.MountAt("v", at, &mosaic.MountOptions{Flags: mosaic.MountReadOnly}))
	points, err = m.MountPoints("v")
	ok(t, err)
	need(t, len(points) == 1 && points[0].ReadOnly, "%+v", points)
	ok(t, m.Umount("", at))
	fails(t, m.Umount("", at), syscall.EINVAL)
}

func TestMountAttributes(t *testing.T) {
	const attrNoExec = 8
	m := open(t)
	ok(t, m.Create("v", nil))
	root, err := m.Mount("v", &mosaic.MountOptions{Attributes: attrNoExec})
	ok(t, err)
	defer root.Close()
	var st syscall.Statfs_t
	ok(t, syscall.Fstatfs(int(root.Fd()), &st))
	need(t, st.Flags&attrNoExec != 0, "flags %#x", st.Flags)
}

func TestMetadata(t *testing.T) {
	m := open(t)
	root, err := m.MountMetadata(nil)
	ok(t, err)
	defer root.Close()
	ok(t, os.WriteFile(below(root, "note"), []byte("mine"), 0o600))
	again, err := m.MountMetadata(&mosaic.MountOptions{Flags: mosaic.MountReadOnly})
	ok(t, err)
	defer again.Close()
	got, err := os.ReadFile(below(again, "note"))
	ok(t, err)
	need(t, string(got) == "mine", "%q", got)
	need(t, errors.Is(os.Remove(below(again, "note")), syscall.EROFS), "a read-only mount is not")
	ok(t, os.Remove(below(root, "note")))
}

func TestDevices(t *testing.T) {
	m := open(t)
	if !m.Features().Has(mosaic.FeatureDevice) {
		ok(t, m.Create("v", nil))
		_, err := m.Attach("v", 0)
		fails(t, err, syscall.EOPNOTSUPP)
		fails(t, m.Create("raw", &mosaic.CreateOptions{Raw: true}), syscall.EOPNOTSUPP)
	}
	needFeatures(t, m, mosaic.FeatureDevice|mosaic.FeatureRaw)
	ok(t, m.Create("raw", &mosaic.CreateOptions{Raw: true, Size: 64 << 20}))
	_, err := m.Mount("raw", nil)
	fails(t, err, syscall.EOPNOTSUPP)
	device, err := m.Device("raw")
	need(t, err == nil && device == "", "%q %v", device, err)
	fails(t, m.Detach("raw"), syscall.EINVAL)
	device, err = m.Attach("raw", 0)
	ok(t, err)
	f, err := os.OpenFile(device, os.O_RDWR, 0)
	ok(t, err)
	_, err = f.WriteAt([]byte("raw bytes"), 4096)
	ok(t, err)
	ok(t, f.Sync())
	ok(t, f.Close())
	up, err := m.Device("raw")
	need(t, err == nil && up == device, "%q, not %q: %v", up, device, err)
	used, err := m.IsUsed("raw")
	need(t, err == nil && used, "%v %v", used, err)
	ok(t, m.Detach("raw"))
	device, err = m.Attach("raw", mosaic.AttachReadOnly)
	ok(t, err)
	got := make([]byte, 9)
	f, err = os.Open(device)
	ok(t, err)
	_, err = f.ReadAt(got, 4096)
	ok(t, err)
	ok(t, f.Close())
	need(t, string(got) == "raw bytes", "%q", got)
	ok(t, m.Detach("raw"))
}

func TestEvents(t *testing.T) {
	m := open(t)
	events, err := m.Events(0)
	ok(t, err)
	defer events.Close()
	_, more, err := events.Next()
	need(t, err == nil && !more, "there is one at once: %v", err)
	ok(t, m.Create("v", nil))
	ok(t, m.Snapshot("s", "v"))
	ok(t, m.Rollback("v", "s"))
	ok(t, m.Drop("v", 0))
	for _, want := range []mosaic.Event{
		{Kind: mosaic.EventCreate, Volume: "v"},
		{Kind: mosaic.EventSnapshot, Volume: "s", Other: "v"},
		{Kind: mosaic.EventRollback, Volume: "v", Other: "s"},
		{Kind: mosaic.EventDrop, Volume: "v"},
	} {
		e, more, err := events.Next()
		ok(t, err)
		need(t, more, "no event %v", want.Kind)
		need(t, e.Kind == want.Kind && e.Volume == want.Volume && e.Other == want.Other && e.PID == os.Getpid(), "%+v, not %+v", e, want)
		need(t, time.Since(e.Time) < time.Minute, "at %v", e.Time)
	}
	need(t, mosaic.EventCreate.String() == "create" && mosaic.EventKind(99).String() == "unknown", "words")
}

func TestEventsWait(t *testing.T) {
	m := open(t)
	events, err := m.Events(0)
	ok(t, err)
	short, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = events.Wait(short)
	need(t, errors.Is(err, context.DeadlineExceeded), "%v", err)
	for _, name := range []string{"v1", "v2", "v3"} {
		go func() {
			time.Sleep(20 * time.Millisecond)
			if err := m.Create(name, nil); err != nil {
				t.Error(err)
			}
		}()
		long, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		e, err := events.Wait(long)
		cancel()
		ok(t, err)
		need(t, e.Kind == mosaic.EventCreate && e.Volume == name, "%+v", e)
	}
	ok(t, events.Close())
	ok(t, events.Close())
	_, _, err = events.Next()
	fails(t, err, syscall.EBADF)
	all, err := m.Events(mosaic.EventsAll)
	ok(t, err)
	defer all.Close()
	found := false
	for {
		e, more, err := all.Next()
		ok(t, err)
		if !more {
			break
		}
		found = found || e.Volume == "v2"
	}
	need(t, found, "what was is not remembered")
}

func TestLog(t *testing.T) {
	m := open(t)
	var mu sync.Mutex
	var lines []string
	mosaic.SetLog(func(level mosaic.LogLevel, text string) {
		mu.Lock()
		defer mu.Unlock()
		if level < mosaic.LogError || level > mosaic.LogInfo {
			t.Errorf("%d %q", level, text)
		}
		lines = append(lines, text)
	}, mosaic.LogInfo)
	defer mosaic.SetLog(nil, 0)
	leave := func() {
		ok(t, os.Mkdir(filepath.Join(m.Location(), "staging", "dead"), 0o700))
		_, _, err := m.Check(mosaic.CheckRepair)
		ok(t, err)
	}
	leave()
	mu.Lock()
	said := len(lines)
	need(t, said > 0 && strings.Contains(lines[said-1], "staging/dead"), "%q", lines)
	mu.Unlock()
	mosaic.SetLog(nil, 0)
	leave()
	need(t, len(lines) == said, "it goes on after nil: %q", lines)
}

func TestCopyProgress(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	put(t, "v", "large", strings.Repeat("x", 4<<20))
	var last uint64
	mosaic.SetCopyProgress(func(done, total uint64) error { last = done; return nil })
	defer mosaic.SetCopyProgress(nil)
	ok(t, m.Clone("c", "v"))
	if !m.Features().Has(mosaic.FeatureClone) {
		need(t, last > 0, "nothing was told")
	}
	mosaic.SetCopyProgress(nil)
	last = 0
	ok(t, m.Clone("d", "v"))
	need(t, last == 0, "it goes on after nil")
}

func TestCheck(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	problems, wrong, err := m.Check(mosaic.CheckRepair)
	ok(t, err)
	need(t, len(problems) == 0 && wrong == 0, "%+v", problems)
	// what a maker that died left
	dir := filepath.Join(m.Location(), "staging", "dead")
	ok(t, os.Mkdir(dir, 0o700))
	problems, wrong, err = m.Check(0)
	ok(t, err)
	need(t, len(problems) == 1 && wrong == 1 && !problems[0].Mended && strings.Contains(problems[0].Where, "dead"), "%+v %d", problems, wrong)
	list, err := m.Leftovers()
	ok(t, err)
	need(t, len(list) == 1 && list[0] == "staging/dead", "%q", list)
	problems, wrong, err = m.Check(mosaic.CheckRepair)
	ok(t, err)
	need(t, len(problems) == 1 && wrong == 0 && problems[0].Mended, "%+v %d", problems, wrong)
	ok(t, os.Mkdir(dir, 0o700))
	n, err := m.Collect()
	need(t, err == nil && n == 1, "%d %v", n, err)
	need(t, m.Have("v"), "v has gone")
}
