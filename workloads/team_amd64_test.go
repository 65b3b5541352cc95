// SPDX-License-Identifier: MIT

package workloads

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newTeam returns programs each of which writes a byte to a file of its own.
func newTeam(t *testing.T, n int) (programs []*Program, files []*os.File) {
	t.Helper()
	for range n {
		f := tempFile(t, nil)
		p := newProgram(t)
		_, buf := alloc(t, p, 1)
		p.Ops = []Op{{Name: "write", Nr: unix.SYS_WRITE, Args: [6]uintptr{f.Fd(), buf, 1}, Measured: true}}
		programs, files = append(programs, p), append(files, f)
	}
	return programs, files
}

// The observations enclose the calls of all programs, and no others.
func TestObservationsEncloseATeam(t *testing.T) {
	rate, err := ParseRate("bursts:10:20000/s")
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"one after the other": {Calls: 2000},
		"paced":               {Calls: 50, Rate: rate},
		"on one CPU":          {Calls: 200, CPUs: []int{firstCPU(t)}},
	} {
		t.Run(name, func(t *testing.T) {
			const engines = 3
			programs, files := newTeam(t, engines)
			o.Quiesce, o.Warmup, o.Observe = -1, 4, files
			all, err := RunTeam(t.Context(), programs, o)
			if err != nil {
				t.Fatal(err)
			}
			for i := range engines {
				if before, after := len(all[0].Before[i]), len(all[0].After[i]); before != o.Warmup || after != o.Warmup+o.Calls {
					t.Errorf("program %d had made %d calls and then %d, want %d and %d", i, before, after, o.Warmup, o.Warmup+o.Calls)
				}
				if all[i].Issued != uint64(o.Calls) {
					t.Errorf("program %d issued %d calls, want %d", i, all[i].Issued, o.Calls)
				}
			}
		})
	}
}

func firstCPU(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; ; cpu++ {
		if set.IsSet(cpu) {
			return cpu
		}
	}
}

// Whichever program fails, all engines come to their end.
func TestATeamWithAFailure(t *testing.T) {
	for bad := range 3 {
		for _, when := range []string{"before", "meanwhile"} {
			programs, files := newTeam(t, 3)
			p := programs[bad]
			p.Ops[0].Args[0] = ^uintptr(0)
			o := Options{Calls: 100, Quiesce: time.Millisecond, Observe: files}
			if when == "before" {
				o.Warmup = 1
			}
			_, err := RunTeam(t.Context(), programs, o)
			if !errors.Is(err, unix.EBADF) {
				t.Errorf("program %d fails %s: %v", bad, when, err)
			}
		}
	}
}
