// SPDX-License-Identifier: MIT

package kernels

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
)

// banner is the beginning of what a kernel says first.
var banner = regexp.MustCompile(`Linux version ([0-9]+\.[0-9]+\S*) \(`)

// inspectVmlinux makes sure that an ELF file is a kernel that QEMU can enter,
// and returns its release.
func inspectVmlinux(path string) (release string, err error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_EXEC {
		return "", fmt.Errorf("it is a file of %v for %v, and no kernel for x86-64", f.Type, f.Machine)
	}
	entry := false
	for _, p := range f.Progs {
		switch {
		case p.Type == elf.PT_NOTE && hasPVHEntry(p, f.ByteOrder):
			entry = true
		case p.Type == elf.PT_LOAD && release == "":
			release = findRelease(p)
		}
	}
	switch {
	case release == "":
		return "", errors.New("it does not say which Linux it is; is it the vmlinux in the top directory of the kernel's tree?")
	case !entry:
		return "", fmt.Errorf("it is Linux %s without a PVH entry, by which QEMU starts a kernel; build it with CONFIG_PVH=y", release)
	}
	return release, nil
}

func findRelease(segment *elf.Prog) string {
	b, err := io.ReadAll(segment.Open())
	if err != nil {
		return ""
	}
	if m := banner.FindSubmatch(b); m != nil {
		return string(m[1])
	}
	return ""
}

// pvhEntry is the type of Xen's note that has the address to enter a kernel at.
const pvhEntry = 18

// hasPVHEntry looks for it among notes: three words, the name and its value,
// both padded to words.
func hasPVHEntry(notes *elf.Prog, order binary.ByteOrder) bool {
	b, err := io.ReadAll(notes.Open())
	if err != nil {
		return false
	}
	const header = 12
	for len(b) >= header {
		name, value := uint64(order.Uint32(b)), uint64(order.Uint32(b[4:]))
		kind := order.Uint32(b[8:])
		value = padded(value) + padded(name)
		if uint64(len(b)-header) < value {
			return false
		}
		if kind == pvhEntry && bytes.HasPrefix(b[header:], []byte("Xen\x00")) {
			return true
		}
		b = b[header+value:]
	}
	return false
}

func padded(n uint64) uint64 { return (n + 3) &^ 3 }
