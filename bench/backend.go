// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"
	"strings"

	"kprof-bench/kmod"
)

// Backend is a way in which profiler.ko probes functions, as rows of results
// name it: a backend of the module's, and "+hist" if it also keeps a histogram.
type Backend string

// All ways of probing, in the order in which they are measured.
const (
	Direct        Backend = "direct"
	RetHook       Backend = "rethook"
	KRetProbe     Backend = "kretprobe"
	DirectHist    Backend = "direct+hist"
	RetHookHist   Backend = "rethook+hist"
	KRetProbeHist Backend = "kretprobe+hist"
)

// AllBackends are what the word "all" means in [ParseBackends].
var AllBackends = []Backend{Direct, RetHook, KRetProbe, DirectHist, RetHookHist, KRetProbeHist}

// DefaultBackends are the module's choice for system calls, and the one that
// works everywhere.
var DefaultBackends = []Backend{Direct, KRetProbe}

// ParseBackends reads names of backends, or the one word all.
func ParseBackends(names []string) ([]Backend, error) {
	if slices.Equal(names, []string{"all"}) {
		return AllBackends, nil
	}
	var list []Backend
	for _, name := range names {
		b := Backend(name)
		switch {
		case !slices.Contains(AllBackends, b):
			return nil, fmt.Errorf("there is no backend %q; use some of %s, or all", name, backendNames())
		case slices.Contains(list, b):
			return nil, fmt.Errorf("backend %s is given twice", name)
		}
		list = append(list, b)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("no backends are given; use some of %s, or all", backendNames())
	}
	return list, nil
}

// lacks510 is why Linux 5.10 does not have some backends.
var lacks510 = map[string]string{
	"direct":  "ftrace of Linux 5.10 has no direct calls from a set of functions",
	"rethook": "Linux 5.10 has no rethook",
}

// supported leaves out the backends that a kernel cannot have, with a check that
// says so for each. Of a kernel that is none of Debian's it is assumed that it
// can do what Debian's of that series can: a backend that its configuration
// lacks is then an error of the module's when it is loaded.
func supported(all []Backend, release string) ([]Backend, []Check, error) {
	var kept []Backend
	var lacking []Check
	for _, b := range all {
		name, _ := b.module()
		if why := lacks510[name]; why != "" && isOf(release)("5.10") {
			lacking = append(lacking, notSupported("backend "+string(b), why))
			continue
		}
		kept = append(kept, b)
	}
	if len(kept) == 0 {
		return nil, nil, fmt.Errorf("none of the backends is supported on kernel %s: %s", release, lacking[0].Detail)
	}
	return kept, lacking, nil
}

func backendNames() string {
	var names []string
	for _, b := range AllBackends {
		names = append(names, string(b))
	}
	return strings.Join(names, ", ")
}

// module is the backend by the name that profiler.ko has for it.
func (b Backend) module() (name string, hist bool) {
	name, _, hist = strings.Cut(string(b), "+")
	return name, hist
}

// testbedArgs are the words that arguments of the testbed's functions take.
const testbedArgs = "tb_work:1,tb_work_even:1"

// params are the parameters with which profiler.ko probes in this way only. args
// is what it is told of arguments.
func (b Backend) params(args string) []kmod.Param {
	name, hist := b.module()
	params := []kmod.Param{{Name: "backend", Value: name}, {Name: "args", Value: args}}
	if hist {
		params = append(params, kmod.Param{Name: "hist", Value: "Y"})
	}
	return params
}
