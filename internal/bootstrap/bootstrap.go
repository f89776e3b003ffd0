// Package bootstrap does what Aurora MySQL's Kerberos guide tells a person to
// click: directory, trust, role, users, cluster, database users, and the files
// of this host. It reads what there is, says what is missing, does the one next
// thing and reads again, so that it can be ended and begun again at any moment.
//
// # How it is safe
//
// AWS is the truth: every step looks before it does anything. What is asked of
// AWS is first written to a state file (ids and times, nothing secret), because
// Directory Service and RDS know no idempotency token: a request whose answer is
// lost is looked for before it is sent again. A secret of a fixed name in
// Secrets Manager is the lock.
//
// # What it leaves alone
//
// Nothing is deleted but its own lock. Security groups of a cluster, ports,
// master passwords of clusters that are there, and users that have a password
// are not changed.
//
// It imports config, the words of probe and diagnose, and report's escaping. The krb5.conf,
// the check at the end, the directory's users and the database's come from its
// caller.
package bootstrap

import (
	"context"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// Options are what a bootstrap works on and with. All fields are needed unless
// their comment says otherwise.
type Options struct {
	Config   *config.Bootstrap
	AWS      Clients
	StateDir string // where the state file is kept, a folder of root's
	Host     string // this host's name, for who meets the lock
	TakeLock bool   // take the lock from whoever holds it

	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error // ends early with ctx's error
	Progress func(Event)                                // hears what is done and waited for, in turn; nil for nobody

	Accounts OpenAccounts // nil where no users are configured
	SQL      OpenSQL      // nil where no database users are configured
	Krb5Conf Krb5Conf
	Verify   Verifier
}

// Krb5Conf says whether the krb5.conf at path is what cfg needs, and how it
// becomes so.
type Krb5Conf func(cfg *config.Config, path string) (stale bool, apply func() error, err error)

// Verifier runs the check that ends a bootstrap: every login of cfg once. It
// gives what was seen, and what that means. prompted gives the passwords of
// logins whose kind is config.Prompt.
type Verifier func(ctx context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result, diagnose.Report, error)

// Event is one line of progress.
type Event struct {
	Step string
	Kind EventKind
	Text string
	For  time.Duration // EventWaiting: how long already
	Wait *Wait         // EventWaiting
}

// EventKind says what an Event tells.
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

// Report is what was seen of every step.
type Report struct {
	Schema  int          `json:"schema"` // 1
	Account string       `json:"account"`
	Region  string       `json:"region"`
	Steps   []StepReport `json:"steps"`
	// Error is what ended it, with the exit code and what to do; nil: all went well.
	Error *Error `json:"error,omitempty"`
}

// StepReport is one step: what there is, and what is missing.
type StepReport struct {
	Step    string   `json:"step"`
	Done    bool     `json:"done"`
	Is      string   `json:"is"`                // what there is, in words
	Missing []string `json:"missing,omitempty"` // what would be done, or was not done any more
	Waiting string   `json:"waiting,omitempty"` // what AWS is still at
	Notes   []string `json:"notes,omitempty"`
}

// Changes says whether anything is missing.
func (r Report) Changes() bool {
	for _, s := range r.Steps {
		if !s.Done {
			return true
		}
	}
	return false
}

// Plan looks at everything and changes nothing. Where a step fails, the report
// goes as far as it.
func Plan(ctx context.Context, o Options) (Report, error) {
	e, err := start(ctx, o, false)
	if err != nil {
		return Report{Schema: 1}, err
	}
	return e.plan(ctx)
}

// Apply makes what is missing, waits for it, and ends with a login. The error
// is an *Error.
func Apply(ctx context.Context, o Options) (rep Report, err error) {
	e, err := start(ctx, o, true)
	if err != nil {
		return Report{Schema: 1}, err
	}
	defer e.state.close()
	l := &lock{sm: o.AWS.secrets, world: e.world}
	if err := l.take(ctx); err != nil {
		return e.report(), problem("lock", err)
	}
	e.lock = l
	rep, err = e.apply(ctx)
	if released := e.release(ctx, l); err == nil {
		err = released
	}
	return rep, err
}
