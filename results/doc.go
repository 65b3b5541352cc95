// SPDX-License-Identifier: MIT

// Package results keeps measurements in Go's benchmark format, the text that
// benchstat reads.
//
// A [File] is the environment, what is to be known about units, and one [Row]
// for each measurement. [Write] and [Read] are exact inverses: Read accepts
// only what Write would write again, so a file that is cut, damaged or of
// another shape is an error that names the place, not a shorter list. [WriteAll]
// and [ReadAll] do the same for what several kernels gave, one after the other.
package results
