// SPDX-License-Identifier: MIT

package peers

import (
	"fmt"
	"regexp"
	"strings"
)

const histDoc = "Documentation/trace/histogram.rst"

// countTrigger has the kernel count an event by task.
const countTrigger = "hist:keys=common_pid"

func needHist(also func([]Function) error) func([]Function) error {
	return func(functions []Function) error {
		text, err := readTracefs("README")
		if err != nil || !strings.Contains(text, "hist trigger") {
			return unsupported("this kernel is built without CONFIG_HIST_TRIGGERS")
		}
		return also(functions)
	}
}

func trigger(dir, text string) setting { return setting{dir + "/trigger", text, "!" + text} }

func probeDir(name string) string { return "events/" + group + "/" + name }

var histFacts = Facts{Kind: Tracefs, Filter: true, Stacks: true, NoModule: true, Lockdown: true, AnyKernel: true}

func kprobeHistPeer() Peer {
	return &tracer{
		facts:    histFacts.named("kprobe_events-hist", histDoc, "counts entries and returns, and times nothing"),
		supports: needHist(needKprobeEvents),
		settings: func(fs []Function) []setting {
			return each(fs, kprobeEvents(fs), func(name string, _ bool) setting { return trigger(probeDir(name), countTrigger) })
		},
		read: func(fs []Function) ([]Reading, error) {
			return readHists(fs, func(i int) string { return probeDir(eventName(i, false)) }, "")
		},
	}
}

func syscallsHistPeer() Peer {
	f := histFacts.named("syscalls-hist", histDoc, "system calls only; counts, and times nothing")
	f.AnyKernel = false
	return &tracer{
		facts:    f,
		supports: needHist(needSyscalls),
		settings: func(fs []Function) []setting {
			return eachSyscall(fs, func(dir string) setting { return trigger(dir, countTrigger) })
		},
		read: func(fs []Function) ([]Reading, error) {
			return readHists(fs, func(i int) string { return syscallEvent(fs[i], false) }, "")
		},
	}
}

// latencyEvent is the synthetic event that a return makes when the task has entered
// the function before.
func latencyEvent(function int) string { return fmt.Sprintf("peer_latency%d", function) }

func onmatchPeer() Peer {
	f := histFacts.named("kprobe_events-onmatch", histDoc+", inter-event latencies", "one call at a time of each task")
	f.Durations, f.Histogram, f.Rounded = true, true, true
	return &tracer{
		facts:    f,
		supports: needHist(needSynthetic),
		settings: func(fs []Function) []setting {
			all := kprobeEvents(fs)
			for i := range fs {
				all = append(all, onmatchSettings(i)...)
			}
			return all
		},
		read: func(fs []Function) ([]Reading, error) {
			return readHists(fs, func(i int) string { return "events/synthetic/" + latencyEvent(i) }, "d")
		},
	}
}

func onmatchSettings(function int) []setting {
	entry, leave, latency := eventName(function, false), eventName(function, true), latencyEvent(function)
	return []setting{
		{"synthetic_events", latency + " u64 d", "!" + latency},
		trigger(probeDir(entry), "hist:keys=common_pid:ts0=common_timestamp"),
		trigger(probeDir(leave), fmt.Sprintf("hist:keys=common_pid:d=common_timestamp-$ts0:onmatch(%s.%s).trace(%s,$d)", group, entry, latency)),
		trigger("events/synthetic/"+latency, "hist:keys=common_pid:vals=d"),
	}
}

func needSynthetic(functions []Function) error {
	if !hasTracefs("synthetic_events") {
		return unsupported("this kernel is built without CONFIG_SYNTH_EVENTS")
	}
	return needKprobeEvents(functions)
}

// readHists reads a histogram for each function. If it has a value of that name it
// is a duration.
func readHists(functions []Function, dir func(int) string, value string) ([]Reading, error) {
	all := make([]Reading, len(functions))
	for i := range functions {
		text, err := readTracefs(dir(i) + "/hist")
		if err != nil {
			return nil, err
		}
		if all[i], err = parseHist(text, value); err != nil {
			return nil, fmt.Errorf("%s/hist: %w", dir(i), err)
		}
	}
	return all, nil
}

var histField = regexp.MustCompile(`(\w+): +([0-9]+)`)

// parseHist sums a histogram. The totals at its end must agree with its lines.
func parseHist(text, value string) (r Reading, err error) {
	totals := map[string]uint64{}
	for line := range strings.Lines(text) {
		key, rest, bucket := strings.Cut(line, "}")
		bucket = bucket && strings.HasPrefix(key, "{")
		if !bucket {
			rest = line
		}
		for _, m := range histField.FindAllStringSubmatch(rest, -1) {
			n, err := parseCount(m[2])
			switch {
			case err != nil:
				return r, err
			case bucket && m[1] == "hitcount":
				r.Calls += n
			case bucket && m[1] == value:
				r.TotalNs += float64(n)
			case !bucket:
				totals[m[1]] = n
			}
		}
	}
	hits, ok := totals["Hits"]
	r.Lost = totals["Dropped"]
	if !ok || hits != r.Calls+r.Lost {
		return r, fmt.Errorf("%d hits are in its lines, and %d in its totals with %d dropped", r.Calls, hits, r.Lost)
	}
	if value != "" {
		r.Timed = r.Calls
	}
	return r, nil
}
