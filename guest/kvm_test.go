// SPDX-License-Identifier: MIT

package guest_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
)

// TestProveKVM holds on machines of all three kinds: with KVM, without, and
// with one that hangs its guests.
func TestProveKVM(t *testing.T) {
	t.Parallel()
	cache := filepath.Join(t.TempDir(), "cache")
	cfg := guesttest.Config(t, guesttest.Job{Act: "fail"})
	ok, why, err := guest.ProveKVM(t.Context(), cfg, cache)
	if err != nil || why == "" {
		t.Fatalf("no answer: %v, %q", err, why)
	}
	t.Logf("KVM: %v: %s", ok, why)
	device, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		if ok {
			t.Errorf("KVM is said to work without its device: %v", err)
		}
		return
	}
	device.Close()
	answers, err := filepath.Glob(filepath.Join(cache, "kvm-*.json"))
	if err != nil || len(answers) != 1 {
		t.Fatalf("%d remembered answers, want 1: %v", len(answers), err)
	}
	// A second question finds the answer that is there, told apart from a
	// fresh one by its words.
	b, err := os.ReadFile(answers[0])
	if err != nil {
		t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(b, &answer); err != nil {
		t.Fatal(err)
	}
	answer["why"] = "remembered"
	if b, err = json.Marshal(answer); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(answers[0], b, 0o644); err != nil {
		t.Fatal(err)
	}
	again, whyAgain, err := guest.ProveKVM(t.Context(), cfg, cache)
	if err != nil || again != ok || whyAgain != "remembered" {
		t.Errorf("second answer: %v, %q, %v", again, whyAgain, err)
	}
}

func TestProveKVMCannotTell(t *testing.T) {
	if _, err := os.Stat("/dev/kvm"); err != nil {
		t.Skip("no KVM device, so the answer is known without QEMU")
	}
	cache := filepath.Join(t.TempDir(), "cache")
	cfg := guesttest.Config(t, guesttest.Job{})
	cfg.QEMU = "qemu-system-nowhere"
	if _, _, err := guest.ProveKVM(t.Context(), cfg, cache); err == nil {
		t.Error("an answer without QEMU")
	}
	if _, err := os.Stat(cache); !os.IsNotExist(err) {
		t.Errorf("something was remembered: %v", err)
	}
}
