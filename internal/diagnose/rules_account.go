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
		Title:  "the realm {realm} is not written in upper case",
		Means:  "Realm names are case-sensitive, and Active Directory's are in upper case. If the realm is spelled in another way, the KDC answers with the upper-case name, which clients refuse, or reports that it does not know the user.",
		Cause:  "The user that was asked for is {user}. {error}.",
		Remedy: do("Write the realm in upper case wherever it stands: kerbagent.yaml, krb5.conf, and the database account (CREATE USER … BY).", "grep -rn {realm} /etc/kerbagent /etc/krb5.conf /etc/krb5.conf.d", sql("SHOW CREATE USER '{account}'@'%'")),
		match: misnamed(func(r *probe.Result) bool {
			return miscased(r) && reason(r, probe.ReasonKRBReplyMismatch, probe.ReasonKRBWrongRealm, probe.ReasonKRBClientUnknown)
		}),
	}, {
		Code: "keytab-stale", Severity: Error,
		Title: "the keytab does not fit the account of {user}",
		Means: "The KDC refuses the keytab's key, or the keytab has no key of the user, or none of a type that the KDC takes. If the KDC refuses the key, the usual reason is that the account's password was changed after the keytab was written, or that the account was renamed, which changes the salt. kerbagent does not try the keytab again until the file changes.",
		Cause: "{kdcseen} Key version (kvno) in the keytab: {kvno}. {error}.",
		Remedy: do("Compare the key version in the keytab with the account's. If the account's is newer, replace the keytab with a copy from the person who changed the keys. If nobody has a copy, the administrator of the account makes new keys. That resets its password, so every other program that uses the account fails until it has the new keys.",
			"klist -ket {file}", "Get-ADUser -Identity {account} -Properties msDS-KeyVersionNumber  # Windows", "kadmin -q 'getprinc {user}'  # MIT",
			"samba-tool domain exportkeytab <new file> --principal={user}  # Samba: changes no key"),
		remedyOf: keytabRemedy,
		match: loginMatch(func(r *probe.Result) bool {
			return r.Facts[probe.FactSecretType] == "keytab" && asked(probe.ReasonKRBPreauthFailed, probe.ReasonKeytabNoKey)(r)
		}),
	}, {
		Code: "password-wrong", Severity: Error,
		Title:  "the KDC refuses the password of {user}",
		Means:  "Preauthentication failed (24): the password is not the account's, or this KDC has not replicated the new password yet. kerbagent does not try it again until the secret changes, so that the account is not locked.",
		Cause:  "{kdcseen}",
		Remedy: do("Write the correct password to its file, without a line end. If you try it by hand, do so only once: each wrong attempt counts towards the account lockout.", "kinit {user}", writeSecret),
		match:  loginMatch(asked(probe.ReasonKRBPreauthFailed)),
	}, {
		Code: "principal-unknown", Severity: Error,
		Title: "the KDC knows no user {user}",
		Means: "The KDC does not know the user (6), or reports that the user belongs to another realm (68). A KDC of another realm answers the same. If only one KDC answers, kerbagent cannot tell whether the user does not exist or the server belongs to another realm.",
		Cause: "{kdcseen} If that server is not a KDC of {realm}, that is the cause.",
		Remedy: do("Check the user name: in Active Directory it is the sAMAccountName, not the mail address. If it is wrong, correct the user of the login in kerbagent.yaml. If no such account exists, have it created. If the KDC does not serve {realm}, correct kdcs of the realm.", "Get-ADUser -Identity {account}  # Windows", "samba-tool user show {account}  # Samba",
			"kadmin -q 'getprinc {user}'  # MIT", "dig +short _kerberos._tcp.{domain} SRV"),
		match: misnamed(asked(probe.ReasonKRBClientUnknown, probe.ReasonKRBWrongRealm)),
	}, {
		Code: "account-disabled", Severity: Error,
		Title: "account {user} is disabled",
		Means: "An administrator, or a rule of the directory, has switched the account off.",
		Cause: "{kdcseen}",
		Remedy: do("Ask why the account was disabled. If it was a mistake, enable it."+repaired,
			"Get-ADUser -Identity {account} -Properties Enabled,whenChanged,Description  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT",
			"Enable-ADAccount -Identity {account}  # Windows", "samba-tool user enable {account}  # Samba", "kadmin -q 'modprinc +allow_tix {user}'  # MIT"),
		match: loginMatch(func(r *probe.Result) bool {
			return revoked(r) && (status(r, "c0000072") || r.Facts[probe.FactKRBText] == mitDisabled)
		}),
	}, {
		Code: "account-expired", Severity: Error,
		Title: "account {user} has expired",
		Means: "The account has an end date in the directory, and that date has passed. This is not the end date of its password.",
		Cause: "{kdcseen}",
		Remedy: do("Ask whether the account is still meant to be used. If it is, set a later end date in the directory, or none."+repaired,
			"Get-ADUser -Identity {account} -Properties AccountExpirationDate  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT",
			"Clear-ADAccountExpiration -Identity {account}  # Windows", "samba-tool user setexpiry {account} --noexpiry  # Samba",
			"kadmin -q 'modprinc -expire never {user}'  # MIT"),
		match: loginMatch(func(r *probe.Result) bool {
			return revoked(r) && status(r, "c0000193") || asked(probe.ReasonKRBClientExpired)(r)
		}),
	}, {
		Code: "logon-restricted", Severity: Error,
		Title: "account {user} may not log on now, or not from this host",
		Means: "The account is restricted to certain logon hours or workstations.",
		Cause: "{kdcseen}",
		Remedy: do("See which hours and workstations the account is limited to. For a service account, have this limit removed."+repaired, "Get-ADUser -Identity {account} -Properties logonHours,LogonWorkstations  # Windows",
			"samba-tool user show {account} --attributes=logonHours,userWorkstations  # Samba", "Set-ADUser -Identity {account} -Clear logonHours,userWorkstations  # Windows",
			"samba-tool user edit {account}  # Samba: delete both attributes"),
		match: loginMatch(func(r *probe.Result) bool { return revoked(r) && status(r, "c000006f", "c0000070") }),
	}, {
		Code: "account-locked", Severity: Error,
		Title: "account {user} is locked out",
		Means: "Some program tried too many wrong passwords, so the directory locked the account. It is not kerbagent: after one refusal, kerbagent does not try a password again until the password changes.",
		Cause: "{kdcseen}",
		Remedy: do("Find the program that tries wrong passwords, and stop it; otherwise the account is soon locked again. Then unlock the account."+repaired, "Get-WinEvent -LogName Security -FilterXPath '*[System[EventID=4740]]'  # Windows: on the PDC emulator; names the caller",
			"samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT",
			"Unlock-ADAccount -Identity {account}  # Windows", "samba-tool user unlock {account}  # Samba", "kadmin -q 'modprinc -unlock {user}'  # MIT"),
		match: loginMatch(func(r *probe.Result) bool {
			// Samba says nothing more of a locked account, but only once the
			// password has been tried; of every other state it gives the status.
			samba := r.Facts[probe.FactRefusedAt] == "" && r.Facts[probe.FactNTStatus] == "" && r.Facts[probe.FactKRBText] == "" && r.Facts[probe.FactFailedAt] == probe.AtPreauth && r.Facts[probe.FactKind] != "mit"
			return revoked(r) && (status(r, "c0000234") || strings.EqualFold(r.Facts[probe.FactKRBText], mitLocked) || samba)
		}),
	}, {
		Code: "account-revoked", Severity: Error,
		Title:  "account {user} is locked or disabled: the KDC does not say which",
		Means:  "The KDC answers KDC_ERR_CLIENT_REVOKED (18) without a reason: the account is locked, disabled or restricted in some other way.",
		Cause:  "{kdcseen}",
		Remedy: do("See in the directory whether the account is disabled, locked or past its end date. Then do what `kerbagent explain` says of account-disabled, account-locked or account-expired."+repaired, "Get-ADUser -Identity {account} -Properties Enabled,LockedOut,AccountExpirationDate  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT"),
		match:  loginMatch(revoked),
	}, {
		Code: "password-must-change", Severity: Error,
		Title: "the password of {user} must be changed at the next logon",
		Means: "The account was created, or its password was reset, with the option \"user must change password at next logon\".",
		Cause: "{kdcseen}",
		Remedy: do("Change the password and write the new one to its file. For a service account, an administrator can clear the option instead; then the password stays the same, and `kerbagent check --ignore-breaker` tries it again. CAUTION: after a change, every program that has the old password fails. While the option is still set, `--ignore-breaker` can bring the account closer to its lockout.",
			"Get-ADUser -Identity {account} -Properties PasswordLastSet,PasswordExpired  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT", "ls -l {file}",
			"Set-ADUser -Identity {account} -ChangePasswordAtLogon $false  # Windows",
			"kadmin -q 'modprinc -needchange {user}'  # MIT",
			"kpasswd {user}", writeSecret),
		match: loginMatch(func(r *probe.Result) bool {
			return expired(r) && (status(r, "c0000224") || r.Facts[probe.FactKRBText] == mitMustChange)
		}),
	}, {
		Code: "password-expired", Severity: Error,
		Title: "the password of {user} has expired",
		Means: "The KDC answers that the password has expired (23): it is older than the directory allows. Some KDCs answer the same if the password must be changed at the next logon.",
		Cause: "{kdcseen}",
		Remedy: do("Change the password and write the new one to its file. A service account may need a password policy without an end date. CAUTION: after the change, every program that has the old password fails.",
			"Get-ADUser -Identity {account} -Properties PasswordLastSet,PasswordExpired  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT", "ls -l {file}",
			"kpasswd {user}", writeSecret),
		match: loginMatch(expired),
	}, {
		Code: "policy-denied", Severity: Error,
		Title: "a policy of the directory forbids the login of {user}",
		Means: "The KDC answers KDC_ERR_POLICY (12): the directory forbids this login. In Active Directory the cause can be a smart card requirement, an authentication policy or silo, or selective authentication on a trust.",
		Cause: "{kdcseen}",
		Remedy: do("Find the policy that applies, and have the account exempted from it. Over a trust with selective authentication, grant the account \"Allowed to Authenticate\".",
			"Get-ADUser -Identity {account} -Properties SmartcardLogonRequired,AuthenticationPolicy,AuthenticationPolicySilo  # Windows", "Get-ADTrust -Filter *  # Windows: SelectiveAuthentication"),
		match: loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBPolicy) }),
	}, {
		Code: "etype-unsupported", Severity: Error,
		Title: "no encryption type in common for {what}",
		Means: "The KDC answers KDC_ERR_ETYPE_NOSUPP (14). Either the account has no key of an encryption type that the client offers, or the KDC is not allowed to use the types that the client offers.",
		Cause: "{kdcseen} The request was for {what}.",
		Remedy: do("Allow AES on that account. It gets AES keys when its password is next set. CAUTION: Set-ADUser also forbids RC4, so an account without AES keys may get no ticket until its password is set: do both at once. A new password breaks every program, and every keytab, that still has the old one.",
			"Get-ADUser -Identity <account> -Properties KerberosEncryptionType,PasswordLastSet  # Windows", "samba-tool user show <account>  # Samba", "kadmin -q 'getprinc <account>'  # MIT",
			"Set-ADUser -Identity <account> -KerberosEncryptionType AES128,AES256  # Windows",
			"samba-tool user edit <account>  # Samba: msDS-SupportedEncryptionTypes: 24", "samba-tool user setpassword <account>  # Samba: sets a new password"),
		match: loginMatch(func(r *probe.Result) bool {
			noKey := reason(r, probe.ReasonKeytabNoKey) && r.Facts[probe.FactSecretType] != "keytab"
			return noKey || reason(r, probe.ReasonKRBEType) && !acrossTrust(r)
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
		Code: "preauth-not-required", Severity: Warning, Remark: true,
		Title: "account {user} needs no preauthentication: its password can be guessed offline",
		Means: "The KDC sends a reply that is encrypted with the user's key to anyone who asks. An attacker can try passwords against this reply (\"AS-REP roasting\").",
		Cause: "The KDC answered with a ticket to a request that had no proof of the password.",
		Remedy: do("Require preauthentication for the account. Then have its password changed, because somebody may already have such a reply.", "Get-ADUser -Identity {account} -Properties DoesNotRequirePreAuth  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT",
			"Set-ADAccountControl -Identity {account} -DoesNotRequirePreAuth $false  # Windows",
			"samba-tool user edit {account}  # Samba: clear 0x400000 in userAccountControl", "kadmin -q 'modprinc +requires_preauth {user}'  # MIT"),
		match: preauthNotRequired,
	}, Rule{
		Code: "password-expiring", Severity: Warning, Remark: true,
		Title: "the password of {user} expires on {date}",
		Means: "The password expires soon: within the time that is set in kerbagent.yaml (warn.password_expiry).",
		Cause: "The KDC reports that the key ends at {date}.",
		Remedy: do("Change the password before that day, and write the new one to its file. CAUTION: after the change, every program that has the old password fails.",
			"Get-ADUser -Identity {account} -Properties PasswordLastSet,PasswordExpired  # Windows", "samba-tool user show {account}  # Samba", "kadmin -q 'getprinc {user}'  # MIT", "ls -l {file}",
			"kpasswd {user}", writeSecret),
		match: passwordExpiring,
	})
}

// repaired is for an account that was repaired while its secret stayed the same: kerbagent tries a refused secret again only
// when the secret changes. It is no command of a remedy: nobody is to paste it before the account is repaired.
const repaired = " Only after that, run `kerbagent check --ignore-breaker` once: it tries the paused login again. CAUTION: if the account is not repaired, that attempt can count towards its lockout."

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

// miscased: an Active Directory realm that is not in upper case; of other kinds
// one that the database announces in another case, since theirs may be in any.
func miscased(r *probe.Result) bool {
	realm := r.Facts[probe.FactRealm]
	if kind := r.Facts[probe.FactKind]; kind != "mit" && kind != "heimdal" {
		return realm != strings.ToUpper(realm)
	}
	_, ofService, _ := strings.Cut(r.Facts[probe.FactSPN], "@")
	for _, announced := range []string{r.Facts[probe.FactSPNRealm], ofService} {
		if announced != realm && strings.EqualFold(announced, realm) {
			return true
		}
	}
	return false
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

// perLogin returns one match a user: the same account on two databases is one trouble.
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
	if w["kvno"] == "" {
		w["kvno"] = "unknown"
	}
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
	if at := r.Facts[probe.FactRefusedAt]; at != "" {
		return "The directory refused it at " + at + ". kerbagent has not tried it again since, so that the account is not locked."
	}
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
		s += ", NTSTATUS 0x" + strings.ToUpper(n)
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
