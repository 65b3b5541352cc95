// SPDX-License-Identifier: MIT

package main

import (
	"errors"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// occupied has another direct user of ftrace on a function, before the module
// and after it.
func occupied(t *T) {
	tb := loadTestbed(t)
	other := session(t)
	before := takeFootprint(t)

	ok(t, other.Occupy("tb_recurse"))
	p := load(t, []string{"tb_recurse", "tb_args8"})
	wantBackend(t, p, "tb_recurse")
	if b := backendOf(t, p, "tb_recurse"); b == direct {
		t.Errorf("a function that has a direct user is probed by %s", b)
	}
	countsWhileOccupied(t, "function occupied", p, tb)
	unload(t)

	// What the module did not take stays taken.
	if err := tb.Occupy("tb_recurse"); !errors.Is(err, unix.EBUSY) {
		t.Errorf("two direct users of one function: %v, want %v", err, unix.EBUSY)
	}
	ok(t, other.Vacate())
	p = load(t, []string{"tb_recurse", "tb_args8"})
	wantBackend(t, p)
	var want error
	if backendOf(t, p, "tb_recurse") == direct {
		want = unix.EBUSY
	}
	if err := other.Occupy("tb_recurse"); !errors.Is(err, want) {
		t.Errorf("another direct user beside %s: %v, want %v", backendOf(t, p, "tb_recurse"), err, want)
	}
	countsWhileOccupied(t, "occupied later", p, tb)
	unload(t)
	ok(t, other.Vacate())
	wantFootprint(t, "after both are gone", before)
}

// patched shares a function with a live patch: who comes second must not get at
// the address that a call goes on at.
func patched(t *T) {
	tb := loadTestbed(t)
	other := session(t)
	before := takeFootprint(t)

	ok(t, other.Patch("tb_recurse"))
	p := load(t, []string{"tb_recurse", "tb_args8"})
	if b := backendOf(t, p, "tb_recurse"); b == direct {
		t.Errorf("a function that is patched is probed by %s", b)
	}
	countsWhileOccupied(t, "function patched", p, tb)
	unload(t)
	ok(t, other.Vacate())

	p = load(t, []string{"tb_recurse", "tb_args8"})
	var want error
	if backendOf(t, p, "tb_recurse") == direct {
		want = unix.EBUSY
	}
	if err := other.Patch("tb_recurse"); !errors.Is(err, want) {
		t.Errorf("a patch beside %s: %v, want %v", backendOf(t, p, "tb_recurse"), err, want)
	}
	countsWhileOccupied(t, "patched later", p, tb)
	unload(t)
	ok(t, other.Vacate())
	wantFootprint(t, "after both are gone", before)
}

func countsWhileOccupied(t *T, when string, p *kmod.Profiler, tb *kmod.Testbed) {
	must(tb.Recurse(99, 20))(t)
	args := must(tb.Args8(300))(t)
	if args.Calls != 300 || args.Value != args.Expect {
		t.Errorf("%s: call %d with eight arguments gave %d, want %d", when, args.Calls, args.Value, args.Expect)
	}
	if diff := cmp.Diff(map[string]uint64{"tb_recurse": 2000, "tb_args8": 300}, invocations(t, p)); diff != "" {
		t.Errorf("%s: invocations (-want +got)\n%s", when, diff)
	}
	if diff := cmp.Diff(map[string]uint64{"tb_recurse": 0, "tb_args8": 0}, missed(t, p)); diff != "" {
		t.Errorf("%s: missed (-want +got)\n%s", when, diff)
	}
}
