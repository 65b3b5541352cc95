// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// MakeArgs returns the arguments with which make builds the external module in
// dir, an absolute path. The headers' own makefile expects them in /usr/src;
// these arguments lead make to where they lie instead.
func (k *Kernel) MakeArgs(dir string) []string {
	tree := []string{"-C", k.HeadersDir}
	if k.CommonDir != "" {
		tree = append(tree, "-f", filepath.Join(k.CommonDir, "Makefile"), "KBUILD_OUTPUT="+k.HeadersDir)
	}
	return append(tree,
		"CC="+k.Compiler,
		"HOSTCC="+k.Compiler,
		// Type information of modules needs pahole and vmlinux with its own,
		// and nothing here reads it.
		"CONFIG_DEBUG_INFO_BTF_MODULES=",
		"M="+dir,
	)
}

// Make returns the command that builds the external module in dir: args are
// further variables and targets, "modules" if there is none. Variables of the
// environment that would reach into the kernel's makefiles, such as those of a
// make that runs this program, are kept from it. It fails when make or the
// kernel's compiler is not installed.
func (k *Kernel) Make(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	if len(args) == 0 {
		args = []string{"modules"}
	}
	if k.Root != "" {
		return k.makeInRoot(ctx, dir, args)
	}
	for _, tool := range []string{"make", k.Compiler} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("modules for %s are built with %s, which is not there: apt-get install make %s", k.Release, tool, k.Compiler)
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(dir, " \t:#$%") {
		return nil, fmt.Errorf("make cannot build in %q: no white space, colon or one of #$%% may be in the path", dir)
	}
	cmd := exec.CommandContext(ctx, "make", append(k.MakeArgs(dir), args...)...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), disturbsMake), "LC_ALL=C")
	return cmd, nil
}

// CanCheck reports whether a build with C=1 has sparse check the sources: it is
// on this machine, and is in none of the systems of other Debian releases. Of
// Linux 7.3 the headers lack a script that the check begins with.
func (k *Kernel) CanCheck() bool {
	_, err := exec.LookPath("sparse")
	return k.Root == "" && err == nil
}

// disturbsMake reports whether the variable would change a kernel build.
func disturbsMake(variable string) bool {
	name, _, _ := strings.Cut(variable, "=")
	switch name {
	case "MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "GNUMAKEFLAGS", "MAKEFILES", "MAKE_TERMOUT", "MAKE_TERMERR",
		"ARCH", "SUBARCH", "CROSS_COMPILE", "CC", "LD", "LLVM", "C", "V", "W", "O", "M", "CFLAGS_MODULE", "AFLAGS_MODULE", "LDFLAGS_MODULE",
		"KCFLAGS", "KCPPFLAGS", "KAFLAGS", "CONFIG_SHELL", "LC_ALL":
		return true
	}
	return strings.HasPrefix(name, "KBUILD_")
}
