// SPDX-License-Identifier: MIT

package kmod

import (
	"fmt"
	"strconv"
	"strings"
)

// Churned is what became of blocks that came and went.
type Churned struct {
	// Pairs of vmalloc() and vfree().
	Pairs uint64
	// IRQ counts those that were freed in hard interrupt context.
	IRQ uint64
}

// Churn allocates pairs blocks of size bytes by vmalloc(), 96 at a time, and
// frees them: a third by vfree(), a third by kvfree(), and a third in
// interrupts, half of those on another processor if there is one.
func (t *Testbed) Churn(pairs, size uint64) (Churned, error) {
	v, err := t.values([]string{"pairs", "irq"}, "churn %d %d", pairs, size)
	return Churned{Pairs: uint64(v["pairs"]), IRQ: uint64(v["irq"])}, err
}

// Batch allocates count blocks of size bytes by vmalloc() and then frees those
// of the session's last batch, so that blocks of no more than two live at one
// moment. It returns the pages of the new ones. They live until the next batch,
// BatchOff or Close.
func (t *Testbed) Batch(count, size uint64) ([]uint64, error) {
	return t.pages("batch %d %d", count, size)
}

// BatchOff frees the session's batch.
func (t *Testbed) BatchOff() error {
	_, err := t.text("batch off")
	return err
}

// Stray allocates count blocks of a page by vmalloc() and gives them back
// without a vfree(), as nobody should. It returns their pages.
func (t *Testbed) Stray(count uint64) ([]uint64, error) {
	return t.pages("stray %d", count)
}

// Purge has vmalloc() give out again the addresses of all blocks that are free.
func (t *Testbed) Purge() error {
	_, err := t.text("purge")
	return err
}

// pages runs a command that prints addresses of pages.
func (t *Testbed) pages(format string, args ...any) ([]uint64, error) {
	text, err := t.text(format, args...)
	if err != nil {
		return nil, err
	}
	return parsePages(text)
}

// parsePages reads addresses as page numbers, for the reason given at Block.
func parsePages(text string) ([]uint64, error) {
	var pages []uint64
	for line := range strings.Lines(text) {
		digits, ok := strings.CutSuffix(line, "000\n")
		if !ok || len(digits) != 13 {
			return nil, fmt.Errorf("%q is no page's address", line)
		}
		page, err := strconv.ParseUint(digits, 16, 64)
		if err != nil {
			return nil, err
		}
		pages = append(pages, page)
	}
	return pages, nil
}
