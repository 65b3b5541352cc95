// SPDX-License-Identifier: MIT

// Package plots draws results as charts, in SVG or PNG.
//
// The same results give the same bytes on every machine: fonts come with the
// program, and nothing in a chart tells when or where it was drawn. The package
// knows results files and nothing of how they were measured.
package plots
