// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A frame on the results port is
//
//	length of the payload  4 bytes, little endian
//	type                   1 byte
//	payload                JSON
//	CRC-32 (IEEE)          4 bytes, little endian, of all bytes before it
//
// There is no way to find the next frame after a damaged one, and none is
// wanted: a stream that lost a byte is not evidence of anything.
const (
	frameHello  byte = 1 // helloMessage, once, first
	frameRecord byte = 2 // Record, any number
	frameDone   byte = 3 // doneMessage, once, last
)

const (
	frameHeader  = 5
	frameTrailer = 4

	// maxPayload bounds what a damaged length can make the host wait for.
	maxPayload = 16 << 20
)

var errDamaged = errors.New("results stream is damaged")

type frame struct {
	kind    byte
	payload []byte
}

// appendFrame appends the encoded frame to b.
func appendFrame(b []byte, f frame) ([]byte, error) {
	if len(f.payload) > maxPayload {
		return b, fmt.Errorf("payload of %d bytes exceeds the limit of %d", len(f.payload), maxPayload)
	}
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(f.payload)))
	b = append(b, f.kind)
	b = append(b, f.payload...)
	return binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:])), nil
}

// frameDecoder turns a stream that arrives in pieces into frames. Its zero
// value is ready to use. Once damaged it stays so.
type frameDecoder struct {
	buf []byte
	err error
}

// write adds a piece of the stream; p is copied.
func (d *frameDecoder) write(p []byte) {
	if d.err == nil {
		d.buf = append(d.buf, p...)
	}
}

// next returns the next frame, or false when the stream holds no whole one
// yet. The payload is the caller's.
func (d *frameDecoder) next() (frame, bool, error) {
	if d.err != nil || len(d.buf) < frameHeader {
		return frame{}, false, d.err
	}
	size, kind := binary.LittleEndian.Uint32(d.buf), d.buf[4]
	if kind < frameHello || kind > frameDone {
		return d.damaged("frame type %#x", kind)
	}
	if size > maxPayload {
		return d.damaged("frame of %d bytes", size)
	}
	body := frameHeader + int(size)
	if len(d.buf) < body+frameTrailer {
		return frame{}, false, nil
	}
	if got, want := crc32.ChecksumIEEE(d.buf[:body]), binary.LittleEndian.Uint32(d.buf[body:]); got != want {
		return d.damaged("checksum %08x, sent with %08x", got, want)
	}
	f := frame{kind: kind, payload: append([]byte(nil), d.buf[frameHeader:body]...)}
	d.buf = d.buf[body+frameTrailer:]
	return f, true, nil
}

func (d *frameDecoder) damaged(format string, args ...any) (frame, bool, error) {
	d.err = fmt.Errorf("%w: "+format, append([]any{errDamaged}, args...)...)
	d.buf = nil
	return frame{}, false, d.err
}

// rest returns how many bytes of an unfinished frame are held.
func (d *frameDecoder) rest() int { return len(d.buf) }
