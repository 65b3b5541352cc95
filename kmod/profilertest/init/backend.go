// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// Names of backends, as the module has them.
const (
	direct    = "direct"
	rethook   = "rethook"
	kretprobe = "kretprobe"
)

// mostArgs are the words of arguments that fit into registers. No function that
// takes more is probed directly.
const mostArgs = 6

// release is that of the kernel, like 6.1.0-56-amd64.
var release = sync.OnceValue(func() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		panic(err) // it has no reason to fail
	}
	return string(u.Release[:bytes.IndexByte(u.Release[:], 0)])
})

func is510() bool { return strings.HasPrefix(release(), "5.10.") }

// lacking tells why this kernel has no such backend, in the module's words, or
// "".
func lacking(backend string) string {
	switch {
	case !is510():
		return ""
	case backend == direct:
		return "the ftrace of this kernel has no direct calls from a set of functions"
	case backend == rethook:
		return "this kernel has no rethook"
	}
	return ""
}

// has tells whether this kernel has a backend. If not, the check says so.
func has(t *T, backend string) bool {
	why := lacking(backend)
	if why != "" {
		t.NotSupported("backend "+backend, why)
	}
	return why == ""
}

// backends returns those of the backends that this kernel has.
func backends(t *T, all ...string) []string {
	return slices.DeleteFunc(all, func(b string) bool { return !has(t, b) })
}

// byChoice is the backend that the module takes for a function when nothing
// speaks against the cheapest but the number of words that its arguments have.
func byChoice(words int) string {
	switch {
	case lacking(direct) != "":
		return kretprobe
	case words > mostArgs:
		return rethook
	}
	return direct
}

// backendParams returns the parameters that have the functions probed by a
// backend, or by the module's own choice: how many words of arguments a function
// takes, it knows of system calls only.
func backendParams(backend string, funcs []string) []kmod.Param {
	if backend != "" {
		return []kmod.Param{{Name: "backend", Value: backend}}
	}
	if words := argWords(funcs); words != "" {
		return []kmod.Param{{Name: "args", Value: words}}
	}
	return nil
}

func argWords(funcs []string) string {
	var words []string
	for _, f := range funcs {
		if n, ok := kmod.TestbedArgs[f]; ok {
			words = append(words, fmt.Sprintf("%s:%d", f, n))
		}
	}
	return strings.Join(words, ",")
}

// backendOf returns how a function is probed.
func backendOf(t *T, p *kmod.Profiler, symbol string) string {
	for _, b := range must(p.Backends())(t) {
		if b.Symbol == symbol {
			return b.Backend
		}
	}
	t.Fatalf("backends says nothing of %s", symbol)
	panic("not reached")
}

// wantBackend fails unless all functions but the exceptions are probed by the
// job's backend, or as the module is to choose.
func wantBackend(t *T, p *kmod.Profiler, except ...string) {
	for _, b := range must(p.Backends())(t) {
		want := t.job.Backend
		if want == "" {
			want = byChoice(kmod.TestbedArgs[b.Symbol])
		}
		if b.Backend != want && !slices.Contains(except, b.Symbol) {
			t.Errorf("%s is probed by %s, want %s: %s", b.Symbol, b.Backend, want, b.Why)
		}
	}
}
