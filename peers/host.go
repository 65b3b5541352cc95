// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"slices"
	"time"

	"kprof-bench/bench"
	"kprof-bench/guest"
	"kprof-bench/kernels"
)

// RunInGuest boots a kernel in QEMU on the exact clock and has the same done there.
func RunInGuest(ctx context.Context, h bench.Host, o Options) (*Result, *guest.Report, error) {
	p, err := h.PrepareJobs(ctx)
	if err != nil {
		return nil, nil, err
	}
	o.Profiler, o.Testbed, o.Env = bench.GuestProfiler, bench.GuestTestbed, append(o.Env, p.Env...)
	at := bench.Place{Clock: bench.ICount}
	if o.Tools {
		if at, err = withTools(ctx, h, p.Kernel, at); err != nil {
			return nil, nil, err
		}
	}
	var r *Result
	report, err := p.JobInGuest(ctx, at, jobName, o, &r)
	if err != nil || report.Ending != guest.Done || r == nil {
		return r, report, err
	}
	return r, report, addMigrations(ctx, p, o, r)
}

// toolsMemoryMiB is room for what tools are made of, twice: 300 MB of libraries and
// headers come in one piece, and are unpacked.
const toolsMemoryMiB = 2048

// toolsBootLimit is for the guest to unpack them on a busy machine.
const toolsBootLimit = 15 * time.Minute

// withTools has the tools in the guest, and the headers of its kernel if there are some.
func withTools(ctx context.Context, h bench.Host, k *kernels.Kernel, at bench.Place) (bench.Place, error) {
	root, err := kernels.ToolRoot(ctx, toolPackages, kernels.Options{Dir: h.CacheDir, Progress: h.Progress})
	if err != nil {
		return at, err
	}
	files, err := programFiles(root, toolPrograms)
	if err != nil {
		return at, err
	}
	more, err := pythonFiles(root, files)
	if err != nil {
		return at, err
	}
	if k.HeadersDir != "" && k.CommonDir != "" {
		headers, err := headerFiles(k.Release, k.HeadersDir, k.CommonDir)
		if err != nil {
			return at, err
		}
		more = append(more, headers...)
	}
	at.Files, at.MemoryMiB, at.BootLimit = slices.Concat(at.Files, files, more), toolsMemoryMiB, toolsBootLimit
	return at, nil
}
