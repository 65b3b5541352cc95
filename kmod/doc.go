// SPDX-License-Identifier: MIT

// Package kmod is the handle on the project's two kernel modules: it builds
// them against given kernel headers, loads and unloads them, and reads and
// writes what they show in sysfs and in /dev, with types.
//
// Their C sources lie in the folders profiler and testbed below, and are part
// of every binary that imports this package.
package kmod
