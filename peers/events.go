// SPDX-License-Identifier: MIT

package peers

import (
	"fmt"
	"strings"
)

// group is that of the events that peers make.
const group = "peers"

// tickClock stamps events with the time stamp counter, which is cheaper than the
// default clock, and of which the trace shows each tick.
const tickClock = "x86-tsc"

func kprobeDocs(what string) string { return "Documentation/trace/kprobetrace.rst" + what }

// probeEvents makes an event at the entry and one at the return of each function, by
// kprobes or fprobes.
func probeEvents(file string, form func(name, symbol string, returns bool) string) func([]Function) []setting {
	return func(functions []Function) []setting {
		var make, remove []string
		for i, f := range functions {
			for _, returns := range []bool{false, true} {
				name := eventName(i, returns)
				make = append(make, form(name, f.Symbol, returns))
				remove = append(remove, "-:"+group+"/"+name)
			}
		}
		return []setting{{file, strings.Join(make, "\n"), strings.Join(remove, "\n")}}
	}
}

func eventName(function int, returns bool) string {
	if returns {
		return fmt.Sprintf("r%d", function)
	}
	return fmt.Sprintf("e%d", function)
}

func kprobeForm(name, symbol string, returns bool) string {
	kind := "p"
	if returns {
		kind = "r"
	}
	return fmt.Sprintf("%s:%s/%s %s", kind, group, name, symbol)
}

func fprobeForm(name, symbol string, returns bool) string {
	if returns {
		symbol += "%return"
	}
	return fmt.Sprintf("f:%s/%s %s", group, name, symbol)
}

// each adds settings for each of the events at functions.
func each(functions []Function, before []setting, event func(name string, returns bool) setting) []setting {
	for i := range functions {
		for _, returns := range []bool{false, true} {
			before = append(before, event(eventName(i, returns), returns))
		}
	}
	return before
}

// enable is for all events of the group at once.
var enable = setting{"events/" + group + "/enable", "1", "0"}

// probeOf tells of which function an event is.
func probeOf(text string) (function int, returns bool) {
	name, _, _ := strings.Cut(text, ":")
	var kind rune
	if n, err := fmt.Sscanf(name, "%c%d", &kind, &function); n != 2 || err != nil || kind != 'e' && kind != 'r' {
		return -1, false
	}
	return function, kind == 'r'
}

func readProbes(functions []Function) ([]Reading, error) { return readPairs(functions, probeOf) }

func needKprobeEvents([]Function) error {
	if !hasTracefs("kprobe_events") {
		return unsupported("this kernel is built without CONFIG_KPROBE_EVENTS")
	}
	return nil
}

var kprobeEvents = probeEvents("kprobe_events", kprobeForm)

var eventFacts = Facts{Kind: Tracefs, Durations: true, Filter: true, Stacks: true, Each: true, NoModule: true, Lockdown: true, AnyKernel: true}

func kprobeEventsPeer() Peer {
	return &tracer{
		facts:    eventFacts.named("kprobe_events", kprobeDocs(""), "a reader must keep up with the ring buffer, and pair entries and returns"),
		clock:    tickClock,
		supports: needKprobeEvents,
		settings: func(fs []Function) []setting { return append(kprobeEvents(fs), enable) },
		read:     readProbes,
	}
}

func fprobeEventsPeer() Peer {
	f := eventFacts.named("fprobe_events", "Documentation/trace/fprobetrace.rst", "a reader must keep up with the ring buffer, and pair entries and returns")
	f.AnyKernel = false
	return &tracer{
		facts: f,
		clock: tickClock,
		supports: func([]Function) error {
			text, err := readTracefs("README")
			if err != nil || !strings.Contains(text, "f[:[<group>/][<event>]]") {
				return unsupported("this kernel is built without CONFIG_FPROBE_EVENTS, which is in Linux 6.5 and later")
			}
			return nil
		},
		settings: func(fs []Function) []setting {
			spelled := make([]Function, len(fs))
			for i, f := range fs {
				spelled[i] = Function{f.Name, traceName(f)}
			}
			return append(probeEvents("dynamic_events", fprobeForm)(spelled), enable)
		},
		read: readProbes,
	}
}

// syscallEvent is the directory of an event of a system call.
func syscallEvent(f Function, returns bool) string {
	name, _ := f.systemCall()
	if returns {
		return "events/syscalls/sys_exit_" + name
	}
	return "events/syscalls/sys_enter_" + name
}

func needSyscalls(functions []Function) error {
	if !hasTracefs("events/syscalls") {
		return unsupported("this kernel is built without CONFIG_FTRACE_SYSCALLS")
	}
	for _, f := range functions {
		if _, ok := f.systemCall(); !ok || !hasTracefs(syscallEvent(f, false)) {
			return unsupported("%s is no system call: only these have such tracepoints", f.Name)
		}
	}
	return nil
}

func eachSyscall(functions []Function, event func(dir string) setting) []setting {
	var all []setting
	for _, f := range functions {
		all = append(all, event(syscallEvent(f, false)), event(syscallEvent(f, true)))
	}
	return all
}

// syscallOf tells of which system call an event is: "sys_read(fd: 3)" or
// "sys_read -> 0x1".
func syscallOf(functions []Function) func(text string) (int, bool) {
	index := map[string]int{}
	for i, f := range functions {
		name, _ := f.systemCall()
		index["sys_"+name] = i
	}
	return func(text string) (int, bool) {
		end := strings.IndexAny(text, "( ")
		if end < 0 {
			return -1, false
		}
		i, ok := index[text[:end]]
		if !ok {
			return -1, false
		}
		return i, text[end] == ' '
	}
}

func syscallsPeer() Peer {
	f := eventFacts.named("syscalls", "Documentation/trace/events.rst",
		"system calls only; spans the system call and not the function")
	f.AnyKernel = false
	return &tracer{
		facts:    f,
		clock:    tickClock,
		supports: needSyscalls,
		settings: func(fs []Function) []setting {
			return eachSyscall(fs, func(dir string) setting { return setting{dir + "/enable", "1", "0"} })
		},
		read: func(fs []Function) ([]Reading, error) { return readPairs(fs, syscallOf(fs)) },
	}
}
