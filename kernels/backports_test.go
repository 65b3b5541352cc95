// SPDX-License-Identifier: MIT

package kernels

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const newer = "6.12.95+deb12-amd64"

// withBackports has 6.1 in the machine's own sources, 6.12 in the backports,
// and a file that lists the sources.
func withBackports(t *testing.T, file, text string) *fakeApt {
	t.Helper()
	f := newFakeApt(t)
	f.offer(metaPackage("6.1"), "6.1.192-2", "linux-image-"+release)
	f.suite = "backports/"
	f.addKernel(newer, "6.12.95+deb12-common", "6.12.95-1~bpo12+1")
	f.write(file, text, 0o644)
	at := filepath.Join(f.dir, file)
	f.write("indextargets", strings.Join([]string{
		"http://mirror.example/security/|stable-security|bookworm-security|" + at + ":2",
		"http://mirror.example/debian/|stable|bookworm|" + at + ":1",
		"http://mirror.example/debian/|stable-updates|bookworm-updates|" + at + ":1",
	}, "\n"), 0o644)
	return f
}

func TestGetFromBackports(t *testing.T) {
	const embedded = ` # an old habit
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEY865UxYJKwYBBAHaRw8BAQdAd7Z0srwuhlB6JKFkcf4HU4SSS/xcRfwEQWzr
 -----END PGP PUBLIC KEY BLOCK-----
`
	tests := map[string]struct{ file, text, key string }{
		"stanza": {"a.sources", `# http://mirror.example/debian stable
Types: deb deb-src
URIs: http://other.example/debian http://mirror.example/debian
Suites: stable stable-updates
Components: main contrib
Trusted: yes
Check-Valid-Until: no
Signed-By: /usr/share/keyrings/debian.gpg

Types: deb
URIs: http://mirror.example/security
Suites: stable-security
Signed-By: /usr/share/keyrings/wrong.gpg
`, "Signed-By: /usr/share/keyrings/debian.gpg\n"},
		"stanza further down, with the key in it": {"a.sources", `Types: deb
URIs: http://mirror.example/debian
Suites: sid
Signed-By: /usr/share/keyrings/wrong.gpg

	
types: deb
uris: http://mirror.example/debian/
suites:
 stable
signed-by:
` + embedded + `components: main
`, "Signed-By:\n" + embedded},
		"stanza without a key": {"a.sources", "Types: deb\nURIs: http://mirror.example/debian\nSuites: stable\n", ""},
		"line": {"a.list", `#deb [signed-by=/usr/share/keyrings/old.gpg] http://mirror.example/debian stable main
deb [signed-by=/usr/share/keyrings/wrong.gpg] http://mirror.example/debian sid main
deb-src [signed-by=/usr/share/keyrings/wrong.gpg] http://mirror.example/debian stable main
deb [ arch=amd64 signed-by=/usr/share/keyrings/debian.gpg trusted=yes ] http://mirror.example/debian/ stable main
`, "Signed-By: /usr/share/keyrings/debian.gpg\n"},
		"line without a key": {"a.list", "deb\thttp://mirror.example/debian stable main # [signed-by=no]\n", ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := withBackports(t, test.file, test.text)
			opts := Options{Dir: t.TempDir()}
			k, err := Get(t.Context(), "6.12", opts)
			if err != nil {
				t.Fatal(err)
			}
			if k.Release != newer || k.Version != "6.12.95-1~bpo12+1" {
				t.Errorf("release %s, version %s", k.Release, k.Version)
			}
			asked := f.asked()
			wantAsked := []string{
				"update -qq",
				"indextargets --format $(REPO_URI)|$(RELEASE)|$(CODENAME)|$(SOURCESENTRY) Created-By: Packages Origin: Debian Component: main",
				"update -qq",
			}
			if diff := cmp.Diff(wantAsked, asked[:3]); diff != "" || len(asked) != 4 {
				t.Errorf("apt-get was asked for %q (-want +got)\n%s", asked, diff)
			}
			dir := filepath.Join(opts.Dir, "apt/backports")
			want := "Types: deb\nURIs: http://mirror.example/debian/\nSuites: bookworm-backports\nComponents: main\n" + test.key
			if b, err := os.ReadFile(filepath.Join(dir, "sources.d/only.sources")); err != nil || string(b) != want {
				t.Errorf("the source is\n%s%v, want\n%s", b, err, want)
			}
			config, err := os.ReadFile(filepath.Join(dir, "apt.conf"))
			if own := `Dir::Etc::sourceparts "` + dir + `/sources.d";`; err != nil || !strings.Contains(string(config), own) {
				t.Errorf("%s is not in the configuration:\n%s%v", own, config, err)
			}
		})
	}
}

func TestBackportsThatDoNotHelp(t *testing.T) {
	const sources = "Types: deb\nURIs: http://mirror.example/debian\nSuites: stable\n"
	tests := map[string]struct {
		prepare func(f *fakeApt)
		series  string
		want    string
	}{
		"neither has it": {func(*fakeApt) {}, "6.10",
			"kernel 6.10: not in the package sources of this machine, which offer 6.1; not in bookworm-backports on its mirror, which offer 6.12"},
		"no Debian": {func(f *fakeApt) {
			f.write("indextargets", "http://mirror.example/x/|stable|bookworm-x|a.list:1\n", 0o644)
		}, "6.12",
			"which offer 6.1; none of them is the main part of a Debian release"},
		"list has changed": {func(f *fakeApt) { f.write("a.sources", "Types: deb\n", 0o644) }, "6.12",
			"a.sources does not list it"},
		"list is gone": {func(f *fakeApt) {
			if err := os.Remove(filepath.Join(f.dir, "a.sources")); err != nil {
				f.t.Fatal(err)
			}
		}, "6.12", "find the key of bookworm: open "},
		"no such suite, as apt says": {func(f *fakeApt) {
			f.write("warn-update", "W: no Release file", 0o644)
			if err := os.RemoveAll(filepath.Join(f.dir, "backports/show")); err != nil {
				f.t.Fatal(err)
			}
		}, "6.12", "bookworm-backports on its mirror do not offer linux-image-amd64: apt-cache show: exit status 100: E: No packages found; updating the package lists gave: W: no Release file"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			f := withBackports(t, "a.sources", sources)
			test.prepare(f)
			_, err := Get(t.Context(), test.series, Options{Dir: t.TempDir()})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}
