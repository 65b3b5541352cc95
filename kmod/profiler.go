// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ProfilerDir is where profiler.ko shows its files.
const ProfilerDir = "/sys/class/qeexo/profiler"

// TraceFamily has all of the family of vmalloc() traced when profiler.ko is
// loaded with it. [Status.Family] tells whether it is.
var TraceFamily = Param{"kmp_family", "Y"}

// Profiler is profiler.ko in the running kernel.
type Profiler struct {
	*Loaded
	dir string
}

// LoadProfiler loads profiler.ko, to profile funcs if there are any.
// Other parameters of the module may follow.
func LoadProfiler(ko string, funcs []string, params ...Param) (*Profiler, error) {
	if len(funcs) > 0 {
		params = append([]Param{{"funcs", strings.Join(funcs, ",")}}, params...)
	}
	l, err := Load(ko, params...)
	if err != nil {
		return nil, err
	}
	return &Profiler{Loaded: l, dir: ProfilerDir}, nil
}

// StatsPath is the path of the file that [Profiler.Stats] reads.
func (p *Profiler) StatsPath() string { return filepath.Join(p.dir, "stats") }

// MemleaksPath is the path of the file that [Profiler.ScanRaw] reads.
func (p *Profiler) MemleaksPath() string { return filepath.Join(p.dir, "memleaks") }

// Stats reads what was counted and timed of each function so far.
func (p *Profiler) Stats() ([]Stat, error) { return read(p, "stats", ParseStats) }

// Missed reads how many calls of each function were not timed.
func (p *Profiler) Missed() ([]Count, error) { return read(p, "missed", ParseMissed) }

// Backends reads how each function is probed.
func (p *Profiler) Backends() ([]Backend, error) { return read(p, "backends", ParseBackends) }

// Latency reads the extremes and the sum of durations. The module must have been
// loaded with hist=Y.
func (p *Profiler) Latency() ([]Latency, error) { return read(p, "latency", ParseLatency) }

// Histogram reads how many calls took how long. The module must have been loaded
// with hist=Y.
func (p *Profiler) Histogram() ([]Bucket, error) { return read(p, "histogram", ParseHistogram) }

// Calibration reads what is taken from each duration.
func (p *Profiler) Calibration() ([]Calibration, error) {
	return read(p, "calibration", ParseCalibration)
}

// Reset has all functions counted anew.
func (p *Profiler) Reset() error {
	return writeText(filepath.Join(p.dir, "reset"), "1\n")
}

// SetFuncs has other functions profiled from now on. When the kernel refuses,
// nothing has changed.
func (p *Profiler) SetFuncs(funcs ...string) error {
	return p.setParam("funcs", strings.Join(funcs, ","))
}

// SetArgs says how many words the arguments of functions take, as name:words,
// for functions that are set later.
func (p *Profiler) SetArgs(args ...string) error {
	return p.setParam("args", strings.Join(args, ","))
}

// SetIgnoreSelf says whether pointers to a block that lie in that same block are
// not to count in later scans.
func (p *Profiler) SetIgnoreSelf(ignore bool) error {
	value := "0"
	if ignore {
		value = "1"
	}
	return p.setParam("ignore_self", value)
}

// SetConfirm says how often later scans read the range once more for blocks to
// which they have found no pointer.
func (p *Profiler) SetConfirm(passes uint) error {
	return p.setParam("confirm", fmt.Sprint(passes))
}

func (p *Profiler) setParam(name, value string) error {
	return writeText(filepath.Join("/sys/module", p.Name, "parameters", name), value+"\n")
}

// Status reads the state of the leak finder.
func (p *Profiler) Status() (Status, error) { return read(p, "kmp_status", ParseStatus) }

// SetRange sets the range of addresses that a scan reads, [start, end).
func (p *Profiler) SetRange(start, end uint64) error {
	if err := p.write("scan_start_addr", start); err != nil {
		return err
	}
	return p.write("scan_end_addr", end)
}

// ScanRaw scans memory and returns the report as the module wrote it.
// A caller who is about to scan memory that holds this very process should not
// parse it before: addresses that Go keeps are found by later scans.
func (p *Profiler) ScanRaw() ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(p.dir, "memleaks"))
	if err != nil {
		return nil, fmt.Errorf("scan for leaks: %w", err)
	}
	return b, nil
}

// Leaks scans memory and returns the verdict on each live block.
func (p *Profiler) Leaks() ([]Leak, error) {
	b, err := p.ScanRaw()
	if err != nil {
		return nil, err
	}
	return ParseMemleaks(b)
}

func (p *Profiler) write(file string, addr uint64) error {
	return writeText(filepath.Join(p.dir, file), fmt.Sprintf("%#x\n", addr))
}

// writeText writes a text in one piece.
func writeText(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return fmt.Errorf("write %q: %w", strings.TrimSpace(text), err)
	}
	return nil
}

func read[T any](p *Profiler, file string, parse func([]byte) (T, error)) (T, error) {
	var none T
	b, err := os.ReadFile(filepath.Join(p.dir, file))
	if err != nil {
		return none, err
	}
	v, err := parse(b)
	if err != nil {
		return none, fmt.Errorf("%s: %w", filepath.Join(p.dir, file), err)
	}
	return v, nil
}
