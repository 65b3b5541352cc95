// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"slices"
	"strings"

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

// backendParams returns the parameters that have the functions probed by a
// backend. The direct one is the module's own choice, but how many words of
// arguments a function takes, it knows of system calls only.
func backendParams(backend string, funcs []string) []kmod.Param {
	switch {
	case backend == "":
		return nil
	case backend != direct:
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
// job's backend, if it has one and can.
func wantBackend(t *T, p *kmod.Profiler, except ...string) {
	for _, b := range must(p.Backends())(t) {
		want := t.job.Backend
		if want == direct && kmod.TestbedArgs[b.Symbol] > mostArgs {
			want = rethook
		}
		if want != "" && b.Backend != want && !slices.Contains(except, b.Symbol) {
			t.Errorf("%s is probed by %s, want %s: %s", b.Symbol, b.Backend, want, b.Why)
		}
	}
}
