// SPDX-License-Identifier: MIT

package kernels

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Entry is a series of Linux, and its kernel if the cache has one.
type Entry struct {
	Series string
	Kernel *Kernel // nil when it is not fetched, or damaged
	// NoRoot is set when modules for it want a root that is not fetched.
	NoRoot bool
}

// Size is what the kernel takes on the disk, without the system to build in.
func (e Entry) Size() (int64, error) {
	if e.Kernel == nil {
		return 0, nil
	}
	return onDisk(e.Kernel.entryDir())
}

// Root is a system in the cache to build modules in.
type Root struct {
	Name string // like "trixie-gcc-14"
	dir  string
}

// Size is what it takes on the disk.
func (r Root) Size() (int64, error) { return onDisk(r.dir) }

// List returns all series that this package knows, in all flavours, and others
// that the cache has. It asks neither apt nor the network.
func List(opts Options) ([]Entry, error) {
	c, err := openCache(opts)
	if err != nil {
		return nil, err
	}
	links, err := c.links("kernels")
	if err != nil {
		return nil, err
	}
	all := All()
	for _, name := range links {
		if CheckSeries(name) == nil && !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	entries := make([]Entry, len(all))
	for i, series := range all {
		entries[i] = Entry{Series: series}
		if e, err := c.load(kernelLink(series)); err == nil {
			entries[i].Kernel, _ = c.cachedKernel(e)
			entries[i].NoRoot = e.manifest.Root != "" && entries[i].Kernel != nil && entries[i].Kernel.Root == ""
		}
	}
	return entries, nil
}

func All() []string {
	var all []string
	for _, series := range Series {
		for _, flavour := range Flavours {
			all = append(all, series+flavour)
		}
	}
	return all
}

// cachedKernel is the kernel of an entry. It has no root when the cache has not.
func (c *cache) cachedKernel(e entry) (*Kernel, error) {
	k, err := newKernel(e)
	if err != nil {
		return nil, err
	}
	if e.manifest.Root != "" {
		if root, err := c.load(rootLink(e.manifest.Root, k.Compiler)); err == nil {
			k.Root = root.dir
		}
	}
	return k, nil
}

// Roots returns the systems to build modules in that the cache has.
func Roots(opts Options) ([]Root, error) {
	c, err := openCache(opts)
	if err != nil {
		return nil, err
	}
	links, err := c.links("roots")
	if err != nil {
		return nil, err
	}
	var roots []Root
	for _, name := range links {
		if e, err := c.load(filepath.Join("roots", name)); err == nil {
			roots = append(roots, Root{Name: name, dir: e.dir})
		}
	}
	return roots, nil
}

// links returns the names of the symbolic links in a directory of the cache,
// each of which stands for the newest entry of something.
func (c *cache) links(dir string) ([]string, error) {
	all, err := os.ReadDir(filepath.Join(c.dir, dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var names []string
	for _, e := range all {
		if e.Type() == fs.ModeSymlink && e.Name() != newPrefix+"link" {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// onDisk is what the files below a directory take. They may be going.
func onDisk(dir string) (int64, error) {
	var total int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			total += st.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("size of %s: %w", dir, err)
	}
	return total, nil
}
