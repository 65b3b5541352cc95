// SPDX-License-Identifier: MIT

package history

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"kprof-bench/compare"
)

// Keys of a file's configuration that say of what it is.
const (
	dateKey       = "date"
	commitKey     = "commit"
	commitTimeKey = "commit-time"
	subjectKey    = "subject"
	rowsKey       = "rows" // how many there are, to notice that some are lost
)

// ErrEmpty is returned for a directory without runs.
var ErrEmpty = errors.New("no runs")

// ErrDamaged is wrapped by the errors of files that cannot be read whole.
var ErrDamaged = errors.New("damaged")

// History is what a directory has.
type History struct {
	Dir string
	// Runs are in the order of time.
	Runs []*Run
	// Damaged are the errors of the files that were left out.
	Damaged []error

	rows map[*Run][]compare.Row
}

// Options say how a history is read.
type Options struct {
	// SkipDamaged leaves files out that cannot be read, and keeps why.
	SkipDamaged bool
}

// Open reads all files of a directory whose names end in .txt. The error is
// [ErrEmpty] if there is none, and [ErrDamaged], naming file and line, if one of
// them is not whole.
func Open(dir string, o Options) (*History, error) {
	names, err := filepath.Glob(filepath.Join(globEscape(dir), "*.txt"))
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("read history: %w; kprof-bench history add makes it", err)
	}
	h := &History{Dir: dir, rows: map[*Run][]compare.Row{}}
	for _, name := range names {
		run, rows, err := readRun(name)
		switch {
		case err != nil && o.SkipDamaged && errors.Is(err, ErrDamaged):
			h.Damaged = append(h.Damaged, err)
			continue
		case err != nil:
			return nil, fmt.Errorf("read history: %w", err)
		}
		h.Runs, h.rows[run] = append(h.Runs, run), rows
	}
	if len(h.Runs) == 0 {
		return nil, fmt.Errorf("read history: %w in %s; kprof-bench history add adds one", ErrEmpty, dir)
	}
	slices.SortFunc(h.Runs, func(a, b *Run) int { return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.File, b.File)) })
	return h, nil
}

// globEscape makes a pattern of a path that matches it alone.
func globEscape(path string) string {
	var b bytes.Buffer
	for _, c := range path {
		if c == '*' || c == '?' || c == '[' || c == '\\' {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}

func readRun(path string) (*Run, []compare.Row, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	set, err := compare.Read(bytes.NewReader(text), path)
	if err != nil {
		return nil, nil, damaged(err)
	}
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, nil, damaged(fmt.Errorf("%s:%d: the last line has no end, so that the file is cut", path, 1+bytes.Count(text, []byte("\n"))))
	}
	config := set.Config()
	if want := config[rowsKey]; want != "" && want != strconv.Itoa(set.Len()) {
		return nil, nil, damaged(fmt.Errorf("%s:%d: the file has %d of %s rows and ends here", path, bytes.Count(text, []byte("\n")), set.Len(), want))
	}
	run := &Run{File: filepath.Base(path), Commit: config[commitKey], Subject: config[subjectKey]}
	if run.Time, err = time.Parse(time.RFC3339, config[dateKey]); err != nil {
		return nil, nil, damaged(fmt.Errorf("%s:1: there must be a line with the time of the run, such as date: 2026-11-26T01:00:00Z, and it is %q", path, config[dateKey]))
	}
	rows, err := set.Rows()
	if err != nil {
		return nil, nil, damaged(err)
	}
	return run, rows, nil
}

// damagedError is [ErrDamaged] in the words of another error.
type damagedError struct{ error }

func damaged(err error) error               { return damagedError{err} }
func (e damagedError) Is(target error) bool { return target == ErrDamaged }
func (e damagedError) Unwrap() error        { return e.error }

// Has tells whether there is a run of a commit.
func (h *History) Has(commit string) bool {
	return slices.ContainsFunc(h.Runs, func(r *Run) bool { return r.Commit == commit })
}

// IsEmpty tells whether an error of [Open] is that there is nothing yet.
func IsEmpty(err error) bool { return errors.Is(err, ErrEmpty) || errors.Is(err, fs.ErrNotExist) }
