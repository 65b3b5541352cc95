// SPDX-License-Identifier: MIT

package peers

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

var (
	bpftraceStats = regexp.MustCompile(`(?m)^@ns: count (\d+), average \d+, total (\d+)$`)
	bpftraceLost  = regexp.MustCompile(`(?m)^Lost (\d+) events$`)
)

// parseBpftrace reads a map of stats().
func parseBpftrace(output string, _ Function) (r Reading, err error) {
	m := bpftraceStats.FindAllStringSubmatch(output, -1)
	if len(m) != 1 {
		return r, fmt.Errorf("bpftrace: %d lines of the map @ns, want 1", len(m))
	}
	if r.Calls, err = parseCount(m[0][1]); err != nil {
		return r, err
	}
	r.Timed = r.Calls
	if r.TotalNs, err = strconv.ParseFloat(m[0][2], 64); err != nil {
		return r, err
	}
	for _, m := range bpftraceLost.FindAllStringSubmatch(output, -1) {
		n, err := parseCount(m[1])
		if err != nil {
			return r, err
		}
		r.Lost += n
	}
	return r, nil
}

var funclatencySum = regexp.MustCompile(`(?m)^avg = \d+ nsecs, total: (\d+) nsecs, count: (\d+)$`)

// parseFunclatency reads the line below the histogram.
func parseFunclatency(output string, _ Function) (r Reading, err error) {
	m := funclatencySum.FindAllStringSubmatch(output, -1)
	if len(m) != 1 {
		return r, fmt.Errorf("funclatency: %d lines with an average, want 1", len(m))
	}
	if r.TotalNs, err = strconv.ParseFloat(m[0][1], 64); err != nil {
		return r, err
	}
	r.Calls, err = parseCount(m[0][2])
	r.Timed = r.Calls
	return r, err
}

// perfSyscallHead is what the columns of perf trace -s are.
var perfSyscallHead = []string{"syscall", "calls", "errors", "total", "min", "avg", "max", "stddev"}

var perfLost = regexp.MustCompile(`LOST (\d+) events`)

// parsePerfTrace sums the lines of a system call, of which each thread has one: its
// name, calls, errors, and the milliseconds of all of them.
func parsePerfTrace(output string, f Function) (r Reading, err error) {
	name, _ := f.systemCall()
	heads, lines := 0, 0
	for line := range strings.Lines(output) {
		w := strings.Fields(line)
		switch {
		case strings.Join(w, " ") == strings.Join(perfSyscallHead, " "):
			heads++
		case len(w) == len(perfSyscallHead) && w[0] == name:
			n, err := parseCount(w[1])
			ms, err2 := strconv.ParseFloat(w[3], 64)
			if err := errors.Join(err, err2); err != nil {
				return r, fmt.Errorf("perf trace: %q: %w", line, err)
			}
			r.Calls, r.TotalNs, lines = r.Calls+n, r.TotalNs+ms*1e6, lines+1
		}
	}
	if heads == 0 || lines == 0 {
		return r, fmt.Errorf("perf trace: %d tables, and %d lines of %s", heads, lines, name)
	}
	r.Timed = r.Calls
	for _, m := range perfLost.FindAllStringSubmatch(output, -1) {
		n, err := parseCount(m[1])
		if err != nil {
			return r, err
		}
		r.Lost += n
	}
	return r, nil
}

// latencyBucket is a line of perf ftrace latency: from and to, the unit, and how many
// calls took so long.
var latencyBucket = regexp.MustCompile(`^\s*\d+\s+-\s+(?:\d+|\.\.\.)\s+(?:us|ms|s)\s*\|\s*(\d+)\s*\|`)

// parsePerfLatency counts what is in a histogram, which has no averages.
func parsePerfLatency(output string, _ Function) (r Reading, err error) {
	buckets := 0
	for line := range strings.Lines(output) {
		m := latencyBucket.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n, err := parseCount(m[1])
		if err != nil {
			return r, err
		}
		r.Calls, buckets = r.Calls+n, buckets+1
	}
	if buckets == 0 {
		return r, errors.New("perf ftrace latency: no histogram")
	}
	r.Timed = r.Calls
	return r, nil
}
