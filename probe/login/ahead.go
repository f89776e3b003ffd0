package login

import (
	"context"
	"slices"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
)

// way returns the realms whose KDCs the login will probably come to after the user's own,
// and decides which service a ticket is asked for ahead of the announcement: only one
// that may be announced.
func (a *attempt) way() []string {
	realms := slices.Clone(a.p.Way)
	if a.p.Services == nil {
		return realms
	}
	service, known := a.p.Services.Guess()
	guess, err := client.ParsePrincipal(service)
	if err != nil || !a.p.AllowSPN(guess) { // an empty one is none
		return realms
	}
	hosts := a.p.SPNHosts
	hosts.Remember = nil
	if _, err := hosts.Check((kerberos.Announcement{SPN: guess}).Host(), nil); err != nil {
		return realms
	}
	a.guess, a.known = guess, known
	if guess.Realm != a.p.User.Realm && !slices.Contains(realms, guess.Realm) {
		realms = append(realms, guess.Realm)
	}
	return realms
}

// lookAhead has the KDCs looked up beside the database's name. The Locator keeps what it finds,
// and whoever asks it next is told of an error.
func (a *attempt) lookAhead(ctx context.Context) {
	if a.mat.Shared != nil || a.p.Locator == nil {
		return
	}
	for _, realm := range append([]string{a.p.User.Realm}, a.p.Way...) {
		go func() {
			defer func() { _ = recover() }() // it is met again where the KDCs are needed
			_, _ = a.p.Locator.KDCs(ctx, realm)
		}()
	}
}

// goAlong makes a session of a ticket that several logins share. An instance may announce a
// service of its own, for which nobody has a ticket yet.
func (a *attempt) goAlong(ctx context.Context, c *client.Client) {
	a.session = c.FromShared(a.mat.Shared)
	if a.way(); a.guess != (client.Principal{}) && !a.mat.Shared.Has(a.guess) {
		a.session.Ahead(ctx, a.guess)
	}
}

// endSession closes the session, and remembers what was learned of the database's service.
func (a *attempt) endSession() {
	if a.session == nil {
		return
	}
	a.session.Close()
	if a.p.Services == nil {
		return
	}
	if krb := a.session.RefusedAhead(); krb != nil && a.known && a.service == (client.Principal{}) {
		// The database announces it as soon as it gets so far, and programs that have no ticket yet end there.
		if reasonOfCode(krb.Code) == probe.ReasonKRBServerUnknown {
			a.rec.Fact(probe.FactRefusedAhead, a.guess.String())
		}
	} else if krb != nil {
		a.p.Services.Refused(a.guess.String())
	}
	if a.service != (client.Principal{}) {
		a.p.Services.Announced(a.service.String())
	}
}
