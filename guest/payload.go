// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/u-root/u-root/pkg/cpio"
)

// The payload is what the agent fetches: the init's executable, an archive of
// all other files, and at the very end where the archive begins. To the kernel
// it is that executable.

// InitPath is where the init's executable is in the guest.
const InitPath = "/sbin/init"

const (
	payloadItem = "opt/kprof-bench" // in QEMU's firmware configuration
	payloadMark = "KPROFEND"
	endSize     = 8 + len(payloadMark)
)

// writePayload writes the payload of a guest.
func writePayload(w io.Writer, cfg Config) error {
	init, done, err := File{Source: cfg.Init}.open()
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	defer done()
	if _, err := io.Copy(w, init); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := writeFiles(w, cfg); err != nil {
		return err
	}
	end := binary.LittleEndian.AppendUint64(nil, uint64(init.Size()))
	_, err = w.Write(append(end, payloadMark...))
	return err
}

func writeFiles(w io.Writer, cfg Config) error {
	a := newArchive(w)
	// What is there already.
	for _, d := range guestDirs {
		a.dirs[d] = true
	}
	for _, name := range []string{"init", InitPath[1:]} {
		a.files[name] = true
	}
	files := slices.Concat([]File{{Path: jobPath, Mode: 0o600, Data: cfg.Job}}, cfg.Files)
	for _, f := range files {
		if err := a.file(f); err != nil {
			return err
		}
	}
	return a.close()
}

// unpackPayload makes the files of the payload that this process was started
// from.
func unpackPayload() error {
	f, err := os.Open(InitPath)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	files, err := payloadFiles(f, st.Size())
	if err != nil {
		return fmt.Errorf("%s: %w", InitPath, err)
	}
	return cpio.ForEachRecord(cpio.Newc.Reader(files), func(r cpio.Record) error {
		return cpio.CreateFileInRoot(r, "/", true)
	})
}

// payloadFiles returns the archive in a payload of that size.
func payloadFiles(r io.ReaderAt, size int64) (*io.SectionReader, error) {
	end := make([]byte, endSize)
	if _, err := r.ReadAt(end, size-int64(endSize)); err != nil {
		return nil, err
	}
	begin := int64(binary.LittleEndian.Uint64(end))
	if string(end[8:]) != payloadMark || begin < 0 || begin > size-int64(endSize) {
		return nil, errors.New("no payload of a guest, or not all of it")
	}
	return io.NewSectionReader(r, begin, size-int64(endSize)-begin), nil
}
