// SPDX-License-Identifier: MIT

package profilertest_test

import (
	"os"
	"testing"

	"kprof-bench/guest/guesttest"
)

func TestMain(m *testing.M) { os.Exit(guesttest.Main(m)) }
