// SPDX-License-Identifier: MIT

package peers

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"kprof-bench/kmod"
)

// kmemleakFile is there in kernels that have it: none of Debian's, since it records
// every allocation.
const kmemleakFile = "/sys/kernel/debug/kmemleak"

// kmemleakAge is how old blocks must be: what is younger than five seconds is not
// reported.
const kmemleakAge = 6 * time.Second

// kmemleakLeaks takes for leaks what kmemleak reports, of blocks that are planted
// already.
func kmemleakLeaks(ctx context.Context, leaking map[uint64]bool) (Leaks, error) {
	found := Leaks{Way: "kmemleak", Doc: "Documentation/dev-tools/kmemleak.rst"}
	if _, err := os.Stat(kmemleakFile); errors.Is(err, fs.ErrNotExist) {
		found.Lacking = "this kernel is built without CONFIG_DEBUG_KMEMLEAK"
		return found, nil
	}
	select {
	case <-ctx.Done():
		return found, ctx.Err()
	case <-time.After(kmemleakAge):
	}
	// What has changed since the scan before is not reported either.
	_, err := scanKmemleak()
	if errors.Is(err, fs.ErrPermission) {
		found.Lacking = "it is off: boot with kmemleak=on"
		return found, nil
	}
	if err != nil {
		return found, err
	}
	var named []uint64
	for range leakTries {
		begin := time.Now()
		text, err := scanKmemleak()
		if err != nil {
			return found, err
		}
		if named, err = parseKmemleak(text); err != nil {
			return found, err
		}
		found.Insns = append(found.Insns, float64(time.Since(begin)))
	}
	found.judge(named, leaking)
	return found, nil
}

func scanKmemleak() (string, error) {
	if err := os.WriteFile(kmemleakFile, []byte("scan"), 0); err != nil {
		return "", fmt.Errorf("have kmemleak scan: %w", err)
	}
	text, err := os.ReadFile(kmemleakFile)
	return string(text), err
}

// parseKmemleak returns the pages in which the objects of a report begin.
func parseKmemleak(report string) (pages []uint64, err error) {
	for line := range strings.Lines(report) {
		rest, ok := strings.CutPrefix(line, "unreferenced object 0x")
		if !ok {
			continue
		}
		address, _, _ := strings.Cut(rest, " ")
		n, err := strconv.ParseUint(address, 16, 64)
		if err != nil {
			return nil, fmt.Errorf("kmemleak: %q: %w", line, err)
		}
		pages = append(pages, n>>kmod.PageShift)
	}
	return pages, nil
}
