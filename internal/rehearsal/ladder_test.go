package rehearsal_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

// climb runs the normal ladder against a world. That each fault of the Windows
// dialect is found, first and alone, is tested with the command.
func climb(t *testing.T, o rehearsal.Options) (diagnose.Report, []probe.Result) {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := w.Close(); err != nil {
			t.Errorf("closing the world: %v", err)
		}
	}()
	l, err := ledger.Open(w.StateDir(), ledger.Options{Now: w.Now()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	results := check.Run(ctx, w.Config(), check.Env{Dialer: w.Dialer(), Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}, Ledger: l})
	report := check.Explain(w.Config(), results, w.Now()())
	unavoidable := 0
	switch o.Fault {
	case "db-auth-timeout", "db-connection-cut", "db-path-mtu": // it is the server's side that ends them
		unavoidable = 1
	}
	if passwords, handshakes := w.Harm(); passwords > 1 || handshakes > unavoidable {
		t.Errorf("%d wrong passwords were tried, %d handshakes left unfinished\n%s", passwords, handshakes, show(report, results))
	}
	return report, results
}

func show(r diagnose.Report, results []probe.Result) string {
	var b strings.Builder
	fmt.Fprintf(&b, "verdict %s\n", r.Verdict)
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%s %s: %s\n  cause: %s\n  remedy: %s\n  silences %v\n", f.Severity, f.Code, f.Title, f.Cause, f.Remedy, f.Silences)
	}
	for _, res := range results {
		if res.Outcome != probe.OK {
			fmt.Fprintf(&b, "%s %s %s: %v %v\n", res.ID, res.Outcome, res.Reason, res.Err, res.Facts)
		}
	}
	return b.String()
}

// Whatever is wrong with the world, one run tries one password at most and
// leaves the database nothing to hold against this host.
func TestLadderHarmsNobody(t *testing.T) {
	for _, f := range rehearsal.Catalogue() {
		t.Run(string(f.Code), func(t *testing.T) {
			t.Parallel()
			climb(t, rehearsal.Options{Fault: f.Code})
		})
	}
}

func TestHealthyInEveryDialect(t *testing.T) {
	for _, d := range []rehearsal.Dialect{rehearsal.Windows, rehearsal.Samba, rehearsal.MIT} {
		t.Run(string(d), func(t *testing.T) {
			report, results := climb(t, rehearsal.Options{Dialect: d})
			if report.Verdict != diagnose.VerdictOK || len(report.Findings) > 0 {
				t.Error(show(report, results))
			}
		})
	}
}

// What a KDC says of an account is what dialects differ in most. Logon hours
// are left out: MIT has none.
func TestAccountFaultsAreFoundInEveryDialect(t *testing.T) {
	for _, d := range []rehearsal.Dialect{rehearsal.Samba, rehearsal.MIT} {
		for _, code := range accountCodes() {
			t.Run(string(d)+"/"+string(code), func(t *testing.T) {
				t.Parallel()
				report, results := climb(t, rehearsal.Options{Fault: code, Dialect: d})
				if len(report.Findings) == 0 || report.Findings[0].Code != code || report.Findings[0].Remedy == "" {
					t.Fatal(show(report, results))
				}
				for _, other := range report.Findings[1:] {
					if other.Severity == diagnose.Error {
						t.Errorf("%s stands beside it\n%s", other.Code, show(report, results))
					}
				}
			})
		}
	}
}

func accountCodes() []diagnose.Code {
	return []diagnose.Code{"password-wrong", "keytab-stale", "principal-unknown", "realm-case", "account-locked", "account-disabled", "account-revoked",
		"account-expired", "password-expired", "password-must-change", "password-expiring", "policy-denied", "preauth-not-required",
		"etype-unsupported", "preauth-weak", "user-rc4", "kdc-wrong-realm", "clock-skew", "ticket-rc4", "service-unknown", "service-realm-unmapped", "service-duplicate",
		"trust-no-referral", "trust-etype"}
}
