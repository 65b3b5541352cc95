// SPDX-License-Identifier: MIT

package kernels

import "strings"

// suite is a part of Debian that may have a kernel.
type suite struct {
	name string // like "trixie" or "bookworm-backports"
	// root is the Debian release whose compiler and libraries its modules are
	// built with, when those of an older machine do not do.
	root string
	// foreign is set for what is of another release than the machine's.
	foreign bool
}

// dir is where apt's state for it lies, below that for the machine's sources.
func (s suite) dir() string {
	if s.foreign {
		return s.name
	}
	return "backports"
}

// homes are the suites that have a series in its newest state. Linux 6.12 and
// later are compiled with an option that came with gcc 13, and their build
// tools want the C library of trixie.
var homes = map[string]suite{
	"5.10": {name: "bullseye"},
	"6.1":  {name: "bookworm"},
	"6.12": {name: "trixie", root: "trixie"},
	"7.3":  {name: "trixie-backports", root: "trixie"},
}

// Series are those of Linux that this package knows where to find on every
// machine, oldest first.
var Series = []string{"5.10", "6.1", "6.12", "7.3"}

// Flavours are what each of [Series] comes in, as the end of its name: the
// standard flavour, the one for virtual machines, and the one with PREEMPT_RT.
var Flavours = []string{"", cloud, realTime}

// suitesFor returns where to look, in this order, for a series that a machine's
// own sources do not have. Its release is known by its codename.
func suitesFor(series, codename string) []suite {
	suites := []suite{{name: codename + "-backports"}}
	number, _, _ := strings.Cut(series, "-")
	if home, ok := homes[number]; ok && home.name != codename && home.name != suites[0].name {
		home.foreign = true
		suites = append(suites, home)
	}
	return suites
}
