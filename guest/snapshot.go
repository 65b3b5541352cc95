// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A snapshot is the state of a machine at the moment when the agent stops it:
// the kernel is up, and nothing of the payload is there yet. It is QEMU's
// migration stream with an end of ours, which says whether it is whole.
//
// There is one for each kernel, agent, machine, kernel command line and QEMU.
// What it was made for is part of its name and of its end.
type snapshot struct {
	path string
	key  [sha256.Size]byte
}

const (
	snapshotMark    = "KPROFSNP"
	snapshotEndSize = len(snapshotMark) + sha256.Size + 8 + 4

	// resumeLimit is for reading a snapshot on a busy host.
	resumeLimit = time.Minute
	// snapshotAge is how long a snapshot that nobody uses is kept.
	snapshotAge = 14 * 24 * time.Hour

	qmpPollEvery = 2 * time.Millisecond
)

// newSnapshot says where the snapshot for a guest is, whether or not it is
// there.
func newSnapshot(ctx context.Context, cfg Config) (*snapshot, error) {
	s := &snapshot{}
	h := sha256.New()
	if err := writeInitramfs(h); err != nil {
		return nil, err
	}
	kernel, err := os.Open(cfg.Vmlinux)
	if err != nil {
		return nil, err
	}
	defer kernel.Close()
	if _, err := io.Copy(h, kernel); err != nil {
		return nil, err
	}
	emulator, err := identity(ctx, cfg.QEMU)
	if err != nil {
		return nil, err
	}
	cfg.Vmlinux = "the kernel"
	args := qemuArguments(cfg, ports{initrd: "agent", console: "console", results: "results", payload: "payload", monitor: 1})
	h.Write(timeLibrary())
	fmt.Fprintf(h, "\x00%s\x00%s", emulator, strings.Join(args, "\x00"))
	h.Sum(s.key[:0])
	s.path = filepath.Join(cfg.Snapshots, fmt.Sprintf("%x.snapshot", s.key[:10]))
	return s, nil
}

// identity changes with whatever QEMU is installed.
func identity(ctx context.Context, qemu string) (string, error) {
	path, err := exec.LookPath(qemu)
	if err != nil {
		return "", err
	}
	st, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s %d %d", QEMUVersion(ctx, qemu), st.Size(), st.ModTime().UnixNano()), nil
}

// open returns the file, from which QEMU can restore the machine, and makes it
// first if it is not there or damaged.
func (s *snapshot) open(ctx context.Context, cfg Config) (*os.File, error) {
	if f, err := s.openWhole(); err == nil {
		return f, nil
	}
	if err := os.MkdirAll(filepath.Dir(s.path), 0o755); err != nil {
		return nil, err
	}
	lock, err := s.lock()
	if err != nil {
		return nil, err
	}
	defer lock.Close()
	if f, err := s.openWhole(); err == nil {
		return f, nil // made by somebody else meanwhile
	}
	removeUnused(filepath.Dir(s.path))
	if err := s.make(ctx, cfg); err != nil {
		return nil, err
	}
	return s.openWhole()
}

// lock keeps others from making the same snapshot.
func (s *snapshot) lock() (*os.File, error) {
	f, err := os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
	}
	return f, nil
}

// openWhole returns the file if it is what it should be, to the byte.
func (s *snapshot) openWhole() (*os.File, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	if err := s.check(f); err != nil {
		f.Close()
		return nil, err
	}
	now := time.Now()
	_ = os.Chtimes(s.path, now, now) // it is used
	return f, nil
}

// check reads all of the file and leaves it at its beginning.
func (s *snapshot) check(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	size := st.Size() - int64(snapshotEndSize)
	if size < 0 {
		return errors.New("the snapshot is cut off")
	}
	sum, err := sumOf(io.NewSectionReader(f, 0, size))
	if err != nil {
		return err
	}
	end := make([]byte, snapshotEndSize)
	if _, err := f.ReadAt(end, size); err != nil {
		return err
	}
	if !bytes.Equal(end, s.end(size, sum)) {
		return errors.New("the snapshot is damaged or another's")
	}
	return nil
}

// sumOf returns the checksum of a stream.
func sumOf(r io.Reader) (uint32, error) {
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	_, err := io.Copy(sum, r)
	return sum.Sum32(), err
}

// end returns the end of a snapshot whose stream has that size and checksum.
func (s *snapshot) end(size int64, sum uint32) []byte {
	b := append([]byte(snapshotMark), s.key[:]...)
	b = binary.LittleEndian.AppendUint64(b, uint64(size))
	return binary.LittleEndian.AppendUint32(b, sum)
}

// make boots the machine, and writes the file once the agent has stopped it.
func (s *snapshot) make(ctx context.Context, cfg Config) error {
	tmp, err := os.CreateTemp(filepath.Dir(s.path), ".making-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	if err := saveMachine(ctx, cfg, tmp); err != nil {
		return err
	}
	size, err := tmp.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	sum, err := sumOf(io.NewSectionReader(tmp, 0, size))
	if err != nil {
		return err
	}
	if _, err := tmp.Write(s.end(size, sum)); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), s.path)
}

// saveMachine boots the machine and writes its state to a file.
func saveMachine(ctx context.Context, cfg Config, to *os.File) error {
	f, err := openPortFiles(ctx, cfg, bootToSave)
	if err != nil {
		return err
	}
	defer f.close()
	p, err := startProcess(cfg.QEMU, qemuArguments(cfg, f.ports), f, cfg.Clock == ICount)
	if err != nil {
		return err
	}
	defer p.kill()
	f.closeFar()
	if err := f.monitor.greet(); err != nil {
		return err
	}
	if err := f.monitor.wait("STOP"); err != nil {
		return err
	}
	var watch consoleWatch
	text, err := (&tail{r: f.console}).read()
	if err != nil {
		return err
	}
	watch.write(text)
	watch.finish()
	if len(watch.found) > 0 {
		return fmt.Errorf("the kernel complained: %s", watch.found[0].line)
	}
	return f.monitor.save(to)
}

// save writes the state of a machine that stands still.
func (q *qmp) save(to *os.File) error {
	if err := q.doWith("getfd", map[string]any{"fdname": "snapshot"}, to, nil); err != nil {
		return err
	}
	// By default QEMU is gentle with networks.
	if err := q.do("migrate-set-parameters", map[string]any{"max-bandwidth": int64(1) << 40}, nil); err != nil {
		return err
	}
	if err := q.do("migrate", map[string]any{"uri": "fd:snapshot"}, nil); err != nil {
		return err
	}
	for {
		status, trouble, err := q.migration()
		switch {
		case err != nil:
			return err
		case status == "completed":
			return nil
		case status == "failed" || status == "cancelled":
			return fmt.Errorf("QEMU could not save the machine: %s %s", status, trouble)
		}
		time.Sleep(qmpPollEvery)
	}
}

// resume has a machine that was started from a snapshot go on.
func (q *qmp) resume() error {
	if err := q.greet(); err != nil {
		return err
	}
	for {
		status, err := q.status()
		if err != nil {
			return err
		}
		if status != "inmigrate" {
			return q.do("cont", nil, nil)
		}
		time.Sleep(qmpPollEvery)
	}
}

// removeUnused removes what was not used for long, and what was left by makers
// that were killed.
func removeUnused(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if st, err := e.Info(); err == nil && time.Since(st.ModTime()) > snapshotAge {
			_ = os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
