package bootstrap

import (
	"context"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// says has the next checks find what a KDC answered to alice.
func (h *host) says(code diagnose.Code, reason probe.Reason, at string) {
	h.results = []probe.Result{{ID: probe.ID{Kind: probe.Login, Target: "alice@CORP.EXAMPLE.COM@orders"}, Outcome: probe.Failed, Reason: reason,
		Facts: probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactFailedAt: at}}}
	h.verdict = diagnose.Report{Verdict: diagnose.VerdictFailed, Findings: []diagnose.Finding{
		{Code: code, Severity: diagnose.Error, Title: "what is said of " + string(code)}, {Code: "kdc-large-messages-lost", Severity: diagnose.Warning}}}
}

// knowsAll has the next checks find nothing.
func (h *host) knowsAll() { h.results, h.verdict = nil, diagnose.Report{Verdict: diagnose.VerdictOK} }

func (h *host) waits(what string) (out []Event) {
	for _, e := range h.events {
		if e.Kind == EventWaiting && strings.Contains(e.Text, what) {
			out = append(out, e)
		}
	}
	return out
}

const untilAliceIsKnown = "every domain controller to know alice@CORP.EXAMPLE.COM"

// A domain controller that has not heard yet of the user that this run made is
// waited for; it used to end the first run with "principal-unknown".
func TestWaitsUntilUsersAreKnownEverywhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code   diagnose.Code
		reason probe.Reason
	}{
		{"principal-unknown", probe.ReasonKRBClientUnknown}, {"kdc-wrong-realm", probe.ReasonKRBClientUnknown},
		{"account-disabled", probe.ReasonKRBRevoked}, {"account-revoked", probe.ReasonKRBRevoked},
	} {
		t.Run(string(c.code), func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			h.says(c.code, c.reason, probe.AtAS)
			h.onVerify = func() {
				if h.checks == 3 {
					h.knowsAll()
				}
			}
			rep := h.done()
			if is := rep.Steps[len(rep.Steps)-1].Is; !strings.HasPrefix(is, "logged in: alice@") || h.checks != 3 {
				t.Errorf("ended with %q after %d checks", is, h.checks)
			}
			w := h.waits(untilAliceIsKnown)
			if len(w) != 2 || w[0].Step != "client" || w[0].For != 0 || w[1].For != 15*time.Second || w[1].Wait.Usual != "15 seconds to a few minutes" {
				t.Errorf("waited %+v", w)
			}
			if rep.Changes() {
				t.Errorf("left to do: %+v", rep.Steps)
			}
		})
	}
}

// What is not of a new user, or is no such answer, ends the run at once: above
// all a password that was refused, of which each try counts.
func TestOnlyNewUsersAreWaitedFor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code   diagnose.Code
		reason probe.Reason
		at     string
		edit   func(*host)
	}{
		"a password refused":         {"password-wrong", probe.ReasonKRBPreauthFailed, probe.AtPreauth, nil},
		"locked after its password":  {"account-revoked", probe.ReasonKRBRevoked, probe.AtPreauth, nil},
		"another realm":              {"kdc-wrong-realm", probe.ReasonKRBWrongRealm, probe.AtAS, nil},
		"something else is broken":   {"db-tls-untrusted", probe.ReasonKRBClientUnknown, probe.AtAS, nil},
		"a user who was there":       {"principal-unknown", probe.ReasonKRBClientUnknown, probe.AtAS, func(h *host) { h.people.accounts["alice"] = &Account{Name: "alice", HasPassword: true} }},
		"a user of the other forest": {"principal-unknown", probe.ReasonKRBClientUnknown, probe.AtAS, func(h *host) { h.results[0].Facts[probe.FactUser] = "alice@ONPREM.LOCAL" }},
		"one login of two is other wrong": {"principal-unknown", probe.ReasonKRBClientUnknown, probe.AtAS, func(h *host) {
			other := h.results[0]
			other.Reason, other.Facts = probe.ReasonKRBPreauthFailed, probe.Facts{probe.FactUser: "bob@CORP.EXAMPLE.COM", probe.FactFailedAt: probe.AtPreauth}
			h.results = append(h.results, other)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			h.says(c.code, c.reason, c.at)
			if c.edit != nil {
				c.edit(h)
				if a := h.people.accounts["alice"]; a != nil {
					h.people.passwords = map[string]string{"alice": alicePassword}
				}
			}
			h.fails(ExitFailed, string(c.code), "kerbagent explain")
			if h.checks != 1 {
				t.Errorf("%d checks", h.checks)
			}
		})
	}
}

// A login that works by the other domain controller is not the end while one
// lacks the user that this run made. It used to end as "degraded".
func TestWaitsThoughTheLoginWorks(t *testing.T) {
	t.Parallel()
	const alice = "alice@CORP.EXAMPLE.COM"
	for name, c := range map[string]struct {
		user, code string
		reason     probe.Reason
		heard      int // the check from which on all is well; 0: none
		checks     int
		ends       string
	}{
		"heard at the third check": {alice, "6", probe.ReasonKRBClientUnknown, 3, 3, "logged in: " + alice + ", bob@CORP.EXAMPLE.COM"},
		"never heard":              {alice, "6", probe.ReasonKRBClientUnknown, 0, int(spreadBudget/(15*time.Second)) + 1, "bob@CORP.EXAMPLE.COM (degraded: kdc-wrong-realm)"},
		"another realm's KDC":      {alice, "68", probe.ReasonKRBWrongRealm, 0, 1, "(degraded: kdc-wrong-realm)"},
		"a user of somebody's":     {"carol@CORP.EXAMPLE.COM", "6", probe.ReasonKRBClientUnknown, 0, 1, "(degraded: kdc-wrong-realm)"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			h.results = []probe.Result{{ID: probe.ID{Kind: probe.Login}, Outcome: probe.OK, Facts: probe.Facts{probe.FactUser: alice}},
				{ID: probe.ID{Kind: probe.KDC}, Outcome: probe.OK, Reason: c.reason, Facts: probe.Facts{probe.FactUser: c.user, probe.FactKRBCode: c.code}}}
			h.verdict = diagnose.Report{Verdict: diagnose.VerdictDegraded, Findings: []diagnose.Finding{{Code: "kdc-wrong-realm", Severity: diagnose.Warning}}}
			h.onVerify = func() {
				if h.checks == c.heard {
					h.knowsAll()
				}
			}
			rep := h.done()
			if is := rep.Steps[len(rep.Steps)-1].Is; !strings.HasSuffix(is, c.ends) || h.checks != c.checks {
				t.Errorf("ended with %q after %d checks, want %q after %d", is, h.checks, c.ends, c.checks)
			}
			if w := h.waits(untilAliceIsKnown); len(w) != c.checks-1 {
				t.Errorf("waited %d times", len(w))
			}
		})
	}
}

// The wait has an end, and can be ended; the next run waits on while the user
// is new, and then takes the answer for what it says.
func TestWaitForUsersEnds(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.done()
	// Users that are made when the cluster is joined already: there is nothing to wait for in between.
	h.people.accounts = map[string]*Account{}
	h.says("principal-unknown", probe.ReasonKRBClientUnknown, probe.AtAS)

	ctx, cancel := context.WithCancel(t.Context())
	o := h.options()
	sleep := o.Sleep
	o.Sleep = func(ctx context.Context, d time.Duration) error {
		if len(h.waits(untilAliceIsKnown)) == 2 {
			cancel()
		}
		return sleep(ctx, d)
	}
	h.events = nil
	_, err := Apply(ctx, o)
	if e := problem("", err); e.Exit != ExitWaiting || e.Text != "interrupted" || len(h.waits(untilAliceIsKnown)) != 2 {
		t.Errorf("ended in the middle of the wait: exit %d, %s", e.Exit, e.Text)
	}

	began := cloud.Now()
	h.fails(ExitFailed, "principal-unknown")
	if d := cloud.Now().Sub(began); d < spreadBudget-2*time.Minute || d > spreadBudget {
		t.Errorf("a second run waited %s for a user made some seconds before it", d)
	}
	h.checks = 0
	h.fails(ExitFailed, "principal-unknown")
	if h.checks != 1 {
		t.Errorf("a third run made %d checks", h.checks)
	}

	h.people.accounts = map[string]*Account{}
	h.fails(ExitWaiting, "waited 10m0s for "+untilAliceIsKnown, "run it again")
	h.knowsAll()
	h.done()
}

// Killed between a user's password and its enabling, the next run enables it;
// it used to call it a disabled user of unknown reason. The password is not set
// again, and who is disabled later stays so.
func TestKilledBetweenPasswordAndEnabling(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.people.onEnable = runtime.Goexit
	if _, err, killed := h.apply(); !killed {
		t.Fatalf("ended by itself: %v", err)
	}
	if a := h.people.accounts["alice"]; a == nil || !a.HasPassword || !a.Disabled {
		t.Fatalf("alice is %+v", a)
	}
	h.people.onEnable = nil
	h.people.passwords["alice"] = alicePassword + ", and nobody set another"
	h.onVerify = func() { h.people.passwords["alice"] = alicePassword }
	h.done()
	if slices.ContainsFunc(h.events, func(e Event) bool { return e.Text == "give alice its password and enable it" }) {
		t.Error("the password was set again")
	}
	h.right(scenarios()[0])

	h.people.accounts["alice"].Disabled = true
	h.fails(ExitFailed, "alice is disabled", "enable it, or leave it out")
}

// An enabled user without a password of its own has one that must be changed at
// the next logon. It used to be given another one.
func TestUsersWhoMustChangeTheirPasswordAreLeftAlone(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.people.accounts["alice"] = &Account{Name: "alice"}
	h.people.passwords = map[string]string{"alice": "hers"}
	h.fails(ExitFailed, "alice must change its password at the next logon", "bootstrap.users")
	if h.people.passwords["alice"] != "hers" {
		t.Error("it was given another one")
	}
}
