// SPDX-License-Identifier: MIT

package plots

import (
	"image/color"

	"github.com/montanaflynn/stats"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// panel is one figure of all bars, to the right of zero, with a line for each.
type panel struct {
	title string
	axis  string
	// On a logarithmic axis the length of a bar says nothing; there a dot
	// stands for the value, and a thin line only leads to it.
	log   bool
	marks []mark
	bands []span // of every second function
	lines float64
}

// mark is a value on a line; lines are counted from the top.
type mark struct {
	line    float64
	samples []float64
	color   color.Color
}

// span is the lines from its first to before its last.
type span struct{ from, to float64 }

// Lengths in a panel.
const (
	lineHeight = vg.Length(12)
	thickness  = vg.Length(8)
	dotRadius  = vg.Length(3.2)
	labelGap   = vg.Length(5)

	axisLabelHeight = vg.Length(15)
)

// value is 0 where nothing was measured.
func (m mark) value() float64 {
	v, err := stats.Median(m.samples)
	if err != nil {
		return 0 // there are none
	}
	return v
}

func (m mark) label() string {
	if len(m.samples) == 0 {
		return "not measured"
	}
	return number(m.value())
}

// draw draws the panel with the names of the functions on its lines.
func (p *panel) draw(dc draw.Canvas, names []plot.Tick) {
	q := p.plot(names)
	above := draw.Crop(dc, 0, 0, axisLabelHeight, 0)
	q.Draw(above)
	data := q.DataCanvas(above)
	dc.FillText(aligned(panelStyle, text.XLeft, text.YBottom), vg.Point{X: data.Min.X, Y: data.Max.Y + 6}, p.title)
	// Left to it, the plot would take the label to be where half its value is,
	// which on a logarithmic axis is far to the right, and keep room for it there.
	dc.FillText(aligned(noteStyle, text.XCenter, text.YBottom), vg.Point{X: data.Center().X, Y: dc.Min.Y}, p.axis)
}

// plot makes the panel with the names of the functions on its lines, which may
// be none.
func (p *panel) plot(names []plot.Tick) *plot.Plot {
	q := plot.New()
	q.BackgroundColor = nil
	q.Y.Min, q.Y.Max = -p.lines, 0
	q.HideY()
	q.Y.Tick.Marker = plot.ConstantTicks(names)
	q.Y.Tick.Label = aligned(nameStyle, text.XRight, text.YCenter)
	q.Y.Padding = 0
	p.setScale(&q.X)
	q.X.Padding = 0
	q.X.LineStyle, q.X.Tick.LineStyle = axisLine, axisLine
	q.X.Tick.Length = vg.Points(4)
	q.X.Tick.Label = aligned(tickStyle, text.XCenter, text.YTop)
	q.Add(plotFunc(p.drawBands), &plotter.Grid{Vertical: gridLine}, p)
	return q
}

func (p *panel) setScale(x *plot.Axis) {
	var low, high float64
	for _, m := range p.marks {
		low, high = min(low, m.value()), max(high, m.value())
	}
	if high-low < 0.001 { // less than a label shows
		high = 1
	}
	x.Min, x.Max = low, high
	x.Tick.Marker = linearTicks{}
	if p.log {
		x.Min, x.Max = -roundUp(-low), roundUp(high)
		x.Scale, x.Tick.Marker = logScale{}, logScale{}
	}
}

// plotFunc is a function as a plotter.
type plotFunc func(draw.Canvas, *plot.Plot)

func (f plotFunc) Plot(c draw.Canvas, q *plot.Plot) { f(c, q) }

func (p *panel) drawBands(c draw.Canvas, q *plot.Plot) {
	_, y := q.Transforms(&c)
	for _, b := range p.bands {
		c.SetColor(band)
		c.Fill(vg.Rectangle{Min: vg.Point{X: c.Min.X, Y: y(-b.to)}, Max: vg.Point{X: c.Max.X, Y: y(-b.from)}}.Path())
	}
}

// Plot implements [plot.Plotter].
func (p *panel) Plot(c draw.Canvas, q *plot.Plot) {
	x, y := q.Transforms(&c)
	c.StrokeLine2(axisLine, x(0), c.Min.Y, x(0), c.Max.Y)
	for _, m := range p.marks {
		from, to, at := x(0), x(m.value()), y(-m.line-0.5)
		style, shift := valueStyle, labelGap
		switch {
		case len(m.samples) == 0:
			style.Color = fadedInk
		case p.log:
			drawDot(&c, m.color, from, to, at)
		default:
			drawBar(&c, m.color, from, to, at)
		}
		if m.value() < 0 {
			style.XAlign, shift = text.XRight, -shift
		}
		c.FillText(style, vg.Point{X: to + shift, Y: at}, m.label())
	}
}

func drawDot(c *draw.Canvas, clr color.Color, from, to, at vg.Length) {
	c.StrokeLine2(draw.LineStyle{Color: clr, Width: vg.Points(1.2)}, from, at, to, at)
	c.DrawGlyphNoClip(draw.GlyphStyle{Color: clr, Radius: dotRadius, Shape: draw.CircleGlyph{}}, vg.Point{X: to, Y: at})
}

func drawBar(c *draw.Canvas, clr color.Color, from, to, at vg.Length) {
	if from == to {
		return
	}
	c.SetColor(clr)
	c.Fill(vg.Rectangle{Min: vg.Point{X: min(from, to), Y: at - thickness/2}, Max: vg.Point{X: max(from, to), Y: at + thickness/2}}.Path())
}

// GlyphBoxes implements [plot.GlyphBoxer]. It keeps room beyond both ends of
// the axis for the widest label there could be.
func (p *panel) GlyphBoxes(*plot.Plot) []plot.GlyphBox {
	var left, right vg.Length
	for _, m := range p.marks {
		w := valueStyle.Width(m.label()) + labelGap
		if m.value() < 0 {
			left = max(left, w)
		} else {
			right = max(right, w)
		}
	}
	return []plot.GlyphBox{
		{X: 0, Y: 0.5, Rectangle: vg.Rectangle{Min: vg.Point{X: -left}, Max: vg.Point{X: dotRadius}}},
		{X: 1, Y: 0.5, Rectangle: vg.Rectangle{Min: vg.Point{X: -dotRadius}, Max: vg.Point{X: right}}},
	}
}
