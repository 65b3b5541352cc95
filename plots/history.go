// SPDX-License-Identifier: MIT

package plots

import (
	"cmp"
	"errors"
	"fmt"
	"image/color"
	"math"
	"slices"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"kprof-bench/compare"
	"kprof-bench/history"
)

// ErrNoHistory is returned where there is no series to draw.
var ErrNoHistory = errors.New("no series has a value: there is no history to draw")

// Most panels of a chart of histories.
const maxHistories = 12

// History is the chart of values over runs, a panel for each series below the
// others, with the changes and their revisions.
func History(series []history.Series, f Format) ([]byte, error) {
	series = slices.DeleteFunc(slices.Clone(series), func(s history.Series) bool { return len(s.Points) == 0 })
	switch n := len(series); {
	case n == 0:
		return nil, ErrNoHistory
	case n > maxHistories:
		return nil, fmt.Errorf("%d series are more than the %d that a chart holds; take fewer with --rows, --unit and --kernel", n, maxHistories)
	}
	c := &historyChart{runs: runsOf(series)}
	for _, s := range series {
		c.panels = append(c.panels, newHistoryPanel(c.runs, s))
	}
	w, h := c.size()
	return encode(w, h, f, c.draw)
}

// runsOf are the runs of all series, each once, as time passed.
func runsOf(series []history.Series) []*history.Run {
	var all []*history.Run
	for _, s := range series {
		for _, p := range s.Points {
			if !slices.Contains(all, p.Run) {
				all = append(all, p.Run)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *history.Run) int { return a.Time.Compare(b.Time) })
	return all
}

type historyChart struct {
	runs   []*history.Run
	panels []*historyPanel
}

// historyPanel is a series. Its points lie at the places of their runs.
type historyPanel struct {
	history.Series
	at     []float64      // by point
	labels []*changeLabel // by change
	rows   int            // of labels above the axes
}

// changeLabel is what is written about a change.
type changeLabel struct {
	history.Change
	text string
	at   vg.Length // about
	row  int       // from the axes up
	left bool      // of its line
}

// Lengths of a chart of histories.
const (
	historyWidth  = vg.Length(760)
	historyHeight = vg.Length(150) // of a panel without labels
	historyHead   = vg.Length(48)
	labelRow      = vg.Length(12)
)

func newHistoryPanel(runs []*history.Run, s history.Series) *historyPanel {
	p := &historyPanel{Series: s}
	for _, point := range s.Points {
		p.at = append(p.at, float64(slices.Index(runs, point.Run)))
	}
	for _, c := range s.Changes {
		p.labels = append(p.labels, &changeLabel{Change: c, text: changeText(s, c), at: perRun(runs) * vg.Length(p.at[c.At])})
	}
	p.placeLabels()
	return p
}

// perRun is the room of a run at the most.
func perRun(runs []*history.Run) vg.Length { return historyWidth / vg.Length(max(len(runs), 2)) }

// placeLabels places those first that must be to the left of their lines, from the
// first one on, and then all others from the last one on: so a line ends below the
// labels that it would cross.
func (p *historyPanel) placeLabels() {
	var placed, others []*changeLabel
	for _, l := range p.labels {
		if l.fits() {
			others = append(others, l)
			continue
		}
		placed = append(placed, l.place(placed))
	}
	for _, l := range slices.Backward(others) {
		placed = append(placed, l.place(placed))
	}
	for _, l := range placed {
		p.rows = max(p.rows, l.row+1)
	}
}

// place finds the lowest row in which a label is in nobody's way, nor its line in
// that of a label below, to the right of the line if it can be.
func (l *changeLabel) place(placed []*changeLabel) *changeLabel {
	for _, l.left = range []bool{false, true} {
		for l.row = range len(placed) + 1 {
			if l.fits() && !slices.ContainsFunc(placed, l.meets) {
				return l
			}
		}
	}
	// Wherever it is a line crosses a label.
	l.left = !l.fits()
	return l
}

// fits tells whether the text ends where the chart does, with the axes' labels to
// the left of it.
func (l *changeLabel) fits() bool {
	from, to := l.span()
	return from >= 0 && to <= historyWidth*0.85
}

func (l *changeLabel) meets(other *changeLabel) bool {
	from, to := l.span()
	first, last := other.span()
	switch {
	case l.row == other.row:
		return from < last && first < to
	case l.row > other.row:
		return first < l.at && l.at < last
	}
	return from < other.at && other.at < to
}

// span is where the text is, about.
func (l *changeLabel) span() (from, to vg.Length) {
	width := valueStyle.Width(l.text) + 12
	if l.left {
		return l.at - width, l.at
	}
	return l.at, l.at + width
}

// changeText says which revision, in which direction, and by how much.
func changeText(s history.Series, c history.Change) string {
	run := s.Points[c.At].Run
	name := shortCommit(run)
	what := map[string]string{history.Regression: "worse", history.Improvement: "better"}[c.Verdict]
	what = cmp.Or(what, "changed")
	switch c.Kind {
	case history.Spike:
		what = "once " + what
	case history.Drift:
		what = "drift, " + what
	}
	return fmt.Sprintf("%s %s: %s → %s", name, what, rounded(c.Before), rounded(c.After))
}

func shortCommit(r *history.Run) string {
	if r.Commit == "" {
		return r.Time.UTC().Format(time.DateOnly)
	}
	return r.Commit[:min(len(r.Commit), 8)]
}

// rounded has as many digits as say something: means have more.
func rounded(v float64) string {
	if v == math.Trunc(v) || v == 0 {
		return tickNumber(v)
	}
	digits := max(0, 4-int(math.Floor(math.Log10(math.Abs(v)))))
	scale := math.Pow(10, float64(digits))
	return tickNumber(math.Round(v*scale) / scale)
}

func (c *historyChart) size() (width, height vg.Length) {
	height = 2*margin + historyHead
	for _, p := range c.panels {
		height += p.height()
	}
	return historyWidth + 2*margin, height
}

func (p *historyPanel) height() vg.Length { return historyHeight + vg.Length(p.rows)*labelRow }

func (c *historyChart) draw(dc draw.Canvas) {
	dc.SetColor(color.White)
	dc.Fill(dc.Rectangle.Path())
	dc = draw.Crop(dc, margin, -margin, margin, -margin)
	at := vg.Point{X: dc.Min.X, Y: dc.Max.Y}
	dc.FillText(aligned(titleStyle, text.XLeft, text.YTop), at, "History, run by run")
	at.Y -= 21
	dc.FillText(aligned(noteStyle, text.XLeft, text.YTop), at, c.note())
	top := historyHead
	for _, p := range c.panels {
		left := c.tickWidth() - p.tickWidth()
		p.draw(draw.Crop(dc, 0, 0, dc.Max.Y-dc.Min.Y-top-p.height(), -top), left, c.ticks(), len(c.runs))
		top += p.height()
	}
}

func (c *historyChart) note() string {
	day := func(r *history.Run) string { return r.Time.UTC().Format(time.DateOnly) + " (" + shortCommit(r) + ")" }
	first, last := c.runs[0], c.runs[len(c.runs)-1]
	return fmt.Sprintf("%d runs · %s to %s · a triangle up is worse, down is better, a ring is one run alone, a shade is a drift", len(c.runs), day(first), day(last))
}

// ticks are the days of a few runs, or where these are not all different their
// revisions.
func (c *historyChart) ticks() plot.ConstantTicks {
	step := max(1, int(math.Ceil(float64(len(c.runs)-1)/7)))
	label := func(r *history.Run) string { return r.Time.UTC().Format(time.DateOnly) }
	for i := step; i < len(c.runs); i += step {
		if label(c.runs[i]) == label(c.runs[i-step]) {
			label = shortCommit
			break
		}
	}
	var ticks plot.ConstantTicks
	for i := 0; i < len(c.runs); i += step {
		ticks = append(ticks, plot.Tick{Value: float64(i), Label: label(c.runs[i])})
	}
	return ticks
}

func (p *historyPanel) title() string {
	unit := p.Unit
	switch p.Better {
	case "":
	case compare.NearZero:
		unit += ", nearer to zero is better"
	default:
		unit += ", " + p.Better + " is better"
	}
	for _, c := range p.Env {
		if c.Key == "kernel" {
			unit += " · kernel " + c.Value
		}
	}
	return shown(p.Row) + " · " + unit
}

// tickWidth is that of the widest number beside an axis.
func (c *historyChart) tickWidth() vg.Length {
	var w vg.Length
	for _, p := range c.panels {
		w = max(w, p.tickWidth())
	}
	return w
}

func (p *historyPanel) tickWidth() vg.Length {
	var w vg.Length
	for _, t := range (fewTicks{}).Ticks(p.extent()) {
		w = max(w, tickStyle.Width(t.Label))
	}
	return w
}

func (p *historyPanel) draw(dc draw.Canvas, left vg.Length, ticks plot.Ticker, runs int) {
	dc = draw.Crop(dc, 0, -vg.Length(8), 10, 0)
	dc.FillText(aligned(nameStyle, text.XLeft, text.YTop), vg.Point{X: dc.Min.X, Y: dc.Max.Y}, p.title())
	q := plot.New()
	q.BackgroundColor = nil
	q.Add(plotFunc(p.drawGrid), plotFunc(p.drawChanges), plotFunc(p.drawValues))
	q.X.Min, q.X.Max = -0.3, float64(runs)-0.7
	q.Y.Min, q.Y.Max = p.extent()
	q.X.Tick.Marker, q.Y.Tick.Marker = ticks, fewTicks{}
	for _, axis := range []*plot.Axis{&q.X, &q.Y} {
		axis.Tick.Label.Font, axis.Tick.Label.Color = tickStyle.Font, tickStyle.Color
		axis.LineStyle, axis.Tick.LineStyle = axisLine, axisLine
		axis.Padding = 0
	}
	q.Y.Tick.Length = vg.Points(4)
	q.Draw(draw.Crop(dc, left, 0, 0, -(16 + vg.Length(p.rows)*labelRow)))
}

// extent is that of the values, with room, so that nothing looks large that is
// none: an axis covers a twenty-fifth of the value at least.
func (p *historyPanel) extent() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, point := range p.Points {
		low, high = min(low, point.Value, point.Low), max(high, point.Value, point.High)
	}
	middle := (low + high) / 2
	half := max((high-low)/2, math.Abs(middle)/50, 1e-9)
	if middle == 0 && high == low {
		half = 1
	}
	return middle - 1.15*half, middle + 1.15*half
}

// fewTicks are about three round numbers.
type fewTicks struct{}

// Ticks implements [plot.Ticker].
func (fewTicks) Ticks(min, max float64) []plot.Tick {
	step := roundUp((max - min) / 3)
	var ticks []plot.Tick
	for i := math.Ceil(min / step); i*step <= max; i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: rounded(i * step)})
	}
	return ticks
}

func (p *historyPanel) drawGrid(c draw.Canvas, q *plot.Plot) {
	_, y := q.Transforms(&c)
	for _, t := range (fewTicks{}).Ticks(q.Y.Min, q.Y.Max) {
		c.StrokeLine2(gridLine, c.Min.X, y(t.Value), c.Max.X, y(t.Value))
	}
}

var changeLine = draw.LineStyle{Color: fadedInk, Width: vg.Points(0.8), Dashes: []vg.Length{vg.Points(3), vg.Points(2)}}

// drawChanges draws a line at each change up to its label.
func (p *historyPanel) drawChanges(c draw.Canvas, q *plot.Plot) {
	x, _ := q.Transforms(&c)
	for _, l := range p.labels {
		at := x(p.at[l.At])
		if l.Kind == history.Drift {
			c.SetColor(color.Gray{0xE4})
			c.Fill(vg.Rectangle{Min: vg.Point{X: x(p.at[l.From]), Y: c.Min.Y}, Max: vg.Point{X: at, Y: c.Max.Y}}.Path())
		}
		top := c.Max.Y + vg.Length(l.row)*labelRow + 7
		c.StrokeLine2(changeLine, at, c.Min.Y, at, top)
		style, shift := valueStyle, vg.Length(4)
		if l.left {
			style.XAlign, shift = text.XRight, -shift
		}
		c.FillText(style, vg.Point{X: at + shift, Y: top - 2}, l.text)
	}
}

// drawValues draws the line, the intervals where values are not exact, and the
// marks of changes.
func (p *historyPanel) drawValues(c draw.Canvas, q *plot.Plot) {
	x, y := q.Transforms(&c)
	var at []vg.Point
	for i, point := range p.Points {
		at = append(at, vg.Point{X: x(p.at[i]), Y: y(point.Value)})
		if point.Low < point.High {
			c.StrokeLine2(draw.LineStyle{Color: skyBlue, Width: vg.Points(2)}, at[i].X, y(point.Low), at[i].X, y(point.High))
		}
	}
	c.StrokeLines(draw.LineStyle{Color: blue, Width: vg.Points(1.2)}, at)
	for _, point := range at {
		c.DrawGlyphNoClip(draw.GlyphStyle{Color: blue, Radius: vg.Points(1.6), Shape: draw.CircleGlyph{}}, point)
	}
	for _, l := range p.labels {
		c.DrawGlyphNoClip(markOf(l.Change), at[l.At])
	}
}

// markOf is a change's: what is worse points up, whatever the numbers do.
func markOf(c history.Change) draw.GlyphStyle {
	style := draw.GlyphStyle{Color: ink, Radius: vg.Points(4.5), Shape: draw.SquareGlyph{}}
	switch c.Verdict {
	case history.Regression:
		style.Color, style.Shape = vermilion, draw.PyramidGlyph{}
	case history.Improvement:
		style.Color, style.Shape = green, downGlyph{}
	}
	if c.Kind == history.Spike {
		style.Shape = draw.RingGlyph{}
	}
	return style
}

// downGlyph is a triangle that points down.
type downGlyph struct{}

// DrawGlyph implements [draw.GlyphDrawer].
func (downGlyph) DrawGlyph(c *draw.Canvas, s draw.GlyphStyle, p vg.Point) {
	c.SetColor(s.Color)
	half := s.Radius * vg.Length(math.Sqrt(3)/2)
	c.Fill(vg.Path{
		{Type: vg.MoveComp, Pos: vg.Point{X: p.X, Y: p.Y - s.Radius}},
		{Type: vg.LineComp, Pos: vg.Point{X: p.X - half, Y: p.Y + s.Radius/2}},
		{Type: vg.LineComp, Pos: vg.Point{X: p.X + half, Y: p.Y + s.Radius/2}},
		{Type: vg.CloseComp},
	})
}
