// SPDX-License-Identifier: MIT

package compare

import "fmt"

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
	add("Changes that exceed what is accepted", r.exceeded())
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

func (r *Report) exceeded() []string {
	var all []string
	for _, e := range r.Exceeded {
		if c := e.Comparison; c.Accepted == "" { // by another line
			all = append(all, fmt.Sprintf("line %d: %s accepts %s %s, and it is %s", e.Entry.Line, c.Row, exactly(*e.Entry.To), c.Unit, exactly(c.New.Value)))
		}
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
		all = append(all, fmt.Sprintf("line %d: %s %s%s until %s: %s", e.Line, e.Row, e.Unit, e.limit(), e.Until, e.Reason))
	}
	return all
}

// limit is the value that an entry accepts, as it is written there.
func (e Entry) limit() string {
	if e.To == nil {
		return ""
	}
	return " to " + exactly(*e.To)
}
