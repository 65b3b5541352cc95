// SPDX-License-Identifier: MIT

package workloads

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// userSpace is where a process's addresses end: with four levels of page
// tables, which is what a process gets unless it asks for more.
const userSpace = 1<<47 - 4096

// codeRange returns the mapping that the engine's code lies in.
func codeRange() ([2]uintptr, error) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return [2]uintptr{}, err
	}
	return mappingOf(string(maps), reflect.ValueOf(forkEngine).Pointer())
}

// threadLocal returns the memory around this thread's descriptor. The C library,
// which is there when a program uses cgo, has told the kernel to write to it
// when the thread returns to user space (rseq), and the kernel kills a process
// that has not got it.
func threadLocal() ([2]uintptr, error) {
	const archGetFS = 0x1003 // <asm/prctl.h>
	var fs uintptr
	if _, _, err := unix.Syscall(unix.SYS_ARCH_PRCTL, archGetFS, uintptr(unsafe.Pointer(&fs)), 0); err != 0 {
		return [2]uintptr{}, fmt.Errorf("arch_prctl(ARCH_GET_FS): %w", err)
	}
	return [2]uintptr{fs &^ 4095, fs + 4096}, nil
}

// mappingOf finds the line of /proc/PID/maps whose range holds an address.
func mappingOf(maps string, address uintptr) ([2]uintptr, error) {
	for line := range strings.Lines(maps) {
		var m [2]uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &m[0], &m[1]); n == 2 && m[0] <= address && address < m[1] {
			return m, nil
		}
	}
	return [2]uintptr{}, fmt.Errorf("no mapping in /proc/self/maps holds %#x", address)
}

// between returns start and length of the ranges of user space that lie
// between those kept, which are given by start and end.
func between(kept [][2]uintptr) [][2]uintptr {
	slices.SortFunc(kept, func(a, b [2]uintptr) int { return cmp.Compare(a[0], b[0]) })
	var gaps [][2]uintptr
	from := uintptr(0)
	for _, k := range append(kept, [2]uintptr{userSpace, userSpace}) {
		if start := k[0] &^ 4095; start > from {
			gaps = append(gaps, [2]uintptr{from, start - from})
		}
		if end := (k[1] + 4095) &^ 4095; end > from {
			from = end
		}
	}
	return gaps
}
