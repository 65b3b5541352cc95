// SPDX-License-Identifier: MIT

// Command init is the first process of the guests that profilertest boots. It
// does the groups of checks that its job names.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"kprof-bench/guest"
	"kprof-bench/kmod"
	"kprof-bench/kmod/profilertest"
)

// groups are sets of checks that share a boot, in this order.
var groups = map[string][]check{
	"parameters": {
		{"by hand", byHand},
		{"exact spelling", exactSpelling},
		{"modes", modes},
		{"bad functions", badFunctions},
		{"bad functions by insmod", badByInsmod},
		{"bad addresses", badAddresses},
		{"many names", manyNames},
		{"load and unload", loadAndUnload},
	},
	"calls": {
		{"exact counts", exactCounts},
		{"counts while interrupted", interruptedCounts},
		{"unload under sleepers", unloadUnderSleepers},
		{"more sleepers than instances", moreSleepersThanInstances},
	},
	"changes": {
		{"choice of backends", choice},
		{"no return", noReturn},
		{"bad parameters", badParameters},
		{"other functions", change},
		{"other functions that are bad", badChange},
		{"other functions under sleepers", changeUnderSleepers},
		{"jumps between backends", unloadUnderBoth},
		{"durations", durations},
		{"calibration", calibration},
		{"modules of functions", keepsModules},
		{"hundreds of functions", hundreds},
	},
	"without rethook": {
		{"choice of backends", withoutRethook},
	},
	"sleepers": {
		{"unload under 50 for 1 s", unloadUnder(50, time.Second)},
		{"unload under 50 for 60 s", unloadUnder(50, time.Minute)},
		{"unload under 1000 for 10 s", unloadUnder(1000, 10*time.Second)},
		{"stack traces", stackTraces},
		{"dying", dying},
		{"occupied", occupied((*kmod.Testbed).Occupy)},
		{"patched", occupied((*kmod.Testbed).Patch)},
		{"functions that have left", leftFunctions},
	},
	"returns": {
		{"unload under 50 for 1 s", unloadUnder(50, time.Second)},
		{"stack traces", stackTraces},
		{"functions that have left", leftFunctions},
	},
	"some sleepers": {
		{"unload under 50 for 1 s", unloadUnder(50, time.Second)},
	},
	"shared": sharing(),
	"many sleepers": {
		{"10000 at once", manySleepers},
	},
	"blocks": {
		// First, before this process knows any address.
		{"residue", residue},
		{"freed in every way", freedInEveryWay},
		{"other allocators", otherAllocators},
		{"vmallocinfo", vmallocinfo},
		{"profiled at the same time", profiledAtTheSameTime},
		{"ftrace switched off", ftraceSwitchedOff},
		{"whole family", wholeFamily},
		{"family probed by others", familyProbedByOthers},
		{"self-references", selfReferences},
		{"confirmed verdicts", confirmedVerdicts},
		{"storm", storm},
		{"no records left", noRecordsLeft},
	},
	"real time": {
		{"sleeping locks", sleepingLocks},
	},
	"ranges": {
		{"exact borders", exactBorders},
		{"hostile ranges", hostileRanges},
		{"hazards", hazards},
		{"vanishing pages", vanishingPages},
		{"changes meanwhile", changesMeanwhile},
		{"killed reader", killedReader},
		{"unload under a scan", unloadUnderScan},
	},
	"many blocks": {
		{"whole report", wholeReport},
		{"parts of the report", partsOfReport},
		{"rewind", rewind},
		{"parallel readers", parallelReaders},
		{"amid readers of other texts", amidOthers},
		{"parallel readers amid changes", readersAmidChanges},
		{"unload under parallel readers", unloadUnderReaders},
		{"small reads", smallReads},
		{"unload under a scan of 1 GiB", unloadUnderGiB},
	},
	"two processors": {
		{"counts", racingCounts},
		{"unload", racingUnload},
		{"changes", racingChanges},
		{"four threads", fourThreads},
		{"churn", churn},
	},
	"cycles": {
		{"load and unload under callers", cycles},
	},
}

func main() {
	if !guest.InGuest() {
		fmt.Fprintln(os.Stderr, "init: this is for guests that tests boot")
		os.Exit(2)
	}
	guest.Main(func(_ context.Context, text []byte, ch *guest.Channel) error {
		var job profilertest.Job
		if err := json.Unmarshal(text, &job); err != nil {
			return fmt.Errorf("job: %w", err)
		}
		if out, err := exec.Command("/bin/busybox", "--install", "-s", "/bin").CombinedOutput(); err != nil {
			return fmt.Errorf("install busybox: %w: %s", err, out)
		}
		// Real addresses in /proc/vmallocinfo, for root.
		if err := os.WriteFile("/proc/sys/kernel/kptr_restrict", []byte("1"), 0); err != nil {
			return err
		}
		for _, group := range job.Groups {
			if err := doGroup(ch, job, group); err != nil {
				return err
			}
		}
		return nil
	})
}

func doGroup(ch *guest.Channel, job profilertest.Job, group string) error {
	if len(groups[group]) == 0 {
		return fmt.Errorf("no checks %q", group)
	}
	for _, c := range groups[group] {
		if err := ch.Send(profilertest.OutcomeKind, c.do(job, group)); err != nil {
			return err
		}
	}
	return nil
}
