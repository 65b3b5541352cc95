// SPDX-License-Identifier: MIT

package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestQEMUArguments(t *testing.T) {
	common := []string{
		"-no-user-config", "-nodefaults", "-no-reboot",
		"-machine", "pc", "-display", "none", "-vga", "none", "-nic", "none",
	}
	tail := func(cmdline string) []string {
		return []string{
			"-seed", "1", "-rtc", "base=2024-01-01T00:00:00,clock=vm",
			"-chardev", "file,id=console,path=/c,,1", "-serial", "chardev:console",
			"-chardev", "file,id=results,path=/r", "-serial", "chardev:results",
			"-device", "pvpanic", "-action", "panic=none",
			"-fw_cfg", "name=opt/kprof-bench,file=/p",
			"-kernel", "/k", "-initrd", "/i", "-append",
			"console=ttyS0 loglevel=5 printk.time=1 oops=panic panic=-1 cryptomgr.notests=1 GODEBUG=asyncpreemptoff=1,updatemaxprocs=0" + cmdline,
		}
	}
	tests := map[string]struct {
		cfg                  Config
		cpu                  []string
		vcpus, size, cmdline string
	}{
		"by default": {
			cfg: Config{},
			cpu: []string{"-accel", "tcg", "-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null", "-cpu", "max,-cx16"}, vcpus: "1", size: "512",
			cmdline: " no_timer_check tsc=reliable nolapic_timer",
		},
		"for races": {
			cfg: Config{Clock: TCG, MemoryMiB: 1024},
			cpu: []string{"-accel", "tcg,thread=single", "-cpu", "max,-cx16"}, vcpus: "2", size: "1024",
			cmdline: " no_timer_check tsc=reliable",
		},
		"of another model": {
			cfg: Config{CPU: "EPYC,-smap"},
			cpu: []string{"-accel", "tcg", "-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null", "-cpu", "EPYC,-smap,-cx16"}, vcpus: "1", size: "512",
			cmdline: " no_timer_check tsc=reliable nolapic_timer",
		},
		"of a model with CMPXCHG16B": {
			cfg: Config{Clock: TCG, CPU: "max,+cx16"},
			cpu: []string{"-accel", "tcg,thread=single", "-cpu", "max,+cx16"}, vcpus: "2", size: "512",
			cmdline: " no_timer_check tsc=reliable",
		},
		"for a kernel that stuffs returns": {
			cfg: Config{CPU: "Skylake-Server", Cmdline: []string{"retbleed=stuff"}},
			cpu: []string{"-accel", "tcg", "-icount", "shift=0,sleep=off,rr=record,rrfile=/dev/null", "-cpu", "Skylake-Server"}, vcpus: "1", size: "512",
			cmdline: " no_timer_check tsc=reliable nolapic_timer retbleed=stuff",
		},
		"in real time": {
			cfg: Config{Clock: KVM, VCPUs: 4, Cmdline: []string{"loglevel=7", "mitigations=off"}},
			cpu: []string{"-accel", "kvm", "-cpu", "host"}, vcpus: "4", size: "512",
			cmdline: " loglevel=7 mitigations=off",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			cfg := test.cfg
			cfg.Vmlinux = "/k"
			got := qemuArguments(cfg.withDefaults(), ports{initrd: "/i", console: "/c,1", results: "/r", payload: "/p"})
			want := append(append(append(test.cpu, common...), "-smp", test.vcpus, "-m", test.size), tail(test.cmdline)...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("(-want +got)\n", diff)
			}
		})
	}
}

// QEMU cannot save a machine that it records, nor stop it time and again.
func TestStoppedIsNotRecorded(t *testing.T) {
	for name, test := range map[string]struct {
		ports    ports
		recorded bool
	}{
		"boots":                {ports{}, true},
		"boots to be saved":    {ports{monitor: 7}, false},
		"goes on where it was": {ports{monitor: 7, incoming: 8}, true},
		"is traced":            {ports{monitor: 7, incoming: 8, trace: true}, false},
	} {
		args := strings.Join(qemuArguments(Config{}.withDefaults(), test.ports), " ")
		if strings.Contains(args, "rr=record") != test.recorded {
			t.Errorf("a machine that %s: %s", name, args)
		}
	}
}

func TestConfigRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "script")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	dynamic, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg  Config
		want string
	}{
		"unknown clock":         {Config{Clock: "sundial"}, `unknown clock "sundial"`},
		"exact clock, two CPUs": {Config{VCPUs: 2}, "clock icount needs 1 vCPU, not 2"},
		"no memory":             {Config{MemoryMiB: -1}, "-1 MiB"},
		"negative CPUs":         {Config{Clock: TCG, VCPUs: -1}, "-1 vCPUs"},
		"traced after a boot":   {Config{OnTrace: func([]byte) {}}, "only from a snapshot"},
		"traced in real time":   {Config{Clock: TCG, Snapshots: dir, OnTrace: func([]byte) {}}, "on clock icount alone"},
		"traced several times":  {Config{Snapshots: dir, Retries: 1, OnTrace: func([]byte) {}}, "is not started anew"},
		"line break":            {Config{Cmdline: []string{"a\nb"}}, "line break"},
		"no kernel":             {Config{}, "kernel image"},
		"no init":               {Config{Vmlinux: text}, "init: "},
		"init is a script":      {Config{Vmlinux: text, Init: text}, "no ELF executable"},
		"init is dynamic":       {Config{Vmlinux: text, Init: dynamic}, "CGO_ENABLED=0"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			rep, err := Boot(t.Context(), test.cfg)
			if rep != nil || err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("report %v, error %v; want an error with %q", rep, err, test.want)
			}
		})
	}
}
