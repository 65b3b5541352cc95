// SPDX-License-Identifier: MIT

package bench

import (
	"context"
	"fmt"
	"os"

	"kprof-bench/guest"
)

func (h Host) Trace(ctx context.Context, o Options) error {
	o.Only, o.Clock, o.Rate = []Experiment{Traces}, ICount, "max"
	o.Profiler, o.Testbed = guestProfiler, guestTestbed
	k, modules, err := h.Prepare(ctx)
	if err != nil {
		return err
	}
	cfg := h.config(k, modules)
	n := 0
	cfg.OnTrace = func(text []byte) {
		os.WriteFile(fmt.Sprintf("/tmp/k2trace.%d", n), text, 0o644)
		n++
	}
	out, err := h.boot(ctx, cfg, job{Run: &o}, nil)
	if err != nil {
		return err
	}
	if out.Ending != guest.Done {
		return fmt.Errorf("%s %s", out.Ending, out.Detail)
	}
	for _, t := range out.Result.Traces {
		fmt.Printf("%+v\n", t)
	}
	return nil
}
