// SPDX-License-Identifier: MIT

// Command init is the first process of the guests of package testbedtest. Its
// job is a [testbedtest.Job] in JSON.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"kprof-bench/guest"
	"kprof-bench/kmod"
	"kprof-bench/kmod/testbedtest"
)

func main() {
	if !guest.InGuest() {
		fmt.Fprintln(os.Stderr, "init: this is for guests that tests boot")
		os.Exit(2)
	}
	guest.Main(func(ctx context.Context, text []byte, ch *guest.Channel) error {
		var job testbedtest.Job
		if err := json.Unmarshal(text, &job); err != nil {
			return fmt.Errorf("job: %w", err)
		}
		l, err := newLab(ctx)
		if err != nil {
			return err
		}
		for _, name := range job.Checks {
			if err := ch.Send(testbedtest.CheckKind, l.check(name)); err != nil {
				return err
			}
		}
		return nil
	})
}

// lab is what checks work with.
type lab struct {
	ctx    context.Context
	object *kmod.TestbedObject
	notes  []string

	// What the background did while profiler.ko was there.
	naps, background uint64
}

func newLab(ctx context.Context) (*lab, error) {
	f, err := os.Open(testbedtest.TestbedPath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	o, err := kmod.NewTestbedObject(f)
	if err != nil {
		return nil, err
	}
	return &lab{ctx: ctx, object: o}, nil
}

// note keeps a number for those who read the test's log.
func (l *lab) note(format string, args ...any) {
	l.notes = append(l.notes, fmt.Sprintf(format, args...))
}

// checks are all there are. Each leaves the machine as it found it.
var checks = map[string]func(*lab) error{
	"known lengths":      onTestbed((*lab).knownLengths),
	"calls":              onTestbed((*lab).calls),
	"arguments of calls": onTestbed((*lab).callArguments),
	"stall":              onTestbed(stall),
	"sleep":              onTestbed((*lab).sleep),
	"recurse":            onTestbed((*lab).recurse),
	"timer":              onTestbed((*lab).timer),
	"args8":              onTestbed((*lab).args8),
	"sleepers":           onTestbed((*lab).sleepers),
	"sleepers left":      onTestbed((*lab).sleepersLeft),
	"dying":              onTestbed((*lab).dying),
	"stack":              onTestbed((*lab).stack),
	"occupied":           onTestbed((*lab).occupied),
	"reference probes":   onTestbed((*lab).referenceProbes),
	"sessions":           onTestbed((*lab).sessions),
	"refusals":           onTestbed((*lab).refusals),
	"forks":              onTestbed((*lab).forks),
	"closes itself":      onTestbed((*lab).closesItself),
	"killed commands":    onTestbed((*lab).killedCommands),
	"reload":             (*lab).reload,
	"unload in use":      (*lab).unloadInUse,
	"planted in regions": onTestbed((*lab).plantedInRegions),
	"planted elsewhere":  onTestbed((*lab).plantedElsewhere),
	"kernel regions":     onTestbed((*lab).kernelRegions),
	"repeated arena":     onTestbed((*lab).repeatedArena),
	"callers":            onTestbed((*lab).callers),
	"freed":              onTestbed((*lab).freed),
	"count getpid":       counting("sys_getpid", 5003, "max"),
	"count read":         counting("sys_read", 3001, "max"),
	"count write":        counting("sys_write", 3001, "max"),
	"count nanosleep":    counting("sys_nanosleep", 203, "max"),
	"count clone":        counting("sys_clone", 61, "max"),
	"count paced":        counting("sys_getpid", 50, "2000/s"),
	"generators at once": (*lab).generatorsAtOnce,
	"reload under load":  (*lab).reloadUnderLoad,
	"odd neighbours":     onTestbed((*lab).oddNeighbours),
	"leaks in a storm":   onTestbed((*lab).leaksInAStorm),
}

// check makes a check and then looks whether it left anything behind.
func (l *lab) check(name string) testbedtest.Check {
	l.notes = nil
	c := testbedtest.Check{Name: name}
	p := &problems{}
	began := time.Now()
	if run, ok := checks[name]; ok {
		p.note("", run(l))
	} else {
		p.add("there is no such check")
	}
	p.note("left behind", nothingLeft())
	l.note("%.0f ms of the guest's time", time.Since(began).Seconds()*1000)
	c.Problems, c.Notes = p.String(), l.notes
	return c
}
