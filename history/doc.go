// SPDX-License-Identifier: MIT

// Package history keeps what was measured night by night, and tells where it
// changed.
//
// A history is a directory with a file in Go's benchmark format for each [Run],
// whose configuration says when it was and of which commit. [Open] reads it,
// [Append] adds to it, and [History.Series] are the figures of each row in each
// environment over time with their [Change]s: of exact figures each difference, of
// noisy ones what package changepoint finds. What was measured on another kernel,
// or with another compiler or emulator, is another series.
package history
