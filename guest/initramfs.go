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

// writeInitramfs writes the guest's root as an uncompressed newc archive. The
// same inputs give the same bytes, because with the instruction clock any
// other byte would be other numbers. File contents are streamed.
func writeInitramfs(w io.Writer, cfg Config) error {
	files := append([]File{
		{Path: "init", Mode: 0o755, Source: cfg.Init},
		{Path: "job", Mode: 0o600, Data: cfg.Job},
	}, cfg.Files...)
	buffered := bufio.NewWriterSize(w, 1<<20)
	a := archive{w: cpio.Newc.Writer(buffered), dirs: map[string]bool{".": true}, files: map[string]bool{}}
	for _, d := range guestDirs {
		if err := a.dir(d); err != nil {
			return err
		}
	}
	// The kernel opens /dev/console for init before anything is mounted.
	if err := a.write(cpio.CharDev("dev/console", 0o600, 5, 1)); err != nil {
		return err
	}
	for _, f := range files {
		if err := a.file(f); err != nil {
			return err
		}
	}
	if err := cpio.WriteTrailer(a.w); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	return nil
}

type archive struct {
	w     cpio.RecordWriter
	dirs  map[string]bool
	files map[string]bool
	inode uint64
}

func (a *archive) write(r cpio.Record) error {
	// Equal inode numbers with a link count above one are hard links to the
	// kernel; numbering each entry rules that out.
	a.inode++
	r = cpio.MakeReproducible(r)
	r.Ino, r.NLink = a.inode, 1
	if err := a.w.WriteRecord(r); err != nil {
		return fmt.Errorf("initramfs: %s: %w", r.Name, err)
	}
	return nil
}

// dir makes a directory and those above it, unless they exist.
func (a *archive) dir(name string) error {
	if a.dirs[name] {
		return nil
	}
	if a.files[name] {
		return fmt.Errorf("initramfs: %s is both a file and a directory", name)
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
		return fmt.Errorf("initramfs: %s is given twice", name)
	}
	if err := a.dir(path.Dir(name)); err != nil {
		return err
	}
	a.files[name] = true
	content, size, err := f.open()
	if err != nil {
		return fmt.Errorf("initramfs: %s: %w", name, err)
	}
	if c, ok := content.(io.Closer); ok {
		defer c.Close()
	}
	mode := f.Mode
	setDefault(&mode, 0o644)
	return a.write(cpio.Record{
		// The section hides Close, which the archive would call on success only.
		ReaderAt: io.NewSectionReader(content, 0, size),
		Info:     cpio.Info{Name: name, Mode: cpio.S_IFREG | uint64(mode.Perm()), FileSize: uint64(size)},
	})
}

func (f File) open() (io.ReaderAt, int64, error) {
	if f.Source == "" {
		return bytes.NewReader(f.Data), int64(len(f.Data)), nil
	}
	if f.Data != nil {
		return nil, 0, fmt.Errorf("both content and the source %s are given", f.Source)
	}
	src, err := os.Open(f.Source)
	if err != nil {
		return nil, 0, err
	}
	st, err := src.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", f.Source)
	}
	if err != nil {
		src.Close()
		return nil, 0, err
	}
	return src, st.Size(), nil
}

// guestPath returns p relative to the guest's root.
func guestPath(p string) (string, error) {
	if slices.Contains(strings.Split(p, "/"), "..") {
		return "", fmt.Errorf("initramfs: path %q climbs out of the guest", p)
	}
	name := cpio.Normalize(p)
	if name == "." || name == cpio.Trailer || strings.ContainsRune(name, 0) {
		return "", fmt.Errorf("initramfs: %q is no path for a file", p)
	}
	return name, nil
}
