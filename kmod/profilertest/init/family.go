// SPDX-License-Identifier: MIT

package main

import (
	"debug/elf"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// area is what the kernel says of a vmalloc area.
type area struct {
	symbol string // of the function that it notes as the caller
	offset uint64 // into that
	size   uint64 // with the guard page
	rest   string
}

// trampoline is where a function returns to that has a kretprobe.
const trampoline = "kretprobe_trampoline"

// isInlined tells whether the compiler has made the functions that vmalloc()'s
// family shares a part of each member. Then they cannot be told by those, and
// the kretprobe that traces vmalloc() must be on itself: what that takes for
// its caller, and notes, is the trampoline.
func isInlined() bool { return is510() }

// takeAreas reads vmallocinfo, by page. Areas without a caller are left out.
func takeAreas(t *T) map[uint64]area {
	areas := map[uint64]area{}
	for line := range strings.Lines(readFile(t, "/proc/vmallocinfo")) {
		f := strings.Fields(line)
		var start, end uint64
		if _, err := fmt.Sscanf(f[0], "0x%x-0x%x", &start, &end); err != nil {
			t.Fatalf("vmallocinfo: %q: %v", line, err)
		}
		if !isInlined() && (strings.Contains(line, "rethook_trampoline") || strings.Contains(line, trampoline)) {
			t.Errorf("vmallocinfo is spoiled: %s", line)
		}
		if len(f) < 3 {
			continue
		}
		symbol, offset, ok := strings.Cut(f[2], "+")
		offset, _, _ = strings.Cut(offset, "/")
		if off, err := strconv.ParseUint(offset, 0, 64); ok && err == nil {
			areas[start>>kmod.PageShift] = area{symbol, off, end - start, strings.Join(f[3:], " ")}
		}
	}
	return areas
}

func (a area) isTestbeds() bool { return strings.HasPrefix(a.rest, "[kprof_testbed]") }

// modulesStart is where the kernel maps the text of modules and of BPF programs.
const modulesStart = 0xffffffffa0000000 >> kmod.PageShift

// isForbidden tells why an area is none that a report may show, or "".
func isForbidden(page uint64, a area, planted map[uint64]kmod.Block) string {
	_, ours := planted[page]
	switch {
	case page >= modulesStart:
		return "text"
	case isStack(a):
		return "a stack"
	case !strings.Contains(" "+a.rest, " vmalloc"):
		return "not from vmalloc"
	case a.isTestbeds() && !ours:
		return "a page array"
	}
	return ""
}

func isStack(a area) bool { return a.symbol == "kernel_clone" && a.size == 16384+4096 }

// forbidden counts the areas of each kind that a report must not show.
func forbidden(areas map[uint64]area, planted map[uint64]kmod.Block) map[string]int {
	n := map[string]int{}
	for page, a := range areas {
		n[isForbidden(page, a, planted)]++
	}
	return n
}

// familyKinds are the kinds of blocks that this kernel's family allocates, and
// what each is allocated with.
func familyKinds() []string {
	kinds := append([]string{"big"}, kmod.Family...)
	symbols := kernelSymbols()
	if strings.Contains(symbols, " vrealloc_noprof\n") || strings.Contains(symbols, " vrealloc_node_align_noprof\n") {
		kinds = append(kinds, "vrealloc")
	}
	return kinds
}

// familySize is a size of a kind's blocks. Those of three kinds are so large
// that their page array is an area of its own.
func familySize(kind string) uint64 {
	switch kind {
	case "big":
		return 3 << 20
	case "kvmalloc":
		return 6 << 20 // too much for kmalloc
	case "vmalloc_huge":
		return 4 << 20 // mapped by large pages, too
	}
	return 9000
}

const withArrays = 3

// plantFamily plants two blocks of each kind.
func plantFamily(t *T, tb *kmod.Testbed) (blocks uint64) {
	for _, kind := range append(familyKinds(), "vmap") {
		blocks += must(tb.PlantOther(kind, 2, familySize(kind)))(t).Count
	}
	return blocks + must(tb.Plant("leaked", 2, 9000))(t).Count
}

func plantedBlocks(t *T, tb *kmod.Testbed) map[uint64]kmod.Block {
	planted := map[uint64]kmod.Block{}
	for _, b := range must(tb.Blocks())(t) {
		planted[b.Page] = b
	}
	return planted
}

// settled returns what two reports in a row have in common: blocks that nobody
// is about to free.
func settled(t *T, p *kmod.Profiler, tb *kmod.Testbed) []kmod.Leak {
	data := region(t, tb, "data")
	ok(t, p.SetRange(data.Start, data.End))
	before := must(p.Leaks())(t)
	after := must(p.Leaks())(t)
	return slices.DeleteFunc(after, func(l kmod.Leak) bool { return !slices.Contains(before, l) })
}

// wantFamily fails unless a report has all of the testbed's blocks but those of
// vmap(), with the callers that its object file says, and nothing that it must
// not have. If the kernel's own notes are sound, both must agree.
func wantFamily(t *T, when string, p *kmod.Profiler, tb *kmod.Testbed, sound bool) {
	leaks := settled(t, p, tb)
	planted := plantedBlocks(t, tb)
	missing := maps.Clone(planted)
	wantExpectedCallers(t, leaks, planted)
	var areas map[uint64]area
	if sound {
		areas = takeAreas(t)
	}
	for _, l := range leaks {
		delete(missing, l.Page)
		if why := isForbidden(l.Page, areas[l.Page], planted); sound && why != "" {
			t.Errorf("%s: the report has %s: %+v", when, why, areas[l.Page])
		}
	}
	for _, b := range missing {
		if b.Class != "vmap" {
			t.Errorf("%s: a block of %s is missing", when, b.Class)
		}
	}
	if sound {
		wantNoted(t, when, leaks, areas)
	}
}

// wantExpectedCallers fails unless blocks of the testbed's are reported with the
// callers that its object file says.
func wantExpectedCallers(t *T, leaks []kmod.Leak, planted map[uint64]kmod.Block) {
	object := must(testbedObject())(t)
	text := must(kmod.TestbedText())(t)
	for _, l := range leaks {
		b, ours := planted[l.Page]
		if !ours {
			continue
		}
		if want := must(object.ExpectedCaller(b.Class, text))(t); l.IP != want {
			t.Errorf("a block of %s is reported with %#x, want %#x", b.Class, l.IP, want)
		}
	}
}

// testbedObject reads the testbed's file, once.
var testbedObject = sync.OnceValues(func() (*kmod.TestbedObject, error) {
	f, err := os.Open(profilertest.TestbedPath)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return kmod.NewTestbedObject(f)
})

// wantNoted fails unless the callers of all blocks, whoever has them, are those
// that the kernel notes.
func wantNoted(t *T, when string, leaks []kmod.Leak, areas map[uint64]area) {
	at := map[string][]uint64{}
	for _, l := range leaks {
		at[areas[l.Page].symbol] = nil
	}
	findSymbols(t, at)
	for _, l := range leaks {
		a := areas[l.Page]
		if !slices.Contains(at[a.symbol], l.IP-a.offset) {
			t.Errorf("%s: a block of %s+%#x is reported with %#x", when, a.symbol, a.offset, l.IP)
		}
	}
}

// findSymbols adds their addresses to symbols; some names have more than one.
func findSymbols(t *T, at map[string][]uint64) {
	for line := range strings.Lines(kernelSymbols()) {
		// ffffffff81000000 T name
		name := strings.TrimSuffix(line[19:], "\n")
		if found, ok := at[name]; ok {
			at[name] = append(found, must(strconv.ParseUint(line[:16], 16, 64))(t))
		}
	}
	for name, s := range symbols(t) {
		if found, ok := at[name]; ok {
			at[name] = append(found, s.start)
		}
	}
}

// makeForbidden has the kernel allocate what no report may show: the stacks of
// threads and processes and the text of a BPF program. That of a module is the
// testbed's.
func makeForbidden(t *T, tb *kmod.Testbed) {
	startAsleep(t, tb, 20, 10*time.Minute)
	for range 5 {
		cmd := exec.Command("/bin/sleep", "1000")
		ok(t, cmd.Start())
		t.Cleanup(func() {
			cmd.Process.Kill()
			cmd.Wait()
		})
	}
	s := must(unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0))(t)
	t.Cleanup(func() { unix.Close(s) })
	accept := [...]unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 1 << 16}}
	prog := unix.SockFprog{Len: uint16(len(accept)), Filter: (*unix.SockFilter)(unsafe.Pointer(&accept))}
	ok(t, unix.SetsockoptSockFprog(s, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &prog))
}

// wholeFamily is about all functions that end where vmalloc() does.
func wholeFamily(t *T) {
	if !hasFamily(t) {
		withoutFamily(t)
		return
	}
	log := openLog(t)
	p := load(t, nil, kmod.TraceFamily)
	if s := must(p.Status())(t); s.Family != 1 {
		t.Errorf("family %d, want 1", s.Family)
	}
	tb := loadTestbed(t)
	before := forbidden(takeAreas(t), nil)
	makeForbidden(t, session(t))
	n := plantFamily(t, tb)
	after := forbidden(takeAreas(t), plantedBlocks(t, tb))
	t.Logf("areas: before %v, after %v", before, after)
	if after["a stack"]-before["a stack"] < 20 || after["a page array"] != 2*withArrays || after["text"] == 0 || after["not from vmalloc"] == 0 {
		t.Errorf("what must not be reported is not there: %v, before %v", after, before)
	}
	wantFamily(t, "planted", p, tb, true)

	// One of each pair goes.
	for id := uint64(0); id < n; id += 2 {
		how := []kmod.FreeHow{kmod.FreeVfree, kmod.FreeKvfree, kmod.FreeIRQ}[id/2%3]
		if b := blockByID(t, tb, id); b.Class == "vmap" {
			how = kmod.FreeKvfree
		}
		must(tb.Free(id, 1, how))(t)
	}
	wantFamily(t, "half freed", p, tb, true)
	for id := uint64(1); id < n; id += 2 {
		must(tb.Free(id, 1, kmod.FreeKvfree))(t)
	}
	wantNothingOf(t, p, tb)
	if lines := log.lines(t); lines != nil {
		t.Errorf("the log says %q", lines)
	}
	noLosses(t, p)
}

// hasFamily tells whether the family can be traced. If not, the check says so.
func hasFamily(t *T) bool {
	if isInlined() {
		t.NotSupported("kmp_family", "in this kernel the members of vmalloc()'s family share no function")
	}
	return !isInlined()
}

// withoutFamily asks for what cannot be: it is said, and vmalloc() is traced.
func withoutFamily(t *T) {
	log := openLog(t)
	p := load(t, nil, kmod.TraceFamily)
	wantOneLine(t, "kmp_family", log.lines(t), []string{"kmp_family: what the family of vmalloc() allocates cannot be told", "only vmalloc() is traced"})
	tb := loadTestbed(t)
	plantFamily(t, tb)
	wantLive(t, "the family is planted", p, tb)
	if s := noLosses(t, p); s.Family != 0 {
		t.Errorf("family %d, want 0", s.Family)
	}
}

func blockByID(t *T, tb *kmod.Testbed, id uint64) kmod.Block {
	blocks := must(tb.Blocks())(t)
	i := slices.IndexFunc(blocks, func(b kmod.Block) bool { return b.ID == id })
	if i < 0 {
		t.Fatalf("there is no block %d", id)
	}
	return blocks[i]
}

// wantNothingOf fails if a report has a block that was allocated in the testbed.
func wantNothingOf(t *T, p *kmod.Profiler, tb *kmod.Testbed) {
	text := must(kmod.TestbedText())(t)
	f := must(elf.Open(profilertest.TestbedPath))(t)
	defer f.Close()
	for _, l := range settled(t, p, tb) {
		if l.IP-text < f.Section(".text").Size {
			t.Errorf("all is freed, and the report has a block of %#x", l.IP)
		}
	}
}

// familyProbedByOthers has kretprobes on the functions that say who the caller
// is, by both halves of the module, some of them put there later, and by others.
func familyProbedByOthers(t *T) {
	if !hasFamily(t) {
		return
	}
	tb := loadTestbed(t)
	vmalloc, node := inThisKernel("vmalloc"), inThisKernel("__vmalloc_node")
	rng, user := inThisKernel("__vmalloc_node_range"), inThisKernel("vmalloc_user")
	p := load(t, []string{vmalloc, node, rng, "vfree"}, kmod.TraceFamily)
	probe := session(t)
	for _, symbol := range []string{rng, node, user} {
		must(probe.RefProbe(symbol))(t)
		ids := must(tb.Plant("leaked", 1, 4096))(t).First
		n := plantFamily(t, tb)
		wantFamily(t, symbol+" probed by another", p, tb, false)
		ok(t, p.SetFuncs(node, user))
		wantFamily(t, "other functions", p, tb, false)
		ok(t, p.SetFuncs(vmalloc, node, rng, "vfree"))
		must(tb.Free(ids, n+1, kmod.FreeKvfree))(t)
		wantNothingOf(t, p, tb)
	}
	noLosses(t, p)
}
