package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/ledger"
)

// Every way in which a login that was asked for is not tried: none is ok.
func TestALoginThatWasNotTriedIsNeverOK(t *testing.T) {
	const password = "not her password"
	attempt := func(t *testing.T, state string) *ledger.Attempt {
		l, err := ledger.Open(state, ledger.Options{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := l.Account("alice@CORP.EXAMPLE.COM").Begin([]byte(password))
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	w := newWorld(t)
	config, _ := w.aliceAlone(password)
	for _, c := range []struct {
		name    string
		before  func(*testing.T)
		more    []string
		verdict string
		exit    int
		code    string
	}{
		{"her password was refused", func(t *testing.T) { attempt(t, w.state).Refused("krb-preauth-failed") }, nil, "failed", 2, "password-wrong"},
		{"her account was revoked", func(t *testing.T) { attempt(t, w.state).Refused("krb-revoked") }, nil, "failed", 2, "account-revoked"},
		{"her password had expired", func(t *testing.T) { attempt(t, w.state).Refused("krb-key-expired") }, nil, "failed", 2, "password-expired"},
		{"two answers were lost", func(t *testing.T) { attempt(t, w.state).Unanswered(); attempt(t, w.state).Unanswered() }, nil, "failed", 2, "login-paused"},
		{"another process is logging her in", func(t *testing.T) { a := attempt(t, w.state); t.Cleanup(func() { a.Withdrawn() }) }, nil, "unknown", 3, ""},
		{"attempts cannot be recorded", func(t *testing.T) { w.write(w.state, "a file") }, nil, "failed", 2, "login-record-impossible"},
		{"there was no time", func(*testing.T) {}, []string{"--timeout", "1ms"}, "unknown", 3, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.state = filepath.Join(t.TempDir(), "state")
			c.before(t)
			r, exit := w.check(config, c.more...)
			if r.Verdict != c.verdict || exit != c.exit || first(r) != c.code {
				t.Errorf("exit %d, verdict %s, %+v", exit, r.Verdict, r.Findings)
			}
		})
	}
}

// A check that is ended at any moment knows less, never something else: what it
// finds, the whole check finds too.
func TestAnInterruptedCheckKnowsLess(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	for i, fault := range []string{"", "kdc-tcp-blocked", "dns-server-silent", "password-wrong", "db-silent"} {
		t.Run("fault "+fault, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			random := rand.New(rand.NewPCG(seed, uint64(i)))
			began := time.Now()
			whole, _ := rehearse(t, "--fault", fault)
			took := time.Since(began)
			for range 6 {
				interrupt(t, fault, time.Duration(random.Int64N(int64(took))), whole)
			}
		})
	}
}

// interrupt checks that a check which ends after that time claims nothing that the whole one does not.
func interrupt(t *testing.T, fault string, after time.Duration, whole rehearsed) {
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	var out, errOut bytes.Buffer
	exit := run(ctx, []string{"rehearse", "-o", "json", "--fault", fault}, os.Stdin, &out, &errOut)
	if out.Len() == 0 && exit == 3 {
		return // before the first probe
	}
	var r rehearsed
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		t.Fatalf("%v\n%s%s", err, out.Bytes(), errOut.Bytes())
	}
	var left []string
	for _, x := range r.Results {
		if x.Reason == "canceled" {
			left = append(left, x.Probe)
		}
	}
	if len(left) == 0 && exit != 3 {
		return // it was over by then
	}
	if r.Verdict != "unknown" || exit != 3 || len(left) == 0 {
		t.Errorf("after %v: exit %d, verdict %s, %d not finished", after, exit, r.Verdict, len(left))
	}
	for _, f := range r.Findings {
		if !slices.ContainsFunc(whole.Findings, func(o rehearsedFinding) bool { return o.Code == f.Code }) {
			t.Errorf("after %v: %s, which the whole check does not find (%s)", after, f.Code, strings.Join(left, " "))
		}
	}
}
