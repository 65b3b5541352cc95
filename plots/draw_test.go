// SPDX-License-Identifier: MIT

package plots

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/recorder"
)

var update = flag.Bool("update", false, "write the golden chart anew")

func picture(t *testing.T, p *Probe, f Format) string {
	t.Helper()
	b, err := p.Draw(f)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestGolden(t *testing.T) {
	const path = "testdata/two.svg"
	got := picture(t, testdata(t, "two.txt"), SVG)
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
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSameBytesEachTime(t *testing.T) {
	for _, f := range []Format{SVG, PNG} {
		first, second := picture(t, testdata(t, "four.txt"), f), picture(t, testdata(t, "four.txt"), f)
		if first != second {
			t.Errorf("two %s of the same results differ", f)
		}
	}
}

func TestSVGIsXML(t *testing.T) {
	p := &Probe{}
	if err := p.Add(file(t, "BenchmarkProbe/func=a<b>&\"c/backend='d'/rate=max 1 1 overhead-insn/op\n")); err != nil {
		t.Fatal(err)
	}
	dec := xml.NewDecoder(strings.NewReader(picture(t, p, SVG)))
	for {
		if _, err := dec.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

func TestPNG(t *testing.T) {
	p := testdata(t, "two.txt")
	img, err := png.Decode(strings.NewReader(picture(t, p, PNG)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := p.chart()
	if err != nil {
		t.Fatal(err)
	}
	w, h := c.size()
	if got := img.Bounds(); math.Abs(float64(got.Dx())-w.Dots(pngDPI)) > 1 || math.Abs(float64(got.Dy())-h.Dots(pngDPI)) > 1 {
		t.Errorf("%v, want %v by %v points", got, w, h)
	}
}

func TestFormats(t *testing.T) {
	for name, want := range map[string]Format{"a.svg": SVG, "dir.png/a.SVG": SVG, "a.b.Png": PNG, "a.pdf": "", "svg": "", "a.svg.gz": "", "": ""} {
		got, err := FormatOf(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", name, got, err, want)
		}
	}
	if _, err := testdata(t, "two.txt").Draw("pdf"); err == nil || !strings.Contains(err.Error(), `no format "pdf"`) {
		t.Errorf("error %v for a format that does not exist", err)
	}
	if _, err := (&Probe{}).Draw(SVG); !errors.Is(err, ErrNoProbes) {
		t.Errorf("error %v for an empty chart", err)
	}
}

// record returns what is done to draw a chart, in coordinates of the picture.
func record(t *testing.T, p *Probe) (*recorder.Canvas, vg.Rectangle) {
	t.Helper()
	c, err := p.chart()
	if err != nil {
		t.Fatal(err)
	}
	w, h := c.size()
	rec := &recorder.Canvas{}
	c.draw(draw.NewCanvas(rec, w, h))
	for _, a := range rec.Actions {
		switch a.(type) {
		case *recorder.Rotate, *recorder.Translate, *recorder.Scale:
			t.Fatalf("%s: coordinates are not those of the picture", a.Call())
		}
	}
	return rec, vg.Rectangle{Max: vg.Point{X: w, Y: h}}
}

// word is a text on a picture, with the box that its letters fill.
type word struct {
	text string
	box  vg.Rectangle
}

func words(rec *recorder.Canvas) []word {
	var all []word
	for _, a := range rec.Actions {
		f, ok := a.(*recorder.FillString)
		if !ok {
			continue
		}
		width := textStyle(f.Size.Points(), f.Font.Weight, ink).Width(f.String)
		box := vg.Rectangle{Min: f.Point, Max: f.Point.Add(vg.Point{X: width, Y: f.Size * 0.72})}
		all = append(all, word{f.String, box})
	}
	return all
}

func allText(rec *recorder.Canvas, _ vg.Rectangle) string {
	var b strings.Builder
	for _, w := range words(rec) {
		b.WriteString("|" + w.text)
	}
	return b.String() + "|"
}

func overlap(a, b vg.Rectangle) bool {
	return a.Min.X < b.Max.X && b.Min.X < a.Max.X && a.Min.Y < b.Max.Y && b.Min.Y < a.Max.Y
}

// No text hides another, lies under a mark, or is cut off, and each value is
// there as often as in the results.
func TestEverythingCanBeRead(t *testing.T) {
	for name, values := range map[string]map[string]int{
		"two.txt":  {"25": 5, "411": 5, "165": 4, "178": 1, "0": 5 + 2},
		"four.txt": {"25": 5, "411": 5, "48": 5, "437": 5, "165": 4, "178": 1, "-2": 5, "169": 4, "182": 1, "0": 5 + 2},
		"odd.txt":  {"414.1237": 1, "8152.95": 1, "-13.5": 1, "-700.25": 1, "not measured": 1, "123456.7": 1, "3": 1, "0": 1 + 2},
	} {
		t.Run(name, func(t *testing.T) {
			rec, page := record(t, testdata(t, name))
			all, marks := words(rec), marks(rec)
			got := map[string]int{}
			for i, w := range all {
				got[w.text]++
				if !inside(w.box, page) {
					t.Errorf("%q is at %v, not inside %v", w.text, w.box, page)
				}
				for _, other := range all[:i] {
					if overlap(w.box, other.box) {
						t.Errorf("%q lies over %q", w.text, other.text)
					}
				}
				for _, m := range marks {
					if overlap(w.box, m) {
						t.Errorf("%q lies over a mark at %v", w.text, m)
					}
				}
			}
			for text, n := range values {
				if got[text] != n {
					t.Errorf("%q is there %d times, want %d", text, got[text], n)
				}
			}
		})
	}
}

// What is above the panels may be wider than they are.
func TestALongNoteIsNotCutOff(t *testing.T) {
	p := &Probe{}
	if err := p.Add(file(t, "kernel: "+strings.Repeat("6.1-", 60)+"\nclock: icount\n"+getpid+"25 overhead-insn/op\n")); err != nil {
		t.Fatal(err)
	}
	rec, page := record(t, p)
	for _, w := range words(rec) {
		if !inside(w.box, page) {
			t.Errorf("%q is at %v, not inside %v", w.text, w.box, page)
		}
	}
}

func inside(box, page vg.Rectangle) bool {
	const room = margin / 2
	return box.Min.X >= page.Min.X+room && box.Min.Y >= page.Min.Y+room && box.Max.X <= page.Max.X-room && box.Max.Y <= page.Max.Y-room
}

// marks returns the boxes of all bars, dots and squares in the colour of a
// backend.
func marks(rec *recorder.Canvas) []vg.Rectangle {
	var all []vg.Rectangle
	coloured := false
	for _, a := range rec.Actions {
		switch a := a.(type) {
		case *recorder.SetColor:
			r, g, b, _ := a.Color.RGBA()
			coloured = r != g || g != b || a.Color == spare[2]
		case *recorder.Fill:
			if coloured {
				all = append(all, bounds(a.Path))
			}
		}
	}
	return all
}

func bounds(path vg.Path) vg.Rectangle {
	box := vg.Rectangle{Min: path[0].Pos, Max: path[0].Pos}
	for _, c := range path {
		if c.Type == vg.CloseComp {
			continue // it has no place of its own
		}
		for _, r := range []vg.Length{-c.Radius, c.Radius} {
			box.Min.X, box.Min.Y = min(box.Min.X, c.Pos.X+r), min(box.Min.Y, c.Pos.Y+r)
			box.Max.X, box.Max.Y = max(box.Max.X, c.Pos.X+r), max(box.Max.Y, c.Pos.Y+r)
		}
	}
	return box
}

// A mark lies where the numbers under the axis say that its value is.
func TestMarksLieAtTheirValues(t *testing.T) {
	rec, _ := record(t, testdata(t, "two.txt"))
	all := words(rec)
	tick := func(text string, nth int) vg.Length {
		for _, w := range all {
			if w.text == text && w.box.Min.Y < 50 {
				if nth == 0 {
					return (w.box.Min.X + w.box.Max.X) / 2
				}
				nth--
			}
		}
		t.Fatalf("%q is not under an axis", text)
		return 0
	}
	near := func(what string, got, want vg.Length) {
		t.Helper()
		if math.Abs(float64(got-want)) > 0.1 {
			t.Errorf("%s is at %.2f, want %.2f", what, got, want)
		}
	}
	found := marks(rec)
	zero, hundred := tick("0", 0), tick("100", 0)
	at := func(v float64) vg.Length {
		return zero + (hundred-zero)*vg.Length(math.Log(1+v)/math.Log(101))
	}
	near("10", tick("10", 0), at(10))
	for v, i := range map[float64]int{25: 2, 411: 3} { // after the legend's two squares
		dot := found[i]
		near("a dot", (dot.Min.X+dot.Max.X)/2, at(v))
	}
	zero = tick("0", 1)
	insn := (tick("150", 0) - zero) / 150
	bars := slices.DeleteFunc(slices.Clone(found), func(r vg.Rectangle) bool { return r.Min.X < zero-1 })
	if len(bars) != 5 {
		t.Fatalf("%d bars, want 5 that are not of length zero", len(bars))
	}
	for i, v := range []vg.Length{165, 165, 165, 178, 165} {
		near("where a bar begins", bars[i].Min.X, zero)
		near("where a bar ends", bars[i].Max.X, zero+v*insn)
	}
}

// The title says where, and the axes in what.
func TestTitleAndUnits(t *testing.T) {
	for name, want := range map[string][]string{
		"two.txt": {"kernel 6.1.0-56-amd64 · clock icount · module 0123456789ab", "overhead per call, insn", "average per call, insn"},
		"odd.txt": {"kernel 6.1.0-56-amd64 · clock kvm ·", "overhead per call, ns", "average per call, ns"},
	} {
		text := allText(record(t, testdata(t, name)))
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q is not in %s", name, w, text)
			}
		}
		if strings.Contains(text, " insn") && strings.Contains(text, " ns") {
			t.Errorf("%s: two units of time in one chart: %s", name, text)
		}
	}
}

// Machines without the font take one of the same widths.
func TestEveryTextNamesItsFallback(t *testing.T) {
	svg, err := testdata(t, "two.txt").Draw(SVG)
	if err != nil {
		t.Fatal(err)
	}
	texts := bytes.Count(svg, []byte("<text "))
	if n := bytes.Count(svg, []byte("'Liberation Sans',Arial,Helvetica,sans-serif;")); n != texts || n == 0 {
		t.Errorf("%d of %d texts name a fallback", n, texts)
	}
	if dir, _ := filepath.Abs("."); bytes.Contains(svg, []byte(dir)) {
		t.Error("the chart says where it was drawn")
	}
}
