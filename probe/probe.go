// Package probe is the vocabulary that probes and their readers share: what a
// probe is, what it returns, and the bounded words it may use. It does no I/O
// and imports nothing of kerbagent.
//
// A probe asks one question at one address and returns one value. It never
// retries, never falls back to another transport or family, and never calls
// silence "open". Whoever wants to know what a set of results means asks
// internal/diagnose.
package probe

import (
	"cmp"
	"context"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Probe is one question at one address.
type Probe interface {
	// ID is the same for every run of this probe and unique in a plan.
	ID() ID
	// Run asks once. It honours ctx, does not panic on what a peer says, and
	// reports every failure in the Result.
	Run(ctx context.Context) Result
}

// Dialer opens a connection. *net.Dialer is one; tests and the rehearsal put
// a path with faults in its place.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Kind is the rung of the ladder that a probe belongs to.
type Kind string

// The kinds, in the order of the ladder.
const (
	DNS      Kind = "dns"
	KDC      Kind = "kdc"
	Kpasswd  Kind = "kpasswd"
	Database Kind = "database"
	Login    Kind = "login"
	Krb5Conf Kind = "krb5conf"
)

// Rungs returns the kinds in the order of the ladder, from the name to the
// login; the krb5.conf, which stands beside it, comes last.
func Rungs() []Kind { return []Kind{DNS, KDC, Kpasswd, Database, Login, Krb5Conf} }

// Transport is how an address was asked; empty where a probe uses several or none.
type Transport string

// The transports.
const (
	UDP Transport = "udp"
	TCP Transport = "tcp"
)

// ID names a probe: what kind of question, about what, at which address, over
// which transport.
type ID struct {
	Kind      Kind
	Target    string         // a host name, a DNS question or "user@REALM@database": from configuration or checked to be a host name
	Address   netip.AddrPort // zero where there is no address, e.g. a name that does not resolve
	Transport Transport
	Variant   string // tells two questions at one address apart, e.g. "large"
}

// String returns kind/target/address/transport, leaving out what is not set.
func (id ID) String() string {
	parts := []string{string(id.Kind), id.Target}
	if id.Address.IsValid() {
		parts = append(parts, id.Address.String())
	}
	if id.Transport != "" {
		parts = append(parts, string(id.Transport))
	}
	if id.Variant != "" {
		parts = append(parts, id.Variant)
	}
	return strings.Join(parts, "/")
}

// Family is "ipv4", "ipv6" or empty where the ID has no address.
func (id ID) Family() string {
	switch {
	case !id.Address.IsValid():
		return ""
	case id.Address.Addr().Unmap().Is4():
		return "ipv4"
	default:
		return "ipv6"
	}
}

// Target is a probe that is planned. Facts are those that the plan gives it:
// the realm, the user and the database of a login, the database of a database
// probe.
type Target struct {
	ID    ID
	Facts Facts
}

// Outcome is never a bare bool: a question that was not asked is neither good nor bad.
type Outcome string

// The outcomes.
const (
	OK      Outcome = "ok"
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // not asked; Reason says why
)

// Result is what one run of one probe saw.
type Result struct {
	ID       ID
	Outcome  Outcome
	Reason   Reason // empty when OK
	Err      error  // the chain behind Reason; may hold what a peer said, so escape it before printing
	Started  time.Time
	Duration time.Duration
	Stages   []Stage
	Facts    Facts
	Samples  Samples
}

// Compare orders results as the ladder does: by rung, then by realm, address
// and what is asked there.
func Compare(a, b *Result) int {
	if c := cmp.Compare(slices.Index(Rungs(), a.ID.Kind), slices.Index(Rungs(), b.ID.Kind)); c != 0 {
		return c
	}
	if c := cmp.Compare(a.Facts[FactRealm], b.Facts[FactRealm]); c != 0 {
		return c
	}
	return cmp.Or(
		a.ID.Address.Compare(b.ID.Address),
		cmp.Compare(a.ID.Target, b.ID.Target),
		cmp.Compare(a.ID.Transport, b.ID.Transport),
		cmp.Compare(a.ID.Variant, b.ID.Variant),
	)
}

// Stage is one step of a probe, in wire order.
type Stage struct {
	Name     string        // one of the words that the probe's package documents
	Offset   time.Duration // the time since Result.Started
	Duration time.Duration
	Err      error
}

// Facts is what a probe learnt, in words. What a peer said is in here as it
// said it: hostile text, to be escaped by each output.
type Facts map[Fact]string

// Samples is what a probe measured, in base units.
type Samples map[Sample]float64

// List splits a fact that holds several words.
func (f Facts) List(k Fact) []string { return strings.Fields(f[k]) }

// With returns a copy in which one fact is another.
func (f Facts) With(k Fact, v string) Facts {
	out := make(Facts, len(f)+1)
	maps.Copy(out, f)
	out[k] = v
	return out
}

// HeldBack is why a probe must not ask now: a guard of accounts or of a
// database's patience returns it, and the result is Skipped with its Reason.
type HeldBack struct {
	Reason Reason // ReasonPaused, ReasonNoRecord or ReasonNotAsked
	Err    error
}

// Error is the guard's own text.
func (h *HeldBack) Error() string { return h.Err.Error() }

// Unwrap returns the guard's error.
func (h *HeldBack) Unwrap() error { return h.Err }
