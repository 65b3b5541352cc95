// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// onProcessor returns a function that calls f on one processor.
func onProcessor(cpu int, f func() error) func() error {
	return func() error {
		// Never unlocked: the thread ends, and nobody else gets it.
		runtime.LockOSThread()
		var set unix.CPUSet
		set.Set(cpu)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return err
		}
		return f()
	}
}

// churn has blocks come and go on both processors, a third of them freed in
// interrupts, while others stay and memory is scanned. In the end the report
// must be about what is there: by the testbed, and by the kernel's own list.
func churn(t *T) {
	const batch, size = 96, 8192
	each := uint64(t.job.Pairs / 2 / batch * batch)
	tb := loadTestbed(t)
	p := load(t, nil)
	must(tb.Plant("data", 100, 4096))(t)
	must(tb.PlantOther("vzalloc", 5, size))(t)
	near := must(tb.Blocks())(t)[0].Page >> 18 << 18 // 1 GiB
	before := must(p.Status())(t)

	var working atomic.Int32
	working.Store(2)
	churner := func(cpu int) func() error {
		tb := session(t)
		return onProcessor(cpu, func() error {
			defer working.Add(-1)
			c, err := tb.Churn(each, size)
			if want := (kmod.Churned{Pairs: each, IRQ: each / 3}); err == nil && c != want {
				err = fmt.Errorf("churned %+v, want %+v", c, want)
			}
			return err
		})
	}
	var planted, freed, reports uint64
	planter := session(t)
	began := time.Now()
	at(t, churner(0), churner(1),
		func() error {
			for ; working.Load() > 0 && planted < 1000; planted, freed = planted+20, freed+19 {
				run, err := planter.Plant("leaked", 20, 4096)
				if err == nil {
					_, err = planter.Free(run.First, 19, kmod.FreeIRQ)
				}
				if err != nil {
					return err
				}
				time.Sleep(5 * time.Millisecond)
			}
			return nil
		},
		func() error {
			for ; working.Load() > 0; reports++ {
				if err := p.SetRange(near<<kmod.PageShift, (near+1<<18)<<kmod.PageShift); err != nil {
					return err
				}
				leaks, err := p.Leaks()
				if err != nil {
					return err
				}
				if n := uint64(len(leaks)); n < 100 || n > 100+1000+2*batch {
					return fmt.Errorf("report %d is about %d blocks", reports, n)
				}
				time.Sleep(20 * time.Millisecond)
			}
			return nil
		})
	took := time.Since(began)

	wantKernels(t, wantLive(t, "after the churn", p, tb))
	s := noLosses(t, p)
	t.Logf("%d pairs and %d blocks in %v; %d reports meanwhile, the last with %d unreadable pages",
		2*each, planted, took.Round(time.Millisecond), reports, s.UnreadablePages)
	if a, f := s.Allocated-before.Allocated, s.Freed-before.Freed; a != 2*each+planted || f != 2*each+freed {
		t.Errorf("%d allocated, %d freed; want %d and %d", a, f, 2*each+planted, 2*each+freed)
	}
	if s.Live != 100+planted-freed || reports < 2 || planted == 0 {
		t.Errorf("%d live, want %d; %d reports, %d planted", s.Live, 100+planted-freed, reports, planted)
	}
}

// wantKernels fails unless the report is about just the blocks that the kernel
// lists as allocated by those functions of the testbed that call vmalloc().
func wantKernels(t *T, leaks []kmod.Leak) {
	others := []string{"vzalloc", "kvmalloc", "vmalloc_user", "vmap"}
	listed := func() []uint64 {
		var pages []uint64
		for page, caller := range vmallocCallers(t) {
			function, _, _ := strings.Cut(caller, "+")
			class, planted := strings.CutPrefix(function, "tb_site_")
			if !strings.HasSuffix(caller, "[kprof_testbed]") || planted && slices.Contains(others, class) {
				continue
			}
			if planted || slices.Contains([]string{"tb_churn_alloc", "tb_vpair"}, function) {
				pages = append(pages, page)
			}
		}
		slices.Sort(pages)
		return pages
	}
	var reported []uint64
	for _, l := range leaks {
		reported = append(reported, l.Page)
	}
	// What was freed in an interrupt is listed until a worker has come by.
	waitFor(t, "the kernel has freed what it put off", func() bool { return len(listed()) <= len(reported) })
	if diff := cmp.Diff(listed(), reported); diff != "" {
		t.Errorf("blocks (-vmallocinfo +reported)\n%s", diff)
	}
}
