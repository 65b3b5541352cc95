// SPDX-License-Identifier: MIT

package compare

import (
	"fmt"
	"strings"

	"kprof-bench/results"
)

// section is a table of one unit in one environment, for people.
type section struct {
	env   string
	title string
	head  []string
	lines [][]string
	all   []*Comparison
}

// sections are the tables in the order of the files: environments as they come,
// and in each the units as they come.
func (r *Report) sections(changedOnly bool) []*section {
	var all []*section
	at := map[string]*section{}
	var order []string
	byEnv := map[string][]*section{}
	for _, c := range r.Comparisons {
		if changedOnly && c.Verdict == Same {
			continue
		}
		env := inWords(c.Env)
		key := env + "\n" + c.Unit
		s := at[key]
		if s == nil {
			s = &section{env: env, title: c.title(), head: c.head()}
			at[key] = s
			if byEnv[env] == nil {
				order = append(order, env)
			}
			byEnv[env] = append(byEnv[env], s)
		}
		s.lines = append(s.lines, c.cells())
		s.all = append(s.all, c)
	}
	for _, env := range order {
		all = append(all, byEnv[env]...)
	}
	return all
}

func inWords(env []results.Config) string {
	var words []string
	for _, c := range env {
		words = append(words, c.Key+" "+c.Value)
	}
	return strings.Join(words, ", ")
}

func (c *Comparison) title() string {
	kind := "medians"
	if c.Exact {
		kind = "exact"
	}
	if c.Better == "" {
		return c.Unit + ", " + kind
	}
	if c.Better == NearZero {
		return fmt.Sprintf("%s, %s, nearer to zero is better", c.Unit, kind)
	}
	return fmt.Sprintf("%s, %s, %s is better", c.Unit, kind, c.Better)
}

func (c *Comparison) head() []string {
	if c.Exact {
		return []string{"", "OLD", "NEW", "difference", "change", "verdict"}
	}
	return []string{"", "OLD", "95 %", "NEW", "95 %", "change", "p", "n", "verdict"}
}

func (c *Comparison) cells() []string {
	relative := percent(change(c.Old.Value, c.New.Value))
	if c.Exact {
		diff := ""
		if c.Old.Value != c.New.Value {
			diff = difference(c.Old.Value, c.New.Value)
		}
		return []string{c.Row, exactly(c.Old.Value), exactly(c.New.Value), diff, relative, c.verdict()}
	}
	if c.Verdict == Same && c.Why == "" || c.Verdict == Unknown {
		relative = "~"
	}
	n := fmt.Sprint(c.Old.N)
	if c.New.N != c.Old.N {
		n += fmt.Sprintf("+%d", c.New.N)
	}
	return []string{
		c.Row, roughly(c.Old.Value), c.Old.interval(), roughly(c.New.Value), c.New.interval(),
		relative, probability(*c.Adjusted), n, c.verdict(),
	}
}

// interval is that of the median, if there are samples enough for one.
func (f Figure) interval() string {
	if f.Lo == nil {
		return "-"
	}
	return roughly(*f.Lo) + ".." + roughly(*f.Hi)
}

// verdict is that in words, and why.
func (c *Comparison) verdict() string {
	text := string(c.Verdict)
	if c.Why != "" {
		text += ": " + c.Why
	}
	if c.Accepted != "" {
		text += ", accepted: " + c.Accepted
	}
	return text
}
