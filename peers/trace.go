// SPDX-License-Identifier: MIT

package peers

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

func parseCount(text string) (uint64, error) {
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// graphLine is a line of function_graph's that has a duration: of a function that
// has called no other that is traced, or of the end of one that has.
var graphLine = regexp.MustCompile(`^\s*\d+\)\s+(?:[$@*#!+]\s+)?([0-9.]+) us\s+\|\s+(?:\} /\* )?(\w+)`)

// graphDuration reads such a line. All others are not ok.
func graphDuration(line string) (function string, ns float64, ok bool) {
	m := graphLine.FindStringSubmatch(line)
	if m == nil {
		return "", 0, false
	}
	us, err := strconv.ParseFloat(m[1], 64)
	return m[2], us * 1000, err == nil
}

// readGraph reads the durations of functions in a trace of function_graph's.
func readGraph(functions []Function) ([]Reading, error) {
	all := make([]Reading, len(functions))
	index := map[string]int{}
	for i, f := range functions {
		index[traceName(f)] = i
	}
	err := eachTraced(func(line string) error {
		if function, ns, ok := graphDuration(line); ok {
			if i, ok := index[function]; ok {
				all[i].Calls++
				all[i].Timed++
				all[i].TotalNs += ns
			}
		}
		return nil
	})
	return withLost(all, err, 2)
}

// withLost adds what the ring buffer has lost to the first of the readings, which is
// all there is in what is said of lost calls. A call has so many events.
func withLost(all []Reading, err error, events uint64) ([]Reading, error) {
	if err != nil {
		return nil, err
	}
	lost, err := lostEvents()
	if len(all) > 0 {
		all[0].Lost = (lost + events - 1) / events
	}
	return all, err
}

// event is a line of the trace that has an event.
type event struct {
	task string
	at   uint64 // ticks of the trace clock
	text string // what the event prints
}

// eventLine is such a line when the trace clock counts in whole numbers.
var eventLine = regexp.MustCompile(`^\s*\S.*-(\d+)\s+\[\d+\]\s+\S+\s+(\d+): (.*)$`)

// parseEvent reads such a line; of comments and of notes about what was lost it
// says no.
func parseEvent(line string) (e event, ok bool, err error) {
	if line == "" || line[0] == '#' || strings.HasPrefix(line, "CPU:") {
		return e, false, nil
	}
	m := eventLine.FindStringSubmatch(line)
	if m == nil {
		return e, false, fmt.Errorf("trace: %q is no event", line)
	}
	e = event{task: m[1], text: m[3]}
	e.at, err = strconv.ParseUint(m[2], 10, 64)
	return e, true, err
}

// pairs puts events at entries and returns together. The innermost call of a
// function that a task has entered is the one that returns.
type pairs struct {
	readings []Reading
	open     map[pairKey][]uint64
}

type pairKey struct {
	task     string
	function int
}

func newPairs(functions int) *pairs {
	return &pairs{make([]Reading, functions), map[pairKey][]uint64{}}
}

func (p *pairs) enter(e event, function int) {
	k := pairKey{e.task, function}
	p.readings[function].Calls++
	p.open[k] = append(p.open[k], e.at)
}

func (p *pairs) leave(e event, function int) {
	k := pairKey{e.task, function}
	starts := p.open[k]
	if len(starts) == 0 {
		return // its beginning is lost
	}
	last := len(starts) - 1
	p.open[k] = starts[:last]
	p.readings[function].Timed++
	p.readings[function].TotalNs += float64(e.at - starts[last])
}

// readPairs reads a trace of events at entries and returns. which tells of which
// function an event is, below 0 if of none, and whether it is at its return.
func readPairs(functions []Function, which func(text string) (function int, returns bool)) ([]Reading, error) {
	p := newPairs(len(functions))
	err := eachTraced(func(line string) error {
		e, ok, err := parseEvent(line)
		if !ok || err != nil {
			return err
		}
		switch i, returns := which(e.text); {
		case i < 0 || i >= len(functions):
		case returns:
			p.leave(e, i)
		default:
			p.enter(e, i)
		}
		return nil
	})
	return withLost(p.readings, err, 2)
}
