// SPDX-License-Identifier: MIT

package bench

import (
	"context"

	"kprof-bench/kmod"
)

// RunNative does the experiments in the running kernel, which takes root. The
// modules are built for it, unless they are there already.
func (h Host) RunNative(ctx context.Context, o Options) (*Result, error) {
	o.Clock = Native
	m, err := h.nativeModules(ctx)
	if err != nil {
		return nil, err
	}
	o.Profiler, o.Testbed = m.Profiler.Path, m.Testbed.Path
	o.Env = append(o.Env, m.env()...)
	return Run(ctx, o, h.Progress)
}

func (h Host) nativeModules(ctx context.Context) (*Modules, error) {
	if h.Modules != "" {
		return readymade(h.Modules, kmod.RunningRelease())
	}
	return h.BuildNative(ctx)
}
