// SPDX-License-Identifier: MIT

package plots

import (
	"image/color"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// The colours are those of Okabe and Ito, which people with any kind of colour
// vision tell apart, and a tint of their green. A backend keeps its colour from
// chart to chart, and one that also counts in a histogram has the light shade of
// the one that does not.
var (
	blue      = color.RGBA{0x00, 0x72, 0xB2, 0xFF}
	skyBlue   = color.RGBA{0x56, 0xB4, 0xE9, 0xFF}
	green     = color.RGBA{0x00, 0x9E, 0x73, 0xFF}
	paleGreen = color.RGBA{0x7F, 0xCE, 0xB9, 0xFF}
	vermilion = color.RGBA{0xD5, 0x5E, 0x00, 0xFF}
	orange    = color.RGBA{0xE6, 0x9F, 0x00, 0xFF}

	// For backends that are not named here, in the order they come.
	spare = []color.Color{
		color.RGBA{0xCC, 0x79, 0xA7, 0xFF}, color.RGBA{0x66, 0x66, 0x66, 0xFF}, color.RGBA{0x00, 0x00, 0x00, 0xFF},
	}
)

// known backends, in the order in which a chart shows them.
var known = []backend{
	{"direct", blue}, {"direct+hist", skyBlue},
	{"rethook", green}, {"rethook+hist", paleGreen},
	{"kretprobe", vermilion}, {"kretprobe+hist", orange},
}

type backend struct {
	name  string
	color color.Color
}

var (
	ink      = color.Gray{0x22}
	fadedInk = color.Gray{0x66}
	gridLine = draw.LineStyle{Color: color.Gray{0xD8}, Width: vg.Points(0.5)}
	axisLine = draw.LineStyle{Color: color.Gray{0x99}, Width: vg.Points(0.75)}
	band     = color.Gray{0xF5}
)

var (
	titleStyle  = textStyle(14, xfont.WeightBold, ink)
	noteStyle   = textStyle(9, xfont.WeightNormal, fadedInk)
	legendStyle = textStyle(9, xfont.WeightNormal, ink)
	panelStyle  = textStyle(10.5, xfont.WeightBold, ink)
	nameStyle   = textStyle(9, xfont.WeightNormal, ink)
	tickStyle   = textStyle(8, xfont.WeightNormal, fadedInk)
	valueStyle  = textStyle(8, xfont.WeightNormal, ink)
)

// middle puts the middle of digits at a point, without the room that the line
// has below them for other letters.
const middle = text.YAlignment(-0.42)

// textStyle is for text that begins at a point, on the middle of its line.
func textStyle(points float64, weight xfont.Weight, c color.Color) text.Style {
	return text.Style{
		Color:   c,
		Font:    font.Font{Typeface: "Liberation", Variant: "Sans", Weight: weight, Size: vg.Points(points)},
		XAlign:  text.XLeft,
		YAlign:  middle,
		Handler: plot.DefaultTextHandler,
	}
}

func aligned(s text.Style, x text.XAlignment, y text.YAlignment) text.Style {
	s.XAlign, s.YAlign = x, y
	return s
}
