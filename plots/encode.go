// SPDX-License-Identifier: MIT

package plots

import (
	"bytes"
	"fmt"
	"path/filepath"
	"strings"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Format is that of a picture.
type Format string

// The formats that charts are drawn in.
const (
	SVG Format = "svg"
	PNG Format = "png"
)

// pngDPI is two pixels to one of a common screen, for sharp text.
const pngDPI = 192

// FormatOf returns the format that the end of a file's name stands for.
func FormatOf(name string) (Format, error) {
	switch f := Format(strings.ToLower(strings.TrimPrefix(filepath.Ext(name), "."))); f {
	case SVG, PNG:
		return f, nil
	}
	return "", fmt.Errorf("%s: a chart is a .svg or a .png file", name)
}

// Draw returns the chart as the contents of a file.
func (p *Probe) Draw(f Format) ([]byte, error) {
	c, err := p.chart()
	if err != nil {
		return nil, err
	}
	w, h := c.size()
	return encode(w, h, f, c.draw)
}

// encode returns a picture of a size as the contents of a file.
func encode(w, h vg.Length, f Format, paint func(draw.Canvas)) ([]byte, error) {
	switch f {
	case SVG:
		canvas := vgsvg.New(w, h)
		paint(draw.New(canvas))
		text, err := contents(canvas)
		return withFallback(text), err
	case PNG:
		canvas := vgimg.NewWith(vgimg.UseWH(w, h), vgimg.UseDPI(pngDPI))
		paint(draw.New(canvas))
		return contents(vgimg.PngCanvas{Canvas: canvas})
	}
	return nil, fmt.Errorf("there is no format %q", f)
}

func contents(canvas vg.CanvasWriterTo) ([]byte, error) {
	var b bytes.Buffer
	_, err := canvas.WriteTo(&b)
	return b.Bytes(), err
}

// withFallback names the fonts that take the same room as Liberation Sans, for
// machines that do not have it. Without them a browser would take a serif font.
func withFallback(svg []byte) []byte {
	const family = "font-family:Liberation Sans;"
	return bytes.ReplaceAll(svg, []byte(family), []byte("font-family:'Liberation Sans',Arial,Helvetica,sans-serif;"))
}
