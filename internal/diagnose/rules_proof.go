package diagnose

import "github.com/kerbagent/kerbagent/probe"

// proofRules are about how a KDC wants a user to prove itself.
func proofRules() []Rule {
	rules := []Rule{{
		Code: "preauth-weak", Severity: Warning,
		Title: "login of {user} not tried: the KDC asks for a weak proof of the password",
		Means: "The KDC asks for a proof (an encrypted timestamp) with a key that is made with fewer rounds than any KDC's default, or without a salt. Whoever hears such a proof guesses the password hundreds of times faster, and a server in the KDC's place asks for just that. So kerbagent does not prove itself; programs on this host may.",
		Cause: "KDC {server}: {error}.",
		Remedy: do("Check that {server} is a KDC of {realm}; if it is, have the account's keys made with the default parameters, by a change of its password.",
			"dig +short _kerberos._tcp.{domain} SRV", "KRB5_TRACE=/dev/stderr kinit {user}", "kadmin -q 'getprinc {user}'  # MIT"),
		match: loginSkip(probe.ReasonWeakKey),
	}, {
		Code: "user-rc4", Severity: Warning,
		Title: "the KDC offers {user} no encryption type but RC4",
		Means: "The account has RC4 keys alone, or the realm allows nothing else. RC4 is broken, and Windows is switching it off (CVE-2026-20833): logins that work today will stop working. kerbagent does not use RC4 to prove a password unless the configuration allows it. From such a proof an eavesdropper can guess the password hundreds of times faster, and an attacker in the KDC's place could offer only RC4 to get one.",
		Cause: "{rc4}.",
		Remedy: do("Allow AES on the account. It gets AES keys when its password is next set. CAUTION: a new password breaks every program that still has the old one. Where RC4 has to do for now, set realms: {realm}: allow_rc4 to true.",
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
		skipped[i].words["rc4"] = "KDC " + skipped[i].words["server"] + ". The login was not tried: the KDC offers only RC4; programs may log in"
	}
	tried := v.perLogin(func(r *probe.Result) bool { return r.Outcome == probe.OK && r.Facts[probe.FactProofType] == "23" })
	for i := range tried {
		r := tried[i].affects[0]
		tried[i].words["rc4"] = "The login was proved with RC4 (encryption type 23), and the KDC " + r.Facts[probe.FactKDC] + " accepted it"
		if r.Facts[probe.FactRC4] == "true" {
			tried[i].severity = Info
		}
	}
	return append(skipped, tried...)
}
