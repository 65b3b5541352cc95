// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// commitInfo is what people want to know of a commit.
type commitInfo struct {
	hash    string
	time    time.Time
	subject string
}

func (c commitInfo) String() string { return short(c.hash) + " " + c.subject }

func infoOf(ctx context.Context, commit string) (commitInfo, error) {
	out, err := gitAtTop(ctx, "show", "-s", "--format=%H%x00%cI%x00%s", commit)
	if err != nil {
		return commitInfo{}, err
	}
	parts := strings.SplitN(strings.TrimSpace(string(out)), "\x00", 3)
	if len(parts) != 3 {
		return commitInfo{}, fmt.Errorf("git show %s: %q", commit, out)
	}
	c := commitInfo{hash: parts[0], subject: parts[2]}
	c.time, err = time.Parse(time.RFC3339, parts[1])
	return c, err
}

// revList returns the commits that git rev-list finds, the oldest first.
func revList(ctx context.Context, args ...string) ([]string, error) {
	out, err := gitAtTop(ctx, append([]string{"rev-list", "--reverse", "--topo-order"}, args...)...)
	return strings.Fields(string(out)), err
}

// orderedTimes are the times of all commits up to one, each later than those before
// it: commits of one moment, as a rebase makes them, have an order too.
func orderedTimes(ctx context.Context, last string) (map[string]time.Time, error) {
	out, err := gitAtTop(ctx, "log", "--reverse", "--topo-order", "--format=%H %ct", last)
	if err != nil {
		return nil, err
	}
	all := map[string]time.Time{}
	var before int64
	for line := range strings.Lines(string(out)) {
		hash, seconds, _ := strings.Cut(strings.TrimSpace(line), " ")
		at, err := strconv.ParseInt(seconds, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("git log: %w", err)
		}
		before = max(at, before+1)
		all[hash] = time.Unix(before, 0).UTC()
	}
	return all, nil
}

// uncommitted are the files below a directory that are not as they are in the last
// commit.
func uncommitted(ctx context.Context, dir string) ([]string, error) {
	out, err := gitAtTop(ctx, "status", "--porcelain", "--", dir)
	var names []string
	for line := range strings.Lines(string(out)) {
		names = append(names, strings.TrimSpace(line[2:]))
	}
	return names, err
}
