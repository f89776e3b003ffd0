package bootstrap

import (
	"time"
)

// Report is what was seen of every step.
type Report struct {
	Schema  int          `json:"schema"` // 1
	Account string       `json:"account"`
	Alias   string       `json:"alias,omitempty"` // of the account, where a plan may read it
	Region  string       `json:"region"`
	Steps   []StepReport `json:"steps"`
	Notes   []string     `json:"notes,omitempty"` // on the whole
	// Error is what ended it, with the exit code and what to do; nil: all went well.
	Error *Error `json:"error,omitempty"`
}

// Event is one line of progress.
type Event struct {
	Step string
	Kind EventKind
	Text string
	For  time.Duration // EventWaiting: how long already
	Wait *Wait         // EventWaiting
}

// EventKind is the kind of an Event.
type EventKind string

// The kinds of event.
const (
	EventFound   EventKind = "found"   // what there is
	EventDoing   EventKind = "doing"   // what is asked of AWS, the directory or the database
	EventWaiting EventKind = "waiting" // again at every look
	EventAgain   EventKind = "again"   // an attempt that could not be made, and will be again
	EventNote    EventKind = "note"    // what the operator should know
	EventDone    EventKind = "done"
)

// StepReport is one step: what there is, and what is missing.
type StepReport struct {
	Step    string   `json:"step"`
	Done    bool     `json:"done"`
	Is      string   `json:"is"`                // what there is, in words
	Missing []string `json:"missing,omitempty"` // what would be done, or was not done any more
	Waiting string   `json:"waiting,omitempty"` // what AWS is still at
	Billed  []string `json:"billed,omitempty"`  // what would be made that AWS bills by the hour
	Notes   []string `json:"notes,omitempty"`
}

// Changes reports whether anything is missing.
func (r Report) Changes() bool {
	for _, s := range r.Steps {
		if !s.Done {
			return true
		}
	}
	return false
}

// Wait is something that takes its time.
type Wait struct {
	For    string        // "the directory d-… to become Active (it is Creating)"
	Usual  string        // "20 to 45 minutes"
	Every  time.Duration // between looks
	Budget time.Duration // until it is given up; a later run waits on
}

// Exit is how a bootstrap ends, as a script sees it.
type Exit int

// The exit codes of `kerbagent bootstrap`.
const (
	ExitDone        Exit = 0 // all is there, and a login was verified
	ExitWaiting     Exit = 1 // for somebody else, or interrupted: run it again
	ExitFailed      Exit = 2
	ExitUsage       Exit = 3 // or configuration
	ExitCredentials Exit = 4 // expired or missing: log in and run it again
	ExitPermission  Exit = 5
	ExitLocked      Exit = 6 // another bootstrap is at it
)

// Error is what ended a bootstrap: at which step, what, and what to do next.
type Error struct {
	Exit   Exit   `json:"exit"`
	Step   string `json:"step"`
	Text   string `json:"text"`
	Next   string `json:"next,omitempty"`
	Policy string `json:"policy,omitempty"` // JSON of the permission that is missing
	Err    error  `json:"-"`
}

// Error returns the step and what went wrong.
func (e *Error) Error() string { return e.Step + ": " + e.Text }

// Unwrap returns the error behind it.
func (e *Error) Unwrap() error { return e.Err }
