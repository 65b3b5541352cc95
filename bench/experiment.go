// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Experiment is a part of a run that can be done alone.
type Experiment string

// The experiments, in the order in which they are done. The leak finder comes
// first: it reads all memory, and what this process has not yet come to know
// cannot be found in it.
const (
	Leaks    Experiment = "leaks"    // verdicts on planted blocks, by region of memory
	Pairs    Experiment = "vmalloc"  // what a vmalloc() and its vfree() cost more
	Lengths  Experiment = "lengths"  // functions of known length
	Counts   Experiment = "counts"   // invocations of the functions that the user names, all probed at once
	Calls    Experiment = "calls"    // what calls of these functions take, one after the other
	Overhead Experiment = "overhead" // the part of Calls that tells what a probe costs
	Latency  Experiment = "latency"  // scans by size of the region and number of blocks
)

// Traces is what [Host.Trace] has a guest do: [Overhead], and then a few calls of
// each function for the emulator to write down.
const Traces Experiment = "traces"

// Command is what is done instead of all others when [Options].Cmd is given.
const Command Experiment = "command"

var allExperiments = []Experiment{Leaks, Pairs, Lengths, Counts, Calls, Overhead, Latency}

// DefaultExperiments are those of a run that names none: all but [Counts] and
// [Overhead], which have nothing that [Calls] has not, and [Latency], which takes
// longer than all others together.
var DefaultExperiments = []Experiment{Leaks, Pairs, Lengths, Calls}

// ParseExperiments reads names of experiments. None are [DefaultExperiments].
func ParseExperiments(names []string) ([]Experiment, error) {
	if len(names) == 0 {
		return DefaultExperiments, nil
	}
	var list []Experiment
	for _, name := range names {
		e := Experiment(name)
		switch {
		case !slices.Contains(allExperiments, e):
			return nil, fmt.Errorf("there is no experiment %q; use some of %s", name, ExperimentNames())
		case slices.Contains(list, e):
			return nil, fmt.Errorf("experiment %s is given twice", name)
		}
		list = append(list, e)
	}
	if slices.Contains(list, Calls) && slices.Contains(list, Overhead) {
		return nil, fmt.Errorf("experiment %s is a part of %s; leave one of them out", Overhead, Calls)
	}
	return list, nil
}

// ExperimentNames lists all experiments for people.
func ExperimentNames() string {
	var names []string
	for _, e := range allExperiments {
		names = append(names, string(e))
	}
	return strings.Join(names, ", ")
}

// Does tells whether an experiment is part of the run.
func (o Options) Does(e Experiment) bool {
	if len(o.Only) == 0 {
		return slices.Contains(DefaultExperiments, e)
	}
	return slices.Contains(o.Only, e)
}
