// SPDX-License-Identifier: MIT

// Package night keeps what one night measured, kernel by kernel, until it is put
// into the history: a file of results for each kernel, or why there is none. The
// kernels may be measured on different machines, whose directories are put together
// by copying. What one of them fails at takes nothing from the others.
package night

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"kprof-bench/results"
)

const (
	resultsEnd = ".txt"
	failureEnd = ".failed"
)

// Failure is why a kernel has no results.
type Failure struct {
	Kernel string
	// Code is the exit code that the run had.
	Code int
	Why  string // in one line
}

// Begin prepares the directory for kernels that are about to be measured: what is
// there of them is of another night. Until they are kept each has failed, so that
// one whose machine goes down is not overlooked.
func Begin(dir string, kernels []string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, kernel := range kernels {
		if err := Fail(dir, Failure{kernel, 1, "it was begun and did not end"}); err != nil {
			return err
		}
	}
	return nil
}

// Keep keeps the results of a kernel.
func Keep(dir, kernel string, f *results.File) error {
	if err := results.WriteFile(filepath.Join(dir, kernel+resultsEnd), f); err != nil {
		return err
	}
	return remove(filepath.Join(dir, kernel+failureEnd))
}

// Fail keeps why a kernel has no results.
func Fail(dir string, f Failure) error {
	text := fmt.Sprintf("%d %s\n", f.Code, strings.Join(strings.Fields(f.Why), " "))
	if err := results.ReplaceFile(filepath.Join(dir, f.Kernel+failureEnd), []byte(text)); err != nil {
		return err
	}
	return remove(filepath.Join(dir, f.Kernel+resultsEnd))
}

func remove(path string) error {
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Read returns what is there of the kernels, in their order: the results that are
// whole, and the failures of all others.
func Read(dir string, kernels []string) ([]*results.File, []Failure, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, nil, err
	}
	if !info.IsDir() {
		return nil, nil, fmt.Errorf("%s is not a directory", dir)
	}
	var files []*results.File
	var failed []Failure
	for _, kernel := range kernels {
		f, err := results.ReadFile(filepath.Join(dir, kernel+resultsEnd))
		if err != nil {
			failed = append(failed, failureOf(dir, kernel, err))
			continue
		}
		files = append(files, f)
	}
	return files, failed, nil
}

// failureOf is why there are no results that can be read.
func failureOf(dir, kernel string, unread error) Failure {
	if !errors.Is(unread, fs.ErrNotExist) {
		return Failure{kernel, 2, unread.Error()}
	}
	text, err := os.ReadFile(filepath.Join(dir, kernel+failureEnd))
	if err != nil {
		return Failure{kernel, 2, "it was not measured"}
	}
	code, why, _ := strings.Cut(strings.TrimSpace(string(text)), " ")
	n, err := strconv.Atoi(code)
	if err != nil || why == "" {
		return Failure{kernel, 2, "why is not to be read in " + kernel + failureEnd}
	}
	return Failure{kernel, n, why}
}
