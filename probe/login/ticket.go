package login

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// A login as programs do it waits for a KDC as libkrb5 does, which gives an exchange
// about 10 s: twice the usual timeout for each, and five times for all.
const (
	exchangePatience = 2
	walkPatience     = 5
)

// getTGT is the directory's half: it runs beside the database's first stages.
func (a *attempt) getTGT(outer context.Context) {
	defer close(a.tgt)
	defer func() {
		if v := recover(); v != nil { // it is on a goroutine of its own, beyond probe.Safely
			a.tgtErr = fmt.Errorf("panic while getting a ticket: %v", v)
		}
	}()
	limit := a.p.Timeout
	if a.p.Trail != nil {
		limit = walkPatience * a.p.Timeout
	}
	ctx, cancel := probe.Limit(outer, limit)
	defer cancel()
	c := a.client()
	if a.mat.Shared != nil { // with the ticket for the service, in most cases
		a.goAlong(outer, c)
		return
	}
	reach := c.Reach(outer, a.way()...)
	defer func() {
		if a.session == nil {
			reach.Close()
			return
		}
		a.session.Along(reach)
		if a.guess != (client.Principal{}) {
			a.session.Ahead(outer, a.guess)
		}
	}()
	if a.mat.TGT != nil {
		a.session = c.FromTicket(a.mat.TGT)
		a.share()
		return
	}
	c.Beside, c.Unheard = !a.p.Account.Careful(), a.p.Account.Unheard
	var recorded Attempt
	c.BeforePreauth = func() (err error) {
		recorded, err = a.p.Account.Begin(a.mat.Identity)
		return err
	}
	if a.p.Trail != nil {
		c.BeforeSecond = func() (err error) {
			if !a.p.Account.Proven(a.mat.Identity) {
				return errors.New("the secret is not known to be right: no second KDC is asked")
			}
			recorded.Unanswered()
			recorded, err = a.p.Account.Begin(a.mat.Identity) // an attempt of its own
			return err
		}
	}
	a.session, a.tgtErr = c.TGT(ctx, a.p.User, a.mat.Secret)
	if recorded != nil {
		end(recorded, a.tgtErr)
	}
	if a.tgtErr == nil {
		a.recordTGT(a.session.Ticket(), recorded != nil)
	}
	a.share()
}

// client returns a Kerberos client as this host's programs have it.
func (a *attempt) client() *client.Client {
	c := &client.Client{Dialer: a.p.Dialer, Locator: a.p.Locator, Now: a.p.Now, Timeout: a.p.Timeout, Observe: a.observe,
		AllowRC4: a.p.AllowRC4, Salted: a.p.Salted, SameHost: a.p.SameHost}
	if a.p.Trail != nil {
		c.Patience = exchangePatience * a.p.Timeout
	}
	c.Datagram = func(kdc netip.AddrPort) { a.datagram = kdc }
	c.TimeSync = a.p.TimeSync == nil || a.p.TimeSync()
	if a.p.ETypes != nil {
		c.Permitted = a.p.ETypes()
	}
	if a.p.UDPLimit != nil {
		c.UDPLimit = a.p.UDPLimit()
	}
	return c
}

// share keeps the service ticket that the session gets, and hands the ticket on.
func (a *attempt) share() {
	var shared *client.Shared
	if a.session != nil {
		shared = a.session.Share()
	}
	if a.p.OnTicket != nil {
		a.p.OnTicket(shared)
	}
}

func (a *attempt) recordTGT(t *client.Ticket, preauthenticated bool) {
	if preauthenticated {
		a.rec.Fact(probe.FactPreauth, "required")
	} else {
		a.rec.Fact(probe.FactPreauth, "none")
	}
	if t.ProofEType != 0 {
		a.rec.Fact(probe.FactProofType, fmt.Sprint(t.ProofEType))
	}
	if !t.PasswordExpiry.IsZero() {
		a.rec.Sample(probe.SamplePasswordExpiry, float64(t.PasswordExpiry.Unix()))
	}
	if t.Ahead != 0 {
		a.rec.Sample(probe.SampleAhead, t.Ahead.Seconds())
	}
	if a.lastKDC.IsValid() {
		a.rec.Fact(probe.FactKDC, a.lastKDC.String())
	}
}

// end closes the record of a preauthenticated attempt by what came of it.
func end(t Attempt, err error) {
	var krb *kdcwire.KRBError
	switch {
	case err == nil:
		t.Accepted()
	case errors.As(err, &krb):
		switch r := reasonOfCode(krb.Code); r {
		case probe.ReasonKRBPreauthFailed, probe.ReasonKRBRevoked, probe.ReasonKRBKeyExpired, probe.ReasonKRBClientExpired:
			t.Refused(string(r))
		default:
			t.Withdrawn() // an answer, and no word on the secret
		}
	case errors.Is(err, client.ErrReplyKey):
		t.Refused(string(probe.ReasonKRBPreauthFailed))
	default:
		t.Unanswered()
	}
}

// waitTGT is how the authenticator comes by the session.
func (a *attempt) waitTGT(ctx context.Context) (*client.Session, error) {
	select {
	case <-a.tgt:
		return a.session, a.tgtErr
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// quick is how long a KDC that fails may take to cost a program nothing: libkrb5
// turns to the next one after a second of silence.
const quick = time.Second

// observe turns a step of the walk into a stage.
func (a *attempt) observe(s client.Step) {
	if s.Addr.IsValid() {
		a.lastKDC = s.Addr
		if s.Err == nil && s.Name != client.StepConnect {
			a.kdcs[s.Realm] = s.Addr
		}
		a.told[s.Addr] = s.Err != nil && s.Duration < quick
		a.largest[s.Realm] = max(a.largest[s.Realm], s.Size)
	}
	silent := errors.Is(s.Err, os.ErrDeadlineExceeded) && !errors.Is(s.Err, context.Canceled) // else it was given up
	if (s.Name == client.StepPreauth || s.Name == client.StepTGS) && (silent || errors.Is(s.Err, io.EOF)) {
		a.rec.Fact(probe.FactUnanswered, s.Addr.String())
	}
	a.rec.Past(s.Name, s.Start, s.Duration, s.Err)
}

// noTicket reports why no token could be made. After error 7 it finds out where
// the service's realm stops being known.
func (a *attempt) noTicket(ctx context.Context, auth *kerberos.Authenticator, err error) *failure {
	var step *client.StepError
	var krb *kdcwire.KRBError
	select {
	case <-a.tgt:
		if a.tgtErr != nil { // Run tells of that
			return &failure{at: probe.AtAS, reason: "", err: err}
		}
	default: // what was announced is refused before a ticket matters
	}
	if !errors.As(err, &step) {
		return &failure{at: probe.AtDatabase, reason: database.ReasonOf(err), err: err}
	}
	asked := client.Principal{}
	if n := len(auth.Hops); n > 0 {
		asked = auth.Hops[n-1].Asked
	}
	a.rec.Fact(probe.FactAskedFor, asked.Name)
	if errors.As(err, &krb) && reasonOfCode(krb.Code) == probe.ReasonKRBServerUnknown {
		a.rec.Fact(probe.FactReferral, a.whyUnknown(ctx, auth, asked))
	}
	return &failure{at: probe.AtTGS, reason: "", err: err}
}

// whyUnknown tells a missing trust from a missing service from a service that
// the user's realm was not told about.
func (a *attempt) whyUnknown(ctx context.Context, auth *kerberos.Authenticator, asked client.Principal) string {
	if strings.HasPrefix(asked.Name, "krbtgt/") {
		return probe.ReferralNoTrust
	}
	home := auth.Announcement.SPN.Realm
	if home == "" {
		home = a.p.HomeRealm
	}
	if home == "" || len(auth.Hops) > 0 && auth.Hops[len(auth.Hops)-1].Realm == home {
		return probe.ReferralUnknownThere
	}
	ctx, cancel := probe.Limit(ctx, a.p.Timeout)
	defer cancel()
	cross, err := a.session.CrossRealm(ctx, home)
	if err != nil {
		return probe.ReferralNoTrust
	}
	defer cross.Close()
	if _, _, err := cross.ServiceTicket(ctx, client.Principal{Name: auth.Announcement.SPN.Name, Realm: home}); err != nil {
		return probe.ReferralUnknownThere
	}
	return probe.ReferralExistsThere
}

// notProved ends the run where a KDC asked for a proof of the password that is not given: it
// records which KDC that was.
func (a *attempt) notProved(reason probe.Reason) probe.Result {
	var step *client.StepError
	if errors.As(a.tgtErr, &step) && step.Addr.IsValid() {
		a.rec.Fact(probe.FactKDC, step.Addr.String())
	}
	return a.rec.Skip(reason, a.tgtErr)
}

// failTicket ends the run for an error of the walk.
func (a *attempt) failTicket(err error) probe.Result {
	var step *client.StepError
	at, silent := probe.AtAS, probe.ReasonTCPSilent
	if errors.As(err, &step) {
		a.rec.Fact(probe.FactFailedRealm, step.Realm)
		if step.Addr.IsValid() {
			a.rec.Fact(probe.FactKDC, step.Addr.String())
		}
		switch step.Step {
		case client.StepPreauth:
			at = probe.AtPreauth
		case client.StepTGS:
			at = probe.AtTGS
		case client.StepConnect:
			silent = probe.ReasonConnectTimeout
		}
		if step.Realm != a.p.User.Realm {
			at = probe.AtTGS // finding or reaching the KDCs of another realm
		}
	}
	a.rec.Fact(probe.FactFailedAt, at)
	var krb *kdcwire.KRBError
	if errors.As(err, &krb) {
		recordKRBError(a.rec, krb)
	}
	var noEntry *client.NoEntryError
	if errors.As(err, &noEntry) {
		a.rec.Fact(probe.FactKeytabHas, strings.Join(noEntry.Has[:min(len(noEntry.Has), 3)], " "))
	}
	reason := reasonOf(err, silent)
	if step != nil && step.Step == client.StepLocate && reason != probe.ReasonCanceled {
		reason = probe.WhyUnresolved(err) // by whatever DNS does
	}
	return a.rec.Fail(reason, err)
}

func recordKRBError(rec *probe.Recorder, krb *kdcwire.KRBError) {
	rec.Fact(probe.FactKRBCode, fmt.Sprint(krb.Code))
	rec.Fact(probe.FactKRBText, krb.EText)
	if status, ok := krb.NTStatus(); ok {
		rec.Fact(probe.FactNTStatus, fmt.Sprintf("%08x", status))
	}
}

// reasonOf turns an error of the walk into a reason.
func reasonOf(err error, silent probe.Reason) probe.Reason {
	var krb *kdcwire.KRBError
	var mismatch *client.MismatchError
	switch {
	case errors.As(err, &krb):
		return reasonOfCode(krb.Code)
	case errors.As(err, &mismatch):
		return probe.ReasonKRBReplyMismatch
	case errors.Is(err, client.ErrReplyKey):
		return probe.ReasonKRBPreauthFailed
	case errors.Is(err, client.ErrNoKey):
		return probe.ReasonKeytabNoKey
	case errors.Is(err, client.ErrNoKDC):
		return probe.ReasonUnresolvable
	case errors.Is(err, io.EOF):
		return probe.ReasonClosed
	}
	return probe.ReasonOf(err, silent)
}

// reasonOfCode: error codes of RFC 4120 §7.5.9 as MS-KILE §2.2.1 and the KDCs use them.
func reasonOfCode(code int32) probe.Reason {
	switch code {
	case 1:
		return probe.ReasonKRBClientExpired
	case 6:
		return probe.ReasonKRBClientUnknown
	case 7:
		return probe.ReasonKRBServerUnknown
	case 8:
		return probe.ReasonKRBNotUnique
	case 12:
		return probe.ReasonKRBPolicy
	case 14:
		return probe.ReasonKRBEType
	case 18:
		return probe.ReasonKRBRevoked
	case 23:
		return probe.ReasonKRBKeyExpired
	case 24, 31:
		return probe.ReasonKRBPreauthFailed
	case 29:
		return probe.ReasonKRBServiceUnavailable
	case 32:
		return probe.ReasonKRBTicketExpired
	case 37:
		return probe.ReasonKRBSkew
	case 52:
		return probe.ReasonKRBTooBig
	case 68:
		return probe.ReasonKRBWrongRealm
	}
	return probe.ReasonKRBError
}
