// SPDX-License-Identifier: MIT

package report

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

var browser = flag.String("browser", "", "run the page's script in this browser, such as chromium")

// loaded is a page after its script has run in a browser.
func loaded(t *testing.T, p *Page, fragment string) []*html.Node {
	t.Helper()
	name := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(name, []byte(render(t, p)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), *browser, "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=2000", "--dump-dom", "file://"+name+fragment)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", *browser, err)
	}
	return elements(t, string(out))
}

// The script, which the policy lets run, counts what it shows, and unfolds and draws
// the series that a link leads to.
func TestScript(t *testing.T) {
	if *browser == "" {
		t.Skip("-browser names no browser")
	}
	p := full(t)
	all := loaded(t, p, "#s6")
	for _, n := range named(all, "output") {
		if got := textOf(n); got != "600 of 600 series" {
			t.Errorf("it says %q", got)
		}
	}
	for _, n := range named(all, "form") {
		for _, a := range n.Attr {
			if a.Key == "hidden" {
				t.Error("the controls are hidden")
			}
		}
	}
	var reading string
	for _, n := range named(all, "p") {
		if attr(n, "class") == "reading" {
			reading = textOf(n)
		}
	}
	s := p.Series[6]
	last := s.Points[len(s.Points)-1]
	for _, want := range []string{value(last.Value, s.Exact) + " " + s.Unit, shortCommit(last.Run), last.Run.Subject} {
		if !strings.Contains(reading, want) {
			t.Errorf("the chart says %q, which lacks %q", reading, want)
		}
	}
	points := 0
	for _, n := range named(all, "svg") {
		if attr(n, "class") == "chart" {
			points += len(named(elementsOf(n), "circle"))
		}
	}
	if points != len(s.Points) {
		t.Errorf("%d points are drawn, want %d", points, len(s.Points))
	}
}
