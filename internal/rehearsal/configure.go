package rehearsal

import (
	"errors"
	"fmt"

	"github.com/kerbagent/kerbagent/config"
)

// configure makes the settings of a healthy world and its secret files.
func (w *World) configure(kind config.Kind) error {
	caFile, err1 := w.keep("ca.pem", w.instanceCAs())
	aliceFile, err2 := w.keep("alice.password", []byte(w.password(alicePassword)))
	carolFile, err3 := w.keep("carol.password", []byte(w.password(carolPassword)))
	etlFile, err4 := w.keepKeytab("etl")
	var err5 error
	w.clientKeytab, err5 = w.corp.Keytab("alice", "etl") // before a fault takes one of them away
	if err := errors.Join(err1, err2, err3, err4, err5); err != nil {
		return fmt.Errorf("writing secrets: %w", err)
	}
	w.settings = settings{
		realms: []realmSettings{
			{name: corpRealm, kind: kind, dns: []string{w.dc1.dns.addr.String(), w.dc2.dns.addr.String()}, ports: portsOf(w.dc1, w.dc2)},
			{name: onpremRealm, kind: kind, dns: []string{w.dcOnprem.dns.addr.String()}, ports: portsOf(w.dcOnprem), trustedBy: []string{corpRealm}},
		},
		endpoint: w.endpoint(),
		dbRealm:  corpRealm,
		caFile:   caFile,
		logins: []loginSettings{
			{user: alice, passwordFile: aliceFile},
			{user: etl, keytab: etlFile},
			{user: carol, passwordFile: carolFile},
		},
		resolver: w.resolver.addr.String(),
	}
	return nil
}

func (w *World) keepKeytab(user string) (string, error) {
	kt, err := w.corp.Keytab(user)
	if err != nil {
		return "", err
	}
	return w.keep(user+".keytab", kt)
}

// readConfig turns the settings into what a file would give.
func (w *World) readConfig() error {
	c, err := config.Parse("rehearsal.yaml", []byte(w.settings.yaml()))
	if err != nil {
		return err
	}
	w.config = c
	return nil
}
