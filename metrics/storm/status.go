package storm

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Status is what a job does, as a number that triggers and value maps rely
// on. 1 to 4 are those of Storm's own TopologyStatus; a record may
// hold other non-negative numbers of its own, which are kept as they are.
// source: apache/storm storm.thrift.
type Status int

// The statuses.
const (
	statusUnknown     Status = iota // a word that nobody knows
	statusActive                    // at work
	statusInactive                  // asked to rest
	statusRebalancing               // on the way to or from work
	statusKilled                    // ended by somebody
	statusFailed                    // ended by itself, badly
	Success                         // ended by itself, well
	statusQueued                    // waiting for its turn
	statusStale                     // says that it lives, but has not said so lately
	statusMissing                   // has no record
	numStatuses
)

// maxStatus bounds the numbers that a record may use as its status.
const maxStatus = 1<<31 - 1

var statusTexts = [numStatuses]string{
	"UNKNOWN", "ACTIVE", "INACTIVE", "REBALANCING", "KILLED",
	"FAILED", "SUCCESS", "QUEUED", "STALE", "MISSING",
}

// Statuses lists those that have a name, in the order of their numbers.
func Statuses() []Status {
	out := make([]Status, numStatuses)
	for i := range out {
		out[i] = Status(i)
	}
	return out
}

// String is the status's name, ACTIVE; of a number without one, its digits.
func (s Status) String() string {
	if s < 0 || s >= numStatuses {
		return strconv.Itoa(int(s))
	}
	return statusTexts[s]
}

// live reports whether a job in this status is expected to go on writing.
func (s Status) live() bool {
	return s == statusActive || s == statusRebalancing || s == statusQueued
}

// statusWords are the words that writers use for each status.
var statusWords = wordMap(map[Status]string{
	statusUnknown:     "UNKNOWN",
	statusActive:      "ACTIVE RUNNING STARTED BUSY UP OK",
	statusInactive:    "INACTIVE PAUSED DEACTIVATED SUSPENDED IDLE",
	statusRebalancing: "REBALANCING STARTING INITIALIZING STOPPING",
	statusKilled:      "KILLED STOPPED CANCELLED ABORTED TERMINATED",
	statusFailed:      "FAILED ERROR DEAD CRASHED TIMEOUT",
	Success:           "SUCCESS COMPLETED FINISHED DONE",
	statusQueued:      "QUEUED PENDING SCHEDULED WAITING RETRY",
	statusStale:       "STALE",
	statusMissing:     "MISSING",
})

func wordMap(words map[Status]string) map[string]Status {
	out := make(map[string]Status)
	for status, list := range words {
		for word := range strings.FieldsSeq(list) {
			out[word] = status
		}
	}
	return out
}

// maxStatusText bounds a status in bytes. A longer text is something else.
const maxStatusText = 64

// statusText tidies a status as it was written: blanks and quotes around it
// go. What cannot be a status at all is an error.
func statusText(raw string) (string, error) {
	text := strings.Trim(raw, " \t\r\n\"'")
	switch {
	case text == "":
		return "", errors.New("the status is empty")
	case len(text) > maxStatusText || !printable(text):
		return "", fmt.Errorf("%s is no status", quote(raw))
	}
	return text, nil
}

// statusOf reads a tidied status: a number is itself, a word is looked up,
// without regard to case, in the caller's words first.
func statusOf(text string, extra map[string]int) Status {
	if n, err := strconv.ParseUint(text, 10, 64); err == nil {
		if n > maxStatus {
			return statusUnknown
		}
		return Status(n)
	}
	for word, n := range extra {
		if strings.EqualFold(word, text) {
			return Status(n)
		}
	}
	return statusWords[strings.ToUpper(text)]
}
