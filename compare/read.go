// SPDX-License-Identifier: MIT

package compare

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchunit"

	"kprof-bench/results"
)

// Set is what one file holds.
type Set struct {
	// Name stands for the file in what is said of it.
	Name    string
	records []record
	units   benchfmt.UnitMetadataMap
}

// record is a row of the file and the configuration it was measured in.
type record struct {
	name   string // with parameters, without "Benchmark"
	config map[string]string
	values []value
}

// value is a number as the file has it. The format knows ns and sec as one
// unit, which is base.
type value struct {
	v    float64
	unit string
	base string
}

// ReadFile reads the file at path.
func ReadFile(path string) (*Set, error) {
	r, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer r.Close()
	return Read(r, path)
}

// Read reads what anything that writes Go's benchmark format has written, go
// test included; name stands for it in errors. Lines of another kind are
// skipped, as the format wants it. It is an error if a row is damaged, if a
// number is none, or if there is no row: a file that is cut is not a shorter one.
func Read(r io.Reader, name string) (*Set, error) {
	set := &Set{Name: name}
	in := benchfmt.NewReader(r, name)
	for in.Scan() {
		switch rec := in.Result().(type) {
		case *benchfmt.SyntaxError:
			return nil, fmt.Errorf("read results: %w", rec)
		case *benchfmt.Result:
			if err := set.add(rec); err != nil {
				_, line := rec.Pos()
				return nil, fmt.Errorf("read results: %s:%d: %w", name, line, err)
			}
		}
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	if len(set.records) == 0 {
		return nil, fmt.Errorf("read results: %s: no benchmark rows", name)
	}
	set.units = in.Units()
	return set, set.checkUnits()
}

func (s *Set) add(res *benchfmt.Result) error {
	rec := record{name: string(res.Name), config: map[string]string{}}
	for _, c := range res.Config {
		rec.config[c.Key] = string(c.Value)
	}
	seen := map[string]bool{}
	for _, v := range res.Values {
		val := value{v.Value, v.Unit, v.Unit}
		if v.OrigUnit != "" {
			val.v, val.unit = v.OrigValue, v.OrigUnit
		}
		// Of a zero the reader does not change the unit.
		_, val.base = benchunit.Tidy(1, val.unit)
		switch {
		case math.IsNaN(val.v) || math.IsInf(val.v, 0):
			return fmt.Errorf("%s is %v, which is no measurement", val.unit, val.v)
		case seen[val.base]:
			return fmt.Errorf("unit %s is there twice", val.unit)
		}
		seen[val.base] = true
		rec.values = append(rec.values, val)
	}
	if rec.name == "" {
		return errors.New("the benchmark has no name")
	}
	s.records = append(s.records, rec)
	return nil
}

// checkUnits refuses what is misspelt, as it would be taken for not said.
func (s *Set) checkUnits() error {
	allowed := map[string][2]string{"better": {"lower", "higher"}, "assume": {"exact", "nothing"}}
	for key, m := range s.units {
		if key.Key == "slack" {
			if err := results.Slack(m.Value).Check(); err != nil {
				_, line := m.Pos()
				return fmt.Errorf("read results: %s:%d: unit %s: %w", s.Name, line, m.OrigUnit, err)
			}
		}
		want, known := allowed[key.Key]
		if known && m.Value != want[0] && m.Value != want[1] {
			_, line := m.Pos()
			return fmt.Errorf("read results: %s:%d: unit %s: %s is %q, must be %s or %s",
				s.Name, line, m.OrigUnit, key.Key, m.Value, want[0], want[1])
		}
	}
	return nil
}

// Add adds the rows of another file, as more samples of what is measured in both.
func (s *Set) Add(more *Set) error {
	units, err := mergeUnits(s, more)
	if err == nil {
		s.records, s.units = append(s.records, more.records...), units
	}
	return err
}

// mergeUnits is what both files say of units; one may say less.
func mergeUnits(old, next *Set) (benchfmt.UnitMetadataMap, error) {
	all := benchfmt.UnitMetadataMap{}
	for key, m := range old.units {
		all[key] = m
	}
	for key, m := range next.units {
		if before, ok := all[key]; ok && before.Value != m.Value {
			return nil, fmt.Errorf("unit %s: %s is %q in %s and %q in %s", m.OrigUnit, key.Key, before.Value, old.Name, m.Value, next.Name)
		}
		all[key] = m
	}
	return all, nil
}
