// Package diagnose turns what probes saw into what it means: the catalogue of
// finding codes, and Explain, a pure function from a snapshot of results to
// findings. It does no I/O, keeps no state and imports only the probe
// vocabulary.
package diagnose

import (
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Code names what is wrong, in words. It is stable forever: the same in the
// terminal, JSON, metrics, alerts and docs.
type Code string

// Severity of a finding.
type Severity string

// The severities, worst first.
const (
	Error   Severity = "error"   // logins, or a path that every login needs, are broken
	Warning Severity = "warning" // it will or does hurt, logins still work
	Info    Severity = "info"    // worth knowing
)

// Finding is one root cause with its consequences folded under it.
type Finding struct {
	Code     Code
	Severity Severity
	Title    string // what broke, in a few words
	Cause    string // why, with what was seen
	Remedy   string // what to type next; made from configuration, never from what a peer said
	Affects  []probe.ID
	Evidence map[string]string // what a peer said is in here: hostile text
	Silences []Code            // findings that are consequences of this one
	Since    time.Time         // start of the first result that shows it
	Unheard  bool              // a look-up had no answer, which may be by chance: only a second round makes it sure
}

// Verdict sums up a snapshot.
type Verdict string

// The verdicts.
const (
	VerdictOK       Verdict = "ok"
	VerdictDegraded Verdict = "degraded" // something is broken, logins still work
	VerdictFailed   Verdict = "failed"   // a login is broken or paused after a refusal, or a path that every login needs is broken
	VerdictUnknown  Verdict = "unknown"  // the run was cut short, or a login that was asked for was not tried
)

// Report is what Explain makes of a snapshot.
type Report struct {
	Verdict  Verdict
	Findings []Finding // the first one is the root cause
}
