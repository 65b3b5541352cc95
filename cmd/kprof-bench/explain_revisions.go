// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"kprof-bench/bench"
	"kprof-bench/explain"
)

// revisions tells where two revisions differ.
func (f *explainFlags) revisions(ctx context.Context, names [2]string, o bench.Options, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "kprof-bench-revisions-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	p := newProgress(stderr)
	defer p.clear()
	var hosts [2]bench.Host
	for i, name := range names {
		if hosts[i], err = f.revisionHost(ctx, name, filepath.Join(dir, fmt.Sprint(i)), p.of(name), stderr); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	all, err := explainBetween(ctx, hosts, names, o)
	p.clear()
	if err != nil {
		return explainError(err)
	}
	return printDifferences(&f.explainOutput, all, stdout, stderr)
}

// revisionHost has the modules' sources of a revision, which it writes into a
// directory.
func (f *hostFlags) revisionHost(ctx context.Context, name, dir string, say func(string), stderr io.Writer) (bench.Host, error) {
	commit, err := commitOf(ctx, name)
	if err != nil {
		return bench.Host{}, errors.New("there is no revision of that name in git")
	}
	h, err := f.guestHost(say, stderr)
	if err != nil {
		return h, err
	}
	if h.Profiler, err = sourcesAt(ctx, commit, profilerDir, dir); err != nil {
		return h, err
	}
	h.Testbed, err = sourcesAt(ctx, commit, testbedDir, dir)
	return h, err
}

// explainBetween explains the revisions that two hosts have, at the same time, and puts
// what belongs together next to each other.
func explainBetween(ctx context.Context, hosts [2]bench.Host, names [2]string, o bench.Options) ([]*explain.Between, error) {
	var found [2]*bench.Explained
	var errs [2]error
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() {
			if found[i], errs[i] = h.Explain(ctx, o); errs[i] != nil {
				errs[i] = fmt.Errorf("%s: %w", names[i], errs[i])
			}
		})
	}
	wg.Wait()
	if err := cmp.Or(errs[0], errs[1]); err != nil {
		return nil, err
	}
	old := map[string]*explain.Explanation{}
	for _, e := range found[0].Explanations {
		old[e.Name()] = e
	}
	var all []*explain.Between
	for _, e := range found[1].Explanations {
		if before := old[e.Name()]; before != nil {
			all = append(all, &explain.Between{Old: before, New: e, OldName: names[0], NewName: names[1]})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("the revisions have no backend in common")
	}
	return all, nil
}
