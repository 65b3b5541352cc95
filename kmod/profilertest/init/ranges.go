// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
)

// exactBorders moves the borders of a range over the only word that holds the
// start of a block.
func exactBorders(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	must(tb.Plant("data", 1, 4096))(t)
	page := must(tb.Blocks())(t)[0].Page
	data := region(t, tb, "data")
	var word uint64
	ok(t, kmod.FindStarts(must(tb.Dump("data"))(t), func(p uint64) bool { return p == page },
		func(offset, _ uint64) { word = data.Start + offset }))
	if word == 0 {
		t.Fatalf("the testbed's data array does not hold the block")
	}
	for _, c := range []struct {
		name       string
		start, end uint64
		want       kmod.Verdict
	}{
		{"just the word", word, word + 8, kmod.NotFreedYet},
		{"from before", word - 4096, word + 8, kmod.NotFreedYet},
		{"to behind", word, word + 4096, kmod.NotFreedYet},
		{"from an odd address", word - 1, word + 9, kmod.NotFreedYet},
		{"up to the word", word - 4096, word, kmod.PossibleLeak},
		{"from behind the word", word + 8, word + 4096, kmod.PossibleLeak},
		{"without its first byte", word + 1, word + 64, kmod.PossibleLeak},
		{"without its last byte", word - 64, word + 7, kmod.PossibleLeak},
		{"its first byte", word, word + 1, kmod.PossibleLeak},
		{"its last byte", word + 7, word + 8, kmod.PossibleLeak},
		{"the last byte of all", 1<<64 - 2, 1<<64 - 1, kmod.PossibleLeak},
	} {
		ok(t, p.SetRange(c.start, c.end))
		leaks := must(p.Leaks())(t)
		if len(leaks) != 1 || leaks[0].Page != page || leaks[0].Verdict != c.want {
			t.Errorf("%s, %#x to %#x: %v, want %s", c.name, c.start, c.end, leaks, c.want)
		}
	}
}

// hostileRanges scans what nobody should: holes, device registers, guard
// pages, the module itself. What it proves is that the guest is still well.
func hostileRanges(t *T) {
	tb := loadTestbed(t)
	p := load(t, []string{"sys_getpid"})
	must(tb.Plant("leaked", 3, 4096))(t)
	must(tb.Plant("data", 1, 4096))(t)
	page := must(tb.Blocks())(t)[0].Page
	data := region(t, tb, "data")
	module := moduleStart(t)
	const page4k = 4096
	for _, c := range []struct {
		name       string
		start, end uint64
	}{
		{"all of the kernel's half", 0xffff800000000000, 1<<64 - 1},
		{"all, at odd addresses", 0xffff800000000003, 1<<64 - 6},
		{"hole below the direct map", 0xffff800000000000, 0xffff880000000000},
		{"what only this processor maps", 0xfffffe0000000000, 0xffffff8000000000},
		{"modules and what is above", 0xffffffffc0000000, 1<<64 - 1},
		{"the module's text", module, module + 16*page4k},
		{"a byte of it", module + 5, module + 6},
		{"guard pages", page<<kmod.PageShift - 2*page4k, page<<kmod.PageShift + 9*page4k},
		{"guard page, odd", page<<kmod.PageShift + page4k - 3, page<<kmod.PageShift + 2*page4k + 5},
		{"the last page", 1<<64 - page4k, 1<<64 - 1},
		{"system calls of old", 0xffffffffff600000, 0xffffffffff601000},
	} {
		ok(t, p.SetRange(c.start, c.end))
		leaks := must(p.Leaks())(t)
		s := must(p.Status())(t)
		t.Logf("%s: %.3f s of guest time, %d words, %d device pages, %d unreadable", c.name,
			float64(s.ScanNs)/1e9, s.ScanWords, s.DevicePages, s.UnreadablePages)
		if len(leaks) != 4 {
			t.Errorf("%s: %d blocks, want 4", c.name, len(leaks))
		}
		if s.UnreadablePages != 0 {
			t.Errorf("%s: %d pages were gone between look and read, on one processor", c.name, s.UnreadablePages)
		}
		if !strings.HasPrefix(c.name, "all") {
			continue
		}
		held := 0
		for _, l := range leaks {
			if l.Verdict == kmod.NotFreedYet {
				held++
			}
		}
		memory := uint64(400 << 20 / 8) // of 512 MiB
		if held == 0 || s.ScanWords < memory || s.DevicePages == 0 {
			t.Errorf("%s: %d blocks held, %d words, %d device pages: it was not all read", c.name, held, s.ScanWords, s.DevicePages)
		}
	}
	ok(t, p.SetRange(data.Start, data.End))
	wantLive(t, "after all that", p, tb)
}

func moduleStart(t *T) uint64 {
	for line := range strings.Lines(readFile(t, "/proc/modules")) {
		f := strings.Fields(line)
		if f[0] == kmod.ProfilerModule {
			return must(strconv.ParseUint(strings.TrimPrefix(f[5], "0x"), 16, 64))(t)
		}
	}
	t.Fatalf("the module is not in /proc/modules")
	panic("not reached")
}

// longScan sets the range to everything and returns how long a scan takes:
// some times as long as rmmod does when nothing is in its way.
func longScan(t *T, p *kmod.Profiler, tb *kmod.Testbed) time.Duration {
	must(tb.Plant("leaked", 3, 4096))(t)
	ok(t, p.SetRange(0xffff800000000000, 1<<64-1))
	must(p.ScanRaw())(t)
	took := time.Duration(must(p.Status())(t).ScanNs)
	if took < 150*time.Millisecond {
		t.Fatalf("a scan takes no more than %v", took)
	}
	return took
}

// changesMeanwhile frees some blocks and allocates others while a scan runs, in
// its first pass and in its second. Its report has none of them: the first are gone, and of the second nobody
// knows whether the scan came by too early.
func changesMeanwhile(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	long := longScan(t, p, tb)
	ok(t, p.SetConfirm(1))
	must(tb.Plant("leaked", 50, 4096))(t)
	blocks := must(tb.Blocks())(t)
	var leaks []kmod.Leak
	scan := asleep(func() (err error) {
		leaks, err = p.Leaks()
		return err
	})
	time.Sleep(long / 4)
	must(tb.Free(blocks[10].ID, 15, kmod.FreeVfree))(t)
	must(tb.Plant("leaked", 10, 4096))(t)
	time.Sleep(long)
	must(tb.Free(blocks[25].ID, 15, kmod.FreeVfree))(t)
	must(tb.Plant("leaked", 10, 4096))(t)
	if !scan.isAsleep() {
		t.Fatalf("the scan was over too soon")
	}
	scan.wake(t, "scan", 0)
	var want, got []uint64
	for i, b := range blocks {
		if i < 10 || i >= 40 {
			want = append(want, b.Page)
		}
	}
	for _, l := range leaks {
		got = append(got, l.Page)
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("blocks in the report (-want +got)\n%s", diff)
	}
	if n := must(p.Status())(t).Passes; n != 2 {
		t.Errorf("%d passes, want 2", n)
	}
	// Its release was seen: the module need not look whether a block is mapped.
	if n := must(p.Status())(t).Stale; n != 0 {
		t.Errorf("%d freed blocks were not known to be free", n)
	}
	wantLive(t, "the next scan", p, tb)
}

func killedReader(t *T) {
	tb := loadTestbed(t)
	p := load(t, nil)
	long := longScan(t, p, tb)
	scans := must(p.Status())(t).Scans

	cmd := exec.Command("/bin/cat", p.MemleaksPath())
	ok(t, cmd.Start())
	time.Sleep(long / 4)
	killed := time.Now()
	ok(t, cmd.Process.Signal(unix.SIGKILL))
	cmd.Wait()
	took := time.Since(killed)
	t.Logf("a scan takes %v; the reader was gone %v after the signal", long, took)
	if st := cmd.ProcessState.Sys().(syscall.WaitStatus); st.Signal() != unix.SIGKILL {
		t.Errorf("the reader ended with %v", cmd.ProcessState)
	}
	if took > long/4 {
		t.Errorf("the reader was gone %v after the signal, of a scan of %v", took, long)
	}
	if got := must(p.Status())(t).Scans; got != scans {
		t.Errorf("%d scans, want %d: the killed one does not count", got, scans)
	}
	// Another kind of signal must not end a scan: a reader would get nothing.
	cmd = exec.Command("/bin/sh", "-c", `trap : USR1; cat "$0" & sleep 0.02; kill -CONT $!; wait; wait`, p.MemleaksPath())
	out := must(cmd.Output())(t)
	if n := len(must(kmod.ParseMemleaks(out))(t)); n != 3 {
		t.Errorf("the next reader got %d lines, want 3", n)
	}
}

// promptly is how soon a scan must give up.
const promptly = 20 * time.Millisecond

// idleUnload returns how long rmmod takes at the most with nothing in its way:
// a few grace periods of the kernel's.
func idleUnload(t *T) time.Duration {
	var longest time.Duration
	for range 3 {
		p := load(t, nil)
		began := time.Now()
		ok(t, p.Unload())
		longest = max(longest, time.Since(began))
	}
	return longest
}

// unloadAmidScan unloads the module while somebody reads memleaks through an open
// file, which takes that long. The scan must end promptly, and rmmod not wait for
// what is left of it, three quarters. It may take a little longer than without:
// the reader runs on, and a grace period then looks once more.
func unloadAmidScan(t *T, p *kmod.Profiler, memleaks int, scan, idle time.Duration) {
	var ended time.Time
	reader := asleep(func() error {
		_, err := unix.Read(memleaks, make([]byte, 4096))
		ended = time.Now()
		return err
	})
	time.Sleep(scan / 4)
	if !reader.isAsleep() {
		t.Fatalf("the scan was over before the module was unloaded")
	}
	began := time.Now()
	ok(t, p.Unload())
	took := time.Since(began)
	if err := <-reader.done; !errors.Is(err, unix.ENODEV) {
		t.Errorf("the reader got %v, want ENODEV", err)
	}
	t.Logf("a scan takes %v; it ended after %v, and the module was gone after %v: %v without a scan", scan, ended.Sub(began), took, idle)
	if stopped := ended.Sub(began); stopped > promptly {
		t.Errorf("the scan ended %v after rmmod began", stopped)
	}
	if took > idle+scan/2 {
		t.Errorf("rmmod took %v, and %v without a scan", took, idle)
	}
}

// unloadUnderScan is about a scan of all addresses.
func unloadUnderScan(t *T) {
	tb := loadTestbed(t)
	idle := idleUnload(t)
	p := load(t, nil)
	long := longScan(t, p, tb)
	open := func(name string, flags int) int {
		fd := must(unix.Open(filepath.Join(kmod.ProfilerDir, name), flags|unix.O_CLOEXEC, 0))(t)
		t.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	files := map[string]int{"memleaks": open("memleaks", unix.O_RDONLY), "stats": open("stats", unix.O_RDONLY), "kmp_status": open("kmp_status", unix.O_RDONLY)}
	store := open("scan_end_addr", unix.O_WRONLY)
	unloadAmidScan(t, p, files["memleaks"], long, idle)
	for name, fd := range files {
		for _, offset := range []int64{0, 52} {
			if n, err := unix.Pread(fd, make([]byte, 100), offset); !errors.Is(err, unix.ENODEV) {
				t.Errorf("%s at %d after rmmod: %d bytes, %v; want ENODEV", name, offset, n, err)
			}
		}
	}
	if _, err := unix.Write(store, []byte("ffffffffffffffff")); !errors.Is(err, unix.ENODEV) {
		t.Errorf("write after rmmod: %v, want ENODEV", err)
	}
	if _, err := os.Stat("/sys/class/qeexo"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("/sys/class/qeexo after rmmod: %v", err)
	}
	// In its next life it scans again.
	p = load(t, nil)
	must(tb.Plant("leaked", 2, 4096))(t)
	all := region(t, tb, "data")
	ok(t, p.SetRange(all.Start, all.End))
	if n := len(must(p.Leaks())(t)); n != 2 {
		t.Errorf("%d blocks in the second life, want 2", n)
	}
}
