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
		Summary: "alice's password was changed, the file has the old one: error 24 at the one preauthenticated request",
		play: func(w *World) error {
			if err := w.corp.SetPassword("alice", "changed-since"); err != nil {
				return err
			}
			return w.only(alice)
		},
	}, {
		Code:    "keytab-stale",
		Summary: "etl's password was changed, the keytab has the old key and kvno: error 24 at the one preauthenticated request",
		play: func(w *World) error {
			if err := w.corp.SetPassword("etl", "changed-since"); err != nil {
				return err
			}
			return w.only(etl)
		},
	}, {
		Code:    "principal-unknown",
		Summary: "the directory has no alice: every KDC answers error 6, to the probes and to the login",
		play: func(w *World) error {
			w.corp.Remove("alice")
			return w.only(alice)
		},
	}, {
		Code:    "realm-case",
		Summary: "the configuration writes " + strings.ToLower(corpRealm) + ": KDCs answer in the name of " + corpRealm + ", or do not know the user",
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
		accountState("account-locked", krb5test.Locked, "alice is locked out: error 18 with C0000234 (Windows), without a status after the right password (Samba), with LOCKED_OUT (MIT)"),
		accountState("account-disabled", krb5test.Disabled, "alice is disabled: error 18 with C0000072 (Windows, Samba), with CLIENT LOCKED OUT (MIT)"),
		{
			Code:    "account-revoked",
			Summary: "both KDCs answer everything with a bare error 18: locked or disabled, it does not say",
			play: func(w *World) error {
				w.onlyCorp()
				for _, c := range []*controller{w.dc1, w.dc2} {
					c.kdc.Set(krb5test.Script{ErrorCode: 18})
				}
				return w.only(alice)
			},
		},
		accountState("account-expired", krb5test.Expired, "alice's account has expired: error 18 with C0000193 (Windows, Samba), error 1 (MIT)"),
		accountState("logon-restricted", krb5test.LogonHours, "alice may not log on at this hour: error 18 with C000006F (Windows)"),
		accountState("password-expired", krb5test.PasswordExpired, "alice's password has expired: error 23 with C0000071 (Windows, Samba), bare (MIT)"),
		accountState("password-must-change", krb5test.MustChange, "alice has to change her password: error 23 with C0000224 (Windows, Samba), REQUIRED PWCHANGE (MIT)"),
		{
			Code:    "password-expiring",
			Summary: "alice's password expires in three days: the AS-REP says so; the login works",
			play: func(w *World) error {
				return w.account(krb5test.PasswordExpires(time.Now().Add(3 * 24 * time.Hour)))
			},
		},
		accountState("policy-denied", krb5test.PolicyDenied, "a policy keeps alice from logging on: error 12"),
		accountState("preauth-not-required", krb5test.NoPreauth, "KDCs give alice a TGT for nothing: the probes get an AS-REP instead of error 25; the login works"),
		{
			Code:    "etype-unsupported",
			Summary: "alice has keys of types that nobody wants any more: error 14 to every AS-REQ of hers",
			play: func(w *World) error {
				if err := w.account(krb5test.ETypes{desCBCMD5}); err != nil {
					return err
				}
				return w.corp.SetPassword("alice", w.password(alicePassword))
			},
		}, {
			Code:    "preauth-weak",
			Summary: "both KDCs ask for proofs of passwords with one round and no salt, as somebody in their place would: alice's login is not tried",
			play: func(w *World) error {
				for _, c := range []*controller{w.dc1, w.dc2} {
					c.kdc.Set(krb5test.Script{Rounds: 1, NoSalt: true})
				}
				return w.only(alice)
			},
		}, {
			Code:    "user-rc4",
			Summary: "alice has RC4 keys alone: her password is not proved with them, and her login not tried",
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
