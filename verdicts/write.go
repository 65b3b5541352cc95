// SPDX-License-Identifier: MIT

package verdicts

import (
	"fmt"

	"kprof-bench/results"
)

// Files are where suites are written; an empty name is for a form that is not
// wanted.
type Files struct{ KTAP, JUnit string }

// Write writes the suites under a name, as [results.ReplaceFile] does.
func (f Files) Write(name string, suites []Suite) error {
	if f.KTAP != "" {
		if err := results.ReplaceFile(f.KTAP, KTAP(suites)); err != nil {
			return fmt.Errorf("write KTAP: %w", err)
		}
	}
	if f.JUnit == "" {
		return nil
	}
	text, err := JUnit(name, suites)
	if err != nil {
		return err
	}
	if err := results.ReplaceFile(f.JUnit, text); err != nil {
		return fmt.Errorf("write JUnit XML: %w", err)
	}
	return nil
}
