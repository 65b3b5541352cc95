// SPDX-License-Identifier: MIT

package counters

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSumIsOverProcessors(t *testing.T) {
	s := &Set{perFunction: 2}
	if got := s.Sum([]uint64{1, 2, 30, 40}); !slices.Equal(got, []uint64{3, 70}) {
		t.Errorf("sums are %v, want [3 70]", got)
	}
}

func TestEventType(t *testing.T) {
	name := filepath.Join(t.TempDir(), "type")
	if _, err := eventType(name); !errors.Is(err, ErrNotSupported) {
		t.Errorf("without the file: error %v, want %v", err, ErrNotSupported)
	}
	for text, want := range map[string]uint32{"8\n": 8, "x\n": 0} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := eventType(name); got != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

func TestClose(t *testing.T) {
	s := &Set{perFunction: 1}
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	s.fds = ends[:]
	fds := s.Descriptors()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := unix.Close(int(fds[0])); err != unix.EBADF {
		t.Errorf("closing again: %v, want EBADF", err)
	}
}
