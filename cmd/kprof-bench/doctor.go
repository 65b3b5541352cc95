// SPDX-License-Identifier: MIT

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// state is how something was found.
type state string

const (
	good    state = "ok"
	bad     state = "missing" // make run needs it
	unused  state = "note"    // make run does without it
	unknown state = "unknown" // could not be told, and make run does without it
)

// finding is what is known of one thing that the suite uses.
type finding struct {
	Name   string `json:"name"`
	State  state  `json:"state"`
	Detail string `json:"detail"`
	// Mend is a command to type, or nothing.
	Mend string `json:"mend,omitempty"`
}

// diagnosis is all of it, as --json prints it.
type diagnosis struct {
	OK       bool      `json:"ok"` // make run would work
	Findings []finding `json:"findings"`
}

func doctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what this machine can run, and what is missing",
		Long: `Look for all that the suite uses, and try KVM by booting a guest, whose outcome is
remembered. Nothing is installed or fetched; what is missing comes with the
command that mends it.

Exit codes: 0 make run would work, 1 something that it needs is missing.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			p := newProgress(cmd.ErrOrStderr())
			d := diagnose(cmd.Context(), p.say)
			p.clear()
			if err := cmd.Context().Err(); err != nil {
				return err
			}
			return d.report(cmd.OutOrStdout(), asJSON)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}

func diagnose(ctx context.Context, progress func(string)) diagnosis {
	d := diagnosis{Findings: findTools(ctx)}
	dir, err := cacheDir()
	if err != nil {
		d.add(finding{Name: "cache", State: bad, Detail: err.Error()})
	} else {
		kernel, f := findKernels(dir)
		d.add(f...)
		d.add(findKVM(ctx, dir, kernel, progress), findBuildRoots(ctx, dir))
	}
	d.add(findNative())
	d.OK = len(d.missing()) == 0
	return d
}

func (d *diagnosis) add(f ...finding) { d.Findings = append(d.Findings, f...) }

func (d *diagnosis) missing() []finding {
	var all []finding
	for _, f := range d.Findings {
		if f.State == bad {
			all = append(all, f)
		}
	}
	return all
}

func (d *diagnosis) report(w io.Writer, asJSON bool) error {
	write := d.writeText
	if asJSON {
		write = d.writeJSON
	}
	if err := write(w); err != nil {
		return err
	}
	if !d.OK {
		return exitError{code: exitWrong}
	}
	return nil
}

func (d *diagnosis) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(d)
}

func (d *diagnosis) writeText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range d.Findings {
		fmt.Fprintf(t, "%s\t%s\t%s\n", f.State, f.Name, f.Detail)
		if f.Mend != "" && f.State != bad {
			fmt.Fprintf(t, "\t\t%s\n", f.Mend)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(w)
	if d.OK {
		_, err := fmt.Fprintln(w, "make run would work")
		return err
	}
	_, err := fmt.Fprintf(w, "make run would not work; this mends it:\n%s", d.remedies())
	return err
}

// aptInstall is how packages are installed, without what they only recommend.
const aptInstall = "apt-get install -y --no-install-recommends "

// remedies are the commands that mend what is missing, in lines: one for all
// packages, with sudo for who needs it.
func (d *diagnosis) remedies() string {
	var packages []string
	var lines strings.Builder
	for _, f := range d.missing() {
		if name, ok := strings.CutPrefix(f.Mend, aptInstall); ok {
			packages = append(packages, name)
			continue
		}
		if f.Mend == "" {
			f.Mend = f.Name + ": " + f.Detail
		}
		fmt.Fprintf(&lines, "  %s\n", f.Mend)
	}
	if len(packages) > 0 {
		sudo := ""
		if os.Geteuid() != 0 {
			sudo = "sudo "
		}
		fmt.Fprintf(&lines, "  %[1]sapt-get update && %[1]s%[2]s%[3]s\n", sudo, aptInstall, strings.Join(packages, " "))
	}
	return lines.String()
}
