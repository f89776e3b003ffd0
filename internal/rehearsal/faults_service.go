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
		Summary: "no realm has the SPN that the database announces: error 7 to alice's TGS-REQ",
		play: func(w *World) error {
			w.corp.Remove(databaseSPN)
			return w.only(alice)
		},
	}, {
		Code: "service-realm-unmapped",
		Summary: "the database announces its SPN without a realm: " + onpremRealm + " answers carol with error 7 and no referral; " +
			"a ticket for " + corpRealm + " is to be had, and the SPN is there",
		play: func(w *World) error {
			return errors.Join(w.database.SetFaults(mysqltest.Faults{SPN: databaseSPN}), w.only(carol))
		},
	}, {
		Code:    "service-duplicate",
		Summary: "two accounts hold the SPN that the database announces: error 8 to alice's TGS-REQ",
		play: func(w *World) error {
			if err := w.corp.Change(databaseSPN, krb5test.Duplicate); err != nil {
				return err
			}
			return w.only(alice)
		},
	}, {
		Code:    "trust-no-referral",
		Summary: corpRealm + " does not trust " + onpremRealm + ": error 7 to carol's TGS-REQ for the service and for krbtgt/" + corpRealm,
		play: func(w *World) error {
			w.trust = nil
			return w.only(carol)
		},
	}, {
		Code:    "trust-realm-unreachable",
		Summary: "packets to port 88 of both domain controllers of " + corpRealm + " vanish: carol has her referral there, and nobody to show it to",
		play: func(w *World) error {
			w.onKDC(w.dc1, "", Drop)
			w.onKDC(w.dc2, "", Drop)
			return w.only(carol)
		},
	}, {
		Code:    "trust-etype",
		Summary: "the trust has keys of a type that nobody wants any more: error 14 to carol's TGS-REQ for krbtgt/" + corpRealm,
		play: func(w *World) error {
			w.trust = &krb5test.Trust{ETypes: []int32{desCBCMD5}}
			return w.only(carol)
		},
	}}
}
