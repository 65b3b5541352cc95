// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// aptSource is a source of the machine that apt has the index of.
type aptSource struct {
	uri      string // of the mirror
	release  string // as the source names it, like "bookworm" or "stable"
	codename string // as the index does
	file     string // that lists it
}

// onlySourceConfig leaves all else as the machine has it.
const onlySourceConfig = `Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts %q;
`

// strictConfig is for suites that the machine does not follow: what its owner
// has decided about stale lists was not about them, so one that has expired is
// refused, and so is one that cannot be renewed.
const strictConfig = `Acquire::Check-Valid-Until "true";
Acquire::Check-Date "true";
APT::Update::Error-Mode "any";
`

// only returns an apt whose only source is a suite of Debian, from the mirror
// and with the key of the machine's own release. Its package lists are up to
// date.
func (a *apt) only(ctx context.Context, debian aptSource, s suite) (*apt, error) {
	key, err := debian.signedBy()
	if err != nil {
		return nil, err
	}
	b, err := newApt(filepath.Join(filepath.Dir(a.config), s.dir()), a.opts)
	if err != nil {
		return nil, err
	}
	b.where = s.name + " on its mirror"
	stanza := fmt.Sprintf("Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n%s", debian.uri, s.name, key)
	if err := b.useOnly(stanza, s.foreign); err != nil {
		return nil, err
	}
	if err := b.update(ctx); err != nil {
		return nil, fmt.Errorf("%s cannot be had: %w", b.where, err)
	}
	return b, nil
}

// useOnly replaces the machine's sources by one of our own.
func (a *apt) useOnly(stanza string, strict bool) error {
	parts := filepath.Join(filepath.Dir(a.config), "sources.d")
	if err := os.MkdirAll(parts, 0o755); err != nil {
		return err
	}
	config, err := os.OpenFile(a.config, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	text := fmt.Sprintf(onlySourceConfig, parts)
	if strict {
		text += strictConfig
	}
	_, err = config.WriteString(text)
	return errors.Join(err, config.Close(),
		os.WriteFile(filepath.Join(parts, "only.sources"), []byte(stanza), 0o644))
}

// debianMain returns the source of this machine that has the main part of a
// Debian release. Names of what belongs to one, like bookworm-security, have a
// hyphen.
func (a *apt) debianMain(ctx context.Context) (aptSource, error) {
	const fields = "$(REPO_URI)|$(RELEASE)|$(CODENAME)|$(SOURCESENTRY)"
	out, _, err := a.run(ctx, "", "apt-get", "indextargets", "--format", fields,
		"Created-By: Packages", "Origin: Debian", "Component: main")
	if err != nil {
		return aptSource{}, err
	}
	for line := range strings.Lines(out) {
		f := strings.Split(strings.TrimSpace(line), "|")
		if len(f) != 4 || f[2] == "" || strings.Contains(f[2], "-") {
			continue
		}
		// What follows the file's name counts lines or stanzas.
		file, _, _ := cutLast(f[3], ":")
		return aptSource{uri: f[0], release: f[1], codename: f[2], file: file}, nil
	}
	return aptSource{}, errors.New("none of them is the main part of a Debian release, whose backports could be asked")
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

// signedBy returns the Signed-By field of the source, empty if it has none,
// because then the keys that the machine trusts for everything are right for
// its backports too.
func (s aptSource) signedBy() (string, error) {
	b, err := os.ReadFile(s.file)
	if err != nil {
		return "", fmt.Errorf("find the key of %s: %w", s.codename, err)
	}
	find := s.keyInLines
	if filepath.Ext(s.file) == ".sources" {
		find = s.keyInStanzas
	}
	key, found := find(string(b))
	if !found {
		return "", fmt.Errorf("find the key of %s: %s does not list it", s.codename, s.file)
	}
	return key, nil
}

func (s aptSource) is(uri, suite string) bool {
	return strings.TrimSuffix(uri, "/") == strings.TrimSuffix(s.uri, "/") && suite == s.release
}

// oneLineForm is a source in a .list file: options, URI and suite.
var oneLineForm = regexp.MustCompile(`(?m)^[ \t]*deb[ \t]+(?:\[([^\]\n]*)\][ \t]*)?(\S+)[ \t]+(\S+)`)

func (s aptSource) keyInLines(text string) (field string, found bool) {
	for _, m := range oneLineForm.FindAllStringSubmatch(text, -1) {
		if !s.is(m[2], m[3]) {
			continue
		}
		for option := range strings.FieldsSeq(m[1]) {
			if key, ok := strings.CutPrefix(option, "signed-by="); ok {
				return "Signed-By: " + key + "\n", true
			}
		}
		return "", true
	}
	return "", false
}

var emptyLines = regexp.MustCompile(`\n(?:[ \t]*\n)+`)

func (s aptSource) keyInStanzas(text string) (field string, found bool) {
	for _, stanza := range emptyLines.Split(text, -1) {
		uris, suites := strings.Fields(fieldOf(stanza, "uris")), strings.Fields(fieldOf(stanza, "suites"))
		if !slices.ContainsFunc(uris, func(uri string) bool { return s.is(uri, s.release) }) || !slices.Contains(suites, s.release) {
			continue
		}
		if key := fieldOf(stanza, "signed-by"); key != "" {
			return "Signed-By:" + key, true
		}
		return "", true
	}
	return "", false
}

// fieldOf returns what follows the colon, with the lines that continue it,
// such as those of a key in the file itself. Comments may lie between them.
func fieldOf(stanza, name string) string {
	var value strings.Builder
	inside := false
	for line := range strings.Lines(strings.TrimRight(stanza, "\n") + "\n") {
		switch key, rest, ok := strings.Cut(line, ":"); {
		case strings.HasPrefix(line, "#"):
		case line[0] == ' ' || line[0] == '\t':
			if inside {
				value.WriteString(line)
			}
		default:
			if inside = ok && strings.EqualFold(key, name); inside {
				value.WriteString(rest)
			}
		}
	}
	return value.String()
}
