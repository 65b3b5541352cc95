// SPDX-License-Identifier: MIT

// Package plots draws results and histories as charts, in SVG or PNG.
//
// The same results give the same bytes on every machine: fonts come with the
// program, and nothing in a chart tells when or where it was drawn. The package
// knows results files and series, and nothing of how they were measured or of how
// changes are found.
package plots
