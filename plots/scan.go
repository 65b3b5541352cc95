// SPDX-License-Identifier: MIT

package plots

import (
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kprof-bench/results"
)

// ErrNoScans is returned for results in which no scan was timed by size.
var ErrNoScans = errors.New("no rows named BenchmarkLeakScan with the time of a whole read: there is no latency to draw")

// Scan is the chart of how long a leak scan takes: over the size of the region, a
// line for each number of blocks. Its zero value is empty and ready for use.
type Scan struct {
	env   []results.Config
	lines []*scanLine
}

// scanLine is the scans for one number of blocks.
type scanLine struct {
	blocks  float64
	samples map[float64][]float64 // times by size in bytes
}

// Add takes in the rows of timed scans, as [Probe.Add] does those of probes.
func (s *Scan) Add(f *results.File) error {
	if err := checkEnv(s.env, f.Env); err != nil {
		return err
	}
	unit := results.TimeUnit(value(f.Env, "clock"))
	found := false
	for _, r := range f.Rows {
		took, ok := r.Value(unit + "/op")
		if _, whole := r.Value("whole-" + unit + "/op"); r.Name != "LeakScan" || !whole || !ok {
			continue
		}
		size, err := parseSize(param(r, "region"))
		if err != nil {
			return fmt.Errorf("row %q: %w", r.FullName(), err)
		}
		blocks, err := strconv.ParseFloat(param(r, "blocks"), 64)
		if err != nil || !(took > 0) || took > maxTime {
			return fmt.Errorf("row %q: %g %s is no time of a scan for %q blocks", r.FullName(), took, unit, param(r, "blocks"))
		}
		found = true
		l := s.line(blocks)
		l.samples[size] = append(l.samples[size], took)
	}
	if !found {
		return ErrNoScans
	}
	s.env = f.Env
	return nil
}

func (s *Scan) line(blocks float64) *scanLine {
	i := slices.IndexFunc(s.lines, func(l *scanLine) bool { return l.blocks >= blocks })
	if i < 0 {
		i = len(s.lines)
	}
	if i == len(s.lines) || s.lines[i].blocks != blocks {
		s.lines = slices.Insert(s.lines, i, &scanLine{blocks, map[float64][]float64{}})
	}
	return s.lines[i]
}

var sizeUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}}

// parseSize reads "64MiB".
func parseSize(text string) (float64, error) {
	for _, u := range sizeUnits {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			n, err := strconv.ParseUint(digits, 10, 16)
			if err == nil && n > 0 {
				return float64(n) * u.bytes, nil
			}
		}
	}
	return 0, fmt.Errorf("region %q has no size such as 64MiB", text)
}

func sizeLabel(bytes float64) string {
	for _, u := range slices.Backward(sizeUnits) {
		if bytes >= u.bytes {
			return number(bytes/u.bytes) + " " + u.name
		}
	}
	return number(bytes)
}

// points are the medians, by size.
func (l *scanLine) points() plotter.XYs {
	var all plotter.XYs
	for size, times := range l.samples {
		m, _ := stats.Median(times) // there is one at least
		all = append(all, plotter.XY{X: size, Y: m})
	}
	slices.SortFunc(all, func(a, b plotter.XY) int { return int(math.Copysign(1, a.X-b.X)) })
	return all
}

// Lines are told apart by their marks and dashes as well as by colour.
var scanStyles = []struct {
	color  color.Color
	dashes []vg.Length
	shape  draw.GlyphDrawer
}{
	{spare[2], []vg.Length{vg.Points(1.5), vg.Points(3)}, draw.CrossGlyph{}},
	{blue, []vg.Length{vg.Points(5), vg.Points(3)}, draw.CircleGlyph{}},
	{orange, []vg.Length{vg.Points(8), vg.Points(2), vg.Points(2), vg.Points(2)}, draw.PyramidGlyph{}},
	{vermilion, nil, draw.BoxGlyph{}},
}

const (
	scanWidth  = vg.Length(560)
	scanHeight = vg.Length(400)
)

// Draw returns the chart as the contents of a file.
func (s *Scan) Draw(f Format) ([]byte, error) {
	if len(s.lines) == 0 {
		return nil, ErrNoScans
	}
	if len(s.lines) > len(scanStyles) {
		return nil, fmt.Errorf("%d numbers of blocks are more than the %d that a chart can tell apart", len(s.lines), len(scanStyles))
	}
	q, err := s.plot()
	if err != nil {
		return nil, err
	}
	return encode(scanWidth, scanHeight, f, func(dc draw.Canvas) {
		dc.SetColor(color.White)
		dc.Fill(dc.Rectangle.Path())
		dc = draw.Crop(dc, margin, -margin, margin, -margin)
		at := vg.Point{X: dc.Min.X, Y: dc.Max.Y}
		dc.FillText(aligned(titleStyle, text.XLeft, text.YTop), at, "How long a leak scan takes, by size of the region and number of blocks")
		at.Y -= 21
		dc.FillText(aligned(noteStyle, text.XLeft, text.YTop), at, where(s.env))
		q.Draw(draw.Crop(dc, 0, 0, 0, -44))
	})
}

// plot makes the axes, both logarithmic, and the lines.
func (s *Scan) plot() (*plot.Plot, error) {
	q := plot.New()
	q.BackgroundColor = nil
	var sizes []plot.Tick
	for i, l := range s.lines {
		points := l.points()
		line, marks, err := plotter.NewLinePoints(points)
		if err != nil {
			return nil, err
		}
		style := scanStyles[i]
		line.LineStyle = draw.LineStyle{Color: style.color, Width: vg.Points(1.5), Dashes: style.dashes}
		marks.GlyphStyle = draw.GlyphStyle{Color: style.color, Radius: dotRadius, Shape: style.shape}
		q.Add(line, marks)
		q.Legend.Add(blocksLabel(l.blocks), line, marks)
		for _, p := range points {
			if !slices.ContainsFunc(sizes, func(t plot.Tick) bool { return t.Value == p.X }) {
				sizes = append(sizes, plot.Tick{Value: p.X, Label: sizeLabel(p.X)})
			}
		}
	}
	q.Legend.Top, q.Legend.Left = true, true
	q.Legend.TextStyle = aligned(legendStyle, text.XLeft, text.YBottom)
	q.Legend.ThumbnailWidth = vg.Points(40)
	q.Legend.Padding = vg.Points(3)
	q.Legend.YPosition = draw.PosCenter
	q.X.Label.Text = "size of the region, bytes (logarithmic)"
	q.Y.Label.Text = "from the read to its first line, " + results.TimeUnit(value(s.env, "clock")) + " (logarithmic)"
	q.X.Scale, q.X.Tick.Marker = plot.LogScale{}, plot.ConstantTicks(sizes)
	q.Y.Scale, q.Y.Tick.Marker = plot.LogScale{}, plot.TickerFunc(powersOfTen)
	q.Y.Min = math.Pow(10, math.Floor(math.Log10(q.Y.Min)))
	q.Y.Max = math.Pow(10, math.Ceil(math.Log10(q.Y.Max)))
	for _, axis := range []*plot.Axis{&q.X, &q.Y} {
		axis.Label.TextStyle.Font, axis.Tick.Label.Font = noteStyle.Font, tickStyle.Font
		axis.LineStyle, axis.Tick.LineStyle = axisLine, axisLine
	}
	return q, nil
}

func powersOfTen(min, max float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Ceil(math.Log10(min)); e <= math.Log10(max)+1e-9; e++ {
		ticks = append(ticks, plot.Tick{Value: math.Pow(10, e), Label: thousands(math.Pow(10, e))})
	}
	return ticks
}

func blocksLabel(n float64) string {
	if n == 0 {
		return "no block"
	}
	return thousands(n) + " blocks"
}

// thousands writes a whole number with a comma after every third digit.
func thousands(n float64) string {
	text := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
