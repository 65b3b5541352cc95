// SPDX-License-Identifier: MIT

package main

import (
	"errors"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// occupied returns a check in which somebody else takes a function in the way
// given, as only one can, before the module and after it: who comes second must
// not get at the address that a call goes on at.
func occupied(take func(*kmod.Testbed, string) error) func(*T) {
	return func(t *T) {
		tb := loadTestbed(t)
		other := session(t)
		before := takeFootprint(t)

		ok(t, take(other, "tb_recurse"))
		p := load(t, []string{"tb_recurse", "tb_args8"})
		wantBackend(t, p, "tb_recurse")
		if b := backendOf(t, p, "tb_recurse"); b == direct {
			t.Errorf("a function that is taken is probed by %s", b)
		}
		countsWhileOccupied(t, "taken before", p, tb)
		unload(t)

		// What the module did not take stays taken.
		if err := take(tb, "tb_recurse"); !errors.Is(err, unix.EBUSY) {
			t.Errorf("two who take one function: %v, want %v", err, unix.EBUSY)
		}
		ok(t, other.Vacate())
		occupiedLater(t, take, tb, other)
		wantFootprint(t, "after both are gone", before)
	}
}

func occupiedLater(t *T, take func(*kmod.Testbed, string) error, tb, other *kmod.Testbed) {
	p := load(t, []string{"tb_recurse", "tb_args8"})
	wantBackend(t, p)
	var want error
	backend := backendOf(t, p, "tb_recurse")
	if backend == direct {
		want = unix.EBUSY
	}
	if err := take(other, "tb_recurse"); !errors.Is(err, want) {
		t.Errorf("another one beside %s: %v, want %v", backend, err, want)
	}
	countsWhileOccupied(t, "taken later", p, tb)
	unload(t)
	ok(t, other.Vacate())
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
