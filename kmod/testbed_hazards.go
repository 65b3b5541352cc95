// SPDX-License-Identifier: MIT

package kmod

// Hazard is what can be wrong with a page of the arena.
type Hazard string

const (
	HazardNone Hazard = "none"
	// The kernel notes of the page that its memory is broken, or not there.
	HazardPoisoned Hazard = "poisoned"
	HazardOffline  Hazard = "offline"
	// The page is mapped as registers are, or there are registers in its place.
	HazardUncached Hazard = "uncached"
	HazardDevice   Hazard = "device"
	// A timer takes pages of the arena away as they are read, up to
	// MaxVanished.
	HazardVanishing Hazard = "vanishing"
)

// MaxVanished is how many pages [HazardVanishing] takes away.
const MaxVanished = 16

// HazardState is what has happened since a hazard was made.
type HazardState struct {
	// Read tells whether the page was read, by the word of the processor.
	Read bool
	// Vanished counts the pages taken away.
	Vanished uint64
}

// MakeHazard makes a page of the arena, by its number, unwell until EndHazard
// or Close. It works on one processor only, one at a time, and nobody but who
// is put to the test may use the arena meanwhile.
func (t *Testbed) MakeHazard(h Hazard, page uint64) error {
	_, err := t.text("hazard %s %d", h, page)
	return err
}

// HazardState tells what has happened to the page.
func (t *Testbed) HazardState() (HazardState, error) {
	v, err := t.values([]string{"read", "vanished"}, "hazard state")
	return HazardState{Read: v["read"] != 0, Vanished: uint64(v["vanished"])}, err
}

// EndHazard makes the page well again.
func (t *Testbed) EndHazard() error {
	_, err := t.text("hazard off")
	return err
}
