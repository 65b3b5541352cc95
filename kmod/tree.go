// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tree is a directory in which one module is built for one kernel again and
// again, so that only what has changed is compiled. It holds
//
//	lock   held by the process that builds
//	whole  there when a build has ended; it has the boot it was in
//	src/   the sources and what make has made of them
//	out/   the module that is being built
//
// Between two builds the only products in src are objects about which the
// compiler and the checker had nothing to say, so that a build prints all that
// is to be said about the module. Whether an object is still good is told by
// what its sources contain and not by the time of any file, which a clock that
// is set back would spoil.
type tree struct{ dir string }

func (t tree) src() string   { return filepath.Join(t.dir, "src") }
func (t tree) whole() string { return filepath.Join(t.dir, "whole") }

const lockPoll = 20 * time.Millisecond

// lock waits until no other process builds in the tree, which need not exist.
func (t tree) lock(ctx context.Context) (unlock func(), err error) {
	if err := os.MkdirAll(t.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(t.dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, &fs.PathError{Op: "lock", Path: f.Name(), Err: err}
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, context.Cause(ctx)
		case <-time.After(lockPoll):
		}
	}
}

// build calls compile with src holding the sources, and keeps of what that made
// the objects that it said nothing about. The caller has the lock.
func (t tree) build(ctx context.Context, sources fs.FS, compile func(src string) (output []byte, err error)) ([]byte, error) {
	want, err := readAll(sources)
	if err != nil {
		return nil, err
	}
	if !t.isWhole() || !t.sameFiles(want) {
		if err := os.RemoveAll(t.src()); err != nil {
			return nil, err
		}
	}
	if err := os.Remove(t.whole()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	changed, err := t.write(want)
	if err != nil {
		return nil, err
	}
	good, err := t.retain(want, func(name string) bool { return !t.dependsOn(name, changed) })
	if err != nil {
		return nil, err
	}
	out, err := compile(t.src())
	if ctx.Err() != nil {
		return out, errors.Join(ctx.Err(), err) // what was cut off may be half there
	}
	silent := err == nil && len(diagnostics(out)) == 0
	if _, err := t.retain(want, func(name string) bool { return silent || good[name] }); err != nil {
		return out, err
	}
	return out, errors.Join(err, os.WriteFile(t.whole(), bootID(), 0o644))
}

// isWhole reports whether the last build has ended, and since the machine was
// started: what was not on the disk when it stopped is not there now.
func (t tree) isWhole() bool {
	boot, err := os.ReadFile(t.whole())
	return err == nil && len(boot) > 0 && bytes.Equal(boot, bootID())
}

func bootID() []byte {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return id
}

// sameFiles reports whether the sources that were built last have the same names
// and the same list of objects. Others are built from the beginning.
func (t tree) sameFiles(want map[string][]byte) bool {
	for name := range want {
		if _, err := os.Stat(filepath.Join(t.src(), name)); err != nil {
			return false
		}
	}
	entries, err := os.ReadDir(t.src())
	for _, e := range entries {
		if want[e.Name()] == nil && isSource(e.Name()) {
			return false
		}
	}
	list, _ := os.ReadFile(filepath.Join(t.src(), "Kbuild"))
	return err == nil && bytes.Equal(list, want["Kbuild"])
}

// isSource reports whether a file is none that make makes.
func isSource(name string) bool {
	return slices.Contains([]string{".c", ".h", ".S"}, filepath.Ext(name)) && !strings.HasSuffix(name, ".mod.c")
}

// write makes the sources in the tree those, and returns which were not.
func (t tree) write(want map[string][]byte) (changed map[string]bool, err error) {
	if err := os.MkdirAll(t.src(), 0o755); err != nil {
		return nil, err
	}
	changed = map[string]bool{}
	for name, text := range want {
		path := filepath.Join(t.src(), name)
		if old, err := os.ReadFile(path); err == nil && bytes.Equal(old, text) {
			continue
		}
		changed[name] = true
		if err := os.WriteFile(path, text, 0o644); err != nil {
			return nil, err
		}
	}
	return changed, nil
}

// retain removes all but the sources and those objects that are to be kept, and
// returns these.
func (t tree) retain(sources map[string][]byte, keep func(object string) bool) (map[string]bool, error) {
	entries, err := os.ReadDir(t.src())
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, e := range entries {
		name := e.Name()
		switch {
		case sources[name] != nil:
		case isObject(name, sources) && keep(name):
			kept[name] = true
		default:
			if err := os.RemoveAll(filepath.Join(t.src(), name)); err != nil {
				return nil, err
			}
		}
	}
	return kept, nil
}

// isObject reports whether a file is compiled from one of the sources, or is
// what make notes of how it was.
func isObject(name string, sources map[string][]byte) bool {
	stem, ok := strings.CutSuffix(objectOf(name), ".o")
	return ok && (sources[stem+".c"] != nil || sources[stem+".S"] != nil)
}

// objectOf is the object that make notes something of in such a file, or that
// is the file itself.
func objectOf(name string) string {
	if object, ok := strings.CutSuffix(name, ".cmd"); ok {
		return strings.TrimPrefix(object, ".")
	}
	return name
}

// dependsOn reports whether one of the changed files is among those that an
// object was made from, or that cannot be told.
func (t tree) dependsOn(name string, changed map[string]bool) bool {
	if len(changed) == 0 {
		return false
	}
	notes, err := os.ReadFile(filepath.Join(t.src(), "."+objectOf(name)+".cmd"))
	if err != nil {
		return true
	}
	return slices.ContainsFunc(strings.Fields(string(notes)), func(word string) bool {
		return changed[filepath.Base(word)]
	})
}

// readAll returns the files of a module, which lie in one directory.
func readAll(sources fs.FS) (map[string][]byte, error) {
	entries, err := fs.ReadDir(sources, ".")
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		text, err := fs.ReadFile(sources, e.Name())
		if err != nil {
			return nil, err
		}
		all[e.Name()] = append([]byte{}, text...) // not nil
	}
	return all, nil
}

// diagnostic is a line in which the compiler, the assembler, the linker, sparse,
// objtool or modpost complains. What the kernel's makefiles say of the machine
// begins with "warning".
var diagnostic = regexp.MustCompile(`(?m)^.+: (?i:warning|(?:fatal )?error): .*$|^(?:WARNING|ERROR): .*$`)

func diagnostics(output []byte) []string {
	lines := map[string]bool{}
	for _, line := range diagnostic.FindAll(output, -1) {
		lines[string(line)] = true
	}
	return slices.Sorted(maps.Keys(lines))
}
