package rehearsal

import (
	"errors"
	"fmt"
	"slices"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// Play ends the fault of a running world and plays that of another finding; no
// code makes it healthy. Addresses, ports and certificates stay as they are.
//
// After a fault of an account its users have new passwords and key tables: a
// secret that was refused is not tried again until it changes.
func (w *World) Play(code diagnose.Code) error {
	fault, err := find(code)
	if err != nil {
		return err
	}
	if fault.before {
		return fmt.Errorf("%s is made by what the state directory knew before: run kerbagent rehearse --fault %[1]s", code)
	}
	if slices.ContainsFunc(accountFaults(), func(f Fault) bool { return f.Code == w.playing }) {
		w.changes++
	}
	w.playing = code
	w.healAccounts()
	if err := errors.Join(w.healServers(), w.configure(w.kind), fault.play(w), w.makeTrust(), w.readConfig()); err != nil {
		return fmt.Errorf("playing %q: %w", string(code), err)
	}
	return nil
}

// healServers takes back what faults change on the path and in servers.
func (w *World) healServers() error {
	w.path.clear()
	for _, c := range w.controllers() {
		c.kdc.Set(krb5test.Script{})
		c.kpasswd.Set(krb5test.Script{})
		c.dns.heal()
	}
	w.resolver.heal()
	healCluster(w)
	for _, r := range w.readers {
		if err := r.SetFaults(mysqltest.Faults{}); err != nil {
			return err
		}
	}
	return w.database.SetFaults(mysqltest.Faults{})
}

// healAccounts makes users, service and trust as they were at the start.
func (w *World) healAccounts() {
	w.addAccounts()
	w.keytab.renew(w.corp)
	w.corp.Distrusts(w.onprem)
}

// password returns a user's password, given the first one.
func (w *World) password(first string) string {
	if w.changes == 0 {
		return first
	}
	return fmt.Sprintf("%s-changed-%d", first, w.changes)
}
