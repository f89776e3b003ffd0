package rehearsal

import (
	"errors"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// serviceFaults are those of the way from a TGT to the database's ticket.
func serviceFaults() []Fault {
	return []Fault{{
		Code:    "ticket-rc4",
		Summary: "the database's account has no AES keys: its ticket has encryption type 23, with an AES session key; the login works",
		play: func(w *World) error {
			w.corp.AddService(databaseSPN, krb5test.ETypes{krb5test.RC4}, krb5test.SessionETypes{krb5test.AES256, krb5test.AES128})
			w.keytab.renew(w.corp)
			return w.only(alice)
		},
	}, {
		Code:    "service-unknown",
		Summary: "no realm has the SPN that the database announces: the KDC answers alice's request for its ticket with error 7",
		play: func(w *World) error {
			w.corp.Remove(databaseSPN)
			return w.only(alice)
		},
	}, {
		Code: "service-realm-unmapped",
		Summary: "the database announces its SPN without a realm. The SPN is in " + corpRealm + ", which " + onpremRealm + " trusts, " +
			"but " + onpremRealm + " answers carol with error 7 and does not refer her there",
		play: func(w *World) error {
			return errors.Join(w.database.SetFaults(mysqltest.Faults{SPN: databaseSPN}), w.only(carol))
		},
	}, {
		Code:    "service-duplicate",
		Summary: "two accounts have the SPN that the database announces: the KDC answers alice's request for its ticket with error 8",
		play: func(w *World) error {
			if err := w.corp.Change(databaseSPN, krb5test.Duplicate); err != nil {
				return err
			}
			return w.only(alice)
		},
	}, {
		Code:    "trust-no-referral",
		Summary: corpRealm + " does not trust " + onpremRealm + ": the KDC answers carol's requests for the service and for krbtgt/" + corpRealm + " with error 7",
		play: func(w *World) error {
			w.trust = nil
			return w.only(carol)
		},
	}, {
		Code:    "trust-realm-unreachable",
		Summary: "all packets to port 88 of both domain controllers of " + corpRealm + " are lost: carol is referred there, and no KDC answers her",
		play: func(w *World) error {
			w.onKDC(w.dc1, "", Drop)
			w.onKDC(w.dc2, "", Drop)
			return w.only(carol)
		},
	}, {
		Code:    "trust-etype",
		Summary: "the trust has only DES keys, which no client offers any more: the KDC answers carol's request for krbtgt/" + corpRealm + " with error 14",
		play: func(w *World) error {
			w.trust = &krb5test.Trust{ETypes: []int32{desCBCMD5}}
			return w.only(carol)
		},
	}}
}
