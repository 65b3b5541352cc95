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

// LastLine is the verdict on the whole.
func (r *Report) LastLine() string {
	word := map[Outcome]string{NoRegression: "NO REGRESSION", Regression: "REGRESSION", Undecided: "COULD NOT TELL", Failed: "NOTHING COMPARED"}
	text := fmt.Sprintf("%s: %s", word[r.Outcome], plural(len(r.Comparisons), "comparison"))
	for _, v := range []Verdict{Worse, Better, Changed, Unknown} {
		if n := r.Count(v); n > 0 {
			text += fmt.Sprintf(", %d %s", n, map[Verdict]string{
				Worse: "worse", Better: "better", Changed: "changed without a direction", Unknown: "that could not be told",
			}[v])
		}
	}
	if n := r.accepted(); n > 0 {
		text += fmt.Sprintf(", %d accepted", n)
	}
	if n := len(r.Apart); n > 0 {
		text += fmt.Sprintf(", %s not compared", plural(n, "row"))
	}
	if n := len(r.OnlyOld); n > 0 {
		text += fmt.Sprintf(", %d missing in NEW", n)
	}
	return text
}

func (r *Report) accepted() int {
	n := 0
	for _, c := range r.Comparisons {
		if c.Accepted != "" {
			n++
		}
	}
	return n
}

// note is something to be said below the tables, and what it is about.
type note struct {
	title string
	items []string
}

// notes are what the tables do not show, or what must not be overlooked in them.
func (r *Report) notes() []note {
	var all []note
	add := func(title string, items []string) {
		if len(items) > 0 {
			all = append(all, note{title, items})
		}
	}
	add("Worse", r.worse())
	for _, why := range r.whys() {
		var rows []string
		for _, a := range r.Apart {
			if a.Why == why {
				rows = append(rows, a.Row)
			}
		}
		add("Not compared, as "+why, rows)
	}
	add("Only in OLD", lones(r.OnlyOld))
	add("Only in NEW", lones(r.OnlyNew))
	add("Accepted changes that have expired and do not count", entries(r.Expired))
	add("Accepted changes that nothing matches", entries(r.Unused))
	return all
}

func (r *Report) worse() []string {
	var all []string
	several := r.severalEnvironments()
	for _, c := range r.Comparisons {
		if c.Verdict != Worse || c.Accepted != "" {
			continue
		}
		show := roughly
		if c.Exact {
			show = exactly
		}
		text := fmt.Sprintf("%s: %s -> %s %s", c.Row, show(c.Old.Value), show(c.New.Value), c.Unit)
		if several {
			text += ", " + inWords(c.Env)
		}
		all = append(all, text)
	}
	return all
}

func (r *Report) severalEnvironments() bool {
	for _, c := range r.Comparisons {
		if inWords(c.Env) != inWords(r.Comparisons[0].Env) {
			return true
		}
	}
	return false
}

// whys are the reasons not to compare, each once.
func (r *Report) whys() []string {
	var all []string
	seen := map[string]bool{}
	for _, a := range r.Apart {
		if !seen[a.Why] {
			seen[a.Why] = true
			all = append(all, a.Why)
		}
	}
	return all
}

func lones(rows []Lone) []string {
	var all []string
	for _, l := range rows {
		text := l.Row
		if l.Unit != "" {
			text += " in " + l.Unit
		}
		if env := inWords(l.Env); env != "" {
			text += ", " + env
		}
		all = append(all, text)
	}
	return all
}

func entries(list []Entry) []string {
	var all []string
	for _, e := range list {
		all = append(all, fmt.Sprintf("line %d: %s %s until %s: %s", e.Line, e.Row, e.Unit, e.Until, e.Reason))
	}
	return all
}
