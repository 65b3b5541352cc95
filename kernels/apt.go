// SPDX-License-Identifier: MIT

package kernels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

var packageForm = regexp.MustCompile(`^[a-z0-9][a-z0-9+.-]+$`)

// apt runs the machine's apt on a state of our own.
type apt struct {
	config string // file
	opts   Options
	where  string // its sources, in words
	// complaints of the last update, which apt calls a success even when an
	// index could not be fetched.
	complaints string
}

// aptPackage is a package in one version.
type aptPackage struct {
	name, version string
	depends       []string // names, without versions and alternatives
}

// aptConfig is read after the machine's configuration. Hooks are cleared
// because they act on the machine's state, and icons and translations because
// nobody reads them here. Apt's binary caches are larger than all the rest, to
// save half a second. The sandbox user could not write below a home
// directory; the checks of signature and freshness are as the machine has them.
const aptConfig = `Dir::State %[1]q;
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache %[2]q;
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
#clear APT::Update;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::Translations;
#clear Acquire::IndexTargets::deb-src;
Acquire::Languages "none";
Acquire::Retries "3";
APT::Sandbox::User "root";
`

func newApt(dir string, opts Options) (*apt, error) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, errors.New("apt-get is not there: kernels are fetched as Debian packages, so this needs a Debian machine")
	}
	state, cache := filepath.Join(dir, "state"), filepath.Join(dir, "cache")
	for _, d := range []string{filepath.Join(state, "lists/partial"), filepath.Join(cache, "archives/partial")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return nil, err
		}
	}
	a := &apt{config: filepath.Join(dir, "apt.conf"), opts: opts, where: "the package sources of this machine"}
	return a, os.WriteFile(a.config, fmt.Appendf(nil, aptConfig, state, cache), 0o644)
}

// run runs one of apt's tools and returns its standard output.
func (a *apt) run(ctx context.Context, dir, tool string, args ...string) (out, complaints string, err error) {
	cmd := exec.CommandContext(ctx, tool, append([]string{"-c", a.config}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	complaints = oneLine(stderr.String())
	if ctx.Err() != nil {
		return "", "", context.Cause(ctx)
	}
	if err != nil {
		return "", complaints, fmt.Errorf("%s %s: %w: %s", tool, args[0], err, complaints)
	}
	return stdout.String(), complaints, nil
}

func oneLine(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
}

func (a *apt) update(ctx context.Context) error {
	a.opts.progress("updating package lists")
	_, complaints, err := a.run(ctx, "", "apt-get", "update", "-qq")
	if err != nil {
		return fmt.Errorf("%w; check the network and the sources in /etc/apt", err)
	}
	a.complaints = complaints
	return nil
}

// versions returns what the sources offer of a package, newest first.
func (a *apt) versions(ctx context.Context, name string) ([]aptPackage, error) {
	out, _, err := a.run(ctx, "", "apt-cache", "show", name)
	if err != nil {
		return nil, a.explain(fmt.Errorf("%s do not offer %s: %w", a.where, name, err))
	}
	var found []aptPackage
	for stanza := range strings.SplitSeq(out, "\n\n") {
		p := parseStanza(stanza)
		if p.name == name && p.version != "" {
			found = append(found, p)
		}
	}
	if len(found) == 0 {
		return nil, a.explain(fmt.Errorf("%s do not offer %s", a.where, name))
	}
	return found, nil
}

// explain adds what the update complained of, the likely reason.
func (a *apt) explain(err error) error {
	if a.complaints == "" {
		return err
	}
	return fmt.Errorf("%w; updating the package lists gave: %s", err, a.complaints)
}

// parseStanza reads the fields that matter here of a package's description.
func parseStanza(stanza string) aptPackage {
	var p aptPackage
	for line := range strings.Lines(stanza) {
		key, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch key {
		case "Package":
			p.name = value
		case "Version":
			p.version = value
		case "Depends":
			p.depends = parseDepends(value)
		}
	}
	return p
}

// parseDepends returns the first alternative of each dependency.
func parseDepends(value string) []string {
	var names []string
	for d := range strings.SplitSeq(value, ",") {
		if name := strings.FieldsFunc(d, func(r rune) bool { return strings.ContainsRune(" \t(|:", r) }); len(name) > 0 {
			names = append(names, name[0])
		}
	}
	return names
}

// download fetches packages into dir, checked by apt against its signed
// lists, and returns the archives in the order of the packages.
func (a *apt) download(ctx context.Context, packages []aptPackage, dir string) ([]string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	args := []string{"download", "-qq"}
	for _, p := range packages {
		args = append(args, p.name+"="+p.version)
		a.opts.progress("downloading %s %s", p.name, p.version)
	}
	begin := time.Now()
	if _, _, err := a.run(ctx, dir, "apt-get", args...); err != nil {
		return nil, a.explain(fmt.Errorf("%w; check the network and the free space below %s", err, dir))
	}
	took := time.Since(begin)
	var archives []string
	var size int64
	for _, p := range packages {
		m, err := entriesWith(dir, p.name+"_", ".deb")
		if err != nil {
			return nil, err
		}
		if len(m) != 1 {
			return nil, fmt.Errorf("apt-get download left %d archives of %s, not one", len(m), p.name)
		}
		st, err := os.Stat(m[0])
		if err != nil {
			return nil, err
		}
		archives, size = append(archives, m[0]), size+st.Size()
	}
	a.opts.progress("downloaded %.1f MB in %.1f s", float64(size)/1e6, took.Seconds())
	return archives, nil
}

// entriesWith returns the paths of what in dir has a name of that form. Unlike
// a glob it takes any character in dir for what it is.
func entriesWith(dir, prefix, suffix string) ([]string, error) {
	all, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, e := range all {
		if strings.HasPrefix(e.Name(), prefix) && strings.HasSuffix(e.Name(), suffix) {
			found = append(found, filepath.Join(dir, e.Name()))
		}
	}
	return found, nil
}
