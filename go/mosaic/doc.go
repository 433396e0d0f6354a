// Package mosaic is libmosaic for Go: one API over every kind of storage that can hold root file
// systems and volumes.
//
// A mosaic is a place on disk run by one driver. It holds volumes, which come into being by
//
//	Stage, fill the directory, Commit   a tree, all or nothing
//	Create                              an empty volume, with a file system or raw
//	Clone, Snapshot                     a writable, a read-only copy of another
//	Receive                             a copy of one that was sent
//
// and are used by Mount, which gives a detached mount as a file, by MountAt, or by Attach, as a
// block device. The header mosaic/mosaic.h and libmosaic(3) tell everything.
//
// # Errors
//
// A failed call returns an *[Error]. It says what was done, to what, and why not, and it is the
// errno for errors.Is:
//
//	if err := m.Create("web", nil); errors.Is(err, fs.ErrExist) { ... }
//
// # Goroutines
//
// A *[Mosaic] can be used from several goroutines; its calls are made one after the other. What is
// called back from one (Progress, Quiesce) must therefore not use the same Mosaic. Mounts are made
// in the mount namespace of the calling thread: a goroutine that unshares one locks itself to its
// thread first.
//
// A program that has SIGCHLD ignored cannot use drivers that run programs.
package mosaic
