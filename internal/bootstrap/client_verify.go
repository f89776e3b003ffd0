package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// verify runs check for every login, with passwords of Secrets Manager in
// memory. A wait is for users whom a domain controller has not heard of yet.
func (s *clientStep) verify(ctx context.Context, cfg *config.Config) (*Wait, error) {
	passwords := map[string]config.BootstrapSecret{}
	for _, l := range s.logins() {
		if l.password.Manager != "" {
			passwords[l.Principal()] = l.password
		}
	}
	run := *cfg
	run.Logins = slices.Clone(cfg.Logins)
	for i, l := range run.Logins {
		if _, ok := passwords[l.Principal()]; ok {
			run.Logins[i].SecretKind, run.Logins[i].Secret = config.Prompt, config.SecretRef{}
		}
	}
	results, rep, err := s.Verify(ctx, &run, func(l config.Login) ([]byte, error) {
		secret, err := s.vault.read(ctx, passwords[l.Principal()])
		return secret.Reveal(), err
	})
	if err != nil {
		return nil, fmt.Errorf("checking the logins: %w", err)
	}
	if users := s.spreading(results, rep); len(users) > 0 && s.waits(rep) {
		return &Wait{For: "every domain controller to know " + strings.Join(users, ", ") + " (one has said that it does not yet)",
			Usual: "15 seconds to a few minutes", Every: 15 * time.Second, Budget: spreadBudget}, nil
	}
	if rep.Verdict == diagnose.VerdictFailed {
		f := rep.Findings[0]
		return nil, advise("kerbagent check has the whole of it, kerbagent explain "+string(f.Code)+" what it means", "%s: %s", f.Code, f.Title)
	}
	s.verified = "no login is configured: the path is good"
	if users := s.checked(); len(users) > 0 {
		s.verified = "logged in: " + strings.Join(users, ", ")
	}
	if rep.Verdict == diagnose.VerdictDegraded {
		s.verified += " (degraded: " + string(rep.Findings[0].Code) + ")"
	}
	return nil, nil
}

// waits reports whether there is time left to wait for a domain controller. One that
// still lacks a user then is a finding; where the logins work, not the end of all.
func (s *clientStep) waits(rep diagnose.Report) bool {
	if s.since.IsZero() {
		s.since = s.Now()
	}
	return rep.Verdict == diagnose.VerdictFailed || s.Now().Sub(s.since) < spreadBudget
}

// spreading are the users without whom all would be well, and whom a domain
// controller does not have yet as they were made: a check may ask another one
// than made them. It knows no such user, and then looks like one of another
// realm; or, where it was told between two of our requests, a disabled one. The
// logins may work all the same, by the other one.
//
// To ask again harms nothing: both are answers to a request without a password
// (Windows' are; Samba asks for it before it says that a user is disabled, which
// then is no such answer).
// A password that is refused is never waited for. It cannot come of this, since
// a user is disabled until it has its password; and each try would count.
func (s *clientStep) spreading(results []probe.Result, rep diagnose.Report) []string {
	for _, f := range rep.Findings {
		if f.Severity == diagnose.Error && !slices.Contains([]diagnose.Code{"principal-unknown", "kdc-wrong-realm", "account-disabled",
			"account-revoked"}, f.Code) {
			return nil
		}
	}
	var out []string
	for _, r := range results {
		if r.ID.Kind != probe.Login || r.Outcome != probe.Failed {
			continue
		}
		user := r.Facts[probe.FactUser]
		unheard := r.Facts[probe.FactFailedAt] == probe.AtAS && (r.Reason == probe.ReasonKRBClientUnknown || r.Reason == probe.ReasonKRBRevoked)
		if !unheard || !s.isNew(user) {
			return nil
		}
		out = append(out, user)
	}
	if len(out) > 0 || !slices.ContainsFunc(rep.Findings, func(f diagnose.Finding) bool { return f.Code == "kdc-wrong-realm" }) {
		return out
	}
	for _, r := range results {
		user := r.Facts[probe.FactUser]
		switch {
		case r.ID.Kind != probe.KDC:
		case r.Reason == probe.ReasonKRBWrongRealm: // that one it is
			return nil
		case r.Facts[probe.FactKRBCode] == "6" && s.isNew(user) && !slices.Contains(out, user):
			out = append(out, user)
		}
	}
	return out
}

// isNew reports of a user@REALM that it was made by this run, or a moment ago.
func (s *clientStep) isNew(user string) bool {
	given := s.state.Done[givenPassword(user)] // never: no user of ours
	return !given.Before(s.began) || s.Now().Sub(given) < spreadBudget
}
