package agent

import (
	"context"
	"crypto/hmac"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/keys"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/login"
)

func (p planner) loginProbe(l config.Login, db config.Database, endpoint func(context.Context) (database.Server, error), locator client.Locator) login.Probe {
	facts := databaseFacts(db)
	realm, _ := p.cfg.Realm(l.Realm)
	for k, v := range realmFacts(realm) {
		facts[k] = v
	}
	facts[probe.FactUser] = l.Principal()
	if realm.AllowRC4 {
		facts[probe.FactRC4] = "true"
	}
	return login.Probe{
		User: client.Principal{Name: l.User, Realm: l.Realm}, Database: db.Name, Host: db.Host, HomeRealm: db.Realm,
		Endpoint: endpoint, Material: p.materials(l), Locator: locator,
		AllowSPN: p.allowSPN(db), Dialer: p.env.Dialer, Timeout: p.cfg.Probes.Timeout, Now: p.env.Now, Facts: facts,
		Account: p.env.account(l.Principal()), Handshakes: p.env.logins(db, l.Principal()), Path: p.env.handshakes(db, l.Principal()),
		SPNHosts: p.spnHosts(db), AllowRC4: realm.AllowRC4, Salted: isAD(realm.Kind),
	}
}

// allowSPN allows the database's services in the configured realms: a ticket
// is asked for nothing else, whatever a server announces.
func (p planner) allowSPN(db config.Database) func(client.Principal) bool {
	return func(spn client.Principal) bool {
		service, host, ok := strings.Cut(spn.Name, "/")
		_, ours := p.cfg.Realm(spn.Realm)
		return ok && host != "" && ours && slices.ContainsFunc(db.AllowedServices, func(s string) bool { return strings.EqualFold(s, service) })
	}
}

// spnHosts says of which hosts a database's announced service may be.
func (p planner) spnHosts(db config.Database) kerberos.Hosts {
	h := kerberos.Hosts{Endpoint: db.Host, Also: db.SPNHosts, Strict: db.StrictSPN, Remember: func(host string) (string, error) {
		if p.env.Ledger == nil {
			return "", p.env.LedgerErr
		}
		return p.env.Ledger.Database(db.Endpoint(), db.MaxConnectErrors).FirstHost(host)
	}}
	for _, o := range p.cfg.Databases {
		if o.Name != db.Name && !strings.EqualFold(o.Host, db.Host) {
			h.Others = append(append(h.Others, o.Host), o.SPNHosts...)
		}
	}
	return h
}

// materials gives a login what material reads, and the same Secret again for
// as long as the file stays the same: a Secret remembers the key that a
// password was stretched to, which is a third of what a login costs.
func (p planner) materials(l config.Login) func() (login.Material, error) {
	var mu sync.Mutex
	var last login.Material
	return func() (login.Material, error) {
		m, err := p.material(l)
		mu.Lock()
		defer mu.Unlock()
		if err == nil && l.SecretKind != config.Keytab && m.Secret != nil && last.Secret != nil && hmac.Equal(m.Identity, last.Identity) {
			return last, nil
		}
		last = m
		return m, err
	}
}

// material reads what a login proves itself with, at every run, since secrets
// change. Errors name the file and never hold any of it.
func (p planner) material(l config.Login) (login.Material, error) {
	m := login.Material{Kind: string(l.SecretKind)}
	switch l.SecretKind {
	case config.Prompt:
		m.Kind = string(config.PasswordFile)
		if p.env.Prompted == nil {
			return m, errors.New("no password was given")
		}
		pw, err := p.env.Prompted(l)
		if err != nil {
			return m, err
		}
		m.Identity, m.Secret = pw, client.Password(pw)
	case config.PasswordFile:
		pw, err := l.Secret.Password()
		if err != nil {
			return m, err
		}
		m.Identity, m.Secret = pw, client.Password(pw)
	case config.Keytab:
		b, err := l.Secret.Read()
		if err != nil {
			return m, err
		}
		kt, err := keys.ParseKeytab(b)
		if err != nil {
			return m, fmt.Errorf("reading keytab %s: %w", l.Secret, err)
		}
		m.Identity, m.Secret, m.KVNO = kt.Identity(l.User, l.Realm), client.FromKeytab(kt), newestKVNO(kt, l)
	case config.CCache:
		b, err := l.Secret.Read()
		if err != nil {
			return m, err
		}
		cc, err := keys.ParseCCache(b)
		if err == nil {
			m.TGT, err = client.CachedTGT(cc)
		}
		if err != nil {
			return m, fmt.Errorf("reading credential cache %s: %w", l.Secret, err)
		}
		if got := m.TGT.Client.String(); got != l.Principal() {
			return m, fmt.Errorf("credential cache %s is of %q, not of %s", l.Secret, got, l.Principal())
		}
	}
	return m, nil
}

func newestKVNO(kt *keys.Keytab, l config.Login) string {
	newest, any := uint32(0), false
	for _, e := range kt.Entries {
		if e.Name == l.User && e.Realm == l.Realm {
			newest, any = max(newest, e.KVNO), true
		}
	}
	if !any {
		return ""
	}
	return fmt.Sprint(newest)
}
