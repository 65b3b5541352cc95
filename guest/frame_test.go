// SPDX-License-Identifier: MIT

package guest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func encode(t testing.TB, frames ...frame) []byte {
	t.Helper()
	var b []byte
	for _, f := range frames {
		var err error
		if b, err = appendFrame(b, f); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

// decodeAll feeds the stream in pieces of n bytes.
func decodeAll(stream []byte, n int) ([]frame, int, error) {
	var d frameDecoder
	var got []frame
	for len(stream) > 0 {
		piece := stream[:min(n, len(stream))]
		stream = stream[len(piece):]
		d.write(piece)
		for {
			f, ok, err := d.next()
			if err != nil {
				return got, d.rest(), err
			}
			if !ok {
				break
			}
			got = append(got, f)
		}
	}
	return got, d.rest(), nil
}

var cmpFrames = cmp.AllowUnexported(frame{})

func TestFramesInPieces(t *testing.T) {
	want := []frame{
		{frameHello, []byte(`{"release":"6.1"}`)},
		{frameRecord, nil},
		{frameRecord, bytes.Repeat([]byte{0, '\n', '\r', 3, 4, 0x11, 0x13, 0xff}, 1000)},
		{frameDone, []byte("{}")},
	}
	stream := encode(t, want...)
	for _, n := range []int{1, 2, 5, 9, 4096, len(stream)} {
		got, rest, err := decodeAll(stream, n)
		if diff := cmp.Diff(want, got, cmpFrames); diff != "" || rest != 0 || err != nil {
			t.Errorf("pieces of %d: %d bytes left, %v\n%s", n, rest, err, diff)
		}
	}
}

func TestFrameIsLaidOutAsDocumented(t *testing.T) {
	// The checksum is Python's zlib.crc32 of the eight bytes before it.
	want := []byte{3, 0, 0, 0, 2, 'a', 'b', 'c', 0xd1, 0x88, 0xc1, 0x8b}
	got := encode(t, frame{frameRecord, []byte("abc")})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("(-want +got)\n", diff)
	}
}

func TestEveryFlippedBitIsSeen(t *testing.T) {
	good := encode(t, frame{frameRecord, []byte("1234567890")})
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		frames, rest, err := decodeAll(bad, len(bad))
		// A longer length makes the frame unfinished, which is seen at the end
		// of the stream.
		if len(frames) != 0 || (err == nil && rest == 0) {
			t.Errorf("bit %d: %d frames, %d bytes left, %v", bit, len(frames), rest, err)
		}
	}
}

func TestDamagedStaysDamaged(t *testing.T) {
	good := encode(t, frame{frameRecord, []byte("x")})
	var d frameDecoder
	d.write([]byte("Segmentation fault"))
	d.write(good)
	for range 2 {
		if f, ok, err := d.next(); ok || !errors.Is(err, errDamaged) {
			t.Errorf("frame %v, %v, error %v", f, ok, err)
		}
	}
}

func TestFrameTooLong(t *testing.T) {
	if _, err := appendFrame(nil, frame{frameRecord, make([]byte, maxPayload+1)}); err == nil {
		t.Error("a frame beyond the limit was encoded")
	}
	if _, _, err := decodeAll([]byte{1, 0, 0, 1, frameRecord}, 5); !errors.Is(err, errDamaged) {
		t.Errorf("a length of 16 MiB and a byte gave %v", err)
	}
}

func FuzzFrameDecoder(f *testing.F) {
	f.Add(encode(f, frame{frameHello, []byte("{}")}, frame{frameDone, nil}), 3)
	f.Add([]byte{255, 255, 255, 255, 2, 0}, 1)
	f.Fuzz(func(t *testing.T, stream []byte, n int) {
		n = max(1, min(n, 1<<16))
		frames, rest, err := decodeAll(stream, n)
		whole, _, wholeErr := decodeAll(stream, len(stream)+1)
		if diff := cmp.Diff(whole, frames, cmpFrames); diff != "" || (err == nil) != (wholeErr == nil) {
			t.Errorf("in pieces of %d: %v, whole: %v\n%s", n, err, wholeErr, diff)
		}
		// What was accepted is what would have been sent.
		again := encode(t, frames...)
		if !bytes.HasPrefix(stream, again) || (err == nil && len(again)+rest != len(stream)) {
			t.Errorf("frames encode to %d bytes and %d are left of %d", len(again), rest, len(stream))
		}
	})
}
