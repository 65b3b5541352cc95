// SPDX-License-Identifier: MIT

package peers

import (
	"fmt"
	"strconv"
	"strings"
)

func parseCount(text string) (uint64, error) {
	return strconv.ParseUint(strings.TrimSpace(text), 10, 64)
}

// graphDuration reads a line of function_graph's that has a duration: of a function
// that has called no other that is traced, or of the end of one that has. All others
// are not ok. A mark before the duration says that it is long.
//
//  0. 0.743 us    |  __do_sys_getpid();
//  0. + 20.743 us   |  } /* tb_recurse [kprof_testbed] */
func graphDuration(line string) (function string, ns float64, ok bool) {
	_, rest, ok := strings.Cut(line, ")")
	if !ok || line[0] == '#' {
		return "", 0, false
	}
	duration, call, ok := strings.Cut(rest, " us ")
	if !ok {
		return "", 0, false
	}
	us, err := strconv.ParseFloat(strings.Trim(duration, " $@*#!+"), 64)
	_, call, ok = strings.Cut(call, "|")
	call = strings.TrimPrefix(strings.TrimLeft(call, " "), "} /* ")
	end := strings.IndexFunc(call, func(r rune) bool { return !isWord(r) })
	if err != nil || !ok || end <= 0 {
		return "", 0, false
	}
	return call[:end], us * 1000, true
}

func isWord(r rune) bool {
	return r == '_' || r == '.' || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
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
	return all, err
}

// event is a line of the trace that has an event.
type event struct {
	task string
	at   uint64 // ticks of the trace clock, or ns
	text string // what the event prints
}

// parseEvent reads such a line; of comments and of notes about what was lost it says
// no.
//
//	init-1       [000] ..... 6179123: e0: (__x64_sys_getpid+0x0/0x10)
func parseEvent(line string) (e event, ok bool, err error) {
	if line == "" || line[0] == '#' || strings.HasPrefix(line, "CPU:") {
		return e, false, nil
	}
	who, rest, found := strings.Cut(line, " [")
	place, text, texted := strings.Cut(rest, ": ")
	at := strings.LastIndexByte(place, ' ')
	dash := strings.LastIndexByte(who, '-')
	if !found || !texted || at < 0 || dash < 0 {
		return e, false, fmt.Errorf("trace: %q is no event", line)
	}
	e = event{task: strings.TrimRight(who[dash+1:], " "), text: text}
	e.at, err = parseStamp(place[at+1:])
	if err != nil {
		return e, false, fmt.Errorf("trace: %q: %w", line, err)
	}
	return e, true, nil
}

// parseStamp reads a time in ticks, or in seconds with microseconds, which are made ns.
func parseStamp(text string) (uint64, error) {
	whole, part, seconds := strings.Cut(text, ".")
	n, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || !seconds {
		return n, err
	}
	us, err := strconv.ParseUint(part, 10, 64)
	if len(part) != len("123456") {
		err = fmt.Errorf("%q has no microseconds", text)
	}
	return n*1e9 + us*1000, err
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

// add takes in a line of the trace. which tells of which function an event is, below 0
// if of none, and whether it is at its return.
func (p *pairs) add(line string, which func(text string) (function int, returns bool)) error {
	e, ok, err := parseEvent(line)
	if !ok || err != nil {
		return err
	}
	switch i, returns := which(e.text); {
	case i < 0 || i >= len(p.readings):
	case returns:
		p.leave(e, i)
	default:
		p.enter(e, i)
	}
	return nil
}

// readPairs reads a trace of events at entries and returns.
func readPairs(functions []Function, which func(text string) (function int, returns bool)) ([]Reading, error) {
	p := newPairs(len(functions))
	err := eachTraced(func(line string) error { return p.add(line, which) })
	return p.readings, err
}
