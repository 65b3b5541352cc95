// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Clean removes the kernels of a series from the cache, older ones that a
// refresh has left included, and what was needed for them alone; with them the
// modules that were built for kernels which the cache has not. It returns how
// many bytes of the disk are free again, 0 when there was nothing. Nobody may
// be using them.
func Clean(ctx context.Context, series string, opts Options) (int64, error) {
	if err := CheckSeries(series); err != nil {
		return 0, err
	}
	return clean(ctx, opts, func(c *cache) (int64, error) {
		freed, err := c.removeKernels(func(s string) bool { return s == series })
		if err != nil {
			return freed, err
		}
		roots, err := c.removeIdleRoots()
		if err != nil {
			return freed + roots, err
		}
		modules, err := c.removeOrphans()
		return freed + roots + modules, err
	})
}

// CleanAll is [Clean] for all series, and removes the lists of packages too, and
// all modules and snapshots of guests.
func CleanAll(ctx context.Context, opts Options) (int64, error) {
	return clean(ctx, opts, func(c *cache) (int64, error) {
		var freed int64
		for _, name := range []string{"kernels", "roots", "tools", "apt", "modules", "snapshots"} {
			bytes, err := c.remove(name)
			if err != nil {
				return freed, err
			}
			freed += bytes
		}
		return freed, nil
	})
}

func clean(ctx context.Context, opts Options, what func(*cache) (int64, error)) (int64, error) {
	c, err := openCache(opts)
	if err != nil {
		return 0, err
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	freed, err := what(c)
	if err != nil {
		return freed, fmt.Errorf("clean %s: %w", c.dir, err)
	}
	return freed, nil
}

// removeKernels removes the links of the series that are chosen, and all entries
// whose names begin with a release of one of them.
func (c *cache) removeKernels(chosen func(series string) bool) (int64, error) {
	return c.removeEach("kernels", func(name string) bool {
		release, _, isEntry := strings.Cut(name, "_")
		if isEntry {
			return chosen(SeriesOf(release))
		}
		return chosen(name)
	})
}

// removeIdleRoots removes the roots that no kernel is built in any more.
func (c *cache) removeIdleRoots() (int64, error) {
	links, err := c.links("kernels")
	if err != nil {
		return 0, err
	}
	var used []string
	for _, series := range links {
		e, err := c.load(kernelLink(series))
		if err != nil || e.manifest.Root == "" {
			continue
		}
		if k, err := newKernel(e); err == nil {
			used = append(used, filepath.Base(rootLink(e.manifest.Root, k.Compiler)))
		}
	}
	return c.removeEach("roots", func(name string) bool {
		link, _, _ := strings.Cut(name, "_")
		return !slices.Contains(used, link)
	})
}

// removeOrphans removes what modules were built in and into, by release, where
// the kernel has gone. They can be built again.
func (c *cache) removeOrphans() (int64, error) {
	entries, err := os.ReadDir(filepath.Join(c.dir, "kernels"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	return c.removeEach("modules", func(release string) bool {
		return !slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return strings.HasPrefix(e.Name(), release+"_") })
	})
}

func (c *cache) removeEach(dir string, chosen func(name string) bool) (int64, error) {
	all, err := os.ReadDir(filepath.Join(c.dir, dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	var freed int64
	for _, e := range all {
		if !chosen(e.Name()) {
			continue
		}
		bytes, err := c.remove(filepath.Join(dir, e.Name()))
		if err != nil {
			return freed, err
		}
		freed += bytes
	}
	return freed, nil
}

// remove takes something out of the cache. Its name goes first and at once: an
// entry that is half there would pass for a whole one.
func (c *cache) remove(name string) (int64, error) {
	path := filepath.Join(c.dir, name)
	bytes, err := onDisk(path)
	if err != nil {
		return 0, err
	}
	going := filepath.Join(filepath.Dir(path), newPrefix+"going")
	if err := os.RemoveAll(going); err != nil {
		return 0, err
	}
	if err := os.Rename(path, going); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return bytes, os.RemoveAll(going)
}
