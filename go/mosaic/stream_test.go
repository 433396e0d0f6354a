package mosaic_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"carob/mosaic"
)

// filled makes a volume and a snapshot of it.
func filled(t *testing.T, m *mosaic.Mosaic, name, snapshot string) {
	t.Helper()
	ok(t, m.Create(name, nil))
	in(t, os.Getenv(variable), name, 0, func(dir string) { fill(t, dir) })
	ok(t, m.Snapshot(snapshot, name))
}

var portable = mosaic.SendOptions{Flags: mosaic.SendPortable}

func TestSend(t *testing.T) {
	m := open(t)
	there, what := plain(t)
	filled(t, m, "v", "s")
	was := here(t, "s")
	var stream bytes.Buffer
	ok(t, m.Send("s", &stream, &portable))
	ok(t, there.Receive("r", bytes.NewReader(stream.Bytes()), nil))
	need(t, describe(t, what, "r") == was, "it has changed on the way")
	fails(t, there.Receive("r", bytes.NewReader(stream.Bytes()), nil), syscall.EEXIST)
	// back, through files
	file, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	ok(t, err)
	defer file.Close()
	ok(t, there.Send("r", file, nil))
	_, err = file.Seek(0, 0)
	ok(t, err)
	ok(t, m.Receive("back", file, &mosaic.ReceiveOptions{Flags: mosaic.ReceiveWritable}))
	need(t, here(t, "back") == was, "it has changed on the way back")
	put(t, "back", "writable", "yes")
	fails(t, m.Send("none", &stream, nil), syscall.ENOENT)
}

func TestSendNative(t *testing.T) {
	m := open(t)
	needFeatures(t, m, mosaic.FeatureSend)
	filled(t, m, "v", "s")
	var stream bytes.Buffer
	ok(t, m.Send("s", &stream, nil))
	ok(t, m.Receive("r", &stream, nil))
	need(t, here(t, "r") == here(t, "s"), "it has changed on the way")
}

func TestSendIncrement(t *testing.T) {
	m := open(t)
	there, what := plain(t)
	filled(t, m, "v", "s0")
	var full, part bytes.Buffer
	ok(t, m.Send("s0", &full, &portable))
	length := full.Len()
	ok(t, there.Receive("s0", &full, nil))
	in(t, os.Getenv(variable), "v", 0, func(dir string) {
		ok(t, os.WriteFile(dir+"d/file", []byte("changed\n"), 0o644))
		ok(t, os.Remove(dir+"link"))
		ok(t, os.Mkdir(dir+"link", 0o755))
	})
	ok(t, m.Snapshot("s1", "v"))
	ok(t, m.Send("s1", &part, &mosaic.SendOptions{Since: "s0", Flags: mosaic.SendPortable}))
	need(t, part.Len() < length/4, "an increment takes %d of %d bytes", part.Len(), length)
	stream := part.Bytes()
	empty, _ := plain(t)
	fails(t, empty.Receive("s1", bytes.NewReader(stream), nil), syscall.ENOENT)
	ok(t, there.Receive("s1", bytes.NewReader(stream), nil))
	need(t, describe(t, what, "s1") == here(t, "s1"), "it has changed on the way")
}

func TestSendResume(t *testing.T) {
	m := open(t)
	there, what := plain(t)
	ok(t, m.Create("v", nil))
	content := bytes.Repeat([]byte("a line that is there many times\n"), 1<<19)
	for i := 0; i < len(content); i += 4096 { // no two blocks alike
		content[i], content[i+1], content[i+2] = byte(i>>12), byte(i>>20), 1
	}
	in(t, os.Getenv(variable), "v", 0, func(dir string) { ok(t, os.WriteFile(dir+"large", content, 0o600)) })
	ok(t, m.Snapshot("s", "v"))
	var whole, rest bytes.Buffer
	ok(t, m.Send("s", &whole, &portable))
	token, err := there.ReceiveState("r")
	need(t, err == nil && token == "", "%q %v", token, err)
	length := whole.Len()
	err = there.Receive("r", bytes.NewReader(whole.Bytes()[:length*2/3]), nil)
	need(t, err != nil && !there.Have("r"), "two thirds are enough")
	token, err = there.ReceiveState("r")
	need(t, err == nil && token != "", "%q %v", token, err)
	ok(t, m.Send("s", &rest, &mosaic.SendOptions{Resume: token, Flags: mosaic.SendPortable}))
	need(t, rest.Len() < length*2/3, "the rest has %d bytes of %d", rest.Len(), length)
	ok(t, there.Receive("r", &rest, nil))
	need(t, describe(t, what, "r") == here(t, "s"), "it has changed on the way")
	err = there.Receive("q", bytes.NewReader(whole.Bytes()[:length/2]), nil)
	need(t, err != nil, "half is enough")
	ok(t, there.ReceiveForget("q"))
	token, err = there.ReceiveState("q")
	need(t, err == nil && token == "", "%q %v", token, err)
}

func TestSendDamaged(t *testing.T) {
	m := open(t)
	there, _ := plain(t)
	filled(t, m, "v", "s")
	var stream bytes.Buffer
	ok(t, m.Send("s", &stream, &portable))
	for i := 1; i < 10; i++ {
		bad := append([]byte(nil), stream.Bytes()...)
		bad[len(bad)*i/10] ^= 0x20
		fails(t, there.Receive("bad", bytes.NewReader(bad), nil), syscall.EBADMSG)
		ok(t, there.ReceiveForget("bad"))
		need(t, !there.Have("bad"), "it is there")
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
func (f failing) Read([]byte) (int, error)  { return 0, f.err }

func TestStreamsFail(t *testing.T) {
	m := open(t)
	there, _ := plain(t)
	filled(t, m, "v", "s")
	broken := errors.New("the wire is cut")
	need(t, m.Send("s", failing{broken}, &portable) == broken, "a writer's error is lost")
	need(t, there.Receive("r", failing{broken}, nil) == broken, "a reader's error is lost")
	need(t, !there.Have("r"), "r is there")
	_ = there.ReceiveForget("r")
}

func TestProgress(t *testing.T) {
	m := open(t)
	there, _ := plain(t)
	ok(t, m.Create("v", nil))
	put(t, "v", "large", strings.Repeat("large", 2<<20))
	ok(t, m.Snapshot("s", "v"))
	var stream bytes.Buffer
	var last, calls uint64
	how := portable
	how.Progress = func(done, total uint64) error {
		if done < last {
			t.Errorf("%d after %d", done, last)
		}
		last = done
		calls++
		return nil
	}
	ok(t, m.Send("s", &stream, &how))
	need(t, calls > 0 && last > 0, "nothing was told")
	enough := errors.New("enough")
	how.Progress = func(done, total uint64) error { return enough }
	need(t, m.Send("s", &bytes.Buffer{}, &how) == enough, "it goes on")
	err := there.Receive("r", &stream, &mosaic.ReceiveOptions{Progress: how.Progress})
	need(t, err == enough && !there.Have("r"), "%v", err)
	_ = there.ReceiveForget("r")
	func() {
		defer func() { need(t, recover() == "stop", "the panic is lost") }()
		how.Progress = func(done, total uint64) error { panic("stop") }
		_ = m.Send("s", &bytes.Buffer{}, &how)
	}()
	// and it works on
	ok(t, m.Send("s", &bytes.Buffer{}, &portable))
}
