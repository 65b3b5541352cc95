// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kprof-bench/kmod"
)

// journal is the pages of batches that came and went, one after the other.
type journal struct {
	mu      sync.Mutex
	batches [][]uint64
}

func (j *journal) add(pages []uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.batches = append(j.batches, pages)
}

// done returns how many batches have taken the place of the one before.
func (j *journal) done() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.batches)
}

// moment tells whether all these pages belong to two batches in a row, the first
// of which is one of [first, last]. That is what can be alive at one moment.
func (j *journal) moment(pages []uint64, first, last int) bool {
	for i := max(first, 0); i <= last && i < len(j.batches); i++ {
		alive := slices.Concat(j.batches[i:min(i+2, len(j.batches))]...)
		if !slices.ContainsFunc(pages, func(p uint64) bool { return !slices.Contains(alive, p) }) {
			return true
		}
	}
	return false
}

// reading is a report, and how many batches were done before and after it was
// read.
type reading struct {
	text        []byte
	first, last int
}

// makeHoles frees blocks at low addresses, where others will go.
func makeHoles(t *T) {
	must(many.tb.Free(many.freed+1, manyHoles, kmod.FreeVfree))(t)
	many.text = must(many.p.ScanRaw())(t)
	if n := len(many.text); n != 52*(manyLive-1-manyHoles) {
		t.Errorf("the report is %d bytes, want %d lines", n, manyLive-1-manyHoles)
	}
}

// readersAmidChanges reads the report eight times at once while blocks come and
// go. Each must have all the blocks that stay, and of the others what was alive
// at one moment of the time it took. The others come first in the report, and
// not always as many, so that in a mixture of two reports lines that stay would
// be doubled or missing.
func readersAmidChanges(t *T) {
	const readers = 8
	makeHoles(t)
	churner := session(t)
	var j journal
	change := func() error {
		if err := churner.Purge(); err != nil {
			return err
		}
		pages, err := churner.Batch([]uint64{100, 40}[j.done()%2], 4096)
		j.add(pages)
		time.Sleep(150 * time.Millisecond) // longer than a scan
		return err
	}
	ok(t, change())
	var all [readers]reading
	var reading atomic.Int32
	reading.Store(readers)
	work := []func() error{func() error {
		for reading.Load() > 0 {
			if err := change(); err != nil {
				return err
			}
		}
		return nil
	}}
	for i := range all {
		work = append(work, func() (err error) {
			defer reading.Add(-1)
			all[i].first = j.done()
			all[i].text, err = os.ReadFile(many.p.MemleaksPath())
			all[i].last = j.done()
			return err
		})
	}
	scansMore(t, "parallel readers amid changes", readers, func() { at(t, work...) })
	ok(t, churner.BatchOff())

	churned := 0
	different := map[string]bool{}
	for i, r := range all {
		different[string(r.text)] = true
		n, err := j.holds(r)
		if err != nil {
			t.Errorf("reader %d: %v", i, err)
		}
		churned += n
	}
	t.Logf("%d batches; %d blocks of them in %d reports, %d of which differ", j.done(), churned, readers, len(different))
	if churned == 0 || len(different) < 2 {
		t.Errorf("%d blocks came and went in %d reports", churned, len(different))
	}
}

// holds checks one report and returns how many of its blocks came and went.
func (j *journal) holds(r reading) (int, error) {
	leaks, err := kmod.ParseMemleaks(r.text) // checks form and order
	if err != nil || len(r.text) != 52*len(leaks) {
		return 0, fmt.Errorf("%d bytes, %d lines: %w", len(r.text), len(leaks), err)
	}
	var pages []uint64
	stay := many.text
	for i, l := range leaks {
		if line := r.text[52*i : 52*(i+1)]; bytes.HasPrefix(stay, line) {
			stay = stay[52:]
		} else {
			pages = append(pages, l.Page)
		}
	}
	if len(stay) != 0 {
		return 0, fmt.Errorf("%d lines from here on are missing: %.52s", len(stay)/52, stay)
	}
	// Before it is done, a batch comes while the last one is still there.
	if !j.moment(pages, r.first-1, r.last-1) {
		return 0, fmt.Errorf("%d blocks that were not alive at one moment", len(pages))
	}
	return len(pages), nil
}
