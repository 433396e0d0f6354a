package mosaic_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"

	"carob/mosaic"
)

// location is a directory of an example's own.
func location() string {
	dir, err := os.MkdirTemp("", "mosaic")
	if err != nil {
		log.Fatal(err)
	}
	return dir
}

func Example() {
	dir := location()
	defer os.RemoveAll(dir)
	m, err := mosaic.Open(dir, "plain", mosaic.OpenCreate)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	if err := m.Create("web", nil); err != nil {
		log.Fatal(err)
	}
	if err := m.Snapshot("web.before", "web"); err != nil {
		log.Fatal(err)
	}
	children, err := m.Children("web")
	if err != nil {
		log.Fatal(err)
	}
	for _, v := range children {
		fmt.Println(v.Name, v.ReadOnly)
	}
	// Output: web.before true
}

func ExampleError() {
	dir := location()
	defer os.RemoveAll(dir)
	m, err := mosaic.Open(dir, "plain", mosaic.OpenCreate)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	err = m.Clone("copy", "nothing")
	var e *mosaic.Error
	if errors.As(err, &e) {
		fmt.Println(e.Errno)
	}
	fmt.Println(errors.Is(err, fs.ErrNotExist))
	// Output:
	// no such file or directory
	// true
}

func ExampleMosaic_Stage() {
	dir := location()
	defer os.RemoveAll(dir)
	m, err := mosaic.Open(dir, "plain", mosaic.OpenCreate)
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	tree, err := m.Stage()
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Discard()
	// The staged directory has no path of its own that others would know.
	file := fmt.Sprintf("/proc/self/fd/%d/hello", tree.Dir.Fd())
	if err := os.WriteFile(file, []byte("world\n"), 0o644); err != nil {
		log.Fatal(err)
	}
	exists, err := tree.Commit("greeting")
	fmt.Println(exists, err, m.Have("greeting"))
	// Output: false <nil> true
}
