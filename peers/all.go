// SPDX-License-Identifier: MIT

package peers

import (
	"fmt"
	"slices"
	"strings"

	"kprof-bench/bench"
)

// All are the peers in the order in which they are measured. ko is the path of
// profiler.ko.
func All(ko string) []Peer {
	return slices.Concat([]Peer{
		&profiler{ko: ko, backend: bench.Direct},
		&profiler{ko: ko, backend: bench.RetHook},
		&profiler{ko: ko, backend: bench.KRetProbe},
	}, bpfPeers(), []Peer{
		functionGraph(), functionGraphAll(), functionProfiler(),
		kprobeEventsPeer(), fprobeEventsPeer(), syscallsPeer(),
		kprobeHistPeer(), syscallsHistPeer(), onmatchPeer(),
	})
}

// Names lists all peers.
func Names() []string {
	var names []string
	for _, p := range All("") {
		names = append(names, p.Facts().Name)
	}
	return names
}

// checkNames refuses names of peers that there are not.
func checkNames(names []string) error {
	for i, name := range names {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("there is no peer %q; use some of %s", name, strings.Join(Names(), ", "))
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("peer %s is given twice", name)
		}
	}
	return nil
}
