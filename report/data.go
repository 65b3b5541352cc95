// SPDX-License-Identifier: MIT

package report

import (
	"time"

	"kprof-bench/history"
)

// data is what the script draws: every value once, in few letters.
type data struct {
	Runs   [][]string   `json:"runs"` // day, commit, subject, file
	Series []dataSeries `json:"series"`
}

// dataSeries has its values one by one, or, where it is shorter, pairs of a value
// and of how often it follows.
type dataSeries struct {
	Row    string    `json:"n"`
	Unit   string    `json:"u"`
	Kernel string    `json:"k"`
	Exact  bool      `json:"x,omitempty"`
	First  int       `json:"o"`           // number of the first run
	Runs   []int     `json:"p,omitempty"` // of all runs, where some are missing
	Values []float64 `json:"v,omitempty"`
	Pairs  []float64 `json:"r,omitempty"`
	Low    []float64 `json:"l,omitempty"`
	High   []float64 `json:"h,omitempty"`
	Change [][]any   `json:"c,omitempty"` // point, class, words
}

func (p *Page) data(runs []*history.Run, number map[*history.Run]int) data {
	d := data{Series: []dataSeries{}}
	for _, r := range runs {
		d.Runs = append(d.Runs, []string{r.Time.UTC().Format(time.DateOnly), shortCommit(r), r.Subject, r.File})
	}
	labels := newLabels(p.Series)
	for i, s := range p.Series {
		out := dataSeries{Row: s.Row, Unit: s.Unit, Kernel: labels.of(s), Exact: s.Exact}
		out.setValues(s, number)
		for _, c := range s.Changes {
			shown := newChange(i, s, "", c)
			out.Change = append(out.Change, []any{c.At, shown.Class, shown.What + ": " + shown.Before + " → " + shown.After})
		}
		d.Series = append(d.Series, out)
	}
	return d
}

func (d *dataSeries) setValues(s history.Series, number map[*history.Run]int) {
	gaps := false
	for i, p := range s.Points {
		n := number[p.Run]
		if i == 0 {
			d.First = n
		}
		gaps = gaps || n != d.First+i
		d.Runs = append(d.Runs, n)
		d.Values = append(d.Values, p.Value)
		if last := len(d.Pairs) - 2; last >= 0 && d.Pairs[last] == p.Value {
			d.Pairs[last+1]++
		} else {
			d.Pairs = append(d.Pairs, p.Value, 1)
		}
		if !s.Exact {
			d.Low, d.High = append(d.Low, p.Low), append(d.High, p.High)
		}
	}
	if !gaps {
		d.Runs = nil
	}
	if len(d.Pairs) < len(d.Values) {
		d.Values = nil
	} else {
		d.Pairs = nil
	}
}
