// SPDX-License-Identifier: MIT

package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"kprof-bench/guest"
	"kprof-bench/kmod"
	"kprof-bench/workloads"
)

// Traced is a stretch of a function's workload that the emulator has written down.
type Traced struct {
	Func    string
	Backend Backend // empty without the profiler
	Calls   int     // of the function, in a round of the workload
	// Ticks are what each round took, LoopTicks of them for the one who made the
	// calls.
	Ticks     []uint64
	LoopTicks uint64
	// PerCall is what a call takes by the experiment [Overhead], in the same
	// guest.
	PerCall float64
	Code    Code
}

// Code says where code is that the kernel's image does not have.
type Code struct {
	Text        uint64                       // the kernel's symbol _text
	Modules     map[string]map[string]uint64 // sections with code, of modules, by name
	Trampolines map[uint64]string            // of ftrace, and the function that each calls
}

// Of some rounds one has nothing in it that disturbs. Of those that are long it is
// fewer, because each instruction is a line.
const (
	tracedRounds = 8
	tracedLeast  = 3
	tracedInsns  = 200_000
)

// traces has rounds of each target traced, without the profiler and by each backend,
// after it has measured what a probe costs.
func (l *lab) traces(ctx context.Context, targets []target) error {
	targets, err := l.settle(targets)
	if err != nil {
		return err
	}
	all, err := l.overheadAt(ctx, targets)
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := l.trace(ctx, d, "", d.base); err != nil {
			return fmt.Errorf("%s: %w", d.fn, err)
		}
	}
	for i, b := range l.Backends {
		err := l.probedBy(all, i, func(d *driven, _ *kmod.Profiler) error {
			return l.trace(ctx, d, b, d.by[i].with)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *lab) trace(ctx context.Context, d *driven, b Backend, perCall []float64) error {
	l.progress(fmt.Sprintf("trace %s %s", d.fn, byBackend(b)))
	t := Traced{Func: d.fn, Backend: b, Calls: d.gen.Calls(d.fn), PerCall: median(perCall)}
	var err error
	if t.Code, err = findCode(); err != nil {
		return err
	}
	r, err := l.driveTraced(ctx, d.target, int(t.PerCall)*t.Calls)
	if err != nil {
		return err
	}
	t.Ticks, t.LoopTicks = r.Ticks, r.LoopTicks
	l.result.Traces = append(l.result.Traces, t)
	return nil
}

func byBackend(b Backend) string {
	if b == "" {
		return "without profiler.ko"
	}
	return "with profiler.ko by " + string(b)
}

// driveTraced makes rounds, each of which is timed.
func (l *lab) driveTraced(ctx context.Context, t target, insns int) (*workloads.Result, error) {
	files, err := nothingToObserve()
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	p, err := l.program(t)
	if err != nil {
		return nil, err
	}
	defer p.Close()
	runtime.GC()
	rounds := min(max(tracedInsns/max(insns, 1), tracedLeast), tracedRounds)
	return workloads.Run(ctx, p, workloads.Options{
		Calls: rounds, Batch: 1, Rate: l.rate, Observe: files, Warmup: l.warmUp(), Hold: l.ownKernel(), Port: guest.TracePort,
	})
}

// findCode looks for code as it is laid out now.
func findCode() (c Code, err error) {
	if c.Text, err = kernelText(); err != nil {
		return c, err
	}
	c.Modules = map[string]map[string]uint64{}
	for _, m := range []string{kmod.ProfilerModule, kmod.TestbedModule} {
		if c.Modules[m], err = moduleSections(m); err != nil {
			return c, err
		}
	}
	c.Trampolines, err = ftraceTrampolines()
	return c, err
}

// kernelText reads no more of all symbols than it has to, which takes long.
func kernelText() (uint64, error) {
	f, err := os.Open("/proc/kallsyms")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) == 3 && words[2] == "_text" {
			return strconv.ParseUint(words[0], 16, 64)
		}
	}
	return 0, errors.New("/proc/kallsyms does not say where the kernel's text is")
}

// moduleSections are those with code. What a module begins with is gone already, and
// other code may be in its place.
func moduleSections(module string) (map[string]uint64, error) {
	all, err := filepath.Glob(filepath.Join("/sys/module", module, "sections", "*text*"))
	if err != nil || len(all) == 0 {
		return nil, err
	}
	sections := map[string]uint64{}
	for _, path := range all {
		name := filepath.Base(path)
		if strings.HasPrefix(name, ".init") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if sections[name], err = strconv.ParseUint(strings.TrimSpace(string(text)), 0, 64); err != nil {
			return nil, fmt.Errorf("section %s of %s: %w", name, module, err)
		}
	}
	return sections, nil
}

// trampolineForm is how the kernel shows one that it has made, with the function
// that it calls. Others are part of the kernel.
var trampolineForm = regexp.MustCompile(`tramp: 0x([0-9a-f]+) \((\w+)`)

// ftraceTrampolines are those for the functions that are traced now.
func ftraceTrampolines() (map[uint64]string, error) {
	text, err := os.ReadFile("/sys/kernel/tracing/enabled_functions")
	if err != nil {
		return nil, err
	}
	all := map[uint64]string{}
	for _, m := range trampolineForm.FindAllSubmatch(text, -1) {
		at, err := strconv.ParseUint(string(m[1]), 16, 64)
		if err != nil {
			return nil, err
		}
		all[at] = string(m[2])
	}
	return all, nil
}
