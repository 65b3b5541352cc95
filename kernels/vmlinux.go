// SPDX-License-Identifier: MIT

package kernels

import (
	"bytes"
	"compress/gzip"
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// extractVmlinux writes the kernel proper that the bzImage carries.
func extractVmlinux(ctx context.Context, bzImage, vmlinux string) error {
	b, err := os.ReadFile(bzImage)
	if err != nil {
		return err
	}
	payload, err := bzImagePayload(b)
	if err != nil {
		return fmt.Errorf("%s: %w", bzImage, err)
	}
	f, err := os.Create(vmlinux)
	if err != nil {
		return err
	}
	if err := errors.Join(decompress(ctx, f, payload), f.Close()); err != nil {
		return fmt.Errorf("decompress %s: %w", bzImage, err)
	}
	// A payload cut short can decompress without a complaint.
	e, err := elf.Open(vmlinux)
	if err != nil {
		return fmt.Errorf("decompress %s: %w", bzImage, err)
	}
	return e.Close()
}

// Offsets in the setup header, from Documentation/arch/x86/boot.rst.
const (
	offSetupSects    = 0x1f1
	offMagic         = 0x202
	offVersion       = 0x206
	offPayloadOffset = 0x248
	offPayloadLength = 0x24c
	headerEnd        = 0x250

	sectorSize = 512
	// payloadVersion is the boot protocol that introduced the payload fields.
	payloadVersion = 0x0208
)

// bzImagePayload returns the compressed kernel in a bzImage.
func bzImagePayload(b []byte) ([]byte, error) {
	if len(b) < headerEnd || string(b[offMagic:offMagic+4]) != "HdrS" {
		return nil, errors.New("not a bzImage")
	}
	if v := binary.LittleEndian.Uint16(b[offVersion:]); v < payloadVersion {
		return nil, fmt.Errorf("boot protocol %d.%02d is too old, 2.08 is needed", v>>8, v&0xff)
	}
	sects := uint64(b[offSetupSects])
	if sects == 0 {
		sects = 4 // as the boot protocol defines
	}
	start := (sects+1)*sectorSize + uint64(binary.LittleEndian.Uint32(b[offPayloadOffset:]))
	end := start + uint64(binary.LittleEndian.Uint32(b[offPayloadLength:]))
	if end > uint64(len(b)) || start == end {
		return nil, errors.New("bzImage is cut short")
	}
	return b[start:end], nil
}

// decompress writes the decompressed payload to w. What follows the compressed
// stream, such as the size that the kernel's build appends, is ignored.
func decompress(ctx context.Context, w io.Writer, payload []byte) error {
	switch {
	case bytes.HasPrefix(payload, []byte("\xfd7zXZ\x00")):
		return unxz(ctx, w, payload)
	case bytes.HasPrefix(payload, []byte("\x1f\x8b")):
		return gunzip(w, payload)
	case bytes.HasPrefix(payload, []byte("\x28\xb5\x2f\xfd")):
		return unzstd(w, payload)
	case bytes.HasPrefix(payload, []byte("\x02\x21\x4c\x18")):
		return unlz4(w, payload)
	}
	return fmt.Errorf("compression is unknown: it starts with % x", payload[:min(8, len(payload))])
}

// unxz leaves the work to the xz command: kernels are filtered for x86
// branches before they are compressed, and Go's xz libraries lack that filter.
func unxz(ctx context.Context, w io.Writer, payload []byte) error {
	cmd := exec.CommandContext(ctx, "xz", "--single-stream", "--decompress", "--stdout")
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(payload), w, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return errors.New("the xz command is not there: apt-get install xz-utils")
	}
	if err != nil {
		return fmt.Errorf("xz: %w: %s", err, oneLine(stderr.String()))
	}
	return nil
}

func gunzip(w io.Writer, payload []byte) error {
	z, err := gzip.NewReader(bytes.NewReader(payload))
	if err != nil {
		return err
	}
	z.Multistream(false)
	_, err = io.Copy(w, z)
	return err
}

func unzstd(w io.Writer, payload []byte) error {
	frames, size := cutSize(payload)
	z, err := zstd.NewReader(bytes.NewReader(frames))
	if err != nil {
		return fmt.Errorf("zstd: %w", err)
	}
	defer z.Close()
	return copySized(w, z, "zstd", size)
}

// unlz4 is for the kernels for virtual machines until 6.1.
func unlz4(w io.Writer, payload []byte) error {
	frames, size := cutSize(payload)
	return copySized(w, lz4.NewReader(bytes.NewReader(frames)), "lz4", size)
}

// cutSize takes off the size of the result, which the kernel's build appends and
// which would be read as another frame.
func cutSize(payload []byte) (frames []byte, size uint32) {
	at := len(payload) - 4
	return payload[:at], binary.LittleEndian.Uint32(payload[at:])
}

func copySized(w io.Writer, r io.Reader, format string, size uint32) error {
	n, err := io.Copy(w, r)
	if err != nil {
		return fmt.Errorf("%s: %w", format, err)
	}
	if n != int64(size) {
		return fmt.Errorf("%s: %d bytes came out instead of %d", format, n, size)
	}
	return nil
}
