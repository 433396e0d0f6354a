package mosaic_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"carob/mosaic"
)

func TestCreate(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	need(t, m.Have("v") && !m.Have("w"), "v is there and w is not")
	v, err := m.Info("v")
	ok(t, err)
	need(t, v.Name == "v" && !v.ReadOnly && !v.Raw && v.Parent == "", "%+v", v)
	need(t, time.Since(v.Created) < time.Hour, "created %v", v.Created)
	put(t, "v", "hello", "world")
	fails(t, m.Create("v", nil), syscall.EEXIST)
	same(t, "v", "hello", "world")
	_, err = m.Info("w")
	fails(t, err, syscall.ENOENT)
}

func TestOddNames(t *testing.T) {
	m := open(t)
	for _, name := range []string{"", ".", "..", ".x", "a/b", "/", "a\nb", "\x7f", "a\x00b", strings.Repeat("x", mosaic.NameMax+1)} {
		fails(t, m.Create(name, nil), syscall.EINVAL)
	}
	for _, name := range []string{"a b", "café", "-rf", "a.b", "$(x)", "a'b\"c", "a\\b", "%s%n", strings.Repeat("x", mosaic.NameMax)} {
		ok(t, m.Create(name, nil))
		put(t, name, "name", name)
		same(t, name, "name", name)
	}
	fails(t, m.Clone("../x", "a b"), syscall.EINVAL)
	fails(t, m.Clone("y", "../x"), syscall.EINVAL)
	fails(t, m.Clone("y", "a b\x00"), syscall.EINVAL)
	fails(t, m.Clone("y", "not there"), syscall.ENOENT)
}

// stage makes a tree volume.
func stage(t *testing.T, m *mosaic.Mosaic, name string) {
	t.Helper()
	s, err := m.Stage()
	ok(t, err)
	defer s.Discard()
	fill(t, below(s.Dir, ""))
	exists, err := s.Commit(name)
	ok(t, err)
	need(t, !exists, "%s is there already", name)
}

func TestTree(t *testing.T) {
	m := open(t)
	s, err := m.Stage()
	ok(t, err)
	info, err := s.Dir.Stat()
	ok(t, err)
	need(t, info.Mode() == fs.ModeDir|0o755, "mode %v", info.Mode())
	fill(t, below(s.Dir, ""))
	need(t, !m.Have("t"), "t is there before it is committed")
	exists, err := s.Commit("t")
	ok(t, err)
	need(t, !exists, "t was there")
	_, err = s.Commit("u")
	fails(t, err, syscall.EINVAL)
	s.Discard()
	was := here(t, "t")
	v, err := m.Info("t")
	ok(t, err)
	need(t, v.ReadOnly, "%+v", v)
	in(t, os.Getenv(variable), "t", 0, func(dir string) {
		need(t, errors.Is(os.WriteFile(dir+"new", nil, 0o600), syscall.EROFS), "a tree can be written to")
	})
	s, err = m.Stage()
	ok(t, err)
	exists, err = s.Commit("t")
	ok(t, err)
	need(t, exists, "t is not there any more")
	need(t, here(t, "t") == was, "t has changed")
	s, err = m.Stage()
	ok(t, err)
	s.Discard()
	s.Discard()
}

func TestLeftovers(t *testing.T) {
	m := open(t)
	living := reopen(t)
	s, err := living.Stage()
	ok(t, err)
	ok(t, os.WriteFile(below(s.Dir, "x"), []byte("y"), 0o600))
	list, err := m.Leftovers()
	ok(t, err)
	need(t, len(list) == 0, "what a living maker has staged is none: %v", list)
	n, err := m.Collect()
	ok(t, err)
	need(t, n == 0, "%d collected from under its maker", n)
	s.Discard()
	living.Close()
}

func TestList(t *testing.T) {
	m := open(t)
	for i := 0; i < 10; i++ {
		ok(t, m.Create(fmt.Sprintf("v%d", i), nil))
	}
	list, err := m.Volumes()
	ok(t, err)
	need(t, len(list) == 10, "%d volumes", len(list))
	ok(t, m.Drop("v3", 0))
	ok(t, m.Drop("v3", 0))
	list, err = m.Volumes()
	ok(t, err)
	need(t, len(list) == 9, "%d volumes", len(list))
	ok(t, m.Clone("c", "v1"))
	list, err = m.Children("v1")
	ok(t, err)
	need(t, len(list) == 1 && list[0].Name == "c" && list[0].Parent == "v1", "%+v", list)
	list, err = m.Children("v2")
	ok(t, err)
	need(t, len(list) == 0, "%+v", list)
}

func TestLimits(t *testing.T) {
	m := open(t)
	l, err := m.Limits()
	ok(t, err)
	need(t, l.Total > 0 && l.Available <= l.Total, "%+v", l)
	need(t, l.SizeMax == 0 || l.SizeMin <= l.SizeMax, "%+v", l)
	if !m.Features().Has(mosaic.FeatureQuota) {
		fails(t, m.Create("v", &mosaic.CreateOptions{Size: 1 << 30}), syscall.EOPNOTSUPP)
	}
	fails(t, m.Create("v", &mosaic.CreateOptions{FS: "minix9"}), syscall.EOPNOTSUPP)
	for _, name := range l.Filesystems {
		ok(t, m.Create("on "+name, &mosaic.CreateOptions{FS: name}))
		put(t, "on "+name, "x", "y")
		v, err := m.Info("on " + name)
		ok(t, err)
		need(t, v.FS == name, "%+v", v)
	}
}

func TestUsage(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	before, err := m.Usage("v")
	ok(t, err)
	// bytes that no file system below can make less of
	content := make([]byte, 8<<20)
	for i, x := 0, uint32(1); i < len(content); i++ {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		content[i] = byte(x)
	}
	put(t, "v", "large", string(content))
	ok(t, m.Sync())
	after, err := m.Usage("v")
	ok(t, err)
	need(t, after.Used == after.Exclusive+after.Shared, "%+v", after)
	need(t, after.Used >= before.Used+(7<<20), "%+v, and with 8 MiB more %+v", before, after)
}

func TestResize(t *testing.T) {
	m := open(t)
	if !m.Features().Has(mosaic.FeatureResizeUp) {
		ok(t, m.Create("v", nil))
		fails(t, m.Resize("v", 1<<30), syscall.EOPNOTSUPP)
	}
	needFeatures(t, m, mosaic.FeatureQuota|mosaic.FeatureResizeUp)
	ok(t, m.Create("v", &mosaic.CreateOptions{Size: 400 << 20}))
	v, err := m.Info("v")
	ok(t, err)
	need(t, v.Size == 400<<20, "%+v", v)
	in(t, os.Getenv(variable), "v", 0, func(dir string) { fill(t, dir) })
	was := here(t, "v")
	ok(t, m.Resize("v", 800<<20))
	if m.Features().Has(mosaic.FeatureResizeDown) {
		ok(t, m.Resize("v", 480<<20))
	} else {
		fails(t, m.Resize("v", 480<<20), syscall.EOPNOTSUPP)
	}
	need(t, here(t, "v") == was, "v has changed")
	fails(t, m.Resize("w", 1<<30), syscall.ENOENT)
}

func TestPrivateData(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	_, err := m.Data("v", "k")
	fails(t, err, syscall.ENODATA)
	ok(t, m.SetData("v", "k", []byte("a\x00b")))
	ok(t, m.SetData("v", "empty", nil))
	value, err := m.Data("v", "k")
	ok(t, err)
	need(t, string(value) == "a\x00b", "%q", value)
	value, err = m.Data("v", "empty")
	ok(t, err)
	need(t, len(value) == 0, "%q", value)
	keys, err := m.DataKeys("v")
	ok(t, err)
	need(t, len(keys) == 2 && (keys[0] == "k" || keys[1] == "k"), "%q", keys)
	ok(t, m.Snapshot("snap", "v"))
	ok(t, m.Clone("c", "v"))
	_, err = m.Data("c", "k")
	fails(t, err, syscall.ENODATA)
	ok(t, m.Rollback("v", "snap"))
	value, err = m.Data("v", "k")
	ok(t, err)
	need(t, string(value) == "a\x00b", "%q", value)
	ok(t, m.RemoveData("v", "k"))
	_, err = m.Data("v", "k")
	fails(t, err, syscall.ENODATA)
	fails(t, m.SetData("v", "../k", []byte("x")), syscall.EINVAL)
	fails(t, m.SetData("w", "k", []byte("x")), syscall.ENOENT)
}

func TestManyAtOnce(t *testing.T) {
	m := open(t)
	stage(t, m, "base")
	var group sync.WaitGroup
	for i := 0; i < 4; i++ {
		group.Add(1)
		go func(me int) {
			defer group.Done()
			a, b := fmt.Sprint("a", me), fmt.Sprint("b", me)
			for n := 0; n < 3; n++ {
				for _, err := range []error{m.Clone(a, "base"), m.Snapshot(b, a), m.Drop(a, 0), m.Drop(b, 0)} {
					if err != nil {
						t.Error(err)
					}
				}
			}
		}(i)
	}
	group.Wait()
}

func TestCloneAndSnapshot(t *testing.T) {
	m := open(t)
	stage(t, m, "t")
	ok(t, m.Clone("v", "t"))
	need(t, here(t, "v") == here(t, "t"), "a clone differs")
	put(t, "v", "x", "1")
	ok(t, m.Snapshot("s", "v"))
	was := here(t, "s")
	put(t, "v", "x", "2")
	need(t, here(t, "s") == was, "a snapshot has changed")
	v, err := m.Info("s")
	ok(t, err)
	need(t, v.ReadOnly && v.Parent == "v", "%+v", v)
	ok(t, m.Clone("c", "s"))
	same(t, "c", "x", "1")
	fails(t, m.Clone("c", "s"), syscall.EEXIST)
}

func TestRollback(t *testing.T) {
	m := open(t)
	ok(t, m.Create("v", nil))
	in(t, os.Getenv(variable), "v", 0, func(dir string) { fill(t, dir) })
	ok(t, m.Snapshot("s", "v"))
	was := here(t, "v")
	in(t, os.Getenv(variable), "v", 0, func(dir string) {
		ok(t, os.RemoveAll(dir+"d"))
		ok(t, os.WriteFile(dir+"new", nil, 0o600))
		fails(t, m.Rollback("v", "s"), syscall.EBUSY)
	})
	ok(t, m.Rollback("v", "s"))
	need(t, here(t, "v") == was, "v has not what the snapshot has")
	need(t, m.Have("s"), "the snapshot has gone")
	fails(t, m.Rollback("v", "none"), syscall.ENOENT)
}

func TestSnapshotSet(t *testing.T) {
	m := open(t)
	ok(t, m.Create("one", nil))
	ok(t, m.Create("two", nil))
	put(t, "one", "x", "1")
	put(t, "two", "x", "2")
	pairs := []mosaic.Pair{{Name: "s1", From: "one"}, {Name: "s2", From: "two"}}
	var calls []string
	q := &mosaic.Quiesce{
		Quiesce: func() error { calls = append(calls, "quiesce"); return nil },
		Resume:  func() { calls = append(calls, "resume") },
	}
	ok(t, m.SnapshotSet(pairs, q))
	if !m.Features().Has(mosaic.FeatureSnapshotSet) {
		need(t, strings.Join(calls, " ") == "quiesce resume", "%v", calls)
	}
	same(t, "s1", "x", "1")
	same(t, "s2", "x", "2")
	// all or none
	pairs = []mosaic.Pair{{Name: "s3", From: "one"}, {Name: "s2", From: "two"}}
	fails(t, m.SnapshotSet(pairs, nil), syscall.EEXIST)
	need(t, !m.Have("s3"), "half of a set is there")
	if m.Features().Has(mosaic.FeatureSnapshotSet) {
		return
	}
	pairs = []mosaic.Pair{{Name: "s4", From: "one"}, {Name: "s5", From: "two"}}
	unwilling := errors.New("not now")
	err := m.SnapshotSet(pairs, &mosaic.Quiesce{Quiesce: func() error { return unwilling }})
	need(t, err == unwilling, "%v", err)
	need(t, !m.Have("s4") && !m.Have("s5"), "they are there all the same")
	func() {
		defer func() { need(t, recover() == "stop", "the panic is lost") }()
		_ = m.SnapshotSet(pairs, &mosaic.Quiesce{Quiesce: func() error { panic("stop") }})
	}()
	ok(t, m.SnapshotSet(pairs, nil))
}

func TestDropParent(t *testing.T) {
	m := open(t)
	stage(t, m, "t")
	ok(t, m.Clone("a", "t"))
	if err := m.Drop("t", 0); err != nil {
		fails(t, err, syscall.EBUSY)
		ok(t, m.Drop("a", 0))
		ok(t, m.Drop("t", 0))
		return
	}
	same(t, "a", "d/file", "content\n")
}
