// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// The checks of this group share the blocks.
const (
	manyLeaked, manyHeld = 96_000, 4_000
	manyLive             = manyLeaked + manyHeld
	manyHoles            = 300 // that makeHoles makes
)

var many struct {
	p  *kmod.Profiler
	tb *kmod.Testbed
	// text is the report. It is the same each time, because nothing changes
	// but for the scans, until rewind frees one block, freed.
	text  []byte
	freed uint64
}

// plantMany loads both modules and leaves them there.
func plantMany(t *T) {
	must(kmod.Load(profilertest.TestbedPath))(t)
	many.tb = must(kmod.OpenTestbed())(t)
	many.p = must(kmod.LoadProfiler(profilertest.ProfilerPath, nil))(t)
	must(many.tb.Plant("leaked", manyLeaked, 4096))(t)
	must(many.tb.Plant("data", manyHeld, 4096))(t)
	data := region(t, many.tb, "data")
	ok(t, many.p.SetRange(data.Start, data.End))
}

// scansMore runs f and fails unless it scanned n times.
func scansMore(t *T, what string, n uint64, f func()) {
	before := must(many.p.Status())(t).Scans
	f()
	if got := must(many.p.Status())(t).Scans - before; got != n {
		t.Errorf("%s: %d scans, want %d", what, got, n)
	}
}

func wholeReport(t *T) {
	plantMany(t)
	scansMore(t, "cat", 1, func() {
		if got := shOK(t, "cat memleaks | wc -l"); got != fmt.Sprintln(manyLive) {
			t.Errorf("cat memleaks | wc -l prints %q, want %d", got, manyLive)
		}
	})
	scansMore(t, "cat", 1, func() { many.text = []byte(shOK(t, "cat memleaks")) })
	verdicts := map[uint64]kmod.Verdict{}
	for _, l := range must(kmod.ParseMemleaks(many.text))(t) { // checks form and order
		verdicts[l.Page] = l.Verdict
	}
	// Each block that was planted is reported once, with the right verdict.
	wrong, planted := 0, 0
	ok(t, many.tb.EachBlock(func(b kmod.Block) error {
		planted++
		want := kmod.PossibleLeak
		if b.Class == "data" {
			want = kmod.NotFreedYet
		}
		if verdicts[b.Page] != want {
			wrong++
		}
		return nil
	}))
	if wrong != 0 || planted != manyLive || len(verdicts) != manyLive {
		t.Errorf("%d planted, %d reported, %d of them wrong", planted, len(verdicts), wrong)
	}
	s := noLosses(t, many.p)
	t.Logf("a scan of 32 KiB for %d blocks takes %.1f ms", s.Live, float64(s.ScanNs)/1e6)
}

// line returns the report's i-th line, the first of which is 0.
func line(i int) string { return string(bytes.SplitAfterN(many.text, []byte("\n"), i+2)[i]) }

func partsOfReport(t *T) {
	last := len(many.text) - 52
	if len(many.text) != 52*manyLive {
		t.Fatalf("the report is %d bytes, want %d lines of 52", len(many.text), manyLive)
	}
	for script, want := range map[string]string{
		"head -n 1 memleaks": line(0),
		"tail -n 1 memleaks": string(many.text[last:]),
		"dd if=memleaks bs=52 skip=50000 count=1 2>/dev/null":                        string(many.text[52*50000 : 52*50001]),
		"dd if=memleaks bs=4095 skip=3 count=2 2>/dev/null":                          string(many.text[3*4095 : 5*4095]),
		"dd if=memleaks bs=1M skip=4 2>/dev/null":                                    string(many.text[4<<20:]),
		"dd if=memleaks bs=52 skip=100000 2>/dev/null":                               "",
		"{ head -c 5 >/dev/null; dd bs=47 count=1; } < memleaks 2>/dev/null | wc -l": "1\n",
	} {
		scansMore(t, script, 1, func() {
			if got := shOK(t, script); got != want && !strings.HasPrefix(script, "{") {
				t.Errorf("%s: %.200q, want %.200q", script, got, want)
			}
		})
	}
}

// rewind reads at 0 twice through one open file.
func rewind(t *T) {
	f := must(os.Open(many.p.MemleaksPath()))(t)
	defer f.Close()
	buf := make([]byte, 52)
	read := func(at int64) string {
		return string(buf[:must(unix.Pread(int(f.Fd()), buf, at))(t)])
	}
	scansMore(t, "first read", 1, func() { read(0) })
	scansMore(t, "reads that go on", 0, func() { read(52); read(520); read(52) })

	// The second scan sees what has become of the lowest block meanwhile, and
	// reads behind it are served from the second report as well.
	lowest := must(kmod.ParseMemleaks(many.text[:52]))(t)[0].Page
	ok(t, many.tb.EachBlock(func(b kmod.Block) error {
		if b.Page == lowest {
			many.freed = b.ID
		}
		return nil
	}))
	must(many.tb.Free(many.freed, 1, kmod.FreeVfree))(t)
	scansMore(t, "old report", 0, func() {
		if got := read(52); got != line(1) {
			t.Errorf("the old report has changed: %q, want %q", got, line(1))
		}
	})
	scansMore(t, "read at 0", 1, func() {
		if got := read(0); got != line(1) {
			t.Errorf("after a block was freed the report begins with %q, want %q", got, line(1))
		}
	})
	scansMore(t, "reads that go on", 0, func() {
		if got := read(52); got != line(2) {
			t.Errorf("the new report goes on with %q, want %q", got, line(2))
		}
	})
	many.text = many.text[52:]
}

func parallelReaders(t *T) {
	const readers = 8
	scansMore(t, "parallel readers", readers, func() {
		shOK(t, fmt.Sprintf("for i in $(seq %d); do cat memleaks > /tmp/report$i & done; wait", readers))
	})
	for i := range readers {
		if got := readFile(t, fmt.Sprintf("/tmp/report%d", i+1)); got != string(many.text) {
			t.Errorf("reader %d got a report of %d bytes that differs, want %d", i+1, len(got), len(many.text))
		}
	}
	if got, want := shOK(t, "cat memleaks | md5sum"), shOK(t, "md5sum < /tmp/report1"); got != want {
		t.Errorf("cat | md5sum is %q, want %q", got, want)
	}
	shOK(t, "rm /tmp/report*")
}

// amidOthers reads a report while the module's files are read to their ends by
// others, of which there are more than the module keeps texts.
func amidOthers(t *T) {
	ok(t, many.p.SetFuncs("sys_getpid"))
	others := func() {
		for range 200 {
			readFile(t, kmod.ProfilerDir+"/backends")
		}
	}
	report, short := must(os.Open(many.p.MemleaksPath()))(t), must(os.Open(kmod.ProfilerDir+"/backends"))(t)
	defer report.Close()
	defer short.Close()
	begin := make([]byte, 4096)
	must(io.ReadFull(report, begin))(t)
	text := make([]byte, 4096)
	n := must(short.Read(text))(t)
	others()
	rest, err := io.ReadAll(report)
	if got := append(begin, rest...); err != nil || !bytes.Equal(got, many.text) {
		t.Errorf("the rest of a report amid others: %v; it has %d bytes, want %d", err, len(got), len(many.text))
	}
	others()
	for _, f := range []*os.File{report, short} {
		if n, err := f.Read(text); n != 0 || err != io.EOF {
			t.Errorf("%s amid others: %d bytes behind the end, %v", f.Name(), n, err)
		}
	}
	// What is gone is not made up for by what is there now.
	if n, err := short.ReadAt(text[:1], int64(n)-1); !errors.Is(err, unix.ESTALE) {
		t.Errorf("the end of a text that is gone: %d bytes, %v; want ESTALE", n, err)
	}
}

// unloadUnderReaders takes the module away from under as many readers, of which
// one scans and the others wait for their turn.
func unloadUnderReaders(t *T) {
	const readers = 8
	var waiting atomic.Int32
	var errs [readers]error
	var ended [readers]time.Time
	var all []func() error
	for i := range readers {
		f := must(os.Open(many.p.MemleaksPath()))(t)
		t.Cleanup(func() { f.Close() })
		all = append(all, func() error {
			waiting.Add(1)
			_, errs[i] = unix.Read(int(f.Fd()), make([]byte, 4096))
			ended[i] = time.Now()
			return nil
		})
	}
	var began time.Time
	at(t, append(all, func() error {
		for waiting.Load() < readers {
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Millisecond)
		began = time.Now()
		return many.p.Unload()
	})...)

	var last time.Duration
	stopped := 0
	for i, err := range errs {
		last = max(last, ended[i].Sub(began))
		if errors.Is(err, unix.ENODEV) {
			stopped++
		} else if err != nil { // one or two may have been quick
			t.Errorf("reader %d got %v, want ENODEV", i, err)
		}
	}
	t.Logf("the last of %d readers ended %v after rmmod began", stopped, last)
	if stopped < readers/2 || last > promptly {
		t.Errorf("%d readers were stopped, the last %v after rmmod began", stopped, last)
	}
}

// smallReads is about fewer blocks, so that reading them byte by byte, as it
// were, does not take too long. Those of the checks before go first: the module
// is a new one that never heard of them.
func smallReads(t *T) {
	if many.freed > 0 {
		must(many.tb.Free(0, many.freed, kmod.FreeVfree))(t)
	}
	left := many.freed + 1 + manyHoles
	must(many.tb.Free(left, manyLive-left, kmod.FreeVfree))(t)
	many.p = must(kmod.LoadProfiler(profilertest.ProfilerPath, nil))(t)
	data := region(t, many.tb, "data")
	ok(t, many.p.SetRange(data.Start, data.End))
	leaked := must(many.tb.Plant("leaked", 10, 4096))(t).First
	held := must(many.tb.Plant("data", manyHeld, 4096))(t).First
	want := shOK(t, "cat memleaks")
	if n := strings.Count(want, "\n"); n != manyHeld+10 {
		t.Errorf("%d lines, want %d", n, manyHeld+10)
	}
	scansMore(t, "dd bs=100", 1, func() {
		if got := shOK(t, "dd if=memleaks bs=100 2>/dev/null"); got != want {
			t.Errorf("dd bs=100 reads %d bytes that differ from the %d of cat", len(got), len(want))
		}
	})
	must(many.tb.Free(leaked, 10, kmod.FreeVfree))(t)
	must(many.tb.Free(held, manyHeld, kmod.FreeIRQ))(t)
	if got := shOK(t, "cat memleaks"); got != "" {
		t.Errorf("all blocks are freed, and the report is %.200q", got)
	}
	noLosses(t, many.p)
	ok(t, many.p.Unload())
	ok(t, many.tb.Close())
	ok(t, remove(kmod.TestbedModule))
}

// unloadUnderGiB comes last, when the others have unloaded the modules.
func unloadUnderGiB(t *T) {
	tb := loadTestbed(t)
	idle := idleUnload(t)
	p := load(t, nil)
	must(tb.Plant("leaked", 100, 4096))(t)
	ok(t, tb.RepeatedArena(1<<30, 16<<20))
	arena := region(t, tb, "arena")
	ok(t, p.SetRange(arena.Start, arena.End))
	if n := len(must(p.Leaks())(t)); n != 100 {
		t.Errorf("%d blocks, want 100", n)
	}
	s := must(p.Status())(t)
	if s.ScanWords != 1<<30/8 {
		t.Errorf("the scan read %d words, want 1 GiB", s.ScanWords)
	}
	memleaks := must(os.Open(p.MemleaksPath()))(t)
	defer memleaks.Close()
	unloadAmidScan(t, p, int(memleaks.Fd()), time.Duration(s.ScanNs), idle)
}
