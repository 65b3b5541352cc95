// SPDX-License-Identifier: MIT

package guest

import (
	"encoding/json"
	"fmt"
	"time"
)

// Record is one result that the job sent with [Channel.Send].
type Record struct {
	Kind string          `json:"kind"`
	Data json.RawMessage `json:"data"`
}

// Decode stores the record's data in v as [json.Unmarshal] does.
func (r Record) Decode(v any) error {
	if err := json.Unmarshal(r.Data, v); err != nil {
		return fmt.Errorf("record %q: %w", r.Kind, err)
	}
	return nil
}

// helloMessage is what the guest says of itself when it is up.
type helloMessage struct {
	Release string        `json:"release"` // uname -r
	Uptime  time.Duration `json:"uptime"`  // guest time since boot
	CPUs    int           `json:"cpus"`    // online
}

type verdict string

const (
	verdictOK     verdict = "ok"
	verdictWrong  verdict = "wrong numbers"
	verdictFailed verdict = "failed"
)

// doneMessage is the last word of a guest.
type doneMessage struct {
	Verdict verdict `json:"verdict"`
	Message string  `json:"message,omitempty"`
}
