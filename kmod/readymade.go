// SPDX-License-Identifier: MIT

package kmod

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Readymade returns a module that was built already, NAME.ko in dir, for a
// kernel of that release.
func Readymade(dir, name, release string) (*Module, error) {
	path := filepath.Join(dir, name+".ko")
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	info, err := moduleInfo(b)
	if err != nil {
		return nil, fmt.Errorf("%s is no module: %w", path, err)
	}
	if info["name"] != name {
		return nil, fmt.Errorf("%s is module %q and not %s", path, info["name"], name)
	}
	if built, _, _ := strings.Cut(info["vermagic"], " "); built != release {
		return nil, fmt.Errorf("%s is built for Linux %s, and the kernel is %s; build it for that one", path, built, release)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	hash := fmt.Sprintf("%x", sha256.Sum256(b))
	return &Module{Name: name, Path: path, Revision: "file-" + hash[:12]}, nil
}

// moduleInfo returns what a module says of itself, as modinfo shows it.
func moduleInfo(module []byte) (map[string]string, error) {
	f, err := elf.NewFile(bytes.NewReader(module))
	if err != nil {
		return nil, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("it has no section .modinfo")
	}
	text, err := section.Data()
	if err != nil {
		return nil, err
	}
	info := map[string]string{}
	for field := range strings.SplitSeq(string(text), "\x00") {
		if key, value, ok := strings.Cut(field, "="); ok {
			info[key] = value
		}
	}
	return info, nil
}
