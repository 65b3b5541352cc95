// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// at runs functions at once and fails for each error.
func at(t *T, functions ...func() error) {
	errs := make([]error, len(functions))
	var wg sync.WaitGroup
	for i, f := range functions {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("%v", err)
		}
	}
}

// racingCounts calls the same functions on both processors, and scans.
func racingCounts(t *T) {
	loadTestbed(t)
	p := load(t, []string{"tb_recurse", "tb_args8", "tb_timer_fn", "sys_getpid"})
	tb := [5]*kmod.Testbed{}
	for i := range tb {
		tb[i] = session(t)
	}
	must(tb[0].Plant("leaked", 100, 4096))(t)
	all := region(t, tb[0], "directmap")
	ok(t, p.SetRange(all.Start, all.Start+64<<20))
	before := must(p.Status())(t)
	var working atomic.Bool
	working.Store(true)
	var reports int
	at(t,
		func() error {
			defer working.Store(false)
			for range 20 {
				if _, err := tb[0].Recurse(50, 40); err != nil {
					return err
				}
				if _, err := tb[0].VPair(8192, 50); err != nil {
					return err
				}
			}
			return nil
		},
		func() error {
			for range 20 {
				if _, err := tb[1].Recurse(20, 100); err != nil {
					return err
				}
				if _, err := tb[1].VPair(4096, 50); err != nil {
					return err
				}
			}
			return nil
		},
		func() error { _, err := tb[2].Args8(5000); return err },
		func() error { _, err := tb[3].Timer(200, 500); return err },
		func() error { _, err := tb[4].Call("__x64_sys_getpid", 20000); return err },
		func() error {
			for working.Load() {
				leaks, err := p.Leaks()
				if err != nil {
					return err
				}
				if n := len(leaks); n < 100 || n > 102 {
					return errors.New("a report is not about 100 blocks and at most one of each processor")
				}
				reports++
			}
			return nil
		})
	t.Logf("%d reports meanwhile", reports)
	want := map[string]uint64{"tb_recurse": 20*51*40 + 20*21*100, "tb_args8": 5000, "tb_timer_fn": 500, "sys_getpid": 20000}
	if diff := cmp.Diff(want, invocations(t, p)); diff != "" {
		t.Errorf("invocations (-want +got)\n%s", diff)
	}
	if s := noLosses(t, p); s.Live != 100 || s.Allocated-before.Allocated != 2*20*50 {
		t.Errorf("%d live, %d allocated; want 100 and %d", s.Live, s.Allocated-before.Allocated, 2*20*50)
	}
	wantLive(t, "after the race", p, tb[0])
}

// until returns a function that calls f again and again as long as there is
// work, or until it fails.
func until(working *atomic.Bool, f func() error) func() error {
	return func() error {
		for working.Load() {
			if err := f(); err != nil {
				return err
			}
		}
		return nil
	}
}

// racingUnload loads and unloads the module while its functions are called and
// its files are read.
func racingUnload(t *T) {
	loadTestbed(t)
	tb := [3]*kmod.Testbed{session(t), session(t), session(t)}
	funcs := []string{"tb_recurse", "tb_sleep", "sys_getpid"}
	if t.job.Backend != rethook {
		// Which that one refuses to probe.
		funcs = append(funcs, inThisKernel("vmalloc"))
	}
	before := takeFootprint(t)
	var working atomic.Bool
	working.Store(true)
	read := func(name string) func() error {
		return func() error {
			_, err := os.ReadFile(kmod.ProfilerDir + "/" + name)
			for _, fine := range []error{unix.ENOENT, unix.ENODEV, unix.EINVAL, nil} {
				if errors.Is(err, fine) {
					return nil
				}
			}
			return err
		}
	}
	params := "funcs=" + strings.Join(funcs, ",")
	for _, p := range backendParams(t.job.Backend, funcs) {
		params += " " + p.Name + "=" + p.Value
	}
	var lives int
	at(t,
		until(&working, func() error { _, err := tb[0].Recurse(30, 10); return err }),
		until(&working, func() error { _, err := tb[1].VPair(8192, 10); return err }),
		until(&working, func() error { _, err := tb[2].Sleep(2000, 1); return err }),
		until(&working, read("stats")), until(&working, read("memleaks")), until(&working, read("kmp_status")),
		func() error {
			defer working.Store(false)
			for ; lives < 4; lives++ {
				if err := attempt(t, params); err != nil {
					return err
				}
				p := kmod.ProfilerDir
				err := errors.Join(
					os.WriteFile(p+"/scan_start_addr", []byte("ffffffff81000000"), 0),
					os.WriteFile(p+"/scan_end_addr", []byte("ffffffff82000000"), 0))
				for range lives % 3 {
					err = errors.Join(err, read("memleaks")())
				}
				if err = errors.Join(err, remove(kmod.ProfilerModule)); err != nil {
					return err
				}
			}
			return nil
		})
	t.Logf("%d lives", lives)
	wantFootprint(t, "after the race", before)
	p := load(t, []string{"tb_recurse"})
	must(tb[0].Recurse(9, 10))(t)
	if got := invocations(t, p)["tb_recurse"]; got != 100 {
		t.Errorf("after the race: %d invocations, want 100", got)
	}
	must(tb[0].Plant("leaked", 10, 4096))(t)
	wantLive(t, "after the race", p, tb[0])
}
