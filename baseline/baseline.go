// SPDX-License-Identifier: MIT

// Package baseline keeps what the module cost when somebody last looked at it,
// a file for each kernel, and tells when that has changed. The files are kept
// with the sources: their diff is the price of a change.
package baseline

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"kprof-bench/compare"
	"kprof-bench/results"
)

// costs are the units that the module alone decides, by the name of the row.
// What a scan meets in memory is none of it, so only what it costs for each
// word of an arena of the testbed's is kept.
var costs = map[string][]string{
	"Probe":       {"overhead-insn/op", "missed"},
	"VmallocPair": {"hooks-insn/pair"},
	"LeakScan":    {"insn/word", "precision", "recall"},
}

// arena is the region whose scan is kept.
const arena = "64MiB"

// Of returns the part of the results that a baseline keeps: what calls of
// getpid and of the testbed's functions cost, whose overheads repeat to the
// digit whatever else the suite does, the hooks of a vmalloc and its vfree, and a
// scan. It is an error if the results have nothing of it, or are not exact.
func Of(f *results.File) (*results.File, error) {
	if clock := value(f, "clock"); clock != results.ClockICount {
		return nil, fmt.Errorf("a baseline is in instructions, and the results are of clock %s: measure on clock %s", clock, results.ClockICount)
	}
	kept := &results.File{}
	for _, c := range f.Env {
		if c.Key != "suite" { // any may measure what the next is held against
			kept.Env = append(kept.Env, c)
		}
	}
	for _, r := range f.Rows {
		if r = costOf(r); len(r.Values) > 0 {
			kept.Rows = append(kept.Rows, r)
		}
	}
	if len(kept.Rows) == 0 {
		return nil, errors.New("the results have nothing that a baseline keeps: measure overhead, lengths, vmalloc or leaks, of sys_getpid")
	}
	for _, u := range f.Units {
		if slices.ContainsFunc(kept.Rows, func(r results.Row) bool { _, ok := r.Value(u.Name); return ok }) {
			kept.Units = append(kept.Units, u)
		}
	}
	return kept, nil
}

// costOf is a row with the values that are kept.
func costOf(r results.Row) results.Row {
	kept := r
	kept.Values = nil
	if steady(r) {
		for _, v := range r.Values {
			if slices.Contains(costs[r.Name], v.Unit) {
				kept.Values = append(kept.Values, v)
			}
		}
	}
	return kept
}

func steady(r results.Row) bool {
	for _, p := range r.Params {
		switch {
		case p.Key == "func" && p.Value != "sys_getpid" && !strings.HasPrefix(p.Value, "tb_"),
			p.Key == "region" && p.Value != arena:
			return false
		}
	}
	return true
}

func value(f *results.File, key string) string {
	for _, c := range f.Env {
		if c.Key == key {
			return c.Value
		}
	}
	return ""
}

// ErrMissing is returned when a kernel has no baseline.
var ErrMissing = errors.New("there is no baseline")

// Path is where the baseline of a series of Linux lies in the directory.
func Path(dir, series string) string { return filepath.Join(dir, series+".txt") }

// Read reads the baseline of a series. The error is [ErrMissing] if there is none.
func Read(dir, series string) (*results.File, error) {
	f, err := results.ReadFile(Path(dir, series))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w of Linux %s in %s", ErrMissing, series, dir)
	}
	return f, err
}

// Write replaces the baseline of a series, or is an error and changes nothing.
// Of what was there, figures stay that have not changed by more than comes from
// elsewhere.
func Write(dir, series string, f *results.File) error {
	next, err := Of(f)
	if err != nil {
		return err
	}
	switch old, err := Read(dir, series); {
	case err == nil:
		next = settle(old, next)
	case !errors.Is(err, ErrMissing):
		return fmt.Errorf("%w; it stays as it is: mend it or take it away", err)
	}
	return results.WriteFile(Path(dir, series), next)
}

// settle returns the next figures, and as they were those that differ by no more
// than builds of the suite do.
func settle(old, next *results.File) *results.File {
	was := map[string]results.Row{}
	for _, r := range old.Rows {
		was[r.FullName()] = r
	}
	slack := map[string]results.Slack{}
	for _, u := range next.Units {
		slack[u.Name] = u.Slack
	}
	settled := *next
	settled.Rows = slices.Clone(next.Rows)
	for i, r := range settled.Rows {
		values := slices.Clone(r.Values)
		for j, v := range values {
			then, ok := was[r.FullName()].Value(v.Unit)
			if ok && slack[v.Unit].Covers(then, v.V) {
				values[j].V = then
			}
		}
		settled.Rows[i].Values = values
	}
	return &settled
}

// Compare holds results against a baseline: any difference is a change. Partial
// results may lack what the baseline has.
func Compare(old, f *results.File, partial bool) (*compare.Report, error) {
	next, err := Of(f)
	if err != nil {
		return nil, err
	}
	if partial {
		old = measuredOf(old, next)
	}
	a, err := setOf("baseline", old)
	if err != nil {
		return nil, err
	}
	b, err := setOf("measured", next)
	if err != nil {
		return nil, err
	}
	return compare.Compare(a, b, compare.Options{Alpha: compare.DefaultAlpha, Floor: compare.DefaultFloor, Today: time.Now()})
}

// measuredOf is the part of the old rows that is there again, or all if none is.
func measuredOf(old, next *results.File) *results.File {
	part := *old
	part.Rows = slices.DeleteFunc(slices.Clone(old.Rows), func(r results.Row) bool {
		return !slices.ContainsFunc(next.Rows, func(n results.Row) bool { return n.FullName() == r.FullName() })
	})
	if len(part.Rows) == 0 {
		return old
	}
	return &part
}

func setOf(name string, f *results.File) (*compare.Set, error) {
	var text bytes.Buffer
	if err := results.Write(&text, f); err != nil {
		return nil, err
	}
	return compare.Read(&text, name)
}
