// SPDX-License-Identifier: MIT

package kmod

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Planted names a run of blocks, from First on, and what their allocation
// took.
type Planted struct {
	First, Count uint64
	Ticks, NS    uint64
}

// FreeHow is the way a block is freed.
type FreeHow string

const (
	FreeVfree  FreeHow = "vfree"
	FreeKvfree FreeHow = "kvfree"
	// FreeIRQ calls vfree() in hard interrupt context. The kernel finishes
	// the work a little later.
	FreeIRQ FreeHow = "irq"
)

// Block is a planted block.
type Block struct {
	// ID is never used again while the module is loaded.
	ID    uint64
	Class string
	// Page is the start address >> 12. The address itself would be found by a
	// scan of all memory if this program held it.
	Page uint64
	// Site is the address of the function that allocated it.
	Site uint64
	// Size is what was asked for, in bytes.
	Size uint64
	// Word is the address >> 3 of the aligned word in which the start is kept,
	// and DirectWord that of the same word in the direct map. Both are 0 when
	// there is none. They are no addresses, because the word of one block may be
	// the first one of another.
	Word, DirectWord uint64
}

// Region is memory that a scan can be pointed at, [Start, End).
type Region struct {
	Name       string
	Start, End uint64
	// Direct is where the region lies in the direct map, if it does so in one
	// piece; else it is 0.
	Direct uint64
}

// Has tells whether the word in which a block's start is kept lies in the
// region, under whatever address.
func (r Region) Has(b Block) bool {
	inside := func(word, start uint64) bool { return word-start/8 < (r.End-r.Start)/8 }
	return b.Word != 0 && (inside(b.Word, r.Start) || r.Direct != 0 && inside(b.DirectWord, r.Direct))
}

// Plant allocates count blocks of size bytes by vmalloc(), all or none, and
// keeps their starts where class says: leaked (nowhere), data, bss, list,
// percpu, vblock, chain (in each other), interior (only start+64), tagged (only
// start|1), packed (only at an odd address), arena, self (in its own first and
// last word), evading (in the arena's last word; once, when a search of the
// arena is about to read that, the pointer is moved to the first one).
func (t *Testbed) Plant(class string, count, size uint64) (Planted, error) {
	return t.plant("plant", class, count, size)
}

// Family are the kinds of [Testbed.PlantOther] that are allocated by functions
// of these names, members of the family of vmalloc(), and kvmalloc, which asks
// for more than kmalloc() has. Only vmalloc_array does just what vmalloc() does.
var Family = []string{
	"vzalloc", "vmalloc_node", "vzalloc_node", "__vmalloc", "vmalloc_32",
	"vmalloc_array", "vcalloc", "vmalloc_user", "vmalloc_32_user",
	"vmalloc_huge", "kvmalloc",
}

// PlantOther allocates count blocks of a kind in [Family], or of vrealloc (a
// block of vmalloc() that has moved; Linux 6.12 and later), or vmap, or in a way
// that a tracer could count twice (big: vmalloc() of more than 2 MiB), and keeps
// their starts nowhere.
func (t *Testbed) PlantOther(kind string, count, size uint64) (Planted, error) {
	return t.plant("plantother", kind, count, size)
}

func (t *Testbed) plant(command, class string, count, size uint64) (Planted, error) {
	v, err := t.values([]string{"first", "count", "ticks", "ns"}, "%s %s %d %d", command, class, count, size)
	return Planted{
		First: uint64(v["first"]), Count: uint64(v["count"]),
		Ticks: uint64(v["ticks"]), NS: uint64(v["ns"]),
	}, err
}

// Free frees count blocks from first on, and what held their starts. All must
// exist, else none is freed. The result's times are 0 for FreeIRQ.
func (t *Testbed) Free(first, count uint64, how FreeHow) (Planted, error) {
	v, err := t.values([]string{"count", "ticks", "ns"}, "free %d %d %s", first, count, how)
	return Planted{First: first, Count: uint64(v["count"]), Ticks: uint64(v["ticks"]), NS: uint64(v["ns"])}, err
}

// EachBlock calls fn for each live block in the order of their IDs, until fn
// returns an error, which it returns. fn must not use this session.
func (t *Testbed) EachBlock(fn func(Block) error) error {
	r, err := t.start("blocks")
	if err != nil {
		return err
	}
	return eachBlock(r, fn)
}

// Blocks returns all live blocks in the order of their IDs.
func (t *Testbed) Blocks() ([]Block, error) {
	var blocks []Block
	err := t.EachBlock(func(b Block) error {
		blocks = append(blocks, b)
		return nil
	})
	return blocks, err
}

// Frames returns where in the direct map the pages of a block are, in their
// order.
func (t *Testbed) Frames(id uint64) ([]uint64, error) {
	text, err := t.text("frames %d", id)
	if err != nil {
		return nil, err
	}
	return parseFrames(text)
}

func eachBlock(r io.Reader, fn func(Block) error) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		b, err := parseBlock(lines.Bytes())
		if err != nil {
			return fmt.Errorf("block %q: %w", lines.Bytes(), err)
		}
		if err := fn(b); err != nil {
			return err
		}
	}
	return lines.Err()
}

// Arena allocates a zeroed region of size bytes, a multiple of the page size,
// in place of the one there was. That fails while it holds starts of blocks.
func (t *Testbed) Arena(size uint64) error {
	_, err := t.text("arena %d", size)
	return err
}

// RepeatedArena is Arena for a region of size bytes that is made of less memory,
// which is mapped again and again. Both are multiples of the page size.
func (t *Testbed) RepeatedArena(size, memory uint64) error {
	_, err := t.text("arena %d %d", size, memory)
	return err
}

// ArenaOff frees the arena.
func (t *Testbed) ArenaOff() error {
	_, err := t.text("arena off")
	return err
}

// FillArena fills the arena with "zero" words or "random" ones that look like
// pointers, the same each time. Starts of blocks kept in it stay.
func (t *Testbed) FillArena(pattern string) error {
	_, err := t.text("fill arena %s", pattern)
	return err
}

// Spread makes, or closes, a hole of 4 GiB in the addresses that vmalloc() gives
// out, so that blocks of more than 2 MiB planted after it have not the upper
// half of their addresses in common with those before. It lasts until it is
// closed or the module unloaded.
func (t *Testbed) Spread(on bool) error {
	word := "off"
	if on {
		word = "on"
	}
	_, err := t.text("spread %s", word)
	return err
}

// Hole has the kernel's page allocator give out next pages that lie in kernel-bss,
// as far as it can be made to, so that records of blocks planted after it lie
// there. It returns how many they are, 0 if the kernel has freed none of its .bss.
func (t *Testbed) Hole() (pages uint64, err error) {
	v, err := t.values([]string{"pages"}, "hole")
	return uint64(v["pages"]), err
}

// Hooks sets, or takes away, hooks on vmalloc() and vfree() of the kinds that
// profiler.ko uses, which do nothing. They stay until they are taken away or the
// module is unloaded.
func (t *Testbed) Hooks(on bool) error {
	word := "off"
	if on {
		word = "on"
	}
	_, err := t.text("hooks %s", word)
	return err
}

// Regions returns the regions there are: data and bss of the testbed, its arena
// if there is one, kernel-data and kernel-bss, and two that cannot be dumped:
// directmap, which is all memory, and vmalloc, the addresses that vmalloc() gives
// out.
func (t *Testbed) Regions() ([]Region, error) {
	text, err := t.text("regions")
	if err != nil {
		return nil, err
	}
	return parseRegions(text)
}

// Dump returns a reader of a region's bytes as they are when they are read. It
// lasts until the session's next command. Pages of kernel-bss that the kernel has
// given to its page allocator read as zeros.
func (t *Testbed) Dump(region string) (io.Reader, error) {
	return t.start("dump %s", region)
}

// FindStarts reads a region's dump and calls found, with the word's offset and
// the page number, for each aligned word that is the address of a page for
// which want holds. It does what the profiler's scan claims to do, in the
// plainest way; the words that it read are wiped.
func FindStarts(dump io.Reader, want func(page uint64) bool, found func(offset, page uint64)) error {
	buf := make([]byte, 64<<10)
	defer clear(buf)
	var base uint64
	for {
		n, err := io.ReadFull(dump, buf)
		if n%8 != 0 {
			return fmt.Errorf("dump of %d bytes is not made of whole words", base+uint64(n))
		}
		for i := 0; i < n; i += 8 {
			word := binary.LittleEndian.Uint64(buf[i:])
			if word != 0 && word%4096 == 0 && want(word>>12) {
				found(base+uint64(i), word>>12)
			}
		}
		base += uint64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("dump: %w", err)
		}
	}
}
