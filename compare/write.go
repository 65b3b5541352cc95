// SPDX-License-Identifier: MIT

package compare

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Formats are the ways to write a report.
var Formats = []string{"text", "markdown", "json", "csv"}

// CheckFormat tells whether there is such a format.
func CheckFormat(name string) error {
	if !slices.Contains(Formats, name) {
		return fmt.Errorf("there is no format %q; %s are", name, strings.Join(Formats, ", "))
	}
	return nil
}

// Write writes the report in a format. Of text and markdown, changedOnly leaves
// out what is the same.
func (r *Report) Write(w io.Writer, format string, changedOnly bool) error {
	var b bytes.Buffer
	var err error
	switch format {
	case "markdown":
		r.markdown(&b, changedOnly)
	case "json":
		err = r.json(&b)
	case "csv":
		err = r.csv(&b)
	default:
		r.text(&b, changedOnly)
	}
	if err == nil {
		_, err = w.Write(b.Bytes())
	}
	return err
}

func (r *Report) text(b *bytes.Buffer, changedOnly bool) {
	fmt.Fprintf(b, "OLD %s\nNEW %s\n", r.side(r.Old, false), r.side(r.New, true))
	env := ""
	for _, s := range r.sections(changedOnly) {
		if s.env != env {
			env = s.env
			fmt.Fprintf(b, "\n%s\n", env)
		}
		fmt.Fprintf(b, "\n%s\n", s.title)
		writeLines(b, append([][]string{s.head}, s.lines...))
	}
	for _, n := range r.notes() {
		fmt.Fprintf(b, "\n%s:\n", n.title)
		for _, item := range n.items {
			fmt.Fprintf(b, "  %s\n", item)
		}
	}
	fmt.Fprintf(b, "\n%s\n", r.LastLine())
}

// side is a file and what it measured.
func (r *Report) side(name string, next bool) string {
	for _, v := range r.Revisions {
		value := v.Old
		if next {
			value = v.New
		}
		name += fmt.Sprintf(", %s %s", v.Key, value)
	}
	return name
}

// writeLines aligns columns: the first and the last, which have words, to the
// left, all others to the right.
func writeLines(b *bytes.Buffer, lines [][]string) {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, text := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	for _, line := range lines {
		var out strings.Builder
		for i, text := range line {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text))
			switch i {
			case 0:
				out.WriteString(text + pad)
			case len(line) - 1:
				out.WriteString("  " + text)
			default:
				out.WriteString("  " + pad + text)
			}
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}

var markdownEscapes = strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "<", "&lt;")

func (r *Report) markdown(b *bytes.Buffer, changedOnly bool) {
	esc := markdownEscapes.Replace
	fmt.Fprintf(b, "**%s**\n\nOLD %s  \nNEW %s\n", esc(r.LastLine()), esc(r.side(r.Old, false)), esc(r.side(r.New, true)))
	env := ""
	for _, s := range r.sections(changedOnly) {
		if s.env != env {
			env = s.env
			fmt.Fprintf(b, "\n%s\n", esc(env))
		}
		fmt.Fprintf(b, "\n%s\n\n", esc(s.title))
		writeMarkdown(b, s)
	}
	for _, n := range r.notes() {
		fmt.Fprintf(b, "\n%s:\n\n", esc(n.title))
		for _, item := range n.items {
			fmt.Fprintf(b, "- %s\n", esc(item))
		}
	}
}

func writeMarkdown(b *bytes.Buffer, s *section) {
	rule := make([]string, len(s.head))
	for i := range rule {
		rule[i] = "--:"
	}
	rule[0], rule[len(rule)-1] = "---", "---"
	fmt.Fprintf(b, "| %s |\n|%s|\n", strings.Join(s.head, " | "), strings.Join(rule, "|"))
	for _, line := range s.lines {
		var cells []string
		for _, text := range line {
			cells = append(cells, markdownEscapes.Replace(text))
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
	}
}

func (r *Report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(struct {
		Verdict string
		*Report
	}{r.LastLine(), r})
}

func (r *Report) csv(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{
		"row", "unit", "environment", "exact", "better", "old", "old n", "old low", "old high",
		"new", "new n", "new low", "new high", "difference", "p", "p adjusted", "verdict", "why", "accepted",
	})
	for _, c := range r.Comparisons {
		_ = out.Write([]string{
			c.Row, c.Unit, inWords(c.Env), strconv.FormatBool(c.Exact), c.Better,
			exactly(c.Old.Value), strconv.Itoa(c.Old.N), maybe(c.Old.Lo), maybe(c.Old.Hi),
			exactly(c.New.Value), strconv.Itoa(c.New.N), maybe(c.New.Lo), maybe(c.New.Hi),
			difference(c.Old.Value, c.New.Value), maybe(c.P), maybe(c.Adjusted), string(c.Verdict), c.Why, c.Accepted,
		})
	}
	rest := func(row, unit, env, verdict, why string) {
		line := make([]string, 19)
		line[0], line[1], line[2], line[16], line[17] = row, unit, env, verdict, why
		_ = out.Write(line)
	}
	for _, a := range r.Apart {
		rest(a.Row, "", "", "not compared", a.Why)
	}
	for _, l := range r.OnlyOld {
		rest(l.Row, l.Unit, inWords(l.Env), "only in OLD", "")
	}
	for _, l := range r.OnlyNew {
		rest(l.Row, l.Unit, inWords(l.Env), "only in NEW", "")
	}
	out.Flush()
	return out.Error()
}

func maybe(v *float64) string {
	if v == nil {
		return ""
	}
	return exactly(*v)
}
