// SPDX-License-Identifier: MIT

package workloads

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A thread of this process counts in memory that the engine writes to a file,
// sleeps, and writes to the file again.
func TestHoldStopsThisProcess(t *testing.T) {
	p := &Program{}
	defer p.Close()
	mem, at, err := p.Alloc(8 + int(unsafe.Sizeof(unix.Timespec{})))
	if err != nil {
		t.Fatal(err)
	}
	counter := (*atomic.Uint64)(unsafe.Pointer(&mem[0]))
	*(*unix.Timespec)(unsafe.Pointer(&mem[8])) = unix.NsecToTimespec(30e6)
	name := filepath.Join(t.TempDir(), "counts")
	fd, err := p.Open(name, os.O_WRONLY|os.O_CREATE)
	if err != nil {
		t.Fatal(err)
	}
	write := Op{Name: "write", Nr: unix.SYS_WRITE, Args: [6]uintptr{fd, at, 8}, Measured: true}
	p.Ops = []Op{
		write,
		{Name: "clock_nanosleep", Nr: unix.SYS_CLOCK_NANOSLEEP, Args: [6]uintptr{unix.CLOCK_MONOTONIC, 0, at + 8}},
		write,
	}

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				counter.Add(1)
			}
		}
	}()
	for counter.Load() == 0 {
		runtime.Gosched()
	}
	_, err = Run(t.Context(), p, Options{Calls: 2, Batch: 2, Hold: true})
	close(stop)
	<-stopped
	if errors.Is(err, unix.EPERM) && os.Geteuid() != 0 {
		t.Skip("this machine lets only root trace its own parent (kernel.yama.ptrace_scope)")
	}
	if err != nil {
		t.Fatal(err)
	}
	counts, err := os.ReadFile(name)
	if err != nil || len(counts) != 16 {
		t.Fatalf("%d bytes, %v", len(counts), err)
	}
	first, second := binary.NativeEndian.Uint64(counts), binary.NativeEndian.Uint64(counts[8:])
	if first != second {
		t.Errorf("the count was %d and then %d while the process was held", first, second)
	}
}
