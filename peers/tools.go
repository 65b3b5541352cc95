// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"kprof-bench/kmod"
)

// tool is a program of Debian's that counts and times functions.
type tool struct {
	facts   Facts
	program string // its path
	// needs is nil unless it may lack something here.
	needs func() error
	// args have it count a function until it is interrupted, and print the counts.
	args func(f Function) ([]string, error)
	// parse reads what it prints.
	parse func(output string, f Function) (Reading, error)
}

func toolFacts(name, doc, limit string) Facts {
	return Facts{Name: name, Kind: Tool, Doc: doc, Limit: limit, Durations: true, NoModule: true, Lockdown: true}
}

// bpftraceProgram is how its documentation times a function.
const bpftraceProgram = `%[1]s:%[3]s { @start[tid] = nsecs; } %[2]s:%[3]s /@start[tid]/ { @ns = stats(nsecs - @start[tid]); delete(@start[tid]); }`

// bpftrace is it with two of its kinds of probes.
func bpftrace(f Facts, entry, leave string, spelled func(Function) (string, error)) *tool {
	f.Filter, f.Stacks, f.Histogram, f.Each = true, true, true, true
	return &tool{facts: f, program: "/usr/bin/bpftrace", args: func(f Function) ([]string, error) {
		name, err := spelled(f)
		return []string{"-e", fmt.Sprintf(bpftraceProgram, entry, leave, name)}, err
	}, parse: parseBpftrace}
}

func tools() []*tool {
	kprobes := toolFacts("bpftrace", "bpftrace(8), stats()", "")
	kprobes.AnyKernel = true
	kfuncs := toolFacts("bpftrace-kfunc", "bpftrace(8), kfunc", "needs BTF of the function")
	trace := toolFacts("perf-trace", "perf-trace(1), -s", "system calls only; prints whole microseconds")
	trace.Filter, trace.Stacks, trace.Each = true, true, true
	latency := toolFacts("perf-ftrace-latency", "perf-ftrace(1), latency", "prints a histogram from a microsecond on; Debian's is built without -b")
	latency.Histogram, latency.Durations = true, false
	funclatency := toolFacts("funclatency", "funclatency-bpfcc(8)", "compiles its program with the kernel's headers; -l for calls in calls")
	funclatency.Filter, funclatency.Histogram, funclatency.AnyKernel = true, true, true
	return []*tool{
		bpftrace(kprobes, "kprobe", "kretprobe", func(f Function) (string, error) { return f.Symbol, nil }),
		bpftrace(kfuncs, "kfunc", "kretfunc", typedName),
		{facts: trace, program: "/usr/bin/perf", args: func(f Function) ([]string, error) {
			name, _ := f.systemCall()
			return []string{"trace", "-a", "-s", "-e", name}, nil
		}, parse: parsePerfTrace},
		{facts: latency, program: "/usr/bin/perf", args: func(f Function) ([]string, error) {
			return []string{"ftrace", "latency", "-a", "-T", traceName(f)}, nil
		}, parse: parsePerfLatency},
		{facts: funclatency, program: pythonPath, needs: needHeaders, args: func(f Function) ([]string, error) {
			return []string{funclatencyPath, f.Symbol}, nil
		}, parse: parseFunclatency},
	}
}

// toolPackages are those that the tools are in.
var toolPackages = []string{"bpftrace", "linux-perf", "bpfcc-tools"}

const pythonPath = "/usr/bin/python3.11"

// toolPrograms are the files of these packages that are run.
var toolPrograms = []string{"/usr/bin/bpftrace", "/usr/bin/perf", pythonPath}

func needHeaders() error {
	dir := filepath.Join("/lib/modules", kmod.RunningRelease(), "build")
	if _, err := os.Stat(dir); err != nil {
		return unsupported("there are no headers of this kernel in %s", dir)
	}
	return nil
}

// measureTools measures calls of the user's functions under each tool.
func (l *lab) measureTools(ctx context.Context) ([]Measured, error) {
	var all []Measured
	for _, t := range tools() {
		m := Measured{Facts: t.facts}
		for _, name := range l.Funcs {
			if m.Lacking != "" {
				break
			}
			l.progress(fmt.Sprintf("%s at %s", t.facts.Name, name))
			c, err := l.underTool(ctx, t, Subject{Function: FunctionOf(name)})
			if errors.Is(err, ErrNotSupported) {
				m.Lacking, err = whyUnsupported(err), nil
			}
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.facts.Name, err)
			}
			m.Calls = append(m.Calls, c)
		}
		if m.Lacking != "" {
			m.Calls = nil
		}
		all = append(all, m)
	}
	return all, nil
}
