// SPDX-License-Identifier: MIT

package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"kprof-bench/history"
)

// spark is a small chart of a series: a line, and marks at its changes.
type spark struct {
	Line  string // of a path
	Marks []sparkMark
	End   point
	Says  string // in words
}

type sparkMark struct {
	Class string
	Path  string
}

type point struct{ X, Y string }

// Sizes of a small chart, without unit. The script draws by them, too.
const (
	sparkWidth  = 160
	sparkHeight = 28
	sparkEdge   = 5
)

// extent is what the axis of a series covers: its values, and a fiftieth of them
// at least, so that nothing looks large that is not.
func extent(s history.Series) (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range s.Points {
		low, high = min(low, p.Value), max(high, p.Value)
	}
	middle, half := (low+high)/2, (high-low)/2
	half = max(half, math.Abs(middle)/100)
	if half == 0 {
		half = 1
	}
	return middle - half, middle + half
}

func newSpark(s history.Series, runs map[*history.Run]int) spark {
	low, high := extent(s)
	at := func(i int) (x, y float64) {
		x = sparkEdge
		if n := len(runs); n > 1 {
			x += (sparkWidth - 2*sparkEdge) * float64(runs[s.Points[i].Run]) / float64(n-1)
		}
		return x, sparkHeight - sparkEdge - (sparkHeight-2*sparkEdge)*(s.Points[i].Value-low)/(high-low)
	}
	out := spark{Says: sparkWords(s)}
	var b strings.Builder
	for i := range s.Points {
		x, y := at(i)
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%s %s", short(x), short(y))
		case i+1 < len(s.Points) && s.Points[i-1].Value == s.Points[i].Value && s.Points[i+1].Value == s.Points[i].Value:
			// It lies on the line that is drawn anyway.
		default:
			fmt.Fprintf(&b, "L%s %s", short(x), short(y))
		}
		out.End = point{short(x), short(y)}
	}
	out.Line = b.String()
	for _, c := range s.Changes {
		x, y := at(c.At)
		out.Marks = append(out.Marks, newMark(c, x, y))
	}
	return out
}

// newMark is a triangle: up for what is worse, down for what is better, and a
// square for what is neither.
func newMark(c history.Change, x, y float64) sparkMark {
	switch c.Verdict {
	case history.Regression:
		return sparkMark{"worse", fmt.Sprintf("M%s %sl4 7h-8z", short(x), short(y-4))}
	case history.Improvement:
		return sparkMark{"better", fmt.Sprintf("M%s %sl4 -7h-8z", short(x), short(y+4))}
	}
	return sparkMark{"other", fmt.Sprintf("M%s %sh6v6h-6z", short(x-3), short(y-3))}
}

func sparkWords(s history.Series) string {
	first, last := s.Points[0], s.Points[len(s.Points)-1]
	return fmt.Sprintf("%s from %s to %s, %s", plural(len(s.Points), "run"),
		value(first.Value, s.Exact), value(last.Value, s.Exact), plural(len(s.Changes), "change"))
}

// short is a coordinate to a tenth.
func short(v float64) string { return strconv.FormatFloat(math.Round(10*v)/10+0, 'f', -1, 64) }
