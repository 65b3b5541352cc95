// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// helloOnlyPath in the guest tells Main to end where the job would begin.
const helloOnlyPath = "/hello-only"

// kvmBootLimit is several times what a slow machine with KVM needs.
const kvmBootLimit = 20 * time.Second

// kvmAnswer is what is remembered.
type kvmAnswer struct {
	OK      bool   `json:"ok"`
	Why     string `json:"why"`
	Machine string `json:"machine"`
	QEMU    string `json:"qemu"`
	Vmlinux string `json:"vmlinux"`
}

// ProveKVM finds out whether guests run here with clock [KVM], by booting one:
// in many clouds the device is there and its guests hang. The kernel, the init
// and the emulator are those of cfg; the job is not run. why says in a line
// what the answer rests on.
//
// The answer is kept in cacheDir for this machine, QEMU version and kernel, so
// that only the first question costs a boot. An error means that neither
// answer can be given, and nothing is remembered.
func ProveKVM(ctx context.Context, cfg Config, cacheDir string) (ok bool, why string, err error) {
	// This can change at any moment and costs nothing to ask.
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		return false, fmt.Sprintf("KVM cannot be used: %v", err), nil
	}
	device.Close()
	cfg = cfg.withDefaults()
	answer := kvmAnswer{Machine: machineIdentity(), QEMU: QEMUVersion(ctx, cfg.QEMU), Vmlinux: cfg.Vmlinux}
	file := filepath.Join(cacheDir, answer.fileName())
	if old, ok := recallKVM(file, answer); ok {
		return old.OK, old.Why, nil
	}
	answer.OK, answer.Why, err = tryKVM(ctx, cfg)
	if err != nil {
		return false, "", fmt.Errorf("prove KVM: %w", err)
	}
	if err := rememberKVM(file, answer); err != nil {
		return false, "", fmt.Errorf("prove KVM: %w", err)
	}
	return answer.OK, answer.Why, nil
}

func tryKVM(ctx context.Context, cfg Config) (ok bool, why string, err error) {
	cfg.Clock, cfg.VCPUs = KVM, 2
	cfg.Job, cfg.OnRecord = nil, nil
	cfg.Files = []File{{Path: helloOnlyPath}}
	cfg.BootLimit, cfg.SilenceLimit = kvmBootLimit, kvmBootLimit
	rep, err := Boot(ctx, cfg)
	if err != nil {
		return false, "", err
	}
	switch rep.Ending {
	case Done:
		return true, "a guest booted with KVM", nil
	case BootFailure, KernelOops, Hang:
		return false, fmt.Sprintf("a guest did not boot with KVM: %s: %s", rep.Ending, rep.Detail), nil
	}
	// QEMU gives up on some hosts, for instance where nested KVM refuses a
	// register. That is an answer when the same QEMU runs at all.
	if rep.QEMUVersion != "" && strings.HasPrefix(rep.Detail, qemuFailed) {
		return false, fmt.Sprintf("a guest did not boot with KVM: %s", rep.Detail), nil
	}
	return false, "", fmt.Errorf("%s: %s", rep.Ending, rep.Detail)
}

func (a kvmAnswer) fileName() string {
	sum := sha256.Sum256([]byte(a.Machine + "\x00" + a.QEMU + "\x00" + a.Vmlinux))
	return fmt.Sprintf("kvm-%x.json", sum[:8])
}

func recallKVM(file string, question kvmAnswer) (kvmAnswer, bool) {
	b, err := os.ReadFile(file)
	if err != nil {
		return kvmAnswer{}, false
	}
	var a kvmAnswer
	if err := json.Unmarshal(b, &a); err != nil {
		return kvmAnswer{}, false
	}
	return a, a.Machine == question.Machine && a.QEMU == question.QEMU && a.Vmlinux == question.Vmlinux
}

func rememberKVM(file string, a kvmAnswer) error {
	b, err := json.MarshalIndent(a, "", "\t")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file))
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if _, err := tmp.Write(append(b, '\n')); err != nil {
		tmp.Close()
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// machineIdentity changes with whatever could change KVM's behaviour: the
// machine, its kernel, its processor and that one's microcode.
func machineIdentity() string {
	var parts []string
	if id, err := os.ReadFile("/etc/machine-id"); err == nil {
		parts = append(parts, string(bytes.TrimSpace(id)))
	}
	var uts unix.Utsname
	if unix.Uname(&uts) == nil {
		parts = append(parts, unix.ByteSliceToString(uts.Nodename[:]), unix.ByteSliceToString(uts.Release[:]))
	}
	cpuinfo, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		first, _, _ := strings.Cut(string(cpuinfo), "\n\n")
		for line := range strings.Lines(first) {
			key, value, _ := strings.Cut(line, ":")
			switch strings.TrimSpace(key) {
			case "model name", "microcode":
				parts = append(parts, strings.TrimSpace(value))
			}
		}
	}
	return strings.Join(parts, "; ")
}
