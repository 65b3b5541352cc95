// SPDX-License-Identifier: MIT

package guest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// brokenQEMU returns an emulator whose first guests see impossible flags, and a
// file with the arguments of each start.
func brokenQEMU(t *testing.T, times int) (qemu, starts string) {
	t.Helper()
	dir := t.TempDir()
	hello := wire(t, frameHello, helloMessage{Release: "6.1", CPUs: 1})
	good := join(hello, wire(t, frameDone, doneMessage{Verdict: verdictOK}))
	for name, content := range map[string]string{
		"hello": string(hello), "good": string(good),
		"oops": "[    1.000000] BUG: unable to handle page fault for address: ffff88800531cfff\n[    1.000001] RSP: 0018:ffffc90000013a60 EFLAGS: 0546b65a\n",
		"qemu": fmt.Sprintf("#!/bin/sh\n[ \"$1\" = --version ] && exit\ncd %s\necho \"$@\" >>starts\n"+
			"if [ $(wc -l <starts) -le %d ]; then cat oops >&4; cat hello >&5; else cat good >&5; fi\n", dir, times),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "qemu"), filepath.Join(dir, "starts")
}

// A guest whose emulator failed is started anew, as often as allowed, and never as
// the same machine.
func TestRetries(t *testing.T) {
	for _, test := range []struct {
		broken, retries, starts int
		ending                  Ending
	}{
		{0, 2, 1, Done}, {1, 2, 2, Done}, {2, 2, 3, Done}, {3, 2, 3, OurFailure}, {1, 0, 1, OurFailure},
	} {
		qemu, starts := brokenQEMU(t, test.broken)
		cfg := Config{
			Vmlinux: hostFile(t, "a kernel"), Init: agentFile(t), QEMU: qemu, Retries: test.retries, BootLimit: 10 * time.Second,
		}
		rep, err := Boot(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if rep.Ending != test.ending || len(rep.Failed) != test.starts-1 {
			t.Errorf("%+v: %v, %d before: %s", test, rep.Ending, len(rep.Failed), rep.Detail)
		}
		b, err := os.ReadFile(starts)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(string(b)) {
			if seen[line] {
				t.Errorf("%+v: the same machine is started twice", test)
			}
			seen[line] = true
		}
		if len(seen) != test.starts {
			t.Errorf("%+v: %d starts", test, len(seen))
		}
	}
}

// agentFile is an executable that the kernel could start.
func agentFile(t *testing.T) string {
	t.Helper()
	program, err := agent()
	if err != nil {
		t.Fatal(err)
	}
	return hostFile(t, string(program))
}
