package mosaic_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"carob/mosaic"
)

// The mosaic that is tested, as OpenNamed finds it. It has to be empty, and is so again afterwards.
const variable = "MOSAIC_TEST"

func TestMain(m *testing.M) {
	if os.Getenv(variable) == "" {
		fmt.Fprintf(os.Stderr, "%s has to name an empty mosaic; and it takes root.\n", variable)
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// reopen opens the mosaic once more.
func reopen(t *testing.T) *mosaic.Mosaic {
	t.Helper()
	m, err := mosaic.OpenNamed(os.Getenv(variable), 0)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// open opens the mosaic for a test. What the test made is dropped afterwards, and then nothing may be
// wrong.
func open(t *testing.T) *mosaic.Mosaic {
	t.Helper()
	m := reopen(t)
	t.Cleanup(func() {
		m.Close()
		clean(t)
	})
	return m
}

func clean(t *testing.T) {
	m := reopen(t)
	defer m.Close()
	for round := 0; ; round++ {
		list, err := m.Volumes()
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, v := range list {
			// clones before what they need: that is tried again
			if err := m.Drop(v.Name, 0); err != nil && (!errors.Is(err, syscall.EBUSY) || round > 50) {
				t.Fatal(err)
			}
		}
	}
	problems, wrong, err := m.Check(0)
	if err != nil || wrong != 0 {
		t.Errorf("afterwards: %v %d %v", problems, wrong, err)
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fails: the call failed with that errno, and a sentence.
func fails(t *testing.T, err error, errno syscall.Errno) {
	t.Helper()
	var e *mosaic.Error
	if !errors.Is(err, errno) || !errors.As(err, &e) || e.Text == "" || e.Error() == "" {
		t.Fatalf("not %v: %#v", errno, err)
	}
}

func need(t *testing.T, condition bool, format string, args ...any) {
	t.Helper()
	if !condition {
		t.Fatalf(format, args...)
	}
}

// needFeatures skips, and says so, unless the driver has all of these.
func needFeatures(t *testing.T, m *mosaic.Mosaic, all mosaic.Features) {
	t.Helper()
	if !m.Features().Has(all) {
		t.Skipf("the driver %s has no %v here", m.Type(), all&^m.Features())
	}
}

// below is the path of an open directory, also of a mount that is nowhere.
func below(dir *os.File, name string) string {
	return fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name)
}

// in mounts the volume of m with a mosaic of its own, so that it is not in use afterwards.
func in(t *testing.T, what, volume string, flags mosaic.MountFlags, fn func(dir string)) {
	t.Helper()
	m, err := mosaic.OpenNamed(what, 0)
	ok(t, err)
	defer m.Close()
	root, err := m.Mount(volume, &mosaic.MountOptions{Flags: flags})
	ok(t, err)
	defer root.Close()
	fn(below(root, ""))
}

func put(t *testing.T, volume, name, text string) {
	t.Helper()
	in(t, os.Getenv(variable), volume, 0, func(dir string) {
		ok(t, os.WriteFile(dir+name, []byte(text), 0o644))
	})
}

func same(t *testing.T, volume, name, text string) {
	t.Helper()
	in(t, os.Getenv(variable), volume, mosaic.MountReadOnly, func(dir string) {
		got, err := os.ReadFile(dir + name)
		ok(t, err)
		need(t, string(got) == text, "%s of %s: %q, not %q", name, volume, got, text)
	})
}

// fill makes what a tree can have.
func fill(t *testing.T, dir string) {
	t.Helper()
	ok(t, os.MkdirAll(dir+"d/e", 0o751))
	ok(t, os.WriteFile(dir+"d/file", []byte("content\n"), 0o640))
	ok(t, os.Chown(dir+"d/file", 1000, 1001))
	ok(t, os.Link(dir+"d/file", dir+"hard"))
	ok(t, os.Symlink("d/file", dir+"link"))
	ok(t, syscall.Mkfifo(dir+"fifo", 0o600))
	ok(t, os.WriteFile(dir+"large", []byte(strings.Repeat("0123456789abcdef", 1<<15)), 0o600))
}

// describe is a digest of a volume's tree: names, kinds, modes, owners, content.
func describe(t *testing.T, what, volume string) string {
	t.Helper()
	sum := sha256.New()
	first := map[uint64]string{} // of the names of a file
	in(t, what, volume, mosaic.MountReadOnly, func(dir string) {
		ok(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.Name() == "lost+found" {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			st := info.Sys().(*syscall.Stat_t)
			fmt.Fprintf(sum, "%s %v %d %d", strings.TrimPrefix(path, dir), info.Mode(), st.Uid, st.Gid)
			switch {
			case info.Mode().IsRegular():
				f, err := os.Open(path)
				if err != nil {
					return err
				}
				defer f.Close()
				if _, seen := first[st.Ino]; !seen {
					first[st.Ino] = d.Name()
				}
				fmt.Fprintf(sum, " %s", first[st.Ino])
				_, err = io.Copy(sum, f)
				return err
			case info.Mode()&fs.ModeSymlink != 0:
				to, err := os.Readlink(path)
				fmt.Fprintf(sum, " %s", to)
				return err
			}
			return nil
		}))
	})
	return hex.EncodeToString(sum.Sum(nil))
}

func here(t *testing.T, volume string) string {
	t.Helper()
	return describe(t, os.Getenv(variable), volume)
}

// plain is a mosaic of the plain driver of the test's own, and how it is opened.
func plain(t *testing.T) (*mosaic.Mosaic, string) {
	t.Helper()
	what := t.TempDir()
	m, err := mosaic.Open(what, "plain", mosaic.OpenCreate)
	ok(t, err)
	t.Cleanup(func() { m.Close() })
	return m, what
}
