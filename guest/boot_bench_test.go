// SPDX-License-Identifier: MIT

package guest_test

import (
	"testing"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
	"kprof-bench/kernels"
)

// BenchmarkBoot measures what it costs until a job starts, in processor time of
// the host and in instructions of the guest.
func BenchmarkBoot(b *testing.B) {
	for _, series := range kernels.Series {
		for _, how := range []struct {
			name      string
			snapshots string
		}{{"booted", ""}, {"restored", guesttest.Snapshots(b)}} {
			b.Run("kernel="+series+"/"+how.name, func(b *testing.B) {
				cfg := guesttest.Config(b, guesttest.Job{Act: "number"})
				cfg.Vmlinux, cfg.Snapshots = guesttest.KernelOf(b, series).Vmlinux, how.snapshots
				boot(b, cfg)
			})
		}
	}
}

func boot(b *testing.B, cfg guest.Config) {
	guesttest.Boot(b, cfg) // Where there is no snapshot yet, this makes it.
	var cpu, insn float64
	for b.Loop() {
		rep := guesttest.Boot(b, cfg)
		if rep.Ending != guest.Done || rep.Restored != (cfg.Snapshots != "") {
			b.Fatalf("%v: %s %s", rep.Ending, rep.Detail, rep.NotRestored)
		}
		cpu += rep.BootCPU.Seconds()
		insn += float64(rep.BootTime.Nanoseconds())
	}
	b.ReportMetric(cpu/float64(b.N), "boot-cpu-s/op")
	b.ReportMetric(insn/float64(b.N), "boot-insn/op")
}
