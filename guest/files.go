// SPDX-License-Identifier: MIT

package guest

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// beginning is how a machine comes up.
type beginning int

const (
	boot       beginning = iota // with its payload
	bootToSave                  // until the agent stops it
	resume                      // from a snapshot, with its payload
)

// firstFile is the first descriptor of those that QEMU inherits.
const firstFile = 3

// portFiles are what a guest begins with and what it writes on its ports: memory
// files, reached by QEMU through the descriptors it inherits. They have no
// name, so no way of dying leaves one behind.
type portFiles struct {
	ports            ports
	files            []*os.File // that QEMU inherits, in this order
	console, results *os.File
	monitor          *qmp
	far              *os.File // QEMU's end of the monitor
	library          string   // that QEMU is to load, as it sees it, or nothing
	trace            *os.File // what QEMU writes of a guest that is traced, or nil
	tracePath        string
}

func openPortFiles(ctx context.Context, cfg Config, how beginning) (f *portFiles, err error) {
	f = &portFiles{}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	initrd, err := f.add("initrd", &f.ports.initrd)
	if err != nil {
		return nil, err
	}
	if err := writeInitramfs(initrd); err != nil {
		return nil, err
	}
	if f.console, err = f.add("console", &f.ports.console); err != nil {
		return nil, err
	}
	if f.results, err = f.add("results", &f.ports.results); err != nil {
		return nil, err
	}
	if err := f.addPayload(cfg, how); err != nil {
		return nil, err
	}
	if cfg.Clock == ICount {
		if err := f.addLibrary(); err != nil {
			return nil, err
		}
	}
	if how != boot {
		err = f.addMonitor(ctx, cfg, how)
	}
	return f, err
}

func (f *portFiles) addLibrary() error {
	file, err := f.add("library", &f.library)
	if err != nil {
		return err
	}
	_, err = file.Write(timeLibrary())
	return err
}

// addPayload adds the payload, or what nobody reads in its place: one entry
// more in the directory would move all that follows in time.
func (f *portFiles) addPayload(cfg Config, how beginning) error {
	file, err := f.add("payload", &f.ports.payload)
	if err != nil {
		return err
	}
	if how == bootToSave {
		_, err := file.Write([]byte{0})
		return err
	}
	return writePayload(file, cfg)
}

func (f *portFiles) addMonitor(ctx context.Context, cfg Config, how beginning) (err error) {
	limit := resumeLimit
	if how == bootToSave {
		limit = cfg.BootLimit
	}
	if f.monitor, f.far, err = newQMP(ctx, limit); err != nil {
		return err
	}
	f.inherit(f.far, &f.ports.monitor)
	return nil
}

// add makes a memory file and says by which path QEMU reaches it.
func (f *portFiles) add(name string, path *string) (*os.File, error) {
	file, err := memFile(name)
	if err != nil {
		return nil, err
	}
	var fd int
	f.inherit(file, &fd)
	*path = fmt.Sprintf("/proc/self/fd/%d", fd)
	return file, nil
}

// inherit passes a file on to QEMU and says by which descriptor.
func (f *portFiles) inherit(file *os.File, fd *int) {
	*fd = firstFile + len(f.files)
	f.files = append(f.files, file)
}

// closeFar closes our copy of QEMU's end of the monitor, once QEMU has its own,
// so that the connection ends with QEMU.
func (f *portFiles) closeFar() { f.far.Close() }

func (f *portFiles) close() {
	for _, file := range f.files {
		file.Close()
	}
	if f.monitor != nil {
		f.monitor.close()
	}
}

// memFile returns a file that has no name and vanishes with its last user.
func memFile(name string) (*os.File, error) {
	fd, err := unix.MemfdCreate("kprof-guest-"+name, unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create memory file: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}
