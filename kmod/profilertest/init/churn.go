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

const (
	churnBatch = 96 // as many as Churn has at once
	churnSize  = 8192
	churnStay  = 100
)

// turmoil is what goes on in the check called churn.
type turmoil struct {
	p        *kmod.Profiler
	churners atomic.Int32 // still at it
	rounds   atomic.Int64 // of plantMeanwhile

	planted, freed      uint64
	reports, unreadable uint64
}

// churner returns a function that has blocks come and go on one processor.
func (m *turmoil) churner(t *T, cpu int, pairs uint64) func() error {
	m.churners.Add(1)
	tb := session(t)
	return onProcessor(cpu, func() error {
		defer m.churners.Add(-1)
		got, err := tb.Churn(pairs, churnSize)
		if want := (kmod.Churned{Pairs: pairs, IRQ: pairs / 3}); err == nil && got != want {
			err = fmt.Errorf("churned %+v, want %+v", got, want)
		}
		return err
	})
}

// plantMeanwhile plants 20 blocks in each round, one of which stays.
func (m *turmoil) plantMeanwhile(tb *kmod.Testbed) error {
	for m.churners.Load() > 0 {
		m.rounds.Add(1)
		run, err := tb.Plant("leaked", 20, 4096)
		if err != nil {
			return err
		}
		if _, err := tb.Free(run.First, 19, kmod.FreeIRQ); err != nil {
			return err
		}
		m.planted += 20
		m.freed += 19
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// scanMeanwhile scans the memory that the blocks come from and go to.
func (m *turmoil) scanMeanwhile() error {
	for m.churners.Load() > 0 {
		leaks, err := m.p.Leaks()
		if err != nil {
			return err
		}
		s, err := m.p.Status()
		if err != nil {
			return err
		}
		if n, most := len(leaks), churnStay+int(m.rounds.Load())+19+2*churnBatch; n < churnStay || n > most {
			return fmt.Errorf("report %d is about %d blocks, want %d to %d", m.reports, n, churnStay, most)
		}
		m.reports++
		m.unreadable += s.UnreadablePages
		time.Sleep(20 * time.Millisecond)
	}
	return nil
}

// churn has blocks come and go on both processors, a third of them freed in
// interrupts, while others stay and memory is scanned. In the end the report
// must be about what is there: by the testbed, and by the kernel's own list.
func churn(t *T) {
	pairs := t.job.Pairs
	if t.job.Backend != "" {
		pairs /= 10 // blocks are traced in the same way, however functions are probed
	}
	each := uint64((pairs/2 + churnBatch - 1) / churnBatch * churnBatch)
	tb, planter := loadTestbed(t), session(t)
	p := load(t, nil)
	must(tb.Plant("data", churnStay, 4096))(t)
	must(tb.PlantOther("vzalloc", 5, churnSize))(t)
	near := must(tb.Blocks())(t)[0].Page >> 18 << 18 // 1 GiB
	ok(t, p.SetRange(near<<kmod.PageShift, (near+1<<18)<<kmod.PageShift))
	before := must(p.Status())(t)

	m := turmoil{p: p}
	began := time.Now()
	at(t, m.churner(t, 0, each), m.churner(t, 1, each),
		func() error { return m.plantMeanwhile(planter) }, m.scanMeanwhile)
	t.Logf("%d pairs and %d blocks in %v; %d reports meanwhile, and %d pages gone while they were read",
		2*each, m.planted, time.Since(began).Round(time.Millisecond), m.reports, m.unreadable)

	wantKernels(t, wantLive(t, "after the churn", p, tb))
	s := noLosses(t, p)
	if a, f := s.Allocated-before.Allocated, s.Freed-before.Freed; a != 2*each+m.planted || f != 2*each+m.freed {
		t.Errorf("%d allocated, %d freed; want %d and %d", a, f, 2*each+m.planted, 2*each+m.freed)
	}
	if live := churnStay + m.planted - m.freed; s.Live != live || m.reports < 2 || m.planted == 0 {
		t.Errorf("%d live, want %d; %d reports, %d planted", s.Live, live, m.reports, m.planted)
	}
}

// wantKernels fails unless the report is about just the blocks that the kernel
// lists as allocated by those functions of the testbed that call vmalloc().
func wantKernels(t *T, leaks []kmod.Leak) {
	others := []string{"vzalloc", "kvmalloc", "vmalloc_user", "vmap"}
	listed := func() []uint64 {
		var pages []uint64
		for page, a := range takeAreas(t) {
			if isInlined() && a.symbol == trampoline {
				pages = append(pages, page)
			}
			class, planted := strings.CutPrefix(a.symbol, "tb_site_")
			if !a.isTestbeds() || planted && slices.Contains(others, class) {
				continue
			}
			if planted || slices.Contains([]string{"tb_churn_alloc", "tb_vpair"}, a.symbol) {
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
