// SPDX-License-Identifier: MIT

// Package compare tells whether one file of results is worse than another.
//
// [Compare] pairs the rows of two files in Go's benchmark format that were
// measured in the same environment, and judges each unit of each pair: exact
// values by equality, noisy ones by a test that assumes no shape of their
// distribution, corrected for the number of tests, and by the size of what
// changed. A [Report] has all of that and one [Outcome], which is an exit code.
// What could not be told is never taken for "no change".
package compare
