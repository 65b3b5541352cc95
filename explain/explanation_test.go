// SPDX-License-Identifier: MIT

package explain

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// bare and probed are a call without a probe and with one, which takes 9 more.
const (
	bare = `
		user syscall
		entry call function
		function
		function+2
		function+4 ret
		entry+2 sysret
		user+2`
	probed = `
		user syscall
		entry call function
		function call ftrace
		ftrace call enter
		enter
		enter+2 ret
		ftrace+2 ret
		function+2
		function+4 ret
		return_trampoline call leave
		leave
		leave+2 jump handler
		handler ret
		return_trampoline+2 ret
		entry+2 sysret
		user+2`
	added = 9
)

func example(t *testing.T, probed string, measured float64) *Explanation {
	t.Helper()
	s := symbols(t)
	base := Count(trace(bare), s)
	return &Explanation{
		Func: "sys_getpid", Backend: "rethook", Calls: 1, Base: base, Probed: Count(trace(probed), s),
		Measured: measured, MeasuredBase: float64(base.Total()),
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
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

func TestTable(t *testing.T) {
	e := example(t, probed, added)
	if err := e.Check(); err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	if err := e.Table().Write(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "table.golden", text.String())
}

// Two calls in a round halve all that is shown.
func TestTableOfTwoCalls(t *testing.T) {
	e := example(t, probed, 4.5)
	e.Calls, e.MeasuredBase = 2, 3.5
	if err := e.Check(); err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	if err := e.Table().Write(&text); err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(text.String())
	if diff := cmp.Diff([]string{"sum", "3.5", "8", "4.5"}, words[len(words)-4:]); diff != "" {
		t.Errorf("the sum (-want +got):\n%s", diff)
	}
}

// A line of the trace that is lost, with or without the probe, is found.
func TestCheck(t *testing.T) {
	lost := strings.Replace(probed, "enter+2 ret", "", 1)
	if err := example(t, lost, added).Check(); err == nil ||
		err.Error() != "sys_getpid by rethook: the sum of what was traced is 8 insn in a call, and measured are 9" {
		t.Errorf("a line is lost with the probe: %v", err)
	}
	e := example(t, lost, added)
	e.Unusual = "they take 8 to 9"
	if err := e.Check(); err == nil || !strings.HasSuffix(err.Error(), "measured are 9: they take 8 to 9") {
		t.Errorf("unusual calls: %v", err)
	}
	e = example(t, probed, added)
	e.MeasuredBase++
	if err := e.Check(); err == nil || !strings.Contains(err.Error(), "sys_getpid without a probe: the sum of what was traced is 7 insn in a call, and measured are 8") {
		t.Errorf("a line is lost in both: %v", err)
	}
}

func TestBetween(t *testing.T) {
	more := strings.Replace(probed, "leave+2 jump handler", "leave+2\nleave+4 jump handler", 1)
	b := &Between{Old: example(t, probed, added), New: example(t, more, added+1), OldName: "v1", NewName: "v2"}
	if err := b.Check(); err != nil {
		t.Error(err)
	}
	var text bytes.Buffer
	if err := b.Table().Write(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "between.golden", text.String())
	if got, want := folded(b.Diff()), "entry;return_trampoline;leave [profiler] 1"; got != want {
		t.Errorf("by path they differ in %q, want %q", got, want)
	}
	b.Old.Measured++
	if err := b.Check(); err == nil || !strings.HasPrefix(err.Error(), "v1: sys_getpid by rethook: ") {
		t.Errorf("a wrong sum of the old one: %v", err)
	}
}

func TestJSON(t *testing.T) {
	var text bytes.Buffer
	if err := WriteJSON(&text, []*Explanation{example(t, probed, added)}); err != nil {
		t.Fatal(err)
	}
	golden(t, "explanation.json", text.String())
	text.Reset()
	if err := WriteJSON[*Between](&text, nil); err != nil || text.String() != "[]\n" {
		t.Errorf("of nothing it is %q, %v", &text, err)
	}
}

// less is a graph in which one path has more and another has fewer instructions.
func less(t *testing.T) Graph {
	t.Helper()
	old := example(t, strings.Replace(probed, "ftrace+2 ret", "ftrace+2\nftrace+4\nftrace+6 ret", 1), added+2)
	next := example(t, strings.Replace(probed, "leave+2 jump handler", "leave+2\nleave+4 jump handler", 1), added+1)
	return graphOf(&Between{Old: old, New: next, OldName: "v1", NewName: "v2"})
}

func TestFolded(t *testing.T) {
	var text bytes.Buffer
	fewer, err := WriteFolded(&text, append(Graphs([]*Explanation{example(t, probed, added)}), less(t))...)
	if err != nil {
		t.Fatal(err)
	}
	if fewer != 2 {
		t.Errorf("%d instructions are said to be left out, want 2", fewer)
	}
	golden(t, "folded.golden", text.String())
}

func TestSVG(t *testing.T) {
	var text bytes.Buffer
	if err := WriteSVG(&text, append(Graphs([]*Explanation{example(t, probed, added)}), less(t), Graph{Title: "a <probe> & no cost", Root: &Node{Name: UserSpace}})...); err != nil {
		t.Fatal(err)
	}
	golden(t, "flame.svg", text.String())
	for d := xml.NewDecoder(&text); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFit(t *testing.T) {
	for _, c := range []struct {
		text  string
		width float64
		want  string
	}{
		{"do_syscall_64 25", 200, "do_syscall_64 25"},
		{"do_syscall_64 25", 50, "do_sy…"},
		{"do_syscall_64 25", 20, ""},
		{"a 1", 27, "a 1"},
	} {
		if got := fit(c.text, c.width); got != c.want {
			t.Errorf("%q in %.0f pixels is %q, want %q", c.text, c.width, got, c.want)
		}
	}
}
