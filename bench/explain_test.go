// SPDX-License-Identifier: MIT

package bench

import (
	"strings"
	"testing"

	"kprof-bench/explain"
	"kprof-bench/kernels"
	"kprof-bench/kmod"
	"kprof-bench/results"

	"github.com/google/go-cmp/cmp"
)

func TestUsualRound(t *testing.T) {
	for name, c := range map[string]struct {
		perCall  float64
		calls    int
		ticks    []uint64
		want     int
		unusual  string
		backends Backend
	}{
		"all alike":                   {306, 1, []uint64{338, 338}, 0, "", ""},
		"an interrupt in the first":   {306, 1, []uint64{9000, 338}, 1, "", ""},
		"two calls in a round":        {25.5, 2, []uint64{82, 83}, 1, "", Direct},
		"none as usual":               {300, 1, []uint64{9000, 330, 335}, 1, "calls differ from each other: with profiler.ko by direct one takes 300 insn, and those that were traced took 298 to 8968", Direct},
		"none as usual, without them": {299.5, 1, []uint64{332, 333}, 0, "calls differ from each other: without profiler.ko one takes 299.5 insn, and those that were traced took 300 to 301", ""},
		"no rounds":                   {300, 1, nil, -1, "", ""},
	} {
		tr := Traced{Backend: c.backends, Calls: c.calls, PerCall: c.perCall, Ticks: c.ticks, LoopTicks: 32}
		if got := tr.usual(); got != c.want {
			t.Errorf("%s: round %d is usual, want %d", name, got, c.want)
		}
		if len(c.ticks) > 0 {
			if got := tr.unusual(); got != c.unusual {
				t.Errorf("%s: %q, want %q", name, got, c.unusual)
			}
		}
	}
}

// Symbols are where the guest had them: the kernel's moved as a whole, and trampolines
// by what they call.
func TestCodeSymbols(t *testing.T) {
	image := []kernels.Symbol{
		{Name: "percpu", Address: 0, Type: 'A'}, {Name: "_text", Address: 0xffffffff81000000, Type: 'T'},
		{Name: "function", Address: 0xffffffff81000040, Type: 't'}, {Name: "data", Address: 0xffffffff81000050, Type: 'D'},
		{Name: "last", Address: 0xffffffff81000100, Type: 'T'},
	}
	c := Code{
		Text:        0xffffffff91000000,
		Modules:     map[string]map[string]uint64{kmod.ProfilerModule: nil},
		Trampolines: map[uint64]string{0xfffffffff0000000: "on_entry"},
	}
	s, err := c.symbols(image, &Modules{})
	if err != nil {
		t.Fatal(err)
	}
	for pc, want := range map[uint64]string{
		0xffffffff91000055: "function", 0xffffffff91000100: "last", 0xffffffff91000101: "[unknown]", 0xffffffff81000055: "[unknown]",
		0xfffffffff0000fff: "ftrace_trampoline(on_entry)", 0xfffffffff0001000: "[unknown]",
	} {
		if got := s.Name(pc); got != want {
			t.Errorf("%#x is in %s, want %s", pc, got, want)
		}
	}
	if _, err := (Code{}).symbols(image[:1], nil); err == nil || !strings.Contains(err.Error(), "_text") {
		t.Errorf("a kernel without text: %v", err)
	}
}

func TestTrampolineForm(t *testing.T) {
	const text = `__do_sys_getpid (1) R   D	tramp: ftrace_regs_caller+0x0/0x58 (call_direct_funcs+0x0/0x30)
	direct-->krp_syscall0+0x0/0x30 [profiler]
vfree (1)      	tramp: 0xffffffffc0261000 (on_vfree+0x0/0x20 [profiler]) ->on_vfree+0x0/0x20 [profiler]
`
	var got []string
	for _, m := range trampolineForm.FindAllStringSubmatch(text, -1) {
		got = append(got, m[1]+" "+m[2])
	}
	if diff := cmp.Diff([]string{"ffffffffc0261000 on_vfree"}, got); diff != "" {
		t.Errorf("trampolines (-want +got):\n%s", diff)
	}
}

func TestFunctionRow(t *testing.T) {
	x := &explain.Explanation{Func: "sys_read", Backend: "direct", Calls: 2}
	for in, want := range map[string]string{
		"krp_syscall0 [profiler]": "profiler:krp_syscall0", "vfs_read": "vfs_read", "[user]": "[user]", "ftrace_trampoline(f)": "ftrace_trampoline(f)",
	} {
		row := functionRow(x, explain.Row{Func: in, A: 3, B: 4})
		if got := row.FullName(); got != "Explain/func=sys_read/backend=direct/in="+want {
			t.Errorf("%s becomes %s", in, got)
		}
		if v, _ := row.Value("overhead-insn/op"); v != 0.5 {
			t.Errorf("%s: %v more, want 0.5", in, v)
		}
		var text strings.Builder
		if err := results.Write(&text, &results.File{Rows: []results.Row{row}}); err != nil {
			t.Error(err)
		}
	}
}
