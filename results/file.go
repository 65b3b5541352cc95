// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"strings"
)

// ErrEmpty is returned for a file without rows: nothing was measured, which is
// never a result.
var ErrEmpty = errors.New("no benchmark rows")

// File is what one run found.
type File struct {
	Env   []Config
	Units []Unit
	Rows  []Row
}

// Config is a line about where the rows were measured.
type Config struct {
	Key   string // begins with a lower case letter; no capitals, spaces or colons
	Value string // one line, not empty
}

// Unit says how values with a unit compare.
type Unit struct {
	Name   string
	Better string // "lower", "higher", or "" for neither
	// Exact values repeat to the digit, so one of each is enough to compare.
	Exact bool
	// Noisy values are exact on no clock. Those of a unit that says neither are taken
	// for exact on icount.
	Noisy bool
	// Slack is for exact values that different builds of the suite found.
	Slack Slack
}

// Row is a measurement.
type Row struct {
	Name   string // begins with a capital: "Probe"
	Params []Param
	Iters  int // at least 1
	Values []Value
}

// Param is a part of a row's full name. Neither half is empty or holds a
// space, a slash or an equals sign.
type Param struct {
	Key, Value string
}

// Value is a number and its unit.
type Value struct {
	V    float64
	Unit string
}

// FullName returns the row's name with its parameters, as in the file but
// without the leading "Benchmark".
func (r Row) FullName() string {
	var b strings.Builder
	b.WriteString(r.Name)
	for _, p := range r.Params {
		b.WriteString("/" + p.Key + "=" + p.Value)
	}
	return b.String()
}

// Value returns the row's value in the unit.
func (r Row) Value(unit string) (v float64, ok bool) {
	for _, value := range r.Values {
		if value.Unit == unit {
			return value.V, true
		}
	}
	return 0, false
}
