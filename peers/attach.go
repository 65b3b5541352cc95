// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Attached is what it takes to attach a peer to so many functions at once, each time
// that it was tried.
type Attached struct {
	Functions int
	Lacking   string `json:",omitempty"`
	// AttachNs and DetachNs are on the guest's clock, of which one is an instruction
	// while the processor is not idle: a peer may wait, for a grace period of RCU say.
	AttachNs, DetachNs []float64
	// Bytes is how much more memory the kernel has in use than before. What it notes of
	// BPF maps itself is a fifth of that before Linux 6.4.
	Bytes []float64
}

// attachSizes are numbers of functions to attach to, and the most.
var attachSizes = []int{1, 10, 100}

const (
	mostAttached = 200
	attachTries  = 3
)

// freesLate is how long the kernel may take to free what a peer had, such as maps, of
// which it hands out memory again only then.
const freesLate = 300 * time.Millisecond

// attachments tries how long it takes to attach a peer. With many functions it is not
// tried as often.
func (l *lab) attachments(ctx context.Context, p Peer) ([]Attached, error) {
	functions, err := manyFunctions()
	if err != nil {
		return nil, err
	}
	sizes := l.Attach
	if len(sizes) == 0 {
		sizes = attachSizes
	}
	var all []Attached
	for _, n := range sizes {
		if p.Facts().Name == graphCallees && n > 1 {
			continue // hooks all of the kernel, however many there are
		}
		l.progress(fmt.Sprintf("attach %s to %d functions", p.Facts().Name, n))
		if len(functions) < n {
			return nil, fmt.Errorf("this kernel has %d system calls that all peers know, and %d are wanted", len(functions), n)
		}
		a, err := attached(ctx, p, functions[:n])
		if err != nil {
			return nil, fmt.Errorf("attach to %d functions: %w", n, err)
		}
		all = append(all, a)
	}
	return all, nil
}

func attached(ctx context.Context, p Peer, functions []Function) (Attached, error) {
	a := Attached{Functions: len(functions)}
	tries := attachTries
	if len(functions) > 10 {
		tries--
	}
	for range tries {
		if err := ctx.Err(); err != nil {
			return a, err
		}
		if err := a.try(p, functions); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (a *Attached) try(p Peer, functions []Function) error {
	time.Sleep(freesLate)
	before, err := kernelMemory()
	if err != nil {
		return err
	}
	begin := time.Now()
	err = p.Attach(functions)
	if errors.Is(err, ErrNotSupported) {
		a.Lacking = whyUnsupported(err)
		return nil
	}
	if err != nil {
		return err
	}
	attached := time.Now()
	after, err := kernelMemory()
	detach := time.Now()
	if err := errors.Join(err, p.Detach()); err != nil {
		return err
	}
	a.DetachNs = append(a.DetachNs, float64(time.Since(detach)))
	a.AttachNs = append(a.AttachNs, float64(attached.Sub(begin)))
	a.Bytes = append(a.Bytes, float64(after-before))
	return nil
}

// neverMany are system calls that some peers refuse, because they do not return, or
// return elsewhere.
var neverMany = []string{"exit", "exec", "fork", "clone", "sigreturn", "reboot", "kexec", "ia32", "compat"}

// manyFunctions are system calls that all peers know, sorted by name.
func manyFunctions() ([]Function, error) {
	names, err := traced()
	if err != nil {
		return nil, err
	}
	var all []Function
	for name := range names {
		call, ok := strings.CutPrefix(name, "__x64_sys_")
		f := FunctionOf("sys_" + call)
		switch {
		case !ok, slices.ContainsFunc(neverMany, func(part string) bool { return strings.Contains(call, part) }):
		case hasTracefs("events/syscalls") && !hasTracefs(syscallEvent(f, false)):
		case !hasTypes(f):
		default:
			all = append(all, f)
		}
	}
	slices.SortFunc(all, func(a, b Function) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// hasTypes tells whether BPF programs can be put at a function, if they can be at any.
func hasTypes(f Function) bool {
	_, err := types.Kernel()
	if err != nil {
		return true
	}
	_, err = typedName(f)
	return err == nil
}

// kernelMemory is how much memory the kernel has in use for itself: all that is not
// free, nor of a process, nor of a file.
func kernelMemory() (int64, error) {
	text, err := os.ReadFile("/proc/zoneinfo")
	if err != nil {
		return 0, err
	}
	return parseZoneinfo(string(text))
}

// parseZoneinfo sums zones: pages that there are, less those that are free, on lists
// of processors too, and those that processes and files have.
func parseZoneinfo(text string) (bytes int64, err error) {
	signs := map[string]int64{
		"managed": 1, "nr_free_pages": -1, "count:": -1, "nr_zone_inactive_anon": -1, "nr_zone_active_anon": -1,
		"nr_zone_inactive_file": -1, "nr_zone_active_file": -1, "nr_zone_unevictable": -1,
	}
	pages, seen := int64(0), map[string]bool{}
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 2 || signs[f[0]] == 0 {
			continue
		}
		n, err := strconv.ParseInt(f[1], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("zoneinfo: %q: %w", line, err)
		}
		pages += signs[f[0]] * n
		seen[f[0]] = true
	}
	if len(seen) != len(signs) {
		return 0, fmt.Errorf("zoneinfo: only %d of %d numbers are there", len(seen), len(signs))
	}
	return pages * int64(os.Getpagesize()), nil
}
