// SPDX-License-Identifier: MIT

package peers

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// ErrNotSupported is wrapped by the errors of what a kernel, or a function of it,
// does not have for a peer. The text says why.
var ErrNotSupported = errors.New("not supported")

func unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrNotSupported, fmt.Sprintf(format, args...))
}

// whyUnsupported is what the error says behind that.
func whyUnsupported(err error) string {
	_, why, _ := strings.Cut(err.Error(), ErrNotSupported.Error()+": ")
	return why
}

// Peer is a way to count and time calls of kernel functions.
type Peer interface {
	Facts() Facts
	// Attach begins to count calls of functions. On an error nothing is left
	// behind; it wraps [ErrNotSupported] if the kernel cannot do this.
	Attach(functions []Function) error
	// Read tells what was counted since Attach, of each function in its order,
	// or one sum of all for peers that do not tell them apart.
	Read() ([]Reading, error)
	// Detach ends the counting. What was counted is gone.
	Detach() error
}

// Function is a function of the kernel.
type Function struct {
	Name   string // as people type it: sys_getpid
	Symbol string // in /proc/kallsyms: __x64_sys_getpid
}

// FunctionOf is the function that people mean by a name.
func FunctionOf(name string) Function {
	if strings.HasPrefix(name, "sys_") {
		return Function{name, "__x64_" + name}
	}
	return Function{name, name}
}

// systemCall is the name of a system call without what is in front of it.
func (f Function) systemCall() (name string, ok bool) {
	return strings.CutPrefix(f.Symbol, "__x64_sys_")
}

// Reading is what was counted of a function.
type Reading struct {
	Calls   uint64  // as far as the peer knows
	Timed   uint64  // of these
	TotalNs float64 // what the timed ones took
	Lost    uint64  // by the peer's own count
}

// Average is what a call takes according to the peer, NaN if it does not time.
func (r Reading) Average() float64 {
	if r.Timed == 0 {
		return math.NaN()
	}
	return r.TotalNs / float64(r.Timed)
}

// Kind is what a peer is made of.
type Kind string

// The kinds of peers.
const (
	Module  Kind = "module"
	Tracefs Kind = "tracefs"
	BPF     Kind = "BPF"
	Tool    Kind = "tool"
)

// Facts are what is known of a peer without a measurement, from its documentation.
type Facts struct {
	Name string
	Kind Kind
	// Doc is where it is described: a file of the kernel's sources, unless it says
	// something else. It is run as it says there.
	Doc string
	// What it can, whether or not it is made use of here.
	Durations bool // it tells how long calls take
	Filter    bool // it can look at arguments and leave out calls
	Stacks    bool // it can tell who called
	Histogram bool // it can sort durations into a histogram
	Each      bool // it has every single call, with its time
	// How it can be had, and where.
	NoModule  bool // nothing is loaded that Debian has not signed
	Lockdown  bool // it works with lockdown=integrity, which Secure Boot sets
	AnyKernel bool // it needs neither BTF nor ftrace: kprobes are enough
	// Rounded is set if durations are those of the kernel's scheduler clock, which rounds
	// ticks to nanoseconds up or down as they fall: averages of them differ in their last
	// digits.
	Rounded bool
	// Limit is what else one must know.
	Limit string
}
