package login_test

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// memory is a Services that keeps what it is told.
type memory struct {
	guess     string
	known     bool
	announced []string
	refused   []string
}

func (m *memory) Guess() (string, bool) { return m.guess, m.known }
func (m *memory) Announced(s string)    { m.announced = append(m.announced, s) }
func (m *memory) Refused(s string)      { m.refused = append(m.refused, s) }

// stagesOf returns the names of a result's stages, in order.
func stagesOf(res probe.Result) (names []string) {
	for _, s := range res.Stages {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names
}

// A ticket that was asked for ahead of the announcement is the login's where the
// announcement is the same. Otherwise it was never there: no stage, fact, sample, reason
// or outcome of the login is another than without it.
func TestATicketAheadOfTheAnnouncement(t *testing.T) {
	right := spn + "@" + realmName
	other := "mysql/other.corp.example.com@" + realmName
	for _, tt := range []struct {
		name    string
		guess   string
		prepare func(*rig)
		tgs     []string // what the KDC is asked for, at most
		refused bool
	}{
		{name: "none", tgs: []string{spn}},
		{name: "the announced one", guess: right, tgs: []string{spn}},
		{name: "another one", guess: other, prepare: func(r *rig) { r.realm.AddService("mysql/other.corp.example.com") }, tgs: []string{"mysql/other.corp.example.com", spn}},
		{name: "one that does not exist", guess: other, tgs: []string{"mysql/other.corp.example.com", spn}, refused: true},
		{name: "a service that is not allowed", guess: "ldap/dc1.corp.example.com@" + realmName, tgs: []string{spn}},
		{name: "a realm that is not allowed", guess: spn + "@OTHER.TEST", tgs: []string{spn}},
	} {
		for _, c := range []struct {
			name  string
			spoil func(*testing.T, *rig)
			asks  bool // the login comes to ask for a ticket
		}{
			{"healthy", func(*testing.T, *rig) {}, true},
			{"the service is unknown", func(_ *testing.T, r *rig) { r.realm.Remove(spn) }, true},
			{"the database says no", func(t *testing.T, r *rig) { setFaults(t, r, mysqltest.Faults{RejectToken: true}) }, true},
			{"the database is full", func(t *testing.T, r *rig) {
				setFaults(t, r, mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1040, Message: "Too many connections"}})
			}, false},
		} {
			t.Run(tt.name+", "+c.name, func(t *testing.T) {
				run := func(guess string) (probe.Result, *memory, []string) {
					r, m := newRig(t), &memory{guess: guess}
					if tt.prepare != nil {
						tt.prepare(r)
					}
					c.spoil(t, r)
					p := r.probe("alice", password)
					p.Services = m
					res := p.Run(t.Context())
					return res, m, r.kdc.Requests().Services
				}
				without, _, _ := run("")
				res, m, asked := run(tt.guess)
				if res.Outcome != without.Outcome || res.Reason != without.Reason || !slices.Equal(stagesOf(res), stagesOf(without)) {
					t.Errorf("%s %s %v; without a guess %s %s %v", res.Outcome, res.Reason, stagesOf(res), without.Outcome, without.Reason, stagesOf(without))
				}
				for k, v := range without.Facts {
					if res.Facts[k] != v && k != probe.FactKDC && k != probe.FactCertNotAfter {
						t.Errorf("fact %s: %q, without a guess %q", k, res.Facts[k], v)
					}
				}
				for _, s := range asked {
					if !slices.ContainsFunc(tt.tgs, func(n string) bool { return n+"@"+realmName == s }) && !(c.name == "the database is full" && s == tt.guess) {
						t.Errorf("a ticket for %s was asked for", s)
					}
				}
				if c.asks && (len(asked) == 0 || asked[len(asked)-1] != right || len(asked) > len(tt.tgs)) {
					t.Errorf("tickets were asked for %v", asked)
				}
				if got := c.name != "the service is unknown" && c.asks; got != slices.Equal(m.announced, []string{right}) || len(m.announced) > 1 {
					t.Errorf("remembered: %v", m.announced)
				}
				if tt.refused != slices.Equal(m.refused, []string{tt.guess}) {
					t.Errorf("refused: %v", m.refused)
				}
			})
		}
	}
}

func setFaults(t *testing.T, r *rig, f mysqltest.Faults) {
	t.Helper()
	if err := r.db.SetFaults(f); err != nil {
		t.Fatal(err)
	}
}

// A KDC that takes its time over the guess does not hold up the announced service.
func TestASlowGuessIsLeft(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: 200 * time.Millisecond}})
	p := r.probe("alice", password)
	p.Services = &memory{guess: "mysql/other.corp.example.com@" + realmName}
	if res := p.Run(t.Context()); res.Outcome != probe.OK || res.Facts[probe.FactReferral] != "" {
		t.Errorf("%s: %v", res.Reason, res.Err)
	}
}

// signalling is a locator that tells of its being asked.
type signalling struct {
	locator
	asked chan struct{}
}

func (s signalling) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	select {
	case s.asked <- struct{}{}:
	default:
	}
	return s.locator.KDCs(ctx, realm)
}

// The KDCs were looked up only once the database's name was: a round trip more.
func TestKDCsAreLookedUpBesideTheDatabasesName(t *testing.T) {
	r := newRig(t)
	p := r.probe("alice", password)
	asked := make(chan struct{}, 1)
	p.Locator = signalling{locator{r.kdc.Addr()}, asked}
	resolve := p.Endpoint
	p.Endpoint = func(ctx context.Context) (database.Server, error) {
		select {
		case <-asked:
		case <-time.After(5 * time.Second):
			return database.Server{}, errors.New("nobody looks up the KDCs meanwhile")
		}
		return resolve(ctx)
	}
	if res := p.Run(t.Context()); res.Outcome != probe.OK {
		t.Errorf("%s: %v", res.Reason, res.Err)
	}
}
