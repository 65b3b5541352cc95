// SPDX-License-Identifier: MIT

package guest

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// askTime asks for the time of day for two seconds of questions, and says what it was
// told last.
const askTime = `
#include <stdio.h>
#include <sys/time.h>
int main(void)
{
	struct timeval tv;
	for (int i = 0; i <= 2001; i++)
		gettimeofday(&tv, NULL);
	return printf("%ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec) < 0;
}
`

// The linker of this machine must take the library, as it must for QEMU.
func TestTimeOfDay(t *testing.T) {
	dir := t.TempDir()
	source, program, library := filepath.Join(dir, "ask.c"), filepath.Join(dir, "ask"), filepath.Join(dir, "time.so")
	for path, content := range map[string][]byte{source: []byte(askTime), library: timeLibrary()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "gcc", "-o", program, source).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 {
		ask := exec.CommandContext(t.Context(), program)
		ask.Env = preloading(library)
		out, err := ask.CombinedOutput()
		if want := "2.001000"; err != nil || string(out) != want {
			t.Errorf("%v: the time is %q, want %s", err, out, want)
		}
	}
}

func TestPreloadingKeepsOthers(t *testing.T) {
	t.Setenv(preload, "/theirs.so")
	cmd := exec.Cmd{Env: preloading("/ours.so")}
	env := cmd.Environ() // the last of a name counts
	for _, v := range env {
		if v == preload+"=/ours.so:/theirs.so" {
			return
		}
	}
	t.Errorf("no library is added to the other in %q", env)
}
