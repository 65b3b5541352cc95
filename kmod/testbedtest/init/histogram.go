// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// syscallEvent is the tracepoint that every system call of a process passes.
const syscallEvent = "/sys/kernel/tracing/events/raw_syscalls/sys_enter"

// histogram has the kernel count system calls by their number and by who makes
// them.
const histogram = "hist:keys=id,common_pid:size=4096"

// countSyscalls starts the kernel's own count. stop ends it.
func countSyscalls() (file *os.File, stop func() error, err error) {
	trigger := filepath.Join(syscallEvent, "trigger")
	if err := os.WriteFile(trigger, []byte(histogram), 0); err != nil {
		return nil, nil, err
	}
	remove := func() error { return os.WriteFile(trigger, []byte("!"+histogram), 0) }
	file, err = os.Open(filepath.Join(syscallEvent, "hist"))
	if err != nil {
		return nil, nil, errors.Join(err, remove())
	}
	return file, func() error { return errors.Join(file.Close(), remove()) }, nil
}

// syscallCounts are calls by their number and by pid.
type syscallCounts map[[2]int]int

var (
	histogramEntry = regexp.MustCompile(`^\{ id: +(\d+), common_pid: +(\d+) \} hitcount: +(\d+)$`)
	histogramTotal = regexp.MustCompile(`(?m)^ +Hits: (\d+)\n +Entries: (\d+)\n +Dropped: 0$`)
)

// parseHistogram parses the event's hist file, and sees to it that the kernel
// left nothing out.
func parseHistogram(text []byte) (syscallCounts, error) {
	counts := syscallCounts{}
	hits := 0
	for line := range strings.Lines(string(text)) {
		m := histogramEntry.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			if strings.HasPrefix(line, "{") {
				return nil, fmt.Errorf("histogram has %q", line)
			}
			continue
		}
		var v [3]int
		for i := range v {
			var err error
			if v[i], err = strconv.Atoi(m[i+1]); err != nil {
				return nil, err
			}
		}
		counts[[2]int{v[0], v[1]}] = v[2]
		hits += v[2]
	}
	total := histogramTotal.FindStringSubmatch(string(text))
	if total == nil {
		return nil, fmt.Errorf("histogram has no total, or calls were dropped: %.1000q", text)
	}
	if total[1] != strconv.Itoa(hits) || total[2] != strconv.Itoa(len(counts)) {
		return nil, fmt.Errorf("histogram has %d hits in %d entries and says %s in %s", hits, len(counts), total[1], total[2])
	}
	return counts, nil
}

// since returns the calls that were made after before, by number and then by
// pid.
func (c syscallCounts) since(before syscallCounts) map[int]map[int]int {
	made := map[int]map[int]int{}
	for key, n := range c {
		if n -= before[key]; n == 0 {
			continue
		}
		if made[key[0]] == nil {
			made[key[0]] = map[int]int{}
		}
		made[key[0]][key[1]] = n
	}
	return made
}

// histogramChange is what was counted between two readings.
func histogramChange(before, after []byte) (map[int]map[int]int, error) {
	a, err := parseHistogram(before)
	if err != nil {
		return nil, err
	}
	b, err := parseHistogram(after)
	if err != nil {
		return nil, err
	}
	return b.since(a), nil
}

func sum(byPid map[int]int) int {
	n := 0
	for _, calls := range byPid {
		n += calls
	}
	return n
}
