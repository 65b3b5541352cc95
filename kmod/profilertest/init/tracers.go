// SPDX-License-Identifier: MIT

package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"
)

const tracing = "/sys/kernel/tracing/"

// otherTracer is somebody who traces functions while the module does.
type otherTracer struct {
	name string
	on   func(t *T, funcs []string)
	off  func(t *T)
	// clear forgets what was seen so far.
	clear func(t *T)
	// entries and returns are what was seen, by function; returns is nil of a
	// tracer that does not see them.
	entries, returns func(t *T) map[string]uint64
}

var functionGraph = graphTracer()

var otherTracers = []otherTracer{kprobeEvents(), functionTracer(), functionGraph}

// wantEntries fails unless each function's calls were seen, and no others.
func (o otherTracer) wantEntries(t *T, when string, want map[string]uint64) {
	if diff := cmp.Diff(want, called(o.entries(t))); diff != "" {
		t.Errorf("%s: entries seen by %s (-want +got)\n%s", when, o.name, diff)
	}
}

// wantHits is wantEntries for calls that have returned.
func (o otherTracer) wantHits(t *T, when string, want map[string]uint64) {
	o.wantEntries(t, when, want)
	if o.returns == nil {
		return
	}
	if diff := cmp.Diff(want, called(o.returns(t))); diff != "" {
		t.Errorf("%s: returns seen by %s (-want +got)\n%s", when, o.name, diff)
	}
}

// write writes a file of tracefs. An empty text empties the file.
func write(t *T, file, text string) {
	f := must(os.OpenFile(tracing+file, os.O_WRONLY|os.O_TRUNC, 0))(t)
	defer f.Close()
	if text != "" {
		must(f.WriteString(text))(t)
	}
}

// define adds to the kprobe events; to write the file anew removes them.
func define(t *T, events string) {
	f := must(os.OpenFile(tracing+"kprobe_events", os.O_WRONLY|os.O_APPEND, 0))(t)
	defer f.Close()
	must(f.WriteString(events))(t)
}

// kprobeEvents are a kprobe and a kretprobe on each function, as tools that
// trace with BPF put them there.
func kprobeEvents() otherTracer {
	var base map[string]uint64 // hits cannot be set back
	hits := func(t *T, prefix string) map[string]uint64 {
		n := map[string]uint64{}
		for name, now := range eventHits(t) {
			if f, is := strings.CutPrefix(name, prefix); is {
				n[f] = now - base[name]
			}
		}
		return n
	}
	return otherTracer{
		name: "kprobe events",
		on: func(t *T, funcs []string) {
			t.Cleanup(func() { removeEvents(t) })
			testbeds := symbols(t)
			for _, f := range funcs {
				at := f
				if s, ok := testbeds[f]; ok {
					// A name of a module's is looked for in the kernel first.
					at = fmt.Sprintf("%#x", s.start)
				}
				// Room for the deepest recursion there is.
				define(t, "p:other/p_"+f+" "+at+"\nr256:other/r_"+f+" "+at+"\n")
			}
			write(t, "events/other/enable", "1")
			base = nil
		},
		off:     removeEvents,
		clear:   func(t *T) { base = eventHits(t) },
		entries: func(t *T) map[string]uint64 { return hits(t, "p_") },
		returns: func(t *T) map[string]uint64 { return hits(t, "r_") },
	}
}

func removeEvents(t *T) {
	if _, err := os.Stat(tracing + "events/other"); err == nil {
		write(t, "events/other/enable", "0")
		write(t, "kprobe_events", "")
		write(t, "trace", "")
	}
}

// eventHits returns what each event has seen. None may have missed any.
func eventHits(t *T) map[string]uint64 {
	hits := map[string]uint64{}
	for line := range strings.Lines(readFile(t, tracing+"kprobe_profile")) {
		f := strings.Fields(line)
		if hits[f[0]] = must(strconv.ParseUint(f[1], 10, 64))(t); f[2] != "0" {
			t.Errorf("event %s missed %s", f[0], f[2])
		}
	}
	return hits
}

var (
	functionLine = regexp.MustCompile(`(?m): (\w+)(?: \[\w+\])? <-`)
	graphLine    = regexp.MustCompile(`(?m)\|\s+(\w+)(?: \[\w+\])?\(\)(?: \{|;)`)
	graphReturn  = regexp.MustCompile(`(?m)\|\s+(?:\} /\* (\w+)(?: \[\w+\])? .*\*/|(\w+)(?: \[\w+\])?\(\);)`)
)

// functionTracer is the kernel's tracer of the entries of functions.
func functionTracer() otherTracer {
	return otherTracer{
		name:    "function",
		on:      func(t *T, funcs []string) { startTracer(t, "function", funcs) },
		off:     stopTracer,
		clear:   func(t *T) { write(t, "trace", "") },
		entries: func(t *T) map[string]uint64 { return traced(t, functionLine) },
	}
}

// graphTracer is the kernel's tracer of calls, which changes where functions
// return to.
func graphTracer() otherTracer {
	return otherTracer{
		name: "function_graph",
		on: func(t *T, funcs []string) {
			write(t, "set_graph_function", strings.Join(outerPatterns(funcs), "\n")+"\n")
			wantOuter(t, funcs)
			startTracer(t, "function_graph", funcs)
			write(t, "options/funcgraph-tail", "1")
		},
		off: func(t *T) {
			stopTracer(t)
			write(t, "set_graph_function", "")
		},
		clear:   func(t *T) { write(t, "trace", "") },
		entries: func(t *T) map[string]uint64 { return traced(t, graphLine) },
		returns: func(t *T) map[string]uint64 { return traced(t, graphReturn) },
	}
}

// outerPatterns are for those of the functions that none of the others calls. It
// takes long to look for one among all functions. What else is found does not
// matter, because it is not traced, as long as it is little: of many functions
// the kernel keeps some.
func outerPatterns(funcs []string) []string {
	patterns := []string{"tb_slee*[rp8]", "tb_args*", "tb_rec*"}
	for _, f := range funcs {
		if !strings.HasPrefix(f, "tb_") {
			patterns = append(patterns, f)
		}
	}
	return patterns
}

func wantOuter(t *T, funcs []string) {
	found := map[string]bool{}
	for line := range strings.Lines(readFile(t, tracing+"set_graph_function")) {
		found[strings.Fields(line)[0]] = true
	}
	for _, f := range funcs {
		if inner := f == "tb_nap" || f == "tb_sleeper_landing"; found[f] == inner {
			t.Fatalf("set_graph_function is to have the outer ones of %q, and has %v", funcs, found)
		}
	}
}

func startTracer(t *T, name string, funcs []string) {
	t.Cleanup(func() { stopTracer(t) })
	write(t, "set_ftrace_filter", strings.Join(filterLines(t, funcs), ""))
	wantFilter(t, "set_ftrace_filter", funcs)
	write(t, "current_tracer", name)
	write(t, "trace", "")
}

func stopTracer(t *T) {
	write(t, "current_tracer", "nop")
	write(t, "set_ftrace_filter", "")
	write(t, "trace", "")
}

// traceable are the lines of available_filter_functions. Those of modules come in
// the order in which they are loaded, and the testbed is loaded first, so that its
// functions are in the same lines in each of its lives.
var traceable []string

// filterLines returns the numbers of lines of available_filter_functions, in
// the way that a filter takes them: each name would be looked for among all.
func filterLines(t *T, funcs []string) (lines []string) {
	if traceable == nil {
		traceable = strings.Split(readFile(t, tracing+"available_filter_functions"), "\n")
	}
	for i, line := range traceable {
		name, _, _ := strings.Cut(line, " ")
		if slices.Contains(funcs, name) {
			lines = append(lines, strconv.Itoa(i+1)+"\n")
		}
	}
	return lines
}

// wantFilter ends the check unless the filter has these functions. One that has
// none lets the whole kernel through.
func wantFilter(t *T, file string, funcs []string) {
	var got []string
	for line := range strings.Lines(readFile(t, tracing+file)) {
		got = append(got, strings.Fields(line)[0])
	}
	slices.Sort(got)
	if diff := cmp.Diff(slices.Sorted(slices.Values(funcs)), got); diff != "" {
		t.Fatalf("%s (-want +got)\n%s", file, diff)
	}
}

// traced counts the lines of the trace by the function that the expression
// finds in them.
func traced(t *T, line *regexp.Regexp) map[string]uint64 {
	hits := map[string]uint64{}
	for _, m := range line.FindAllStringSubmatch(readFile(t, tracing+"trace"), -1) {
		hits[strings.Join(m[1:], "")]++
	}
	return hits
}
