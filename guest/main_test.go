// SPDX-License-Identifier: MIT

package guest_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"kprof-bench/guest"
	"kprof-bench/guest/guesttest"
)

// bootVariable makes this test binary boot a guest and nothing else, so that a
// test can kill it.
const bootVariable = "GUEST_TEST_BOOT"

func TestMain(m *testing.M) {
	if vmlinux := os.Getenv(bootVariable); vmlinux != "" {
		bootAndWait(vmlinux)
	}
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		if err := guesttest.RemoveBuilds(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		os.Exit(code)
	}))
}

func bootAndWait(vmlinux string) {
	_, err := guest.Boot(context.Background(), guest.Config{
		Vmlinux:   vmlinux,
		Init:      os.Getenv(bootVariable + "_INIT"),
		Job:       []byte(`{"act":"spin"}`),
		Seed:      killedSeed,
		OnConsole: os.Stdout,
	})
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
