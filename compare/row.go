// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"slices"
	"strings"

	"kprof-bench/results"
)

// environment are the keys that say where something was measured. What is
// measured in another place is not compared.
var environment = []string{
	"kernel", "image", "cmdline", "clock", "vcpus", "cpu", "seed", "qemu", "compiler", "goos", "goarch", "pkg",
}

// revisions are the keys that say what was measured. They may differ between
// files, which are compared for that, but not within one.
var revisions = []string{"module", "testbed", "suite", "commit"}

// about are keys that follow from others or say nothing of the figures.
var about = []string{"features", "date", "commit-time", "subject", "rows", "note"}

// row is all that a file has of one benchmark in one environment.
type row struct {
	name      string // with what else tells it from others of the file
	env       []results.Config
	envKey    string
	revisions map[string]string
	series    []*series
}

// series are the samples of a row in a unit.
type series struct {
	base   string
	values []value
}

// extraKeys are other keys that tell rows of a file apart: those that have
// several values for one benchmark in one environment.
func (s *Set) extraKeys() []string {
	first := map[string]map[string]string{}
	var extra []string
	for _, rec := range s.records {
		_, envKey := environmentOf(rec.config)
		before, ok := first[rec.name+"\n"+envKey]
		if !ok {
			first[rec.name+"\n"+envKey] = rec.config
			continue
		}
		for _, key := range keysOf(before, rec.config) {
			known := slices.Contains(environment, key) || slices.Contains(revisions, key) || slices.Contains(about, key)
			if !known && before[key] != rec.config[key] && !slices.Contains(extra, key) {
				extra = append(extra, key)
			}
		}
	}
	return extra
}

// keysOf are the keys of two configurations, sorted.
func keysOf(a, b map[string]string) []string {
	var keys []string
	for _, m := range []map[string]string{a, b} {
		for key := range m {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

func environmentOf(config map[string]string) (env []results.Config, key string) {
	var b strings.Builder
	for _, k := range environment {
		if v, ok := config[k]; ok {
			env = append(env, results.Config{Key: k, Value: v})
			fmt.Fprintf(&b, "%s: %s\n", k, v)
		}
	}
	return env, b.String()
}

// rows gathers the records of each benchmark in each environment.
func (s *Set) rows(extra []string) ([]*row, error) {
	var all []*row
	at := map[string]*row{}
	for _, rec := range s.records {
		env, envKey := environmentOf(rec.config)
		name := rec.name
		for _, key := range extra {
			name += fmt.Sprintf(" %s=%s", key, rec.config[key])
		}
		r := at[name+"\n"+envKey]
		if r == nil {
			r = &row{name: name, env: env, envKey: envKey, revisions: rec.config}
			at[name+"\n"+envKey] = r
			all = append(all, r)
		}
		for _, key := range revisions {
			if a, b := r.revisions[key], rec.config[key]; a != b {
				return nil, fmt.Errorf("%s: row %s is there with %s %q and %q; put each into a file of its own", s.Name, name, key, a, b)
			}
		}
		r.add(rec.values)
	}
	return all, nil
}

func (r *row) add(values []value) {
	for _, v := range values {
		s := r.in(v.base)
		if s == nil {
			s = &series{base: v.base}
			r.series = append(r.series, s)
		}
		s.values = append(s.values, v)
	}
}

// in returns the samples in a unit, nil if there are none.
func (r *row) in(base string) *series {
	for _, s := range r.series {
		if s.base == base {
			return s
		}
	}
	return nil
}

// inOneUnit returns the numbers of two series in the unit that the files write,
// or in the format's own where they do not write the same.
func inOneUnit(a, b *series) (unit string, old, next []float64) {
	unit = a.values[0].unit
	for _, v := range slices.Concat(a.values, b.values) {
		if v.unit != unit {
			unit = a.base
		}
	}
	return unit, a.in(unit), b.in(unit)
}
