// SPDX-License-Identifier: MIT

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"kprof-bench/bench"
	"kprof-bench/history"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type replayFlags struct {
	*historyFlags
	revisionFlags
	count   int
	paths   []string
	lacking map[bench.Backend]bool // in the revision before
}

func (f *historyFlags) replayCommand() *cobra.Command {
	r := &replayFlags{historyFlags: f, lacking: map[bench.Backend]bool{}}
	r.suiteTestbed = true
	cmd := &cobra.Command{
		Use:   "replay REVISIONS | --revisions N",
		Short: "Measure old revisions of the module, and add them",
		Long: `Build the module of each revision that changed it, the oldest first, measure it
with the suite and the testbed of today on the exact clock, and add the results to
the history with the time and the subject of the commit. REVISIONS is what git
rev-list understands: main~100..main, or a single name for all up to that.

What is in the history already is not measured again. A revision that cannot be
built or loaded, or whose figures are wrong, is said and left out; of one that lacks
a backend the others are measured.`,
		Example: `  kprof-bench history replay HEAD~50..HEAD
  kprof-bench history replay --revisions 10 --kernel 6.12 --dir results/history-6.12`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 1) == (r.count > 0) || r.count < 0 {
				return errors.New("say which revisions, as a range such as HEAD~10..HEAD or as their number with --revisions")
			}
			return r.run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	r.register(cmd, "", usually{[]bench.Experiment{bench.Overhead, bench.Lengths}, []bench.Backend{bench.Direct, bench.RetHook, bench.KRetProbe}})
	cmd.Flags().IntVar(&r.count, "revisions", 0, "measure the last N of those")
	cmd.Flags().StringSliceVar(&r.paths, "path", []string{profilerDir}, "measure revisions that changed something here")
	return cmd
}

// replay is one in progress.
type replay struct {
	*replayFlags
	o     bench.Options
	known *history.History // nil if there is none
	times map[string]time.Time
	p     *progress
	err   io.Writer
}

func (f *replayFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	r := &replay{replayFlags: f, p: newProgress(stderr), err: stderr}
	defer r.p.clear()
	var err error
	if r.o, err = f.revisionFlags.options(); err != nil {
		return err
	}
	commits, err := f.commits(ctx, args)
	if err != nil {
		return err
	}
	if r.times, err = orderedTimes(ctx, commits[len(commits)-1]); err != nil {
		return err
	}
	if r.known, err = f.open(stderr); err != nil && !history.IsEmpty(err) {
		return err
	}
	added := 0
	for i, commit := range commits {
		c, err := infoOf(ctx, commit)
		if err != nil {
			return err
		}
		path, said, err := r.add(ctx, c)
		if err != nil {
			return err
		}
		if path != "" {
			added++
		}
		fmt.Fprintf(stdout, "%d of %d, %s: %s\n", i+1, len(commits), c, said)
	}
	_, err = fmt.Fprintf(stdout, "%d of %d revisions were added to %s\n", added, len(commits), f.dir)
	return err
}

// add measures a revision and adds it, or says why not. An error is for what keeps
// others from being added too.
func (r *replay) add(ctx context.Context, c commitInfo) (path, said string, err error) {
	if r.known != nil && r.known.Has(c.hash) {
		return "", "is there already", nil
	}
	file, lacking, err := r.measure(ctx, c)
	r.p.clear()
	switch {
	case ctx.Err() != nil:
		return "", "", ctx.Err()
	case err != nil:
		return "", "left out: " + inOneLine(err), nil
	}
	path, err = history.Append(r.dir, []*results.File{file}, history.Meta{
		Time: r.times[c.hash], Commit: c.hash, CommitTime: c.time, Subject: c.subject,
	})
	said = path
	for _, why := range lacking {
		said += "\n  without " + why
	}
	return path, said, err
}

func (f *replayFlags) commits(ctx context.Context, args []string) ([]string, error) {
	list := args
	if f.count > 0 {
		list = []string{"-n", strconv.Itoa(f.count), "HEAD"}
	}
	commits, err := revList(ctx, append(append(list, "--"), f.paths...)...)
	if err == nil && len(commits) == 0 {
		err = fmt.Errorf("no revision among those changed %s", f.paths)
	}
	return commits, err
}

// measure measures a revision by all backends at once or, if that fails, by one
// after the other. Lacking says which could not be, and why.
func (r *replay) measure(ctx context.Context, c commitInfo) (file *results.File, lacking []string, err error) {
	o, say := r.o, r.p.of(short(c.hash))
	var first error
	for groups := r.groups(o.Backends); len(groups) > 0; {
		group := groups[0]
		groups = groups[1:]
		o.Backends = group
		result, err := r.measureOnce(ctx, c.hash, o, say, r.err)
		switch {
		case ctx.Err() != nil:
			return nil, nil, ctx.Err()
		case errors.As(err, new(*notBuilt)):
			return nil, nil, err
		case err != nil && len(group) > 1:
			groups = append(groups, alone(group)...)
		case err != nil:
			first = cmp.Or(first, err)
			lacking = append(lacking, fmt.Sprintf("%s: %s", group[0], inOneLine(err)))
			r.lacking[group[0]] = true
		default:
			file = withRows(file, result.File())
			for _, b := range group {
				delete(r.lacking, b)
			}
		}
	}
	if file == nil {
		return nil, nil, first
	}
	return file, lacking, nil
}

// groups are the backends that are measured together: those that the revision
// before had, and each of the others alone.
func (f *replayFlags) groups(all []bench.Backend) [][]bench.Backend {
	var had, others []bench.Backend
	for _, b := range all {
		if f.lacking[b] {
			others = append(others, b)
		} else {
			had = append(had, b)
		}
	}
	groups := alone(others)
	if len(had) > 0 {
		groups = append([][]bench.Backend{had}, groups...)
	}
	return groups
}

func alone(backends []bench.Backend) [][]bench.Backend {
	var all [][]bench.Backend
	for _, b := range backends {
		all = append(all, []bench.Backend{b})
	}
	return all
}

// withRows adds the rows of another file.
func withRows(file, more *results.File) *results.File {
	if file == nil {
		return more
	}
	file.Rows = append(file.Rows, more.Rows...)
	return file
}
