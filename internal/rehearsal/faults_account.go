package rehearsal

import (
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// accountFaults are those of the user's own account. The one login left is
// alice's, or for the keytab etl's; DNS, ports and database are well.
func accountFaults() []Fault {
	return []Fault{{
		Code:    "password-wrong",
		Summary: "alice's password was changed, and the file has the old one: the KDC answers her login with error 24",
		play: func(w *World) error {
			if err := w.corp.SetPassword("alice", "changed-since"); err != nil {
				return err
			}
			return w.only(alice)
		},
	}, {
		Code:    "keytab-stale",
		Summary: "etl's password was changed, and the keytab has the old key and key version: the KDC answers etl's login with error 24",
		play: func(w *World) error {
			if err := w.corp.SetPassword("etl", "changed-since"); err != nil {
				return err
			}
			return w.only(etl)
		},
	}, {
		Code:    "principal-unknown",
		Summary: "the directory has no user alice: every KDC answers the probes and the login with error 6",
		play: func(w *World) error {
			w.corp.Remove("alice")
			return w.only(alice)
		},
	}, {
		Code:    "realm-case",
		Summary: "the configuration names the realm " + strings.ToLower(corpRealm) + ": the KDCs answer as " + corpRealm + ", or do not know the user",
		play: func(w *World) error {
			w.onlyCorp()
			lower := strings.ToLower(corpRealm)
			w.settings.realms[0].name, w.settings.dbRealm = lower, lower
			w.settings.realms[0].kind = config.MIT // of a directory, a file may not say so
			err := w.only(alice)
			w.settings.logins[0].user = "alice@" + lower
			return err
		},
	},
		accountState("account-locked", krb5test.Locked, "alice is locked out: the KDC answers error 18, with status C0000234 (Windows), without a status (Samba) or with the text LOCKED_OUT (MIT)"),
		accountState("account-disabled", krb5test.Disabled, "alice is disabled: the KDC answers error 18, with status C0000072 (Windows, Samba) or the text CLIENT LOCKED OUT (MIT)"),
		{
			Code:    "account-revoked",
			Summary: "both KDCs answer everything with error 18 and no details, so kerbagent cannot tell whether the account is locked or disabled",
			play: func(w *World) error {
				w.onlyCorp()
				for _, c := range []*controller{w.dc1, w.dc2} {
					c.kdc.Set(krb5test.Script{ErrorCode: 18})
				}
				return w.only(alice)
			},
		},
		accountState("account-expired", krb5test.Expired, "alice's account has expired: the KDC answers error 18 with status C0000193 (Windows, Samba), or error 1 (MIT)"),
		accountState("logon-restricted", krb5test.LogonHours, "alice may not log on at this hour: the KDC answers error 18 with status C000006F (Windows)"),
		accountState("password-expired", krb5test.PasswordExpired, "alice's password has expired: the KDC answers error 23, with status C0000071 (Windows, Samba) or without a status (MIT)"),
		accountState("password-must-change", krb5test.MustChange, "alice must change her password: the KDC answers error 23, with status C0000224 (Windows, Samba) or the text REQUIRED PWCHANGE (MIT)"),
		{
			Code:    "password-expiring",
			Summary: "alice's password expires in three days, as the KDC's reply to her login shows; the login works",
			play: func(w *World) error {
				return w.account(krb5test.PasswordExpires(time.Now().Add(3 * 24 * time.Hour)))
			},
		},
		accountState("policy-denied", krb5test.PolicyDenied, "a policy forbids alice to log on: the KDC answers error 12"),
		accountState("preauth-not-required", krb5test.NoPreauth, "the KDCs issue alice's ticket without a proof of her password: the probes get a ticket (AS-REP) instead of error 25; the login works"),
		{
			Code:    "etype-unsupported",
			Summary: "alice has only DES keys, which no client offers any more: the KDC answers her requests with error 14",
			play: func(w *World) error {
				if err := w.account(krb5test.ETypes{desCBCMD5}); err != nil {
					return err
				}
				return w.corp.SetPassword("alice", w.password(alicePassword))
			},
		}, {
			Code:    "preauth-weak",
			Summary: "both KDCs ask for a proof of the password with one hashing round and no salt, as a fake KDC would: kerbagent does not try alice's login",
			play: func(w *World) error {
				for _, c := range []*controller{w.dc1, w.dc2} {
					c.kdc.Set(krb5test.Script{Rounds: 1, NoSalt: true})
				}
				return w.only(alice)
			},
		}, {
			Code:    "user-rc4",
			Summary: "alice has only RC4 keys: kerbagent sends no proof of her password that is made with RC4, and does not try her login",
			play: func(w *World) error {
				return w.account(krb5test.ETypes{krb5test.RC4})
			},
		},
	}
}

// desCBCMD5 is an encryption type that no client here offers (RFC 6649).
const desCBCMD5 = 3

func accountState(code diagnose.Code, s krb5test.State, summary string) Fault {
	return Fault{Code: code, Summary: summary, play: func(w *World) error { return w.account(s) }}
}

// account changes alice's, and leaves her the only login.
func (w *World) account(o krb5test.Option) error {
	if err := w.corp.Change("alice", o); err != nil {
		return err
	}
	return w.only(alice)
}
