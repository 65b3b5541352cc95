// SPDX-License-Identifier: MIT

package kmod

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

// TestbedDevice is the device of kprof_testbed.ko.
const TestbedDevice = "/dev/kprof_testbed"

// ErrSuperseded is returned by a reader of a result when another command has
// replaced that result in the meantime.
var ErrSuperseded = errors.New("another testbed command has replaced this result")

// testbedFile is what a Testbed needs of its device.
type testbedFile interface {
	io.Writer
	io.ReaderAt
	io.Closer
	Fd() uintptr
}

// Testbed is a session with kprof_testbed.ko: an open file of its device.
// Sessions do not see each other's results or reference probes; planted blocks
// and the arena belong to the module and outlive them. The methods may be
// called from several goroutines and run one after the other.
//
// A refused command fails with the kernel's errno, wrapped; the kernel log
// has a line that names what was wrong with it.
type Testbed struct {
	mu   sync.Mutex
	file testbedFile
	runs uint64 // commands so far, which tells a result from a later one's
}

// OpenTestbed starts a session. The module must be loaded and the caller root.
func OpenTestbed() (*Testbed, error) {
	f, err := os.OpenFile(TestbedDevice, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("open testbed (is kprof_testbed.ko loaded?): %w", err)
	}
	return &Testbed{file: f}, nil
}

// Close ends the session and all that belongs to it: its reference probe, its
// sleepers, which are woken, and its hold on a function.
func (t *Testbed) Close() error {
	return t.file.Close()
}

// Fd is the session's file descriptor, for programs that write commands
// themselves: the child of a clone made by "call __x64_sys_clone" returns from
// that write with 0 and must not run Go code. It is valid until Close.
func (t *Testbed) Fd() uintptr {
	return t.file.Fd()
}

// start runs a command and returns a reader of its result.
func (t *Testbed) start(format string, args ...any) (*testbedResult, error) {
	command := fmt.Sprintf(format, args...)
	if strings.ContainsRune(command, '\n') {
		return nil, fmt.Errorf("testbed command %q: line break in an argument", command)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.runs++
	if _, err := io.WriteString(t.file, command); err != nil {
		return nil, fmt.Errorf("testbed command %q (see the kernel log): %w", command, err)
	}
	return &testbedResult{t: t, run: t.runs}, nil
}

// text runs a command and returns its whole result.
func (t *Testbed) text(format string, args ...any) (string, error) {
	r, err := t.start(format, args...)
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("read testbed result: %w", err)
	}
	return string(b), nil
}

// values runs a command whose result is key=value lines, these and no others.
func (t *Testbed) values(keys []string, format string, args ...any) (map[string]int64, error) {
	text, err := t.text(format, args...)
	if err != nil {
		return nil, err
	}
	return parseTestbedValues(text, keys)
}

// testbedResult reads the result of one command.
type testbedResult struct {
	t   *Testbed
	run uint64
	off int64
}

func (r *testbedResult) Read(p []byte) (int, error) {
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	if r.run != r.t.runs {
		return 0, ErrSuperseded
	}
	n, err := r.t.file.ReadAt(p, r.off)
	r.off += int64(n)
	if n > 0 && errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}
