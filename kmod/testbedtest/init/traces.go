// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"kprof-bench/kmod"
	"kprof-bench/kmod/testbedtest"
)

const (
	kprobesList      = "/sys/kernel/debug/kprobes/list"
	enabledFunctions = "/sys/kernel/tracing/enabled_functions"
	vmallocInfo      = "/proc/vmallocinfo"
)

// onTestbed makes a check of a function that wants the testbed loaded and a
// session.
func onTestbed(run func(*lab, *kmod.Testbed) error) func(*lab) error {
	return func(l *lab) (err error) {
		loaded, err := kmod.Load(testbedtest.TestbedPath)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, loaded.Unload()) }()
		t, err := kmod.OpenTestbed()
		if err != nil {
			return err
		}
		return errors.Join(run(l, t), t.Close())
	}
}

// nothingLeft tells of probes, blocks and devices that nobody owns any more.
func nothingLeft() error {
	p := &problems{}
	for _, path := range []string{kprobesList, enabledFunctions} {
		b, err := os.ReadFile(path)
		p.note(path, err)
		equal(p, path, string(b), "")
	}
	for _, path := range []string{kmod.TestbedDevice, kmod.ProfilerDir} {
		if _, err := os.Stat(path); err == nil {
			p.add("%s is still there", path)
		}
	}
	p.note(vmallocInfo, noTestbedBlocks())
	return p.err()
}

// noTestbedBlocks waits for what was freed in an interrupt: the kernel unmaps
// it in a worker.
func noTestbedBlocks() error {
	var left []string
	for range 100 {
		b, err := os.ReadFile(vmallocInfo)
		if err != nil {
			return err
		}
		left = nil
		for line := range strings.Lines(string(b)) {
			if strings.Contains(line, " tb_") || strings.Contains(line, "["+kmod.TestbedModule+"]") {
				left = append(left, line)
			}
		}
		if left == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("%d blocks of the testbed: %s", len(left), left[0])
}

// probed tells which symbols have kprobes, and how often.
func probed() (map[string]int, error) {
	b, err := os.ReadFile(kprobesList)
	if err != nil {
		return nil, err
	}
	symbols := map[string]int{}
	for line := range strings.Lines(string(b)) {
		// "ffffffffc0203000  r  tb_work+0x0  kprof_testbed [FTRACE]"
		f := strings.Fields(line)
		if len(f) < 3 {
			return nil, fmt.Errorf("%s: %q", kprobesList, line)
		}
		symbol, _, _ := strings.Cut(f[2], "+")
		symbols[symbol]++
	}
	return symbols, nil
}
