// SPDX-License-Identifier: MIT

package kmod

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pmorjan/kmod"
	"golang.org/x/sys/unix"
)

// ErrLoaded is returned by [Load] when a module of that name is in the kernel
// already. It is left alone.
var ErrLoaded = errors.New("the module is loaded already; unload it first")

// ErrInUse is returned by [Loaded.Unload] when somebody uses the module.
var ErrInUse = kmod.ErrModuleInUse

// LoadError is a load that the kernel refused.
type LoadError struct {
	Module string
	Params string
	// Err is what the kernel answered; it wraps the errno.
	Err error
	// Log is what the module wrote to the kernel log meanwhile.
	Log []string
}

func (e *LoadError) Error() string {
	msg := fmt.Sprintf("load %s.ko with %q: %v", e.Module, e.Params, e.Err)
	if len(e.Log) > 0 {
		msg += ": " + strings.Join(e.Log, "; ")
	}
	return msg
}

// Unwrap returns what the kernel answered.
func (e *LoadError) Unwrap() error { return e.Err }

// Param is a module parameter.
type Param struct{ Name, Value string }

// Loaded is a module in the running kernel.
type Loaded struct {
	Name string
	root string
	kmod *kmod.Kmod
}

// Load loads the module in the file ko into the running kernel and makes sure
// that it has the parameters given. It needs root.
//
// When the kernel refuses, the error is a [*LoadError].
func Load(ko string, params ...Param) (*Loaded, error) {
	name := moduleName(ko)
	if loaded, err := isLoaded(name); err != nil || loaded {
		return nil, errors.Join(err, loadedError(name, loaded))
	}
	l, err := newLoaded(name, ko)
	if err != nil {
		return nil, fmt.Errorf("load %s.ko: %w", name, err)
	}
	if err := l.load(params); err != nil {
		os.RemoveAll(l.root)
		return nil, err
	}
	return l, nil
}

func loadedError(name string, loaded bool) error {
	if !loaded {
		return nil
	}
	return fmt.Errorf("load %s.ko: %w", name, ErrLoaded)
}

// newLoaded makes the tree that github.com/pmorjan/kmod wants to find a module
// in: DIR/RELEASE/modules.dep, which names the file.
func newLoaded(name, ko string) (*Loaded, error) {
	ko, err := filepath.Abs(ko)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(ko); err != nil {
		return nil, err
	}
	root, err := os.MkdirTemp("", "kprof-modules-*")
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(root, RunningRelease())
	err = errors.Join(
		os.Mkdir(dir, 0o700),
		os.Symlink(ko, filepath.Join(dir, name+".ko")),
		os.WriteFile(filepath.Join(dir, "modules.dep"), []byte(name+".ko:\n"), 0o600))
	if err != nil {
		os.RemoveAll(root)
		return nil, err
	}
	k, err := kmod.New(kmod.SetRootDir(root), kmod.SetConfigFile(""),
		kmod.SetIgnoreAlias(), kmod.SetIgnoreBuiltin())
	if err != nil {
		os.RemoveAll(root)
		return nil, err
	}
	return &Loaded{Name: name, root: root, kmod: k}, nil
}

func (l *Loaded) load(params []Param) error {
	text := paramText(params)
	log := openLog()
	defer log.close()
	if err := l.kmod.Load(l.Name, text, 0); err != nil {
		return &LoadError{Module: l.Name, Params: text, Err: err, Log: log.lines(l.Name)}
	}
	if err := l.checkParams(params); err != nil {
		return errors.Join(fmt.Errorf("load %s.ko: %w", l.Name, err), l.kmod.Unload(l.Name))
	}
	return nil
}

// checkParams reads the parameters back. The package takes "there is such a
// module already" for success; that the parameters are ours shows that the
// module is.
func (l *Loaded) checkParams(params []Param) error {
	for _, p := range params {
		got, err := readTrimmed(filepath.Join("/sys/module", l.Name, "parameters", p.Name))
		if err != nil {
			return fmt.Errorf("read back its parameter: %w", err)
		}
		if !isParam(got, p.Value) {
			return fmt.Errorf("parameter %s is %q after loading with %q", p.Name, got, p.Value)
		}
	}
	return nil
}

// isParam tells whether a parameter that was set reads as it should: sysfs
// cuts what does not fit into a page, with the zero byte behind it.
func isParam(got, set string) bool {
	const most = 4095
	return got == set || len(got) == most && strings.HasPrefix(set, got)
}

// Unload removes the module from the kernel. The error wraps [ErrInUse] when
// somebody uses it.
func (l *Loaded) Unload() error {
	if err := l.kmod.Unload(l.Name); err != nil {
		return fmt.Errorf("unload %s: %w", l.Name, err)
	}
	if loaded, err := isLoaded(l.Name); err != nil || loaded {
		return errors.Join(err, fmt.Errorf("unload %s: it is still there", l.Name))
	}
	return os.RemoveAll(l.root)
}

func paramText(params []Param) string {
	var words []string
	for _, p := range params {
		value := p.Value
		if strings.ContainsAny(value, " \t\n") {
			value = `"` + value + `"` // as the kernel's own parser wants it
		}
		words = append(words, p.Name+"="+value)
	}
	return strings.Join(words, " ")
}

func moduleName(ko string) string {
	name := strings.TrimSuffix(filepath.Base(ko), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}

func isLoaded(name string) (bool, error) {
	_, err := os.Stat(filepath.Join("/sys/module", name, "initstate"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// RunningRelease is the release of the running kernel, as uname -r prints it.
func RunningRelease() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown" // cannot fail with a valid pointer
	}
	return unix.ByteSliceToString(u.Release[:])
}

// RunningVersion tells apart running kernels of one release, as uname -v does.
func RunningVersion() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown" // cannot fail with a valid pointer
	}
	return unix.ByteSliceToString(u.Version[:])
}

func readTrimmed(path string) (string, error) {
	b, err := os.ReadFile(path)
	return strings.TrimSpace(string(b)), err
}

// kernelLog reads what is written to the kernel log from now on.
type kernelLog struct{ fd int }

// openLog never fails: an error message without the log is better than none.
func openLog() kernelLog {
	fd, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return kernelLog{-1}
	}
	if _, err := unix.Seek(fd, 0, unix.SEEK_END); err != nil {
		unix.Close(fd)
		return kernelLog{-1}
	}
	return kernelLog{fd}
}

func (l kernelLog) close() {
	if l.fd >= 0 {
		unix.Close(l.fd)
	}
}

// lines returns the messages that begin with "name: ", each once.
func (l kernelLog) lines(name string) []string {
	var lines []string
	if l.fd < 0 {
		return nil
	}
	buf := make([]byte, 8192) // one record for each read
	for {
		n, err := unix.Read(l.fd, buf)
		if errors.Is(err, unix.EPIPE) {
			continue // records were overwritten; go on with what is left
		}
		if err != nil || n <= 0 {
			return lines
		}
		text := kmsgText(string(buf[:n]))
		if msg, ok := strings.CutPrefix(text, name+": "); ok && !slices.Contains(lines, msg) {
			lines = append(lines, msg)
		}
	}
}

// kmsgText takes the message from a record of /dev/kmsg, whose form is
// "priority,sequence,time,flags;message\n", followed by lines of properties
// (Documentation/ABI/testing/dev-kmsg).
func kmsgText(record string) string {
	_, text, _ := strings.Cut(record, ";")
	text, _, _ = strings.Cut(text, "\n")
	return text
}
