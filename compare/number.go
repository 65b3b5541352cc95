// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"golang.org/x/perf/benchunit"
)

// in returns the numbers in the unit, which is that of the file or base.
func (s *series) in(unit string) []float64 {
	var all []float64
	for _, v := range s.values {
		number := v.v
		if v.unit != unit {
			number, _ = benchunit.Tidy(v.v, v.unit)
		}
		all = append(all, number)
	}
	return all
}

// exactly is the shortest text that reads as v again.
func exactly(v float64) string {
	if v == 0 {
		return "0" // never -0
	}
	if a := math.Abs(v); a < 1e-9 || a >= 1e21 {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// roughly is v to five digits, more than noise leaves of it.
func roughly(v float64) string {
	rounded, err := strconv.ParseFloat(strconv.FormatFloat(v, 'e', 4, 64), 64)
	if err != nil {
		return exactly(v)
	}
	return exactly(rounded)
}

// difference is next - old in decimal: 2.55 - 2.544 is 0.006 and not what
// is left of it in binary.
func difference(old, next float64) string {
	a, okA := new(big.Rat).SetString(exactly(old))
	b, okB := new(big.Rat).SetString(exactly(next))
	if !okA || !okB {
		return strconv.FormatFloat(next-old, 'g', -1, 64) // not finite, which is not read
	}
	d := b.Sub(b, a)
	digits, _ := d.FloatPrec()
	text := d.FloatString(digits)
	if d.Sign() > 0 {
		return "+" + text
	}
	return text
}

// change is next against old in parts of old. It is infinite from zero.
func change(old, next float64) float64 {
	switch {
	case old == next:
		return 0
	case old == 0:
		return math.Copysign(math.Inf(1), next)
	}
	return (next - old) / math.Abs(old)
}

// percent is a change for people. From zero there is none.
func percent(c float64) string {
	switch {
	case c == 0:
		return ""
	case math.IsInf(c, 0):
		return "-"
	case math.Abs(c) < 0.00005:
		return map[bool]string{true: "+", false: "-"}[c > 0] + "<0.01%"
	}
	return fmt.Sprintf("%+.2f%%", 100*c)
}

// probability is a p value for people.
func probability(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return fmt.Sprintf("%.3f", p)
}

// plural is a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	if strings.HasSuffix(thing, "y") {
		return fmt.Sprintf("%d %sies", n, strings.TrimSuffix(thing, "y"))
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
