// SPDX-License-Identifier: MIT

package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"kprof-bench/compare"
	"kprof-bench/history"
	reports "kprof-bench/report"
	"kprof-bench/results"

	"github.com/spf13/cobra"
)

type reportFlags struct {
	history       historyFlags
	verdicts      verdictFlags
	run           string
	old           string
	accept        string
	partial       bool
	missing       []string
	out, markdown string
}

func reportCommand() *cobra.Command {
	f := &reportFlags{}
	cmd := &cobra.Command{
		Use:   "report [--history DIR] [--run FILE] [--compare OLD] [--out report.html] [--markdown FILE]",
		Short: "Write a history and a comparison as one HTML file, and as Markdown",
		Long: `Write what a history has as one HTML file: the verdict, what changed and by which
revision, every series run by run, and the environment. The file needs no other and
no network; without scripts it has all but the filter and the large charts. The
summary in Markdown is for a pull request.

With --compare, the file of --run, or the newest run of the history, is compared with
another as kprof-bench compare does, and what differs comes first. A report of --run
and --compare alone has no history.

--missing says what the report should have and has not: it comes first, and without
a regression the verdict is that the report is incomplete.

With --ktap and --junit the newest run is a suite of tests for each kernel: a series
that it makes worse has failed, and what is missing is an error.

The verdict is printed and is no exit code: see kprof-bench compare and kprof-bench
history check. Files that are there are replaced when all is done.`,
		Example: `  kprof-bench report --history results/history --out report.html
  kprof-bench report --run out/latest.txt --compare results/recorded/backends.txt --markdown summary.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.report(cmd.Flags().Changed("history"), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&f.history.dir, "history", defaultHistory, "directory of the history; it need not be there if it is not given")
	cmd.Flags().BoolVar(&f.history.skip, "skip-damaged", false, "leave out files of the history that are damaged, and say which")
	cmd.Flags().StringVar(&f.run, "run", "", "file of results that is shown, and compared (default: the newest run of the history)")
	cmd.Flags().StringVar(&f.old, "compare", "", "file of results that it is compared with")
	cmd.Flags().StringVar(&f.accept, "accept", "", "with --compare, file of changes that are known")
	cmd.Flags().BoolVar(&f.partial, "partial", false, "with --compare, what is compared may lack rows")
	cmd.Flags().StringArrayVar(&f.missing, "missing", nil, "say that this is missing, in a sentence")
	cmd.Flags().StringVarP(&f.out, "out", "o", "report.html", "write the HTML to this file")
	f.verdicts.register(cmd)
	cmd.Flags().StringVar(&f.markdown, "markdown", "", "write the summary to this file")
	return cmd
}

func (f *reportFlags) report(given bool, stdout, stderr io.Writer) error {
	if err := f.check(); err != nil {
		return err
	}
	page := &reports.Page{Missing: f.missing}
	if err := f.addHistory(page, given, stderr); err != nil {
		return err
	}
	if err := f.addRun(page); err != nil {
		return err
	}
	return f.write(page, stdout)
}

func (f *reportFlags) check() error {
	if err := checkWritable("out", f.out); err != nil {
		return err
	}
	if err := f.verdicts.check(f.out); err != nil || f.markdown == "" {
		return err
	}
	if f.markdown == f.out {
		return fmt.Errorf("--out and --markdown are both %s; name two files", f.out)
	}
	return checkWritable("markdown", f.markdown)
}

// addHistory adds the history, which need not be there if nobody named it.
func (f *reportFlags) addHistory(page *reports.Page, given bool, stderr io.Writer) error {
	h, err := f.history.open(stderr)
	switch {
	case err != nil && !given && history.IsEmpty(err):
		if f.run == "" {
			return fmt.Errorf("%w; or name files with --run and --compare", err)
		}
		return nil
	case err != nil:
		return err
	}
	page.Series, page.Check, page.Breaks = h.Series(), h.Check(), h.Breaks()
	for _, damaged := range h.Damaged {
		page.Missing = append(page.Missing, fmt.Sprintf("A run is left out: %v.", damaged))
	}
	f.run = cmp.Or(f.run, filepath.Join(h.Dir, h.Runs[len(h.Runs)-1].File))
	return nil
}

// addRun adds the newest run as it is, and what it is compared with.
func (f *reportFlags) addRun(page *reports.Page) error {
	if err := addFile(page, f.run); err != nil {
		return err
	}
	if f.old == "" {
		if len(page.Series) == 0 {
			return errors.New("--run has one run, and there is no history that it is part of; name another with --compare, or add it with kprof-bench history add")
		}
		return nil
	}
	o := compare.Options{Alpha: compare.DefaultAlpha, Floor: compare.DefaultFloor, Partial: f.partial, Today: time.Now()}
	var err error
	if f.accept != "" {
		if o.Accept, err = compare.ReadAcceptFile(f.accept); err != nil {
			return err
		}
	}
	old, err := compare.ReadFile(f.old)
	if err != nil {
		return err
	}
	next, err := compare.ReadFile(f.run)
	if err != nil {
		return err
	}
	if page.Comparison, err = compare.Compare(old, next, o); err != nil {
		return err
	}
	return addFile(page, f.old)
}

func addFile(page *reports.Page, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	page.Files = append(page.Files, reports.File{Name: name, Text: string(text)})
	return nil
}

func (f *reportFlags) write(page *reports.Page, stdout io.Writer) error {
	var html, markdown bytes.Buffer
	if err := errors.Join(page.HTML(&html), page.Markdown(&markdown)); err != nil {
		return err
	}
	if err := results.ReplaceFile(f.out, html.Bytes()); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if f.markdown != "" {
		if err := results.ReplaceFile(f.markdown, markdown.Bytes()); err != nil {
			return fmt.Errorf("write summary: %w", err)
		}
	}
	if err := f.verdicts.Write("kprof-bench report", page.Suites()); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "%s: %s\n", f.out, page.Word())
	return err
}
