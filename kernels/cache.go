// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The cache holds
//
//	lock                      held by the process that is fetching
//	apt/                      apt's private state, and in apt/backports another
//	kernels/6.1               symbolic link to the newest fetched entry
//	kernels/6.1.0-..._6.1...  an entry
//	packages/...              likewise
//	roots/...                 likewise
//	tools/...                 likewise
//	modules/6.1.0-...         what others have built for a kernel
//	snapshots/...             what others keep of guests
//	*/.new-*                  an entry that is not whole yet
//
// An entry is never changed once it has its name, so a refresh cannot pull it
// away from a process that uses it.
type cache struct {
	dir  string
	opts Options
}

const (
	manifestName = "manifest.json"
	newPrefix    = ".new-"
)

// manifest is written last into an entry.
type manifest struct {
	Release  string   `json:"release,omitempty"` // of a kernel
	Version  string   `json:"version"`
	Packages []string `json:"packages"`
	Root     string   `json:"root,omitempty"` // see suite
	// Download is the size of the packages.
	Download int64            `json:"download,omitempty"`
	Sizes    map[string]int64 `json:"sizes"` // of the files that are checked on use
}

// entry is something whole in the cache.
type entry struct {
	dir      string
	manifest manifest
}

// source is a resolved wish: what to fetch and how to make an entry of it.
type source struct {
	name     string // of the entry
	release  string
	version  string
	packages []aptPackage
	from     *apt   // that offers them
	root     string // see suite
	// fill unpacks the archives into dir and returns the files, relative to
	// dir, whose sizes shall be checked on each use.
	fill func(ctx context.Context, dir string, archives []string) ([]string, error)
}

func openCache(opts Options) (*cache, error) {
	dir := opts.Dir
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("find the cache directory: %w", err)
		}
		dir = filepath.Join(base, "kprof-bench")
	}
	// apt and make are run in other directories.
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("find the cache directory: %w", err)
	}
	return &cache{dir: dir, opts: opts}, nil
}

// get returns the entry that link points to, and makes it if there is none.
func (c *cache) get(ctx context.Context, link string, resolve func(context.Context, *apt) (source, error)) (entry, error) {
	if !c.opts.Refresh {
		if e, err := c.load(link); err == nil {
			return e, nil
		}
	}
	unlock, err := c.lock(ctx)
	if err != nil {
		return entry{}, err
	}
	defer unlock()
	// Another process may have made it while this one waited.
	if !c.opts.Refresh {
		if e, err := c.load(link); err == nil {
			return e, nil
		}
	}
	e, err := c.fetch(ctx, link, resolve)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("disk full: make room for 400 MB below %s: %w", c.dir, err)
	}
	return e, err
}

func (c *cache) fetch(ctx context.Context, link string, resolve func(context.Context, *apt) (source, error)) (entry, error) {
	a, err := newApt(filepath.Join(c.dir, "apt"), c.opts)
	if err != nil {
		return entry{}, err
	}
	if err := a.update(ctx); err != nil {
		return entry{}, err
	}
	src, err := resolve(ctx, a)
	if err != nil {
		return entry{}, err
	}
	parent := filepath.Join(c.dir, filepath.Dir(link))
	final := filepath.Join(parent, src.name)
	if _, err := loadEntry(final); err != nil {
		if err := c.build(ctx, src, final); err != nil {
			return entry{}, err
		}
	}
	if err := replaceLink(filepath.Join(c.dir, link), src.name); err != nil {
		return entry{}, err
	}
	return c.load(link)
}

// build makes the entry beside its final place and moves it there whole.
func (c *cache) build(ctx context.Context, src source, final string) error {
	parent := filepath.Dir(final)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if err := removeUnfinished(parent); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, newPrefix)
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	// What the mode of a temporary directory keeps from other users is nothing
	// secret.
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	m, err := c.fill(ctx, src, tmp)
	if err != nil {
		return err
	}
	if err := seal(tmp, m); err != nil {
		return err
	}
	// A damaged entry may be in the way.
	if err := os.RemoveAll(final); err != nil {
		return err
	}
	if err := os.Rename(tmp, final); err != nil {
		return err
	}
	return syncDir(parent)
}

func (c *cache) fill(ctx context.Context, src source, dir string) (manifest, error) {
	archives, err := src.from.download(ctx, src.packages, filepath.Join(dir, "archives"))
	if err != nil {
		return manifest{}, err
	}
	download, err := totalSize(archives)
	if err != nil {
		return manifest{}, err
	}
	c.opts.progress("unpacking %s", src.name)
	files, err := src.fill(ctx, dir, archives)
	if err != nil {
		return manifest{}, err
	}
	if err := os.RemoveAll(filepath.Join(dir, "archives")); err != nil {
		return manifest{}, err
	}
	if c.opts.Downloaded != nil {
		c.opts.Downloaded(download)
	}
	m := manifest{Release: src.release, Version: src.version, Root: src.root, Download: download, Sizes: map[string]int64{}}
	for _, p := range src.packages {
		m.Packages = append(m.Packages, p.name+"="+p.version)
	}
	for _, name := range files {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return manifest{}, fmt.Errorf("the packages lack a file: %w", err)
		}
		m.Sizes[name] = st.Size()
	}
	return m, nil
}

func totalSize(files []string) (int64, error) {
	var total int64
	for _, name := range files {
		st, err := os.Stat(name)
		if err != nil {
			return 0, err
		}
		total += st.Size()
	}
	return total, nil
}

// seal makes the entry last: its contents are on the disk before the manifest
// that vouches for them.
func seal(dir string, m manifest) error {
	if err := syncFileSystem(dir); err != nil {
		return err
	}
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, manifestName))
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write manifest: %w", err)
	}
	return syncDir(dir)
}

func (c *cache) load(link string) (entry, error) {
	path := filepath.Join(c.dir, link)
	target, err := os.Readlink(path)
	if err != nil {
		return entry{}, err
	}
	return loadEntry(filepath.Join(filepath.Dir(path), filepath.Base(target)))
}

// loadEntry returns the entry in dir if it is whole.
func loadEntry(dir string) (entry, error) {
	b, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return entry{}, err
	}
	e := entry{dir: dir}
	if err := json.Unmarshal(b, &e.manifest); err != nil {
		return entry{}, fmt.Errorf("%s: %w", dir, err)
	}
	for name, size := range e.manifest.Sizes {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			return entry{}, err
		}
		if st.Size() != size {
			return entry{}, fmt.Errorf("%s: %s has %d bytes instead of %d", dir, name, st.Size(), size)
		}
	}
	return e, nil
}

const lockPoll = 100 * time.Millisecond

// lock waits until no other process fetches into this cache.
func (c *cache) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(c.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	told := false
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, fmt.Errorf("lock %s: %w", f.Name(), err)
		}
		if !told {
			c.opts.progress("waiting for another process that is fetching into %s", c.dir)
			told = true
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

// removeUnfinished clears what a killed process left; the caller has the lock.
func removeUnfinished(parent string) error {
	names, err := os.ReadDir(parent)
	if err != nil {
		return err
	}
	for _, n := range names {
		if strings.HasPrefix(n.Name(), newPrefix) {
			if err := os.RemoveAll(filepath.Join(parent, n.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// replaceLink points a symbolic link elsewhere in one step.
func replaceLink(link, target string) error {
	tmp := filepath.Join(filepath.Dir(link), newPrefix+"link")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, tmp); err != nil {
		return err
	}
	if err := os.Rename(tmp, link); err != nil {
		return err
	}
	return syncDir(filepath.Dir(link))
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// syncFileSystem is cheaper than syncing ten thousand headers one by one.
func syncFileSystem(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		return fmt.Errorf("sync %s: %w", dir, err)
	}
	return nil
}
