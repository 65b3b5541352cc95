// SPDX-License-Identifier: MIT

package explain

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Measures of a flame graph, in pixels.
const (
	svgWidth  = 1200
	margin    = 10
	rowHeight = 19
	charWidth = 6.7 // of the font, at its size
	headline  = 30
	leastText = 3 // characters, below which nothing is written
)

// WriteSVG draws flame graphs, one below the other: a box for each path, as wide as
// it has instructions, on top of that of its caller. Where paths of a difference have
// fewer, their boxes are as wide as they have lost, and dashed. Greys tell modules,
// trampolines and the kernel apart, so that a printer can.
func WriteSVG(w io.Writer, graphs ...Graph) error {
	var body strings.Builder
	y := 0.0
	for _, g := range graphs {
		y = drawGraph(&body, g, y)
	}
	_, err := fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%.0f" viewBox="0 0 %d %.0f" font-family="monospace" font-size="11">
<style>rect { stroke: #000; stroke-width: 0.6 } .less { stroke-dasharray: 4 2 } .head { font-weight: bold; font-size: 13px }</style>
<rect width="100%%" height="100%%" fill="#fff" style="stroke: none"/>
%s</svg>
`, svgWidth, y+margin, svgWidth, y+margin, body.String())
	return err
}

// drawGraph draws below y, and returns where it ends.
func drawGraph(w *strings.Builder, g Graph, y float64) float64 {
	bottom := y + headline + rowHeight*float64(depth(g.Root))
	fmt.Fprintf(w, `<text class="head" x="%d" y="%.0f">%s: %s insn</text>`+"\n",
		margin, y+headline-10, escape(g.Title), number(perCall(g.Root.Total(), g.Calls)))
	area := g.Root.area()
	if area == 0 {
		return bottom
	}
	p := painter{w: w, calls: g.Calls, scale: (svgWidth - 2*margin) / float64(area)}
	p.draw(g.Root, margin, bottom-rowHeight)
	return bottom
}

func depth(n *Node) int {
	most := 0
	for _, c := range n.Children {
		most = max(most, depth(c))
	}
	return most + 1
}

// area is the width of a node: of its own instructions and those below it, be they
// more or fewer.
func (n *Node) area() int {
	area := max(n.Self, -n.Self)
	for _, c := range n.Children {
		area += c.area()
	}
	return area
}

type painter struct {
	w     *strings.Builder
	calls int
	scale float64
}

func (p painter) draw(n *Node, x, y float64) {
	width := p.scale * float64(n.area())
	total := number(perCall(n.Total(), p.calls))
	class := ""
	if n.Total() < 0 {
		class = ` class="less"`
	}
	fmt.Fprintf(p.w, `<g><title>%s: %s insn, %s of its own</title><rect%s x="%.1f" y="%.1f" width="%.1f" height="%d" fill="%s"/>`,
		escape(n.Name), total, number(perCall(n.Self, p.calls)), class, x, y, width, rowHeight, shade(n.Name))
	if label := fit(n.Name+" "+total, width); label != "" {
		fmt.Fprintf(p.w, `<text x="%.1f" y="%.1f">%s</text>`, x+3, y+rowHeight-6, escape(label))
	}
	p.w.WriteString("</g>\n")
	for _, c := range n.Children {
		p.draw(c, x, y-rowHeight)
		x += p.scale * float64(c.area())
	}
}

// fit cuts a text to a width in pixels, to nothing if little would be left.
func fit(text string, width float64) string {
	room := int((width - 6) / charWidth)
	switch n := utf8.RuneCountInString(text); {
	case n <= room:
		return text
	case room < leastText:
		return ""
	}
	return string([]rune(text)[:room-1]) + "…"
}

func shade(name string) string {
	switch {
	case name == UserSpace:
		return "#fff"
	case strings.HasSuffix(name, "]"):
		return "#bbb" // a module's
	case strings.Contains(name, "trampoline"):
		return "#d6d6d6"
	}
	return "#eee"
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text))
	return b.String()
}
