// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"fmt"

	"kprof-bench/kmod"
	"kprof-bench/kmod/testbedtest"
)

const reloads = 20

// reload unloads the module with everything in it, again and again.
func (l *lab) reload() error {
	for i := range reloads {
		loaded, err := kmod.Load(testbedtest.TestbedPath)
		if err != nil {
			return err
		}
		err = fill(i)
		if err := errors.Join(err, loaded.Unload()); err != nil {
			return fmt.Errorf("cycle %d: %w", i, err)
		}
		if err := nothingLeft(); err != nil {
			return fmt.Errorf("after cycle %d: %w", i, err)
		}
	}
	return nil
}

// fill leaves blocks of all kinds, an arena and a probe behind.
func fill(i int) (err error) {
	t, err := kmod.OpenTestbed()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	if err := t.Arena(1 << 16); err != nil {
		return err
	}
	// IDs start from 0 again, so nothing of the last cycle is known.
	next := uint64(0)
	for _, class := range plantable {
		planted, err := t.Plant(class, 20, 5000)
		if err != nil {
			return err
		}
		if planted.First != next {
			return fmt.Errorf("%s: first block is %d, want %d", class, planted.First, next)
		}
		next += planted.Count
	}
	kinds, err := otherKinds()
	if err != nil {
		return err
	}
	for _, kind := range kinds {
		if _, err := t.PlantOther(kind, 1, sizeOfKind(kind)); err != nil {
			return err
		}
	}
	// Not with the other classes: there can be one of these.
	if _, err := t.Plant("evading", 1, 4096); err != nil {
		return err
	}
	if _, err := t.RefProbe("tb_work"); err != nil {
		return err
	}
	if _, err := t.Work(1, 10); err != nil {
		return err
	}
	// Frees still on their way when the module goes.
	_, err = t.Free(uint64(i), 10, kmod.FreeIRQ)
	return err
}

// unloadInUse: an open session keeps the module.
func (l *lab) unloadInUse() error {
	loaded, err := kmod.Load(testbedtest.TestbedPath)
	if err != nil {
		return err
	}
	t, err := kmod.OpenTestbed()
	if err != nil {
		return errors.Join(err, loaded.Unload())
	}
	p := &problems{}
	err = loaded.Unload()
	equal(p, "unloading it in use is refused", errors.Is(err, kmod.ErrInUse), true)
	p.note("work afterwards", second(t.Work(1, 1)))
	_, err = kmod.Load(testbedtest.TestbedPath)
	equal(p, "loading it twice is refused", errors.Is(err, kmod.ErrLoaded), true)
	p.note("close", t.Close())
	p.note("unload", loaded.Unload())
	return p.err()
}
