// SPDX-License-Identifier: MIT

package guest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/u-root/u-root/pkg/cpio"
)

// guestDirs exist in every guest; [Main] mounts over most of them.
var guestDirs = []string{"bin", "dev", "etc", "proc", "root", "sbin", "sys", "tmp", "usr", "usr/bin", "usr/sbin"}

// writeInitramfs writes the guest's first root, in which there is no more than
// the agent, as an uncompressed newc archive.
func writeInitramfs(w io.Writer) error {
	program, err := agent()
	if err != nil {
		return err
	}
	a := newArchive(w)
	for _, d := range guestDirs {
		if err := a.dir(d); err != nil {
			return err
		}
	}
	// The kernel opens /dev/console for init before anything is mounted.
	if err := a.write(cpio.CharDev("dev/console", 0o600, 5, 1)); err != nil {
		return err
	}
	if err := a.file(File{Path: "init", Mode: 0o755, Data: program}); err != nil {
		return err
	}
	return a.close()
}

// archive is a newc archive that is being written. The same entries give the
// same bytes, because with the instruction clock any other byte would be other
// numbers. Contents of files are streamed.
type archive struct {
	buffer *bufio.Writer
	w      cpio.RecordWriter
	dirs   map[string]bool
	files  map[string]bool
	inode  uint64
}

func newArchive(w io.Writer) *archive {
	b := bufio.NewWriterSize(w, 1<<20)
	return &archive{buffer: b, w: cpio.Newc.Writer(b), dirs: map[string]bool{".": true}, files: map[string]bool{}}
}

// close ends the archive.
func (a *archive) close() error {
	if err := cpio.WriteTrailer(a.w); err != nil {
		return fmt.Errorf("end of an archive: %w", err)
	}
	return a.buffer.Flush()
}

func (a *archive) write(r cpio.Record) error {
	// Equal inode numbers with a link count above one are hard links to the
	// kernel; numbering each entry rules that out.
	a.inode++
	r = cpio.MakeReproducible(r)
	r.Ino, r.NLink = a.inode, 1
	if err := a.w.WriteRecord(r); err != nil {
		return fmt.Errorf("guest's files: %s: %w", r.Name, err)
	}
	return nil
}

// dir makes a directory and those above it, unless they exist.
func (a *archive) dir(name string) error {
	if a.dirs[name] {
		return nil
	}
	if a.files[name] {
		return fmt.Errorf("guest's files: %s is both a file and a directory", name)
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.dirs[name] = true
	return a.write(cpio.Directory(name, 0o755))
}

func (a *archive) file(f File) error {
	name, err := guestPath(f.Path)
	if err != nil {
		return err
	}
	if a.files[name] || a.dirs[name] {
		return fmt.Errorf("guest's files: %s is given twice", name)
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.files[name] = true
	content, done, err := f.open()
	if err != nil {
		return fmt.Errorf("guest's files: %s: %w", name, err)
	}
	defer done()
	mode := f.Mode
	setDefault(&mode, 0o644)
	return a.write(cpio.Record{
		ReaderAt: content,
		Info:     cpio.Info{Name: name, Mode: cpio.S_IFREG | uint64(mode.Perm()), FileSize: uint64(content.Size())},
	})
}

// open returns the content, which can be read until done is called.
func (f File) open() (content *io.SectionReader, done func(), err error) {
	if f.Source == "" {
		return io.NewSectionReader(bytes.NewReader(f.Data), 0, int64(len(f.Data))), func() {}, nil
	}
	if f.Data != nil {
		return nil, nil, fmt.Errorf("both content and the source %s are given", f.Source)
	}
	src, err := os.Open(f.Source)
	if err != nil {
		return nil, nil, err
	}
	st, err := src.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Source)
	}
	if err != nil {
		src.Close()
		return nil, nil, err
	}
	return io.NewSectionReader(src, 0, st.Size()), func() { src.Close() }, nil
}

// guestPath returns p relative to the guest's root.
func guestPath(p string) (string, error) {
	if slices.Contains(strings.Split(p, "/"), "..") {
		return "", fmt.Errorf("guest's files: path %q climbs out of the guest", p)
	}
	name := cpio.Normalize(p)
	if name == "." || name == cpio.Trailer || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("guest's files: %q is no path for a file", p)
	}
	return name, nil
}
