// SPDX-License-Identifier: MIT

package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// dirIs checks every name in dir, and so that no temporary file is left.
func dirIs(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			b = []byte("unreadable")
		}
		got[e.Name()] = string(b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestWriteFileMakesAFile(t *testing.T) {
	old := syscall.Umask(0o027)
	defer syscall.Umask(old)
	dir := t.TempDir()
	path := filepath.Join(dir, "new.txt")
	if err := WriteFile(path, goldenFile()); err != nil {
		t.Fatal(err)
	}
	dirIs(t, dir, map[string]string{"new.txt": golden})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v, want permissions 0640", info.Mode(), err)
	}
	got, err := ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goldenFile(), got); diff != "" {
		t.Errorf("(-written +read):\n%s", diff)
	}
}

// Somebody who has the old file open goes on reading the old file: it is
// replaced, not written over.
func TestWriteFileReplaces(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "old.txt")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o604); err != nil {
		t.Fatal(err)
	}
	open, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := WriteFile(path, goldenFile()); err != nil {
		t.Fatal(err)
	}
	dirIs(t, dir, map[string]string{"old.txt": golden})
	b := make([]byte, 10)
	if n, _ := open.Read(b); string(b[:n]) != "old" {
		t.Errorf("the open file now reads %q", b[:n])
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o604 {
		t.Errorf("%v, %v, want permissions 0604", info.Mode(), err)
	}
}

func TestWriteFileLeavesWhatWasThere(t *testing.T) {
	bad := goldenFile()
	bad.Rows[1].Iters = 0
	tests := map[string]struct {
		prepare func(t *testing.T, path string)
		file    *File
		says    string
		want    map[string]string
	}{
		"a row that cannot be written": {
			func(t *testing.T, path string) { must(t, os.WriteFile(path, []byte("old"), 0o600)) },
			bad, "0 iterations", map[string]string{"f": "old"},
		},
		"a directory": {
			func(t *testing.T, path string) { must(t, os.Mkdir(path, 0o700)) },
			goldenFile(), "not a regular file", map[string]string{"f": "unreadable"},
		},
		"a symbolic link": {
			func(t *testing.T, path string) {
				must(t, os.WriteFile(path+".real", []byte("old"), 0o600))
				must(t, os.Symlink(path+".real", path))
			},
			goldenFile(), "not a regular file", map[string]string{"f": "old", "f.real": "old"},
		},
		"no name is free for the new file": {
			func(t *testing.T, path string) {
				must(t, os.WriteFile(path, []byte("old"), 0o600))
				for i := range 101 {
					must(t, os.WriteFile(tempName(path, i), nil, 0o600))
				}
			},
			goldenFile(), "file exists", nil,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "f")
			test.prepare(t, path)
			err := WriteFile(path, test.file)
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %v, want one that says %q", err, test.says)
			}
			if test.want != nil {
				dirIs(t, dir, test.want)
			} else if b, _ := os.ReadFile(path); string(b) != "old" {
				t.Errorf("the old file now reads %q", b)
			}
		})
	}
	if err := WriteFile(t.TempDir()+"/none/f", goldenFile()); !os.IsNotExist(unwrap(err)) {
		t.Errorf("error %v for a directory that does not exist", err)
	}
}

// A disk that is full is played by a limit on the size of files, in a process
// of its own since the limit holds for all of it.
func TestWriteFileOnAFullDisk(t *testing.T) {
	const env = "RESULTS_FULL_DISK"
	if path := os.Getenv(env); path != "" {
		var was syscall.Rlimit
		must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was))
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 100, Max: was.Max}))
		err := WriteFile(path, goldenFile())
		must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was))
		fmt.Println("error:", err)
		return
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "f")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	cmd := exec.Command(os.Args[0], "-test.run=^TestWriteFileOnAFullDisk$")
	cmd.Env = append(os.Environ(), env+"="+path)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "error: write results: write "+path) ||
		!strings.Contains(string(out), "file too large") {
		t.Errorf("%v: %s, want an error that says the file is too large", err, out)
	}
	dirIs(t, dir, map[string]string{"f": "old"})
}

func tempName(path string, try int) string {
	return fmt.Sprintf("%s.%d-%d.tmp", path, os.Getpid(), try)
}

func unwrap(err error) error {
	for {
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return err
		}
		err = u.Unwrap()
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A file that is created replaces none, and leaves nothing else behind.
func TestCreateFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.txt")
	if err := CreateFile(path, []byte("first\n")); err != nil {
		t.Fatal(err)
	}
	if err := CreateFile(path, []byte("second\n")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second one: %v, want %v", err, fs.ErrExist)
	}
	dirIs(t, filepath.Dir(path), map[string]string{"x.txt": "first\n"})
}
