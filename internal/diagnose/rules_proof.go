package diagnose

import "github.com/kerbagent/kerbagent/probe"

// proofRules are about how a KDC wants a user to prove itself.
func proofRules() []Rule {
	rules := []Rule{{
		Code: "preauth-weak", Severity: Warning,
		Title: "login of {user} not tried: the KDC asks for a weak proof of the password",
		Means: "A client proves that it knows the password by encrypting a timestamp with a key made from that password. This KDC asks for a key that is made with fewer hashing rounds than the default of any KDC, or without a salt. An eavesdropper can guess the password from such a proof hundreds of times faster, so a fake KDC would ask for one. kerbagent does not send it; other programs on this host may.",
		Cause: "KDC {server}: {error}.",
		Remedy: do("Check that {server} is a KDC of {realm}. If it is, ask its administrator why the account's keys are weak; a change of the password makes new keys with the default parameters.",
			"dig +short _kerberos._tcp.{domain} SRV", "KRB5_TRACE=/dev/stderr kinit {user}", "kadmin -q 'getprinc {user}'  # MIT"),
		match: loginSkip(probe.ReasonWeakKey),
	}, {
		Code: "user-rc4", Severity: Warning,
		Title: "the KDC offers {user} no encryption type but RC4",
		Means: "The account has only RC4 keys, or the realm allows only RC4. RC4 is broken, and Windows is switching it off (CVE-2026-20833, KB5073381). Since the updates of April 2026, domain controllers use AES by default. With those of July 2026 or later they use RC4 only for accounts whose msDS-SupportedEncryptionTypes allows it: a login that works today then fails. kerbagent does not send a proof of a password that is made with RC4, unless the configuration allows it (allow_rc4). An eavesdropper can guess the password from such a proof hundreds of times faster, so a fake KDC would offer only RC4.",
		Cause: "{rc4}. Windows domain controllers refuse this from the updates of July 2026 on, unless the account explicitly allows RC4.",
		Remedy: do("Allow AES on the account. It gets AES keys when its password is next set. CAUTION: Set-ADUser also forbids RC4, so the account may get no ticket until its password is set: do both at once. A new password breaks every program, and every keytab, that still has the old one. If RC4 cannot be avoided for now, set allow_rc4 of realm {realm} to true in kerbagent.yaml.",
			"Get-ADUser -Identity {account} -Properties msDS-SupportedEncryptionTypes,PasswordLastSet  # Windows", "samba-tool user show {account}  # Samba",
			"Set-ADUser -Identity {account} -KerberosEncryptionType AES128,AES256  # Windows", "samba-tool user setpassword {account}  # Samba: sets a new password"),
		match: userRC4,
	}}
	for i := range rules {
		rules[i].DependsOn = kdcCauses()
	}
	return rules
}

// loginSkip makes a rule about logins that were not tried for a reason.
func loginSkip(why probe.Reason) func(*view) []match {
	return func(v *view) []match {
		ms := v.perLogin(func(r *probe.Result) bool { return r.Outcome == probe.Skipped && r.Reason == why })
		for i := range ms {
			ms[i].words["server"] = plain(ms[i].affects[0].Facts[probe.FactKDC])
		}
		return ms
	}
}

// userRC4: a password was not proved with RC4, or a keytab, or a password that may,
// was. What the configuration allows is no more than worth knowing.
func userRC4(v *view) []match {
	skipped := loginSkip(probe.ReasonRC4Only)(v)
	for i := range skipped {
		skipped[i].words["rc4"] = "KDC " + skipped[i].words["server"] + " offers only RC4. kerbagent did not try the login; other programs may be able to log in"
	}
	tried := v.perLogin(func(r *probe.Result) bool { return r.Outcome == probe.OK && r.Facts[probe.FactProofType] == "23" })
	for i := range tried {
		r := tried[i].affects[0]
		tried[i].words["rc4"] = "The proof of the password was made with RC4 (encryption type 23), and KDC " + r.Facts[probe.FactKDC] + " accepted it"
		if r.Facts[probe.FactRC4] == "true" {
			tried[i].severity = Info
		}
	}
	return append(skipped, tried...)
}
