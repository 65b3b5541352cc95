// SPDX-License-Identifier: MIT

package kmod

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// mostKept is how many modules are kept for a kernel: more than are in use at
// once by far, and few enough that months of changing them fill no disk.
const mostKept = 64

// removeOldest removes modules from a directory of the cache until there are no
// more than that many, those first that were asked for least recently. Others may
// be at it too.
func removeOldest(dir string, most int) error {
	built, err := filepath.Glob(filepath.Join(dir, "*", "*.ko"))
	if err != nil || len(built) <= most {
		return err
	}
	used := map[string]time.Time{}
	for _, ko := range built {
		if info, err := os.Stat(filepath.Dir(ko)); err == nil {
			used[filepath.Dir(ko)] = info.ModTime()
		}
	}
	modules := slices.Collect(maps.Keys(used))
	slices.SortFunc(modules, func(a, b string) int { return used[b].Compare(used[a]) })
	for _, module := range modules[min(most, len(modules)):] {
		if err := os.RemoveAll(module); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
