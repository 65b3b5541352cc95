// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"kprof-bench/history"
	"kprof-bench/results"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed style.css
var style string

//go:embed script.js
var script string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"day": func(r *history.Run) string { return r.Time.UTC().Format("2006-01-02") }, "short": shortCommit,
	"runName": runName, "size": func(text string) string { return size(len(text)) }, "plural": plural,
	"first": func(n int, list []change) []change { return list[:min(n, len(list))] },
	"rest":  func(n int, list []change) []change { return list[min(n, len(list)):] },
	// What changed before stays folded.
	"newest":  func(list []*changedRun) []*changedRun { return list[:min(recent, len(list))] },
	"earlier": func(list []*changedRun) []*changedRun { return list[min(recent, len(list)):] },
}).Parse(pageTemplate))

// recent is how many runs with changes are shown at once.
const recent = 5

// view is a page as its template sees it.
type view struct {
	Title      string
	Policy     string
	Style      template.CSS
	Script     template.JS
	Verdict    verdict
	Missing    []string
	Runs       []*history.Run
	Changes    []*changedRun
	Kernels    []string
	Sections   []*section
	Comparison *comparison
	Env        envTable
	Breaks     []history.Break
	Files      []File
	Data       data
}

// HTML writes the page as one file.
func (p *Page) HTML(w io.Writer) error {
	if err := p.check(); err != nil {
		return err
	}
	runs := p.runs()
	number := map[*history.Run]int{}
	for i, r := range runs {
		number[r] = i
	}
	v := view{
		Title: "kprof-bench: " + strings.ToLower(p.verdict().Word), Policy: policy(),
		Style: template.CSS(style), Script: template.JS(script), // the program's own, which need no escapes
		Verdict: p.verdict(), Missing: p.Missing, Runs: runs, Changes: p.changes(), Kernels: p.kernels(),
		Comparison: newComparison(p.Comparison), Env: p.envTable(), Breaks: p.Breaks, Files: p.Files, Data: p.data(runs, number),
	}
	v.Sections = p.sections(v.Kernels, number)
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// policy allows the page its own style and script, and nothing from elsewhere.
func policy() string {
	hash := func(text string) string {
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script) + "; base-uri 'none'; form-action 'none'"
}

// kernels are the names of all environments, each once.
func (p *Page) kernels() []string {
	var all []string
	l := newLabels(p.Series)
	for _, s := range p.Series {
		if name := l.of(s); len(s.Points) > 0 && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	return all
}

// envTable is what is known of each environment.
type envTable struct {
	Head []string
	Rows [][]string // the key first
}

func (p *Page) envTable() envTable {
	t := envTable{Head: p.kernels()}
	l := newLabels(p.Series)
	of := map[string][]results.Config{}
	var keys []string
	for _, s := range p.Series {
		of[l.of(s)] = s.Env
		for _, c := range s.Env {
			if !slices.Contains(keys, c.Key) {
				keys = append(keys, c.Key)
			}
		}
	}
	for _, key := range keys {
		row := []string{key}
		for _, name := range t.Head {
			row = append(row, valueOf(of[name], key))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}
