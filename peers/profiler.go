// SPDX-License-Identifier: MIT

package peers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"kprof-bench/bench"
	"kprof-bench/kmod"
)

// profiler is profiler.ko with one of its backends.
type profiler struct {
	ko      string
	backend bench.Backend

	functions []Function
	loaded    *kmod.Profiler
	before    []Reading // up to the last time that it was read
}

func (p *profiler) Facts() Facts {
	return Facts{
		Name: "profiler-" + string(p.backend), Kind: Module, Doc: "README.md",
		Durations: true, Histogram: true, AnyKernel: p.backend == bench.KRetProbe,
		Limit: "a module to load; counts all calls, whoever makes them",
	}
}

// lacking is why a kernel has not a backend, by the beginning of its release.
var lacking = map[bench.Backend]map[string]string{
	bench.Direct:  {"5.10.": "ftrace of Linux 5.10 has no direct calls from a set of functions"},
	bench.RetHook: {"5.10.": "Linux 5.10 has no rethook"},
}

func (p *profiler) Attach(functions []Function) error {
	for series, why := range lacking[p.backend] {
		if strings.HasPrefix(kmod.RunningRelease(), series) {
			return unsupported("%s", why)
		}
	}
	var names, args []string
	for _, f := range functions {
		names = append(names, f.Name)
		words, err := argWords(f)
		if p.backend == bench.Direct && (err != nil || words > mostWords) {
			return unsupported("%s may take arguments on the stack (%d words, %v)", f.Name, words, err)
		}
		if _, ok := f.systemCall(); !ok && err == nil {
			args = append(args, fmt.Sprintf("%s:%d", f.Symbol, words))
		}
	}
	params := []kmod.Param{{Name: "backend", Value: string(p.backend)}}
	if len(args) > 0 {
		params = append(params, kmod.Param{Name: "args", Value: strings.Join(args, ",")})
	}
	var err error
	p.functions, p.before = functions, make([]Reading, len(functions))
	p.loaded, err = kmod.LoadProfiler(p.ko, names, params...)
	return err
}

// mostWords is how many words of arguments are passed in registers.
const mostWords = 6

var kernelTypes = sync.OnceValues(kmod.LoadBTF)

// argWords is how many words the arguments of a function take; the module knows of
// system calls itself.
func argWords(f Function) (int, error) {
	if n, ok := kmod.TestbedArgs[f.Symbol]; ok {
		return n, nil
	}
	if _, ok := f.systemCall(); ok {
		return 1, nil
	}
	kernel, err := kernelTypes()
	if err != nil {
		return 0, err
	}
	return kernel.ArgWords(f.Symbol)
}

// Read takes for lost what the module admits not to have timed. Averages in `stats`
// are whole numbers, so that each time the module begins anew.
func (p *profiler) Read() ([]Reading, error) {
	stats, err := p.loaded.Stats()
	if err != nil {
		return nil, err
	}
	missed, err := p.loaded.Missed()
	if err != nil {
		return nil, err
	}
	if len(stats) != len(p.functions) || len(missed) != len(stats) {
		return nil, fmt.Errorf("profiler.ko shows %d functions and not %d", len(stats), len(p.functions))
	}
	for i, s := range stats {
		timed := s.Invocations - missed[i].Calls
		r := &p.before[i]
		r.Calls, r.Timed, r.Lost = r.Calls+s.Invocations, r.Timed+timed, r.Lost+missed[i].Calls
		r.TotalNs += float64(s.AverageNs) * float64(timed)
	}
	return slices.Clone(p.before), p.loaded.Reset()
}

func (p *profiler) Detach() error {
	if p.loaded == nil {
		return errors.New("profiler.ko is not loaded")
	}
	err := p.loaded.Unload()
	p.loaded = nil
	return err
}
