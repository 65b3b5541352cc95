// SPDX-License-Identifier: MIT

package bench

import (
	"fmt"
	"slices"
	"strings"

	"kprof-bench/kmod"
)

// liveBlocks holds the blocks that are reported against those of which the kernel
// itself keeps a list, and the places where they were allocated against what it
// noted of them.
func (l *lab) liveBlocks(prof *kmod.Profiler) error {
	l.progress("read /proc/vmallocinfo")
	r, err := l.region("data") // a small one: only the blocks matter
	if err != nil {
		return err
	}
	if err := prof.SetRange(r.Start, r.End); err != nil {
		return err
	}
	leaks, err := prof.Leaks()
	if err != nil {
		return err
	}
	areas, err := kmod.Vmallocinfo()
	if err != nil {
		return err
	}
	if probedItself(areas) {
		l.add(nil, []Check{notSupported("vmallocinfo",
			"in Linux 5.10 the probe is on vmalloc() itself, which takes the probe's trampoline for its caller")})
		return nil
	}
	text, err := kmod.TestbedText()
	if err != nil {
		return err
	}
	noted, err := l.notedCallers(areas, text)
	if err != nil {
		return err
	}
	own := func(ip uint64) bool { return l.object.InText(ip, text) }
	l.add(nil, checkLive(leaks, noted, own))
	return nil
}

// probedItself tells whether the kernel took a kretprobe for the caller of
// vmalloc(). Later kernels, in which that would be a defect of the module's, call
// the trampoline by other names.
func probedItself(areas []kmod.Area) bool {
	return slices.ContainsFunc(areas, func(a kmod.Area) bool { return a.Symbol == "kretprobe_trampoline" })
}

// notedCallers returns where the testbed called vmalloc(), by the page of the
// block, according to the kernel. What it got from other allocators is left out.
func (l *lab) notedCallers(areas []kmod.Area, text uint64) (map[uint64]uint64, error) {
	noted := map[uint64]uint64{}
	for _, a := range areas {
		class, site := strings.CutPrefix(a.Symbol, "tb_site_")
		if a.Module != kmod.TestbedModule || !site || isOtherKind(class) {
			continue
		}
		// The array of the pages of a big block is an area of its own.
		if class == bigKind && a.Bytes < bigSize {
			continue
		}
		caller, err := l.object.Address(a.Symbol, a.Offset, text)
		if err != nil {
			return nil, err
		}
		noted[a.Page] = caller
	}
	return noted, nil
}

// isOtherKind tells whether blocks of a class are not vmalloc()'s own.
func isOtherKind(class string) bool {
	return class != bigKind && slices.ContainsFunc(otherKinds, func(k otherKind) bool { return k.name == class })
}

// checkLive compares the report with what the kernel noted: the caller of
// vmalloc(), by page. own tells whether a caller is in the testbed; blocks that
// the kernel allocated for itself may have come and gone in between.
func checkLive(leaks []kmod.Leak, noted map[uint64]uint64, own func(ip uint64) bool) []Check {
	var missing, extra, callers []string
	reported := map[uint64]bool{}
	for _, l := range leaks {
		caller, ok := noted[l.Page]
		reported[l.Page] = true
		switch {
		case ok && caller != l.IP:
			callers = append(callers, fmt.Sprintf("block %#x: %#x instead of %#x", l.Page<<kmod.PageShift, l.IP, caller))
		case !ok && own(l.IP):
			extra = append(extra, fmt.Sprintf("block %#x of %#x", l.Page<<kmod.PageShift, l.IP))
		}
	}
	for page := range noted {
		if !reported[page] {
			missing = append(missing, fmt.Sprintf("block %#x", page<<kmod.PageShift))
		}
	}
	slices.Sort(missing)
	return []Check{
		judge(len(noted) > 0 && len(missing) == 0, "vmallocinfo: live blocks",
			"of %d blocks of the testbed %d are not reported%s", len(noted), len(missing), first(missing)),
		judge(len(extra) == 0, "vmallocinfo: freed blocks",
			"%d blocks are reported that the kernel does not have%s", len(extra), first(extra)),
		judge(len(callers) == 0, "vmallocinfo: callers",
			"%d blocks are reported with another place of allocation than the kernel noted%s", len(callers), first(callers)),
	}
}
