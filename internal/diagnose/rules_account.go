package diagnose

import (
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// kdcCauses are what lies deeper than any answer about a user.
func kdcCauses() []Code {
	return append(serverCauses(), "dns-server-silent", "dns-refused", "dns-zone-missing", "realm-not-in-dns", "dns-srv-missing", "kdc-unresolvable",
		"kdc-not-kerberos", "kdc-unavailable", "kdc-wrong-realm", "kdc-hung", "kdc-refused", "kdc-silent", "kdc-tcp-blocked", "kdc-udp-blocked",
		"kdc-large-messages-lost", "clock-skew", "clock-skew-one-kdc")
}

func secretRules() []Rule {
	return []Rule{{
		Code: "secret-malformed", Severity: Error,
		Title:  "the {secret} of {user} cannot be used",
		Means:  "The secret file is empty, unreadable, or has a byte order mark or a line end in it; or the keytab or credential cache is none. It is used byte for byte, so a line end would be part of the password. The value is never shown.",
		Cause:  "{error}",
		Remedy: "write it without a line end: printf %s '<password>' > {secretfile}; chmod 0400 {secretfile}; look at its bytes' count: wc -c {secretfile}",
		match:  loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonSecretMalformed) }),
	}, {
		Code: "login-record-impossible", Severity: Warning,
		Title:  "no login is tried for {user}: the attempt cannot be recorded",
		Means:  "Before a password is tried, the attempt is written to the state directory, so that a wrong one is not tried again. Without that record nothing is tried, since it could lock the account.",
		Cause:  "{error}",
		Remedy: "make the state directory writable for this user, or name another one: kerbagent check --state-dir <directory>",
		match: func(v *view) []match {
			return v.perLogin(func(r *probe.Result) bool {
				return r.Outcome != probe.OK && r.Reason == probe.ReasonNoRecord
			})
		},
	}}
}

func accountRules() []Rule {
	asked := func(reasons ...probe.Reason) func(*probe.Result) bool {
		return func(r *probe.Result) bool { return reason(r, reasons...) && r.Facts[probe.FactFailedAt] != probe.AtTGS }
	}
	status := func(r *probe.Result, codes ...string) bool {
		return slices.Contains(codes, r.Facts[probe.FactNTStatus])
	}
	revoked := asked(probe.ReasonKRBRevoked)
	expired := asked(probe.ReasonKRBKeyExpired)
	rules := []Rule{{
		Code: "realm-case", Severity: Error,
		Title:  "the realm {realm} is spelt in the wrong case",
		Means:  "Realm names are case-sensitive, and Active Directory's are upper case. The KDC answers for the upper-case realm, and the client refuses the reply.",
		Cause:  "{user} was asked for; {error}.",
		Remedy: "write the realm in upper case wherever it stands: kerbagent.yaml, krb5.conf, CREATE USER … BY",
		match: misnamed(func(r *probe.Result) bool {
			realm := r.Facts[probe.FactRealm]
			return realm != strings.ToUpper(realm) && reason(r, probe.ReasonKRBReplyMismatch, probe.ReasonKRBWrongRealm, probe.ReasonKRBClientUnknown)
		}),
	}, {
		Code: "keytab-stale", Severity: Error,
		Title:  "the keytab of {user} no longer fits the account",
		Means:  "Preauthentication with the keytab's key failed, or the keytab has no key that the KDC takes: the account's password was changed after the keytab was written, or its salt differs (renamed account). It is not tried again until the file changes.",
		Cause:  "{kdcseen}; keytab: kvno {kvno}. {error}",
		Remedy: "write it anew: ktpass or msDS-KeyVersionNumber on Windows; samba-tool domain exportkeytab --principal={user} on Samba; compare: klist -k {secretfile}",
		match: loginMatch(func(r *probe.Result) bool {
			return r.Facts[probe.FactSecretType] == "keytab" && asked(probe.ReasonKRBPreauthFailed, probe.ReasonKeytabNoKey)(r)
		}),
	}, {
		Code: "password-wrong", Severity: Error,
		Title:  "the password of {user} is wrong",
		Means:  "Preauthentication failed (24): the KDC could not decrypt the proof. It is not tried again, by check or by the daemon, until the secret changes, so that the account is not locked.",
		Cause:  "{kdcseen}",
		Remedy: "try it by hand once: kinit {user}; put the right one into the secret file without a line end; after a rotation: has every domain controller the new password yet?",
		match:  loginMatch(asked(probe.ReasonKRBPreauthFailed)),
	}, {
		Code: "principal-unknown", Severity: Error,
		Title:  "there is no user {user}",
		Means:  "The KDC does not know the user (6). A KDC of another realm says the same, so where only one KDC answers it may also be the wrong one.",
		Cause:  "{kdcseen} If this KDC is not one of {realm}, the cause is there.",
		Remedy: "check the name (sAMAccountName, not the mail address): samba-tool user show {account}, or Get-ADUser {account}; check that the KDC serves {realm}",
		match:  misnamed(asked(probe.ReasonKRBClientUnknown, probe.ReasonKRBWrongRealm)),
	}, {
		Code: "account-disabled", Severity: Error,
		Title:  "account {user} is disabled",
		Means:  "The account is switched off in the directory.",
		Cause:  "{kdcseen}",
		Remedy: "on the directory: Enable-ADAccount {account}, or samba-tool user enable {account}",
		match: loginMatch(func(r *probe.Result) bool {
			return revoked(r) && (status(r, "c0000072") || r.Facts[probe.FactKRBText] == mitDisabled)
		}),
	}, {
		Code: "account-expired", Severity: Error,
		Title:  "account {user} has expired",
		Means:  "The account's own end date (not the password's) has passed.",
		Cause:  "{kdcseen}",
		Remedy: "on the directory: Clear-ADAccountExpiration {account}, or samba-tool user setexpiry --noexpiry {account}",
		match: loginMatch(func(r *probe.Result) bool {
			return revoked(r) && status(r, "c0000193") || asked(probe.ReasonKRBClientExpired)(r)
		}),
	}, {
		Code: "logon-restricted", Severity: Error,
		Title:  "account {user} may not log on now, or not from here",
		Means:  "Logon hours or a list of permitted workstations hold the account back.",
		Cause:  "{kdcseen}",
		Remedy: "on the directory: Get-ADUser {account} -Properties logonHours,LogonWorkstations; widen them for a service account",
		match:  loginMatch(func(r *probe.Result) bool { return revoked(r) && status(r, "c000006f", "c0000070") }),
	}, {
		Code: "account-locked", Severity: Error,
		Title:  "account {user} is locked out",
		Means:  "Too many wrong passwords were tried, by whomever. kerbagent tries a password once and then waits for it to change.",
		Cause:  "{kdcseen}",
		Remedy: "on the directory: Unlock-ADAccount {account}, or samba-tool user unlock {account}; find who tries: event 4740 on the PDC emulator names the caller",
		match: loginMatch(func(r *probe.Result) bool {
			// Samba says nothing more of a locked account, but only once the
			// password has been tried; of every other state it gives the status.
			samba := r.Facts[probe.FactNTStatus] == "" && r.Facts[probe.FactKRBText] == "" && r.Facts[probe.FactFailedAt] == probe.AtPreauth && r.Facts[probe.FactKind] != "mit"
			return revoked(r) && (status(r, "c0000234") || strings.EqualFold(r.Facts[probe.FactKRBText], mitLocked) || samba)
		}),
	}, {
		Code: "account-revoked", Severity: Error,
		Title:  "account {user} is locked or disabled; the KDC does not say which",
		Means:  "The KDC says CLIENT_REVOKED (18) and no more.",
		Cause:  "{kdcseen}",
		Remedy: "on the directory: Get-ADUser {account} -Properties Enabled,LockedOut,AccountExpirationDate, or samba-tool user show {account}",
		match:  loginMatch(revoked),
	}, {
		Code: "password-must-change", Severity: Error,
		Title:  "the password of {user} must be changed at the next logon",
		Means:  "The account was made, or its password reset, with \"must change at next logon\".",
		Cause:  "{kdcseen}",
		Remedy: "kpasswd {user}; for a service account: Set-ADUser {account} -ChangePasswordAtLogon $false",
		match: loginMatch(func(r *probe.Result) bool {
			return expired(r) && (status(r, "c0000224") || r.Facts[probe.FactKRBText] == mitMustChange)
		}),
	}, {
		Code: "password-expired", Severity: Error,
		Title:  "the password of {user} has expired",
		Means:  "The password is older than the directory allows.",
		Cause:  "{kdcseen}",
		Remedy: "kpasswd {user}, then put the new one into the secret file; for a service account: a policy without expiry",
		match:  loginMatch(expired),
	}, {
		Code: "policy-denied", Severity: Error,
		Title:  "a policy of the directory forbids this to {user}",
		Means:  "KDC_ERR_POLICY (12): a smart card is required, an authentication policy silo, or selective authentication on the trust.",
		Cause:  "{kdcseen}",
		Remedy: "on the directory: Get-ADUser {account} -Properties SmartcardLogonRequired,AuthenticationPolicy; over a trust with selective authentication, grant \"Allowed to Authenticate\"",
		match:  loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBPolicy) }),
	}, {
		Code: "etype-unsupported", Severity: Error,
		Title:  "no encryption type in common for {what}",
		Means:  "KDC_ERR_ETYPE_NOSUPP (14): the account has keys only of types that the client does not offer, or the other way round.",
		Cause:  "{kdcseen}",
		Remedy: "set the account's password again, so that AES keys are made; on the directory: msDS-SupportedEncryptionTypes = 24 (AES) on the account that it is about",
		match: loginMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonKRBEType) && !acrossTrust(r)
		}),
	}}
	for i := range rules {
		rules[i].DependsOn = kdcCauses()
		if rules[i].Code == "account-revoked" {
			rules[i].DependsOn = append(rules[i].DependsOn, "account-disabled", "account-expired", "logon-restricted", "account-locked")
		}
		if rules[i].Code == "password-expired" {
			rules[i].DependsOn = append(rules[i].DependsOn, "password-must-change")
		}
		if rules[i].Code == "password-wrong" {
			rules[i].DependsOn = append(rules[i].DependsOn, "keytab-stale")
		}
		if rules[i].Code == "principal-unknown" {
			rules[i].DependsOn = append(rules[i].DependsOn, "realm-case")
		}
	}
	return append(rules, Rule{
		Code: "preauth-not-required", Severity: Warning,
		Title:  "account {user} needs no preauthentication: its password can be guessed offline",
		Means:  "The KDC gives anyone a reply encrypted with the user's key (\"AS-REP roasting\").",
		Cause:  "The KDC answered an AS-REQ without credentials with a ticket.",
		Remedy: "on the directory: Set-ADAccountControl {account} -DoesNotRequirePreAuth $false, or samba-tool user edit {account} (clear 0x400000 in userAccountControl); then change the password",
		match:  preauthNotRequired,
	}, Rule{
		Code: "password-expiring", Severity: Warning,
		Title:  "the password of {user} expires on {date}",
		Means:  "The directory says when the password ends, and it is within the configured time (warn: password_expiry).",
		Cause:  "The KDC gives {date} as the end of the key.",
		Remedy: "rotate it before then: kpasswd {user}, and put the new one into the secret file; or a policy without expiry for service accounts",
		match:  passwordExpiring,
	})
}

// Texts of MIT's KDC (kdc_util.c names them): it says "locked out" of a
// disabled account, and LOCKED_OUT of a locked one.
const (
	mitDisabled   = "CLIENT LOCKED OUT"
	mitLocked     = "LOCKED_OUT"
	mitMustChange = "REQUIRED PWCHANGE"
)

// loginMatch makes a rule about single logins from a condition.
func loginMatch(holds func(*probe.Result) bool) func(*view) []match {
	return func(v *view) []match {
		return v.perLogin(func(r *probe.Result) bool { return r.Outcome == probe.Failed && holds(r) })
	}
}

// misnamed is loginMatch for users whose name is wrong, which accounts for a
// database that has no such account.
func misnamed(holds func(*probe.Result) bool) func(*view) []match {
	return func(v *view) []match {
		ms := loginMatch(holds)(v)
		for i, m := range ms {
			for _, r := range v.dbs {
				if r.Facts[probe.FactUser] == m.affects[0].Facts[probe.FactUser] && reason(r, probe.ReasonDBOtherPlugin, probe.ReasonDBRealmMismatch) {
					ms[i].explains = append(ms[i].explains, r)
				}
			}
		}
		return ms
	}
}

// perLogin gives one match a user: the same account on two databases is one trouble.
func (v *view) perLogin(holds func(*probe.Result) bool) []match {
	byUser := map[string][]*probe.Result{}
	for _, r := range v.logins {
		if holds(r) {
			byUser[r.Facts[probe.FactUser]] = append(byUser[r.Facts[probe.FactUser]], r)
		}
	}
	var out []match
	for _, user := range sortedKeys(byUser) {
		rs := byUser[user]
		out = append(out, match{affects: rs, words: loginWords(rs[0]), evidence: loginEvidence(rs[0])})
	}
	return out
}

func loginWords(r *probe.Result) words {
	w := wordsOf(r)
	w["secret"], w["kvno"] = r.Facts[probe.FactSecretType], r.Facts[probe.FactSecretKVNO]
	w["kdcseen"] = kdcSeen(r)
	w["spn"], w["hops"], w["spnrealm"] = r.Facts[probe.FactSPN], r.Facts[probe.FactHops], r.Facts[probe.FactFailedRealm]
	w["what"] = map[bool]string{true: w["user"], false: "the database's service"}[r.Facts[probe.FactFailedAt] != probe.AtTGS]
	if w["secret"] == "" {
		w["secret"] = "secret"
	}
	if r.Err != nil {
		w["error"] = r.Err.Error()
	}
	return w
}

// kdcSeen puts what the KDC answered into a sentence.
func kdcSeen(r *probe.Result) string {
	s := "The KDC"
	if k := r.Facts[probe.FactKDC]; k != "" {
		s += " " + k
	}
	if c := r.Facts[probe.FactKRBCode]; c != "" {
		s += " answered error " + c
	} else {
		s += " did not give a ticket"
	}
	if n := r.Facts[probe.FactNTStatus]; n != "" {
		s += ", NTSTATUS " + n
	}
	if t := r.Facts[probe.FactKRBText]; t != "" {
		s += ", \"" + t + "\""
	}
	return s + "."
}

func loginEvidence(r *probe.Result) map[string]string {
	return evidenceOf(r, probe.FactKRBCode, probe.FactKRBText, probe.FactNTStatus, probe.FactKDC, probe.FactHops, probe.FactSPN,
		probe.FactETypes, probe.FactSecretType, probe.FactSecretKVNO, probe.FactErrNumber, probe.FactErrText, probe.FactReferral)
}

func preauthNotRequired(v *view) []match {
	byUser := map[string][]*probe.Result{}
	for _, r := range v.all {
		if (r.ID.Kind == probe.KDC || r.ID.Kind == probe.Login) && r.Facts[probe.FactPreauth] == "none" {
			byUser[r.Facts[probe.FactUser]] = append(byUser[r.Facts[probe.FactUser]], r)
		}
	}
	var out []match
	for _, user := range sortedKeys(byUser) {
		out = append(out, match{affects: byUser[user], words: wordsOf(byUser[user][0])})
	}
	return out
}

func passwordExpiring(v *view) []match {
	var out []match
	for _, m := range v.perLogin(func(r *probe.Result) bool {
		end, ok := r.Samples[probe.SamplePasswordExpiry]
		left := end - float64(v.snap.Now.Unix())
		return r.Outcome == probe.OK && ok && left > 0 && left < v.snap.Limits.PasswordExpiry.Seconds()
	}) {
		end := time.Unix(int64(m.affects[0].Samples[probe.SamplePasswordExpiry]), 0).UTC()
		m.words["date"] = end.Format(time.RFC3339)
		out = append(out, m)
	}
	return out
}
