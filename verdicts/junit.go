// SPDX-License-Identifier: MIT

package verdicts

import (
	"encoding/xml"
	"fmt"
)

// The elements of JUnit XML that all readers of it know. There is no time: on
// the exact clock none passes that a reader would take for seconds.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Skipped  int          `xml:"skipped,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string           `xml:"name,attr"`
		Tests      int              `xml:"tests,attr"`
		Failures   int              `xml:"failures,attr"`
		Errors     int              `xml:"errors,attr"`
		Skipped    int              `xml:"skipped,attr"`
		Properties *junitProperties `xml:"properties"`
		Cases      []junitCase      `xml:"testcase"`
	}
	junitProperties struct {
		List []junitProperty `xml:"property"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Name      string        `xml:"name,attr"`
		ClassName string        `xml:"classname,attr"`
		Failure   *junitMessage `xml:"failure"`
		Error     *junitMessage `xml:"error"`
		Skipped   *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// JUnit returns suites as JUnit XML under a name. That a suite could not be
// done is a case of its own with an error, as readers count cases alone.
func JUnit(name string, suites []Suite) ([]byte, error) {
	all := junitSuites{Name: line(name)}
	for _, s := range suites {
		j := s.junit()
		all.Suites = append(all.Suites, j)
		all.Tests += j.Tests
		all.Failures += j.Failures
		all.Errors += j.Errors
		all.Skipped += j.Skipped
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JUnit XML: %w", err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

func (s Suite) junit() junitSuite {
	j := junitSuite{Name: line(s.Name), Failures: s.count(Failed), Skipped: s.count(Skipped)}
	for _, c := range s.Env {
		if j.Properties == nil {
			j.Properties = &junitProperties{}
		}
		j.Properties.List = append(j.Properties.List, junitProperty{line(c.Key), line(c.Value)})
	}
	for _, c := range s.Cases {
		j.Cases = append(j.Cases, c.junit(j.Name))
	}
	if s.Error != "" {
		j.Errors = 1
		j.Cases = append(j.Cases, junitCase{Name: "run", ClassName: j.Name, Error: message(s.Error)})
	}
	j.Tests = len(j.Cases)
	return j
}

func (c Case) junit(class string) junitCase {
	j := junitCase{Name: line(c.Name), ClassName: class}
	switch c.Outcome {
	case Failed:
		j.Failure = message(c.Detail)
	case Skipped:
		j.Skipped = message(c.Detail)
	}
	return j
}

// message has the text twice, as some readers show the one and some the other.
func message(text string) *junitMessage { return &junitMessage{line(text), line(text)} }
