// SPDX-License-Identifier: MIT

package guest

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestSeats(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var all unix.CPUSet
	all.Set(3)
	all.Set(5)
	first, lock1 := pickSeat(&all)
	second, lock2 := pickSeat(&all)
	if first != 3 || second != 5 || lock1 == nil || lock2 == nil {
		t.Fatalf("two guests sit on processors %d and %d of 3 and 5, locks %v and %v", first, second, lock1, lock2)
	}
	if third, lock := pickSeat(&all); lock != nil || third != 3 && third != 5 {
		t.Errorf("a third guest sits on processor %d, lock %v", third, lock)
	}
	(&seat{lock1}).leave()
	if again, lock := pickSeat(&all); again != 3 || lock == nil {
		t.Errorf("after one has left, the next sits on processor %d, lock %v", again, lock)
	}
}
