// SPDX-License-Identifier: MIT

// Package changepoint finds where a noisy series of measurements changes.
//
// [Divide] is the method of Fleming and others, "Hunter: Using Change Point
// Detection to Hunt for Performance Regressions" (ICPE 2023), which Apache Otava
// uses: E-divisive means (Matteson and James, 2014) in windows that overlap, with
// Student's t-test for significance, so that the same series always gives the same
// change points, and a second pass that takes out the weak ones.
//
// [Find] is what it takes to believe the answer for nightly figures: lone spikes
// are told from steps and do not move them, slow drifts are told from steps too,
// and the significance is that in all of the series, not in the one place that
// looks worst.
package changepoint
