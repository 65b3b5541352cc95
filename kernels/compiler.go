// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

var (
	compilerText = regexp.MustCompile(`(?m)^CONFIG_CC_VERSION_TEXT="(\S+)(.*)"$`)
	gccVersion   = regexp.MustCompile(`(?m)^CONFIG_GCC_VERSION=([0-9]+)$`)
)

// configuredCompiler returns the command that a kernel was compiled with, or
// another name of the same major version of gcc, as its configuration has it.
// Others may lay out structures differently.
func configuredCompiler(ctx context.Context, config string) (string, error) {
	text, version := compilerText.FindStringSubmatch(config), gccVersion.FindStringSubmatch(config)
	if text == nil || version == nil {
		return "", errors.New(".config does not say with which compiler (CONFIG_CC_VERSION_TEXT)")
	}
	number, err := strconv.Atoi(version[1])
	if err != nil || number == 0 {
		return "", fmt.Errorf("the kernel was built with %s%s, and only gcc is supported", text[1], text[2])
	}
	major := strconv.Itoa(number / 10000)
	names := []string{text[1], "gcc-" + major, "gcc"}
	i := slices.IndexFunc(names, func(name string) bool { return majorOf(ctx, name) == major })
	if i < 0 {
		return "", fmt.Errorf("the kernel was built with %s%s, and no gcc %s is here: apt-get install gcc-%s", text[1], text[2], major, major)
	}
	return names[i], nil
}

// majorOf is the major version of a compiler, or nothing if it is not there.
func majorOf(ctx context.Context, compiler string) string {
	out, err := exec.CommandContext(ctx, compiler, "-dumpversion").Output()
	if err != nil {
		return ""
	}
	major, _, _ := strings.Cut(strings.TrimSpace(string(out)), ".")
	return major
}
