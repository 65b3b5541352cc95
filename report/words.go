// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"kprof-bench/history"
)

// value is a number for people: to the digit where it is exact, else as much of
// it as noise leaves.
func value(v float64, exact bool) string {
	if v != 0 && (math.Abs(v) < 1e-6 || math.Abs(v) >= 1e15) {
		return strconv.FormatFloat(v, 'g', 5, 64)
	}
	digits := 6
	if a := math.Abs(v); !exact && a > 0 {
		digits = max(0, 4-int(math.Floor(math.Log10(a))))
	}
	scale := math.Pow(10, float64(digits))
	text := strconv.FormatFloat(math.Round(v*scale)/scale+0, 'f', -1, 64)
	return withCommas(text)
}

// withCommas puts a comma after every third digit before the point.
func withCommas(text string) string {
	whole, fraction, found := strings.Cut(text, ".")
	first := 0
	if strings.HasPrefix(whole, "-") {
		first = 1
	}
	for i := len(whole) - 3; i > first; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if found {
		return whole + "." + fraction
	}
	return whole
}

// parts are those of a row's name, between which a line may be broken.
func parts(row string) []string { return strings.SplitAfter(row, "/") }

// percent is how much is added to what was before; nothing can be said from zero.
func percent(before, after float64) string {
	r := 100 * relative(before, after)
	switch {
	case r == 0 || math.IsInf(r, 0) || math.IsNaN(r):
		return ""
	case math.Abs(r) >= 1000:
		return map[bool]string{true: "+"}[r > 0] + withCommas(strconv.FormatFloat(math.Round(r), 'f', 0, 64)) + " %"
	case math.Abs(r) < 0.005:
		return fmt.Sprintf("%+.1g %%", r)
	}
	return fmt.Sprintf("%+.2f %%", r)
}

// runName says which run it is, by its revision and day.
func runName(r *history.Run) string {
	day := r.Time.UTC().Format(time.DateOnly)
	if r.Commit == "" {
		return r.File + " of " + day
	}
	return shortCommit(r) + " of " + day
}

func shortCommit(r *history.Run) string { return r.Commit[:min(len(r.Commit), 12)] }

func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// size is a number of bytes for people.
func size(bytes int) string {
	if bytes < 1000 {
		return plural(bytes, "byte")
	}
	return withCommas(strconv.Itoa((bytes+500)/1000)) + " kB"
}
