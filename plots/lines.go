// SPDX-License-Identifier: MIT

package plots

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// lineChart is a picture of panels with lines and marks, in two columns.
type lineChart struct {
	title, note string
	legend      []lineStyle
	panels      []*linePanel
}

// linePanel is a pair of axes.
type linePanel struct {
	title, x, y string
	lines       []line
	xScale      plot.Normalizer
	yScale      plot.Normalizer
	xTicks      plot.Ticker
	yTicks      plot.Ticker
	under       []plot.Plotter // drawn first
	ends        bool           // write the last value of each line beside it
	fromZero    bool           // the vertical axis
}

// line is values in a style.
type line struct {
	style  lineStyle
	points plotter.XYs
	marks  bool // alone, without what joins them
}

// lineStyle tells a line from others, without colour as well.
type lineStyle struct {
	name   string
	color  color.Color
	dashes []vg.Length
	shape  draw.GlyphDrawer
}

// Lengths of a chart with lines.
const (
	linePanelWidth  = vg.Length(360)
	linePanelHeight = vg.Length(250)
	linePanelTitle  = vg.Length(20)
	lineHead        = vg.Length(62) // title, note, legend
	legendLine      = vg.Length(26)
	endWidth        = vg.Length(44) // of the values beside the lines
	maxLinePanels   = 12
)

var dashes = [][]vg.Length{nil, {vg.Points(6), vg.Points(3)}, {vg.Points(8), vg.Points(2), vg.Points(2), vg.Points(2)}}

// notProbed is the style of what is measured without the profiler.
var notProbed = lineStyle{"not probed", spare[2], []vg.Length{vg.Points(1.5), vg.Points(2.5)}, draw.CrossGlyph{}}

// styleOf is a backend's: each has its mark, which is hollow where it counts in a
// histogram too. Those that are not known follow in the order of spare.
func styleOf(b backend) lineStyle {
	shapes := []draw.GlyphDrawer{
		draw.CircleGlyph{}, draw.RingGlyph{}, draw.BoxGlyph{}, draw.SquareGlyph{}, draw.PyramidGlyph{}, draw.TriangleGlyph{},
	}
	for i, k := range known {
		if k.name == b.name {
			return lineStyle{b.name, b.color, dashes[i/2], shapes[i]}
		}
	}
	return lineStyle{b.name, b.color, dashes[1], draw.PlusGlyph{}}
}

// check makes sure that a picture can show it.
func (c *lineChart) check() error {
	if n := len(c.panels); n > maxLinePanels {
		return fmt.Errorf("%d panels are too many for a chart, which holds %d; take fewer rows", n, maxLinePanels)
	}
	return nil
}

func (c *lineChart) size() (width, height vg.Length) {
	columns := min(len(c.panels), 2)
	rows := (len(c.panels) + columns - 1) / columns
	width = 2*margin + vg.Length(columns)*linePanelWidth
	legend := vg.Length(0)
	for _, s := range c.legend {
		legend += s.legendWidth()
	}
	for _, w := range []vg.Length{titleStyle.Width(c.title), noteStyle.Width(c.note), legend} {
		width = max(width, 2*margin+w)
	}
	return width, 2*margin + lineHead + vg.Length(rows)*linePanelHeight
}

// encode returns the chart as the contents of a file.
func (c *lineChart) encode(f Format) ([]byte, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	w, h := c.size()
	return encode(w, h, f, c.draw)
}

func (c *lineChart) draw(dc draw.Canvas) {
	dc.SetColor(color.White)
	dc.Fill(dc.Rectangle.Path())
	dc = draw.Crop(dc, margin, -margin, margin, -margin)
	at := vg.Point{X: dc.Min.X, Y: dc.Max.Y}
	dc.FillText(aligned(titleStyle, text.XLeft, text.YTop), at, c.title)
	dc.FillText(aligned(noteStyle, text.XLeft, text.YTop), vg.Point{X: at.X, Y: at.Y - 21}, c.note)
	at.Y -= 44
	for _, s := range c.legend {
		s.drawLegend(&dc, at)
		at.X += s.legendWidth()
	}
	columns := min(len(c.panels), 2)
	width := (dc.Max.X - dc.Min.X) / vg.Length(columns)
	for i, p := range c.panels {
		left := vg.Length(i%columns) * width
		top := lineHead + vg.Length(i/columns)*linePanelHeight
		p.draw(draw.Crop(dc, left, left+width-(dc.Max.X-dc.Min.X), dc.Max.Y-dc.Min.Y-top-linePanelHeight, -top))
	}
}

func (s lineStyle) legendWidth() vg.Length { return legendLine + 5 + legendStyle.Width(s.name) + 16 }

func (s lineStyle) drawLegend(dc *draw.Canvas, at vg.Point) {
	if s.shape != nil {
		dc.DrawGlyph(s.glyph(), vg.Point{X: at.X + legendLine/2, Y: at.Y})
	}
	dc.StrokeLine2(s.stroke(), at.X, at.Y, at.X+legendLine, at.Y)
	dc.FillText(legendStyle, vg.Point{X: at.X + legendLine + 5, Y: at.Y}, s.name)
}

func (s lineStyle) stroke() draw.LineStyle {
	return draw.LineStyle{Color: s.color, Width: vg.Points(1.4), Dashes: s.dashes}
}

func (s lineStyle) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Color: s.color, Radius: dotRadius, Shape: s.shape}
}

func (p *linePanel) draw(dc draw.Canvas) {
	right := vg.Length(10)
	if p.ends {
		right = endWidth
	}
	dc = draw.Crop(dc, 0, -right, 6, 0)
	q := p.plot()
	below := draw.Crop(dc, axisLabelHeight, 0, axisLabelHeight, -linePanelTitle)
	q.Draw(below)
	data := q.DataCanvas(below)
	dc.FillText(aligned(panelStyle, text.XLeft, text.YTop), vg.Point{X: data.Min.X, Y: dc.Max.Y}, p.title)
	// By the plot itself they would be drawn where panel.draw tells of.
	upright := aligned(noteStyle, text.XCenter, text.YTop)
	upright.Rotation = math.Pi / 2
	dc.FillText(aligned(noteStyle, text.XCenter, text.YBottom), vg.Point{X: data.Center().X, Y: dc.Min.Y}, p.x)
	dc.FillText(upright, vg.Point{X: dc.Min.X, Y: data.Center().Y}, p.y)
	if p.ends {
		p.drawEnds(data, q)
	}
}

// plot makes the axes with the lines.
func (p *linePanel) plot() *plot.Plot {
	q := plot.New()
	q.BackgroundColor = nil
	q.Add(&plotter.Grid{Vertical: gridLine, Horizontal: gridLine})
	q.Add(p.under...)
	for _, l := range p.lines {
		q.Add(l)
	}
	q.X.Scale, q.Y.Scale = p.xScale, p.yScale
	q.X.Tick.Marker, q.Y.Tick.Marker = p.xTicks, p.yTicks
	if p.fromZero {
		q.Y.Min, q.Y.Max = min(q.Y.Min, 0), max(q.Y.Max, 1)
	}
	p.widen(&q.X, p.xScale)
	p.widen(&q.Y, p.yScale)
	for _, axis := range []*plot.Axis{&q.X, &q.Y} {
		axis.Tick.Label.Font, axis.Tick.Label.Color = tickStyle.Font, tickStyle.Color
		axis.LineStyle, axis.Tick.LineStyle = axisLine, axisLine
		axis.Padding = vg.Points(4)
	}
	return q
}

// widen keeps an axis from being of no length, where all values are the same.
func (p *linePanel) widen(a *plot.Axis, scale plot.Normalizer) {
	_, log := scale.(plot.LogScale)
	switch {
	case a.Min < a.Max && log && a.Max < 1.1*a.Min, a.Min == a.Max && log:
		a.Min, a.Max = a.Min/1.2, a.Max*1.2
	case a.Min == a.Max:
		a.Min, a.Max = a.Min-1, a.Max+1
	}
}

// Plot implements [plot.Plotter].
func (l line) Plot(c draw.Canvas, q *plot.Plot) {
	x, y := q.Transforms(&c)
	var at []vg.Point
	for _, p := range l.points {
		at = append(at, vg.Point{X: x(p.X), Y: y(p.Y)})
	}
	if !l.marks {
		c.StrokeLines(l.style.stroke(), at)
	}
	if l.style.shape != nil {
		for _, p := range at {
			c.DrawGlyphNoClip(l.style.glyph(), p)
		}
	}
}

// DataRange implements [plot.DataRanger].
func (l line) DataRange() (xmin, xmax, ymin, ymax float64) { return plotter.XYRange(l.points) }

// drawEnds writes the last value of each line to the right of it, pushed apart
// where they would lie over each other.
func (p *linePanel) drawEnds(data draw.Canvas, q *plot.Plot) {
	_, y := q.Transforms(&data)
	type label struct {
		text string
		at   vg.Length
	}
	var all []label
	for _, l := range p.lines {
		last := l.points[len(l.points)-1].Y
		all = append(all, label{number(last), y(last)})
	}
	slices.SortFunc(all, func(a, b label) int { return cmp.Compare(a.at, b.at) })
	all = slices.CompactFunc(all, func(a, b label) bool { return a.text == b.text })
	const apart = vg.Length(9)
	for range 2 * len(all) {
		for i := range all[1:] {
			if over := all[i].at + apart - all[i+1].at; over > 0 {
				all[i].at -= over / 2
				all[i+1].at += over / 2
			}
		}
	}
	for _, l := range all {
		data.FillText(valueStyle, vg.Point{X: data.Max.X + 5, Y: l.at}, l.text)
	}
}

// logTicks are 1, 2 and 5 times powers of ten, or round numbers where these are
// too few.
type logTicks struct{}

// Ticks implements [plot.Ticker].
func (logTicks) Ticks(min, max float64) []plot.Tick {
	var ticks, powers []plot.Tick
	for e := math.Floor(math.Log10(min)); e <= math.Log10(max); e++ {
		for _, step := range []float64{1, 2, 5} {
			v := step * math.Pow(10, e)
			if v < min || v > max {
				continue
			}
			ticks = append(ticks, plot.Tick{Value: v, Label: tickNumber(v)})
			if step == 1 {
				powers = append(powers, ticks[len(ticks)-1])
			}
		}
	}
	switch {
	case len(ticks) < 3:
		ticks = linearTicks{}.Ticks(min, max)
		for i := range ticks {
			ticks[i].Label = tickNumber(ticks[i].Value)
		}
	case len(powers) > 3:
		return powers
	}
	return ticks
}

// tickNumber has commas where there is no fraction.
func tickNumber(v float64) string {
	if v == math.Trunc(v) {
		return thousands(v)
	}
	return number(v)
}
