// SPDX-License-Identifier: MIT

package plots

import (
	"fmt"
	"image/color"
	"slices"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kprof-bench/results"
)

// Lengths around the panels.
const (
	margin       = vg.Length(18)
	headHeight   = vg.Length(84) // title, note, legend, titles of the panels
	axisHeight   = vg.Length(40)
	panelWidth   = vg.Length(330)
	panelGap     = vg.Length(24)
	nameGap      = vg.Length(6)
	maxLines     = 200
	functionGap  = 0.8 // lines
	legendSquare = vg.Length(8)
)

// chart is a picture, with its parts laid out.
type chart struct {
	title, note string
	legend      []backend
	names       []plot.Tick
	panels      [2]*panel
}

// chart lays out what was added. It is an error if there is nothing, or more
// than a picture can show.
func (p *Probe) chart() (*chart, error) {
	if len(p.funcs) == 0 {
		return nil, ErrNoProbes
	}
	backends, err := p.backends()
	if err != nil {
		return nil, err
	}
	unit := results.TimeUnit(value(p.env, "clock"))
	overhead := &panel{title: "Overhead: how much longer a probed call takes", axis: "overhead per call, " + unit + " (logarithmic)", log: true}
	bias := &panel{title: "Bias: how much too long the module reports it", axis: "bias of the reported average per call, " + unit}
	c := &chart{
		title: "Overhead and bias of a probe, by backend", note: p.note(),
		legend: backends, panels: [2]*panel{overhead, bias},
	}
	var line float64
	for i, f := range p.funcs {
		from := line
		line += functionGap / 2
		for _, b := range backends {
			if j := slices.IndexFunc(f.bars, func(bar *bar) bool { return bar.backend == b.name }); j >= 0 {
				overhead.marks = append(overhead.marks, mark{line, f.bars[j].overhead, b.color})
				bias.marks = append(bias.marks, mark{line, f.bars[j].bias, b.color})
				line++
			}
		}
		line += functionGap / 2
		c.addFunction(f.name, span{from, line}, i%2 == 0)
	}
	if n := len(overhead.marks); n > maxLines {
		return nil, fmt.Errorf("%d pairs of function and backend are too many for a chart, which holds %d; take fewer functions", n, maxLines)
	}
	return c, nil
}

func (c *chart) addFunction(name string, lines span, shaded bool) {
	c.names = append(c.names, plot.Tick{Value: -(lines.from + lines.to) / 2, Label: name})
	for _, p := range c.panels {
		p.lines = lines.to
		if shaded {
			p.bands = append(p.bands, lines)
		}
	}
}

// backends returns those that are there, in the order of the chart.
func (p *Probe) backends() ([]backend, error) {
	var names []string
	for _, f := range p.funcs {
		for _, b := range f.bars {
			names = append(names, b.backend)
		}
	}
	return inOrder(names)
}

// inOrder are backends in the order of a chart, each once.
func inOrder(names []string) ([]backend, error) {
	var found []backend
	var others []string
	for _, b := range known {
		if slices.Contains(names, b.name) {
			found = append(found, b)
		}
	}
	for _, name := range names {
		isKnown := slices.ContainsFunc(known, func(b backend) bool { return b.name == name })
		if !isKnown && !slices.Contains(others, name) {
			others = append(others, name)
		}
	}
	if len(others) > len(spare) {
		return nil, fmt.Errorf("there are not enough colours for the backends %s", strings.Join(others, ", "))
	}
	for i, name := range others {
		found = append(found, backend{name, spare[i]})
	}
	return found, nil
}

// note says where the figures were measured and what they are.
func (p *Probe) note() string {
	return where(p.env) + " · " + p.samples()
}

func (p *Probe) samples() string {
	least, most := len(p.funcs[0].bars[0].overhead), 0
	for _, f := range p.funcs {
		for _, b := range f.bars {
			least, most = min(least, len(b.overhead)), max(most, len(b.overhead))
		}
	}
	switch {
	case most == 1:
		return "1 run"
	case least == most:
		return fmt.Sprintf("medians of %d runs", most)
	}
	return fmt.Sprintf("medians of %d to %d runs", least, most)
}

// size is that of the whole picture: it grows with what is in it, so that
// nothing in it must shrink.
func (c *chart) size() (width, height vg.Length) {
	width = 2*margin + c.nameWidth() + 2*panelWidth + panelGap
	for _, s := range []vg.Length{titleStyle.Width(c.title), noteStyle.Width(c.note), c.legendWidth()} {
		width = max(width, 2*margin+s)
	}
	return width, 2*margin + headHeight + vg.Length(c.panels[0].lines)*lineHeight + axisHeight
}

func (c *chart) nameWidth() vg.Length {
	var w vg.Length
	for _, n := range c.names {
		w = max(w, nameStyle.Width(n.Label))
	}
	return w + nameGap
}

func (c *chart) draw(dc draw.Canvas) {
	dc.SetColor(color.White)
	dc.Fill(dc.Rectangle.Path())
	dc = draw.Crop(dc, margin, -margin, margin, -margin)
	left, top := dc.Min.X, dc.Max.Y
	dc.FillText(aligned(titleStyle, text.XLeft, text.YTop), vg.Point{X: left, Y: top}, c.title)
	dc.FillText(aligned(noteStyle, text.XLeft, text.YTop), vg.Point{X: left, Y: top - 21}, c.note)
	c.drawLegend(&dc, vg.Point{X: left, Y: top - 44})

	body := draw.Crop(dc, 0, 0, 0, -headHeight)
	right := left + c.nameWidth() + panelWidth
	c.panels[0].draw(draw.Crop(body, 0, right-dc.Max.X, 0, 0), c.names)
	c.panels[1].draw(draw.Crop(body, right+panelGap-left, 0, 0, 0), nil)
}

// legendStep is from the beginning of an entry to that of the next one.
func legendStep(b backend) vg.Length {
	return legendSquare + 5 + legendStyle.Width(b.name) + 18
}

func (c *chart) legendWidth() vg.Length {
	var w vg.Length
	for _, b := range c.legend {
		w += legendStep(b)
	}
	return w
}

func (c *chart) drawLegend(dc *draw.Canvas, at vg.Point) {
	for _, b := range c.legend {
		corner := vg.Point{X: at.X, Y: at.Y - legendSquare/2}
		dc.SetColor(b.color)
		dc.Fill(vg.Rectangle{Min: corner, Max: corner.Add(vg.Point{X: legendSquare, Y: legendSquare})}.Path())
		dc.FillText(legendStyle, vg.Point{X: at.X + legendSquare + 5, Y: at.Y}, b.name)
		at.X += legendStep(b)
	}
}
