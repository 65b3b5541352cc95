// SPDX-License-Identifier: MIT

package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"kprof-bench/results"
)

// Meta says of what a run is.
type Meta struct {
	// Time is when it was measured, or the commit's for a replay.
	Time time.Time
	// Commit is what was measured, and CommitTime and Subject are the commit's;
	// none need be known.
	Commit     string
	CommitTime time.Time
	Subject    string
}

// Append adds a run to the history in dir, which is made if it is not there, and
// returns the path of the file. Files of the same environment are samples of one.
//
// The file is written whole or not at all, and replaces none: a run of that time
// and commit may be there but once.
func Append(dir string, files []*results.File, m Meta) (string, error) {
	if m.Time.IsZero() {
		return "", errors.New("add to history: the time of the run is not given")
	}
	text, err := results.Format(m.label(merged(files)))
	if err != nil {
		return "", fmt.Errorf("add to history: %w", err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("add to history: %w", err)
	}
	path := filepath.Join(dir, m.fileName())
	err = results.CreateFile(path, text)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("add to history: %s is there already, of the same time and commit", path)
	}
	if err != nil {
		return "", fmt.Errorf("add to history: %w", err)
	}
	return path, nil
}

// fileName sorts by time.
func (m Meta) fileName() string {
	name := m.Time.UTC().Format("20060102T150405Z")
	if m.Commit != "" {
		name += "-" + Short(m.Commit)
	}
	return name + ".txt"
}

// Short is a commit as people read it.
func Short(commit string) string {
	hash, mark, _ := strings.Cut(commit, "-")
	if mark != "" {
		mark = "-" + mark
	}
	return hash[:min(12, len(hash))] + mark
}

// label puts what is known of the run in front of the environments.
func (m Meta) label(files []*results.File) []*results.File {
	rows := 0
	for _, f := range files {
		rows += len(f.Rows)
	}
	keys := []results.Config{{Key: dateKey, Value: m.Time.UTC().Format(time.RFC3339)}}
	add := func(key, value string) {
		if value != "" {
			keys = append(keys, results.Config{Key: key, Value: value})
		}
	}
	add(commitKey, m.Commit)
	if !m.CommitTime.IsZero() {
		add(commitTimeKey, m.CommitTime.UTC().Format(time.RFC3339))
	}
	add(subjectKey, oneLine(m.Subject))
	add(rowsKey, strconv.Itoa(rows))
	var all []*results.File
	used := func(u results.Unit) bool {
		return slices.ContainsFunc(files, func(f *results.File) bool {
			return slices.ContainsFunc(f.Rows, func(r results.Row) bool { _, ok := r.Value(u.Name); return ok })
		})
	}
	for _, f := range files {
		g := *f
		g.Units = slices.DeleteFunc(slices.Clone(f.Units), func(u results.Unit) bool { return !used(u) })
		g.Env = slices.Clone(keys)
		for _, c := range f.Env {
			if !slices.ContainsFunc(keys, func(k results.Config) bool { return k.Key == c.Key }) {
				g.Env = append(g.Env, c)
			}
		}
		all = append(all, &g)
	}
	return all
}

func oneLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?")))
}

// merged puts the rows of each environment together.
func merged(files []*results.File) []*results.File {
	var all []*results.File
next:
	for _, f := range files {
		for _, known := range all {
			if slices.Equal(known.Env, f.Env) {
				known.Rows = append(known.Rows, f.Rows...)
				continue next
			}
		}
		g := *f
		g.Rows = slices.Clone(f.Rows)
		all = append(all, &g)
	}
	return all
}
