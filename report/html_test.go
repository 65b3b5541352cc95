// SPDX-License-Identifier: MIT

package report

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"kprof-bench/history"
	"kprof-bench/results"
)

var update = flag.Bool("update", false, "write the golden files anew")

func render(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// elements are all of a page, in their order.
func elements(t *testing.T, text string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

func named(all []*html.Node, name string) []*html.Node {
	var found []*html.Node
	for _, n := range all {
		if n.Data == name {
			found = append(found, n)
		}
	}
	return found
}

func attr(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return b.String()
}

// full is a page with everything in it.
func full(t *testing.T) *Page {
	return &Page{
		Series: nightly(60, 4, 150), Missing: []string{"Linux 7.3 was not measured: the guest hung."},
		Comparison: comparedWith(t, "BenchmarkProbe/func=sys_getpid/backend=direct 9 27 overhead-insn/op\n"),
		Files:      []File{{"results/new.txt", strings.Repeat("BenchmarkProbe/func=sys_getpid  9  25 overhead-insn/op\n", 9000)}},
	}
}

// The page has all it needs in it, for sixty nights on four kernels, and its links
// lead somewhere.
func TestSelfContained(t *testing.T) {
	text := render(t, full(t))
	if len(text) > 3_000_000 {
		t.Errorf("%d bytes are more than 3 MB", len(text))
	}
	all := elements(t, text)
	ids := map[string]bool{}
	for _, n := range all {
		switch n.Data {
		case "link", "img", "iframe", "object", "embed", "base", "video", "audio", "source", "image", "use":
			t.Errorf("there is a %s", n.Data)
		}
		for _, a := range n.Attr {
			switch {
			case a.Key == "id" && ids[a.Val]:
				t.Errorf("two elements have the id %s", a.Val)
			case a.Key == "id":
				ids[a.Val] = true
			case a.Key == "src", a.Key == "srcset", a.Key == "style", a.Key == "action", strings.HasPrefix(a.Key, "on"):
				t.Errorf("a %s has %s=%q", n.Data, a.Key, a.Val)
			}
		}
	}
	links := named(all, "a")
	for _, n := range links {
		if to := attr(n, "href"); !strings.HasPrefix(to, "#") || !ids[to[1:]] {
			t.Errorf("a link leads to %q", to)
		}
	}
	if len(links) < 50 {
		t.Errorf("%d links are too few for that many changes", len(links))
	}
	for _, word := range []string{"http://", "https://", "url(", "@import"} {
		if n := strings.Count(strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), word); n > 0 {
			t.Errorf("%d times %s", n, word)
		}
	}
	if n := len(named(all, "svg")); n != 600 {
		t.Errorf("%d small charts, want 600", n)
	}
}

// The browser is told to run and to style nothing but what the page has.
func TestPolicy(t *testing.T) {
	all := elements(t, render(t, full(t)))
	var policy string
	for _, n := range named(all, "meta") {
		if attr(n, "http-equiv") == "Content-Security-Policy" {
			policy = attr(n, "content")
		}
	}
	if !strings.HasPrefix(policy, "default-src 'none'; ") {
		t.Errorf("policy %q", policy)
	}
	scripts := named(all, "script")
	if len(scripts) != 2 || attr(scripts[0], "type") != "application/json" {
		t.Fatalf("%d scripts, want the data and one", len(scripts))
	}
	for name, n := range map[string]*html.Node{"script-src": scripts[1], "style-src": named(all, "style")[0]} {
		sum := sha256.Sum256([]byte(textOf(n)))
		if want := name + " 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "';"; !strings.Contains(policy, want) {
			t.Errorf("%s is not in %q", want, policy)
		}
	}
}

// What the script draws are the values of the history, and the tables have the
// newest ones without it.
func TestData(t *testing.T) {
	p := full(t)
	gap := p.Series[7]
	gap.Points = append(append([]history.Point{}, gap.Points[3:20]...), gap.Points[25:]...)
	gap.Changes = nil
	p.Series[7] = gap
	all := elements(t, render(t, p))
	var d data
	if err := json.Unmarshal([]byte(textOf(named(all, "script")[0])), &d); err != nil {
		t.Fatal(err)
	}
	if len(d.Runs) != 60 || len(d.Series) != len(p.Series) {
		t.Fatalf("%d runs, %d series", len(d.Runs), len(d.Series))
	}
	newest := map[string]string{}
	for _, n := range named(all, "tr") {
		if id := attr(n, "id"); id != "" {
			cells := named(elementsOf(n), "td")
			newest[id] = textOf(cells[2])
		}
	}
	for i, s := range p.Series {
		values, at := expanded(d.Series[i])
		if len(values) != len(s.Points) {
			t.Fatalf("series %d has %d values, want %d", i, len(values), len(s.Points))
		}
		for j, point := range s.Points {
			if values[j] != point.Value || d.Runs[at[j]][3] != point.Run.File {
				t.Fatalf("series %d, point %d is %g of %s, want %g of %s", i, j, values[j], d.Runs[at[j]][3], point.Value, point.Run.File)
			}
		}
		last := s.Points[len(s.Points)-1].Value
		if got := newest["s"+strconv.Itoa(i)]; got != value(last, s.Exact) {
			t.Errorf("the newest value of series %d is %q, want %g", i, got, last)
		}
	}
}

func elementsOf(root *html.Node) []*html.Node {
	var all []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			all = append(all, n)
		}
	}
	return all
}

// expanded are the values of a series and their runs, as the script reads them.
func expanded(s dataSeries) (values []float64, runs []int) {
	values, runs = s.Values, s.Runs
	for i := 0; i < len(s.Pairs); i += 2 {
		for range int(s.Pairs[i+1]) {
			values = append(values, s.Pairs[i])
		}
	}
	if runs == nil {
		for i := range values {
			runs = append(runs, s.First+i)
		}
	}
	return values, runs
}

// Text of others stays text, wherever it stands.
func TestHostileText(t *testing.T) {
	const bad = `</script><script>alert(1)</script><img src=x onerror="alert(2)">&amp;'"` + "`"
	run := func(day int) *history.Run {
		return &history.Run{File: bad, Time: time.Date(2026, 1, day, 0, 0, 0, 0, time.UTC), Commit: "<b>0123456789", Subject: bad}
	}
	s := history.Series{
		Env: []results.Config{{Key: "kernel", Value: bad}, {Key: "<i>", Value: bad}}, Row: bad, Unit: bad, Better: "lower", Exact: true,
		Points:  []history.Point{{Run: run(1), Value: 1}, {Run: run(2), Value: 2}},
		Changes: []history.Change{{At: 1, Before: 1, After: 2, Verdict: "regression"}},
	}
	p := &Page{Series: []history.Series{s}, Missing: []string{bad}, Files: []File{{bad, bad}}}
	all := elements(t, render(t, p))
	if n := len(named(all, "script")); n != 2 {
		t.Errorf("%d scripts, want 2", n)
	}
	for _, name := range []string{"img", "b", "i"} {
		if n := len(named(all, name)); n != 0 {
			t.Errorf("%d elements %s", n, name)
		}
	}
	for _, where := range []string{"h3", "pre", "li"} {
		if text := textOf(named(all, where)[0]); !strings.Contains(text, bad) {
			t.Errorf("%s says %q", where, text)
		}
	}
	var b bytes.Buffer
	if err := p.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	if text := b.String(); strings.ContainsAny(text, "<>") {
		t.Errorf("the summary has elements:\n%s", text)
	}
}

func TestNothingToReport(t *testing.T) {
	for _, p := range []*Page{{}, {Missing: []string{"all"}}, {Series: []history.Series{{Row: "A"}}}} {
		var b bytes.Buffer
		if err := p.HTML(&b); !errors.Is(err, ErrEmpty) || b.Len() > 0 {
			t.Errorf("%v, and %d bytes", err, b.Len())
		}
		if err := p.Markdown(&b); !errors.Is(err, ErrEmpty) || b.Len() > 0 {
			t.Errorf("%v, and %d bytes", err, b.Len())
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// The page without what is the same on all.
func TestGolden(t *testing.T) {
	p := small(t)
	text := render(t, p)
	if again := render(t, p); again != text {
		t.Error("two reports of the same differ")
	}
	_, body, _ := strings.Cut(text, "<body>\n")
	body, _, _ = strings.Cut(body, "<script>")
	golden(t, "small.html", body)
	var b bytes.Buffer
	if err := p.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "small.md", b.String())
}
