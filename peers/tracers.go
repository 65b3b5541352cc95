// SPDX-License-Identifier: MIT

package peers

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// traced are the functions that ftrace can call from, as it spells them.
var traced = sync.OnceValues(func() (map[string]bool, error) {
	text, err := readTracefs("available_filter_functions")
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for line := range strings.Lines(text) {
		all[strings.Fields(line)[0]] = true
	}
	return all, nil
})

// traceName is how ftrace spells a function: of names that are the same address it
// knows one. A system call without arguments has two.
func traceName(f Function) string {
	all, err := traced()
	if err == nil && !all[f.Symbol] {
		if call, ok := f.systemCall(); ok && all["__do_sys_"+call] {
			return "__do_sys_" + call
		}
	}
	return f.Symbol
}

// filter has ftrace call from these functions only. A name that ftrace does not know
// would leave it calling from all.
func filter(file string, functions []Function) []setting {
	return []setting{{file, strings.Join(tracedSymbols(functions), " "), ""}}
}

// graphTracer is function_graph with functions written to a file that tells it which.
func graphTracer(f Facts, file string) Peer {
	return &tracer{facts: f, clock: tickClock, supports: needTracer("function_graph"), settings: func(functions []Function) []setting {
		return append(filter(file, functions),
			setting{"options/funcgraph-tail", "1", "0"},
			setting{"current_tracer", "function_graph", "nop"})
	}, read: readGraph}
}

func needTracer(name string) func([]Function) error {
	return func([]Function) error {
		text, err := readTracefs("available_tracers")
		if err != nil {
			return unsupported("no tracefs: %v", err)
		}
		for _, word := range strings.Fields(text) {
			if word == name {
				return nil
			}
		}
		return unsupported("this kernel has no tracer %s", name)
	}
}

var tracefsFacts = Facts{Kind: Tracefs, Durations: true, NoModule: true, Lockdown: true}

func (f Facts) named(name, doc, limit string) Facts {
	f.Name, f.Doc, f.Limit = name, doc, limit
	return f
}

func functionGraph() Peer {
	f := tracefsFacts.named("function_graph", "Documentation/trace/ftrace.rst", "a reader must keep up with the ring buffer")
	f.Each, f.Rounded = true, true
	return graphTracer(f, "set_ftrace_filter")
}

// graphCallees hooks all of the kernel, and is measured with less: the reader of its
// trace is slowed down as well.
const graphCallees = "function_graph-callees"

func functionGraphAll() Peer {
	f := tracefsFacts.named(graphCallees, "Documentation/trace/ftrace.rst, set_graph_function",
		"shows all that the function calls, and interrupts, and pays for it")
	f.Each, f.Rounded = true, true
	return graphTracer(f, "set_graph_function")
}

// functionProfiler is the kernel's own table of hits and averages.
func functionProfiler() Peer {
	f := tracefsFacts.named("function_profiler", "Documentation/trace/ftrace.rst, function_profile_enabled", "")
	f.Rounded = true
	return &tracer{facts: f, supports: func([]Function) error {
		if !hasTracefs("function_profile_enabled") {
			return unsupported("this kernel is built without CONFIG_FUNCTION_PROFILER")
		}
		return nil
	}, settings: func(functions []Function) []setting {
		return append(filter("set_ftrace_filter", functions), setting{"function_profile_enabled", "1", "0"})
	}, read: readProfiles}
}

func readProfiles(functions []Function) ([]Reading, error) {
	files, err := filepath.Glob(filepath.Join(tracingDir, "trace_stat/function*"))
	if err != nil {
		return nil, err
	}
	all := make([]Reading, len(functions))
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		for i, f := range functions {
			calls, ns := profileOf(string(text), traceName(f))
			all[i].Calls += calls
			all[i].Timed += calls
			all[i].TotalNs += ns
		}
	}
	return all, nil
}

// profileOf finds a function in trace_stat/functionN: its name, hits, and the time
// of all of them in microseconds.
func profileOf(text, function string) (calls uint64, ns float64) {
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) < 4 || f[0] != function {
			continue
		}
		calls, err := parseCount(f[1])
		us, err2 := strconv.ParseFloat(f[2], 64)
		if err == nil && err2 == nil {
			return calls, us * 1000
		}
	}
	return 0, 0
}
