// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"kprof-bench/history"
)

// shownInMarkdown is how many changes a summary has at the most.
const shownInMarkdown = 20

// escapes keep text from being taken for Markdown or HTML, or for a name of
// somebody to be told.
var escapes = strings.NewReplacer(
	`\`, `\\`, "`", "\\`", "|", `\|`, "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, "<", "&lt;", ">", "&gt;", "&", "&amp;", "@", "&#64;", "\n", " ", "\r", " ",
)

// Markdown writes a summary for a pull request: the verdict, what is missing, and
// what the newest run and the comparison changed.
func (p *Page) Markdown(w io.Writer) error {
	if err := p.check(); err != nil {
		return err
	}
	var b bytes.Buffer
	v := p.verdict()
	fmt.Fprintf(&b, "**%s**\n\n", v.Word)
	for _, d := range v.Details {
		fmt.Fprintf(&b, "%s  \n", escapes.Replace(d))
	}
	if len(p.Missing) > 0 {
		b.WriteString("\nMissing:\n\n")
		for _, m := range p.Missing {
			fmt.Fprintf(&b, "- %s\n", escapes.Replace(m))
		}
	}
	if n := len(v.Unknown); n > 0 {
		fmt.Fprintf(&b, "\nCould not be told:\n\n")
		for _, what := range v.Unknown[:min(n, shownInMarkdown)] {
			fmt.Fprintf(&b, "- %s\n", escapes.Replace(what))
		}
		if n > shownInMarkdown {
			fmt.Fprintf(&b, "- and %d more\n", n-shownInMarkdown)
		}
	}
	p.markdownComparison(&b)
	p.markdownChanges(&b)
	_, err := w.Write(b.Bytes())
	return err
}

// markdownRow is a line of a table.
type markdownRow [6]string

func markdownTable(b *bytes.Buffer, title string, rows []markdownRow) {
	fmt.Fprintf(b, "\n%s:\n\n| row | unit | kernel | before → after | change | verdict |\n|---|---|---|--:|--:|---|\n", title)
	for _, r := range rows[:min(len(rows), shownInMarkdown)] {
		for i := range r {
			r[i] = escapes.Replace(r[i])
		}
		fmt.Fprintf(b, "| %s |\n", strings.Join(r[:], " | "))
	}
	if n := len(rows) - shownInMarkdown; n > 0 {
		fmt.Fprintf(b, "\nand %d more\n", n)
	}
}

func (p *Page) markdownComparison(b *bytes.Buffer) {
	c := newComparison(p.Comparison)
	if c == nil || len(c.Rows) == 0 {
		return
	}
	var rows []markdownRow
	for _, r := range c.Rows {
		rows = append(rows, markdownRow{r.Row, r.Unit, r.Kernel, r.Figures(), r.Percent, r.Verdict})
	}
	markdownTable(b, "Compared with "+escapes.Replace(c.Old), rows)
}

// markdownChanges tells of the newest run alone: a pull request is about that.
func (p *Page) markdownChanges(b *bytes.Buffer) {
	var newest *history.Run
	if runs := p.runs(); len(runs) > 0 {
		newest = runs[len(runs)-1]
	}
	for _, r := range p.changes() {
		if r.Run != newest {
			continue
		}
		var rows []markdownRow
		for _, c := range r.Changes {
			rows = append(rows, markdownRow{c.Row, c.Unit, c.Kernel, c.Before + " → " + c.After, c.Percent, c.What})
		}
		markdownTable(b, fmt.Sprintf("Changed by %s, %s", escapes.Replace(runName(newest)), escapes.Replace(newest.Subject)), rows)
	}
}
