// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kprof-bench/kmod"
	"kprof-bench/results"
)

// RunNative does the experiments in the running kernel, which takes root. The
// modules are built for it, unless dir has them already.
func (h Host) RunNative(ctx context.Context, o Options, dir string) (*Result, error) {
	o.Clock = Native
	if dir != "" {
		o.Profiler = filepath.Join(dir, kmod.ProfilerModule+".ko")
		o.Testbed = filepath.Join(dir, kmod.TestbedModule+".ko")
		for key, path := range map[string]string{"module": o.Profiler, "testbed": o.Testbed} {
			hash, err := fileHash(path)
			if err != nil {
				return nil, err
			}
			o.Env = append(o.Env, results.Config{Key: key, Value: "file-" + hash})
		}
		slices.SortFunc(o.Env, func(a, b results.Config) int { return strings.Compare(a.Key, b.Key) })
		return Run(ctx, o, h.Progress)
	}
	m, err := h.BuildNative(ctx)
	if err != nil {
		return nil, err
	}
	o.Profiler, o.Testbed = m.Profiler.Path, m.Testbed.Path
	o.Env = append(o.Env, m.env()...)
	return Run(ctx, o, h.Progress)
}

// fileHash stands for a revision where there is none: 12 hexadecimal digits of
// the SHA-256 of the module itself.
func fileHash(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", sha256.Sum256(b))[:12], nil
}
