// SPDX-License-Identifier: MIT

package results

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Write writes the file. Nothing is written if anything in it cannot be: the
// error names the row and what is wrong, and is [ErrEmpty] for no rows.
//
// This is not benchfmt's Writer, which prints 22300000 as 2.23e+07 and splits
// what is said about a unit into two lines.
func Write(w io.Writer, f *File) error { return WriteAll(w, []*File{f}) }

// WriteAll writes files of different environments as one text, each with its
// whole environment in front. They must say the same about units.
func WriteAll(w io.Writer, files []*File) error {
	text, err := textOf(files)
	if err != nil {
		return err
	}
	_, err = w.Write(text)
	return err
}

func textOf(files []*File) ([]byte, error) {
	if err := checkAll(files); err != nil {
		return nil, fmt.Errorf("write results: %w", err)
	}
	var b bytes.Buffer
	var before []Config
	for i, f := range files {
		writeEnv(&b, before, f.Env)
		before = f.Env
		if i == 0 {
			writeUnits(&b, f.Units)
		}
		for _, r := range f.Rows {
			b.WriteString(r.line() + "\n")
		}
	}
	return b.Bytes(), nil
}

// writeEnv writes an environment behind another. What is set holds for all that
// follows, and a key without a value ends that.
func writeEnv(b *bytes.Buffer, before, env []Config) {
	if !slices.Equal(keys(before), keys(env)) {
		for _, c := range before {
			fmt.Fprintf(b, "%s:\n", c.Key)
		}
	}
	for _, c := range env {
		fmt.Fprintf(b, "%s: %s\n", c.Key, c.Value)
	}
}

func keys(env []Config) []string {
	var all []string
	for _, c := range env {
		all = append(all, c.Key)
	}
	return all
}

func writeUnits(b *bytes.Buffer, units []Unit) {
	for _, u := range units {
		b.WriteString("Unit " + u.Name)
		if u.Better != "" {
			b.WriteString(" better=" + u.Better)
		}
		if u.Exact {
			b.WriteString(" assume=exact")
		}
		if u.Noisy {
			b.WriteString(" assume=nothing")
		}
		if u.Slack != "" {
			b.WriteString(" slack=" + string(u.Slack))
		}
		b.WriteByte('\n')
	}
}

func (r Row) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Benchmark%s  %d", r.FullName(), r.Iters)
	for _, v := range r.Values {
		fmt.Fprintf(&b, "  %s %s", number(v.V), v.Unit)
	}
	return b.String()
}

// number is the shortest text that reads as v again. Only numbers nobody would
// write out have an exponent.
func number(v float64) string {
	if a := math.Abs(v); a != 0 && (a < 1e-9 || a >= 1e21) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// WriteFile writes the file as [ReplaceFile] does.
func WriteFile(path string, f *File) error { return WriteAllFile(path, []*File{f}) }

// WriteAllFile writes what [WriteAll] does as [ReplaceFile] does.
func WriteAllFile(path string, files []*File) error {
	text, err := textOf(files)
	if err != nil {
		return err
	}
	if err := ReplaceFile(path, text); err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return nil
}

// ReplaceFile writes a file whole or not at all: on an error what was at path
// is still there. The permissions of a file that is replaced are kept. Path
// must name a regular file or nothing; a directory, a symbolic link or a
// device is refused.
func ReplaceFile(path string, text []byte) (err error) {
	old, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		old = nil
	case err != nil:
		return err
	case !old.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", path)
	}
	tmp, err := createBeside(path)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(tmp.Name()))
		}
	}()
	if err := fill(tmp, text, old); err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	// The file is in place. That its name reaches the disk soon is all a
	// failure here could spoil.
	syncDir(filepath.Dir(path))
	return nil
}

// CreateFile writes a file that is not there yet, whole or not at all. It is an
// error, [fs.ErrExist], if there is anything at path.
func CreateFile(path string, text []byte) (err error) {
	tmp, err := createBeside(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.Remove(tmp.Name())) }()
	if err := fill(tmp, text, nil); err != nil {
		return err
	}
	if err := os.Link(tmp.Name(), path); err != nil { // a rename would replace what is there
		return err
	}
	syncDir(filepath.Dir(path))
	return nil
}

// Format returns what [WriteAll] writes.
func Format(files []*File) ([]byte, error) { return textOf(files) }

// createBeside makes an empty file with the permissions that the process
// gives to new files; os.CreateTemp would make it private.
func createBeside(path string) (*os.File, error) {
	for try := 0; ; try++ {
		name := fmt.Sprintf("%s.%d-%d.tmp", path, os.Getpid(), try)
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err == nil || !errors.Is(err, fs.ErrExist) || try == 100 {
			return f, err
		}
	}
}

func fill(tmp *os.File, text []byte, old fs.FileInfo) error {
	_, err := tmp.Write(text)
	if err == nil && old != nil {
		err = tmp.Chmod(old.Mode().Perm())
	}
	if err == nil {
		err = tmp.Sync()
	}
	return errors.Join(err, tmp.Close())
}

func syncDir(name string) {
	if d, err := os.Open(name); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
