// SPDX-License-Identifier: MIT

package kernels

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// Own returns a kernel that does not come from Debian: image is its bzImage, as
// in /boot/vmlinuz-*, or its vmlinux, and headers the tree that it was built in
// or the directory of a package of headers. Without headers it can be booted,
// and nothing be built for it.
//
// What a bzImage holds is kept in the cache. The errors say what to do.
func Own(ctx context.Context, image, headers string, opts Options) (*Kernel, error) {
	k, err := ownImage(ctx, image, opts)
	if err != nil {
		return nil, fmt.Errorf("kernel image %s: %w", image, err)
	}
	if headers == "" {
		return k, nil
	}
	if err := k.useHeaders(ctx, headers); err != nil {
		return nil, fmt.Errorf("headers in %s: %w", headers, err)
	}
	return k, nil
}

// ownImage returns a kernel without headers.
func ownImage(ctx context.Context, image string, opts Options) (*Kernel, error) {
	hash, magic, err := hashFile(image)
	if err != nil {
		return nil, err
	}
	k := &Kernel{Identity: hash[:12], Vmlinux: image}
	if magic != "\x7fELF" {
		if k.Vmlinux, err = extractOwn(ctx, image, hash, opts); err != nil {
			return nil, err
		}
	}
	if k.Vmlinux, err = filepath.Abs(k.Vmlinux); err != nil {
		return nil, err
	}
	k.Release, err = inspectVmlinux(k.Vmlinux)
	return k, err
}

// hashFile returns the SHA-256 of a regular file and its first four bytes.
func hashFile(path string) (hash, magic string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", bare(err)
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return "", "", errors.Join(bare(err), errors.New("it is no regular file"))
	}
	start := make([]byte, 4)
	n, err := io.ReadFull(f, start)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", "", bare(err)
	}
	h := sha256.New()
	h.Write(start[:n])
	if _, err := io.Copy(h, f); err != nil {
		return "", "", bare(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)), string(start[:n]), nil
}

// bare is an error without the path, which the caller has named.
func bare(err error) error {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err
	}
	return err
}

// extractOwn returns the path of the kernel that a bzImage carries.
func extractOwn(ctx context.Context, image, hash string, opts Options) (string, error) {
	b, err := os.ReadFile(image)
	if err != nil {
		return "", bare(err)
	}
	if _, err := bzImagePayload(b); err != nil {
		return "", fmt.Errorf("%w, and no vmlinux either; give arch/x86/boot/bzImage, vmlinux or /boot/vmlinuz-*", err)
	}
	c, err := openCache(opts)
	if err != nil {
		return "", err
	}
	dir := filepath.Join(c.dir, "images")
	vmlinux := filepath.Join(dir, hash)
	if _, err := os.Stat(vmlinux); err == nil {
		return vmlinux, nil
	}
	opts.progress("unpacking %s", image)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	work, err := os.MkdirTemp(dir, newPrefix)
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	out := filepath.Join(work, "vmlinux")
	if err := extractVmlinux(ctx, image, out); err != nil {
		return "", err
	}
	return vmlinux, os.Rename(out, vmlinux)
}

// useHeaders finds out how modules are built for the kernel.
func (k *Kernel) useHeaders(ctx context.Context, dir string) (err error) {
	if k.HeadersDir, err = filepath.Abs(dir); err != nil {
		return err
	}
	release, err := headersRelease(k.HeadersDir)
	if err != nil {
		return err
	}
	if release != k.Release {
		return fmt.Errorf("they are those of %s, and the image is %s; give those of the same kernel", release, k.Release)
	}
	k.Config = filepath.Join(k.HeadersDir, ".config")
	config, err := os.ReadFile(k.Config)
	if err != nil {
		return notPrepared(err)
	}
	symbols, err := os.ReadFile(filepath.Join(k.HeadersDir, "Module.symvers"))
	if err != nil {
		return notPrepared(err)
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%s\x00%s\x00%s", k.Identity, config, symbols)
	k.Variant = fmt.Sprintf("%x", hash.Sum(nil))
	if k.CommonDir, err = ownCommon(k.HeadersDir); err != nil {
		return err
	}
	k.Compiler, err = configuredCompiler(ctx, string(config))
	return err
}

func notPrepared(err error) error {
	return fmt.Errorf("%w; it must be a kernel's tree after make, or the directory of a package of headers", err)
}

// headersRelease is what uname -r will say of a kernel with these headers.
func headersRelease(dir string) (string, error) {
	for _, name := range []string{"Makefile", "scripts/mod/modpost"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return "", notPrepared(err)
		}
	}
	// Not include/config/kernel.release, which Debian's packages have wrong.
	file := filepath.Join(dir, "include/generated/utsrelease.h")
	b, err := os.ReadFile(file)
	if err != nil {
		return "", notPrepared(err)
	}
	m := utsRelease.FindSubmatch(b)
	if m == nil {
		return "", fmt.Errorf("%s has no release", file)
	}
	return string(m[1]), nil
}

var utsRelease = regexp.MustCompile(`(?m)^#define UTS_RELEASE "(\S+)"`)

// includesCommon finds the directory whose makefile a package's own includes.
var includesCommon = regexp.MustCompile(`(?m)^include (/\S+-common\S*)/Makefile$`)

// ownCommon returns the other directory of headers of Debian's packages, which
// lies beside the first, or else where the first says. Others have all in one,
// and then it is empty.
func ownCommon(dir string) (string, error) {
	makefile, err := os.ReadFile(filepath.Join(dir, "Makefile"))
	if err != nil {
		return "", notPrepared(err)
	}
	m := includesCommon.FindStringSubmatch(string(makefile))
	if m == nil {
		return "", nil
	}
	beside := filepath.Join(filepath.Dir(dir), filepath.Base(m[1]))
	for _, common := range []string{beside, m[1]} {
		if _, err := os.Stat(filepath.Join(common, "Makefile")); err == nil {
			return common, nil
		}
	}
	return "", fmt.Errorf("they need %s, or the same beside them: apt-get install %s", m[1], filepath.Base(m[1]))
}
