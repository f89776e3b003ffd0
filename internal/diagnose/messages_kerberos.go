package diagnose

import "slices"

const (
	lookCheck = "kerbagent check"
	lookLint  = "kerbagent krb5conf lint"
	lookTrace = "kerbagent trace USER@REALM DATABASE"
	lookAudit = "kerbagent audit --unit UNIT"
	lookKvno  = "KRB5_TRACE=/dev/stderr kvno SERVICE/HOST"
)

// Messages returns every message that is known.
func Messages() []Message {
	return slices.Concat(kdcMessages(), libraryMessages(), fileMessages(), javaMessages(), databaseMessages())
}

// kdcMessages are the errors of a KDC (RFC 4120 §7.5.9), in the words of MIT, Heimdal,
// Java and Windows.
func kdcMessages() []Message {
	return []Message{
		{Texts: []string{"client's entry in database has expired", "client's entry in kerberos database has expired", "kdc_err_name_exp"}, Kerberos: 1,
			Says: "The account has expired.", Codes: []Code{"account-expired"}, Look: lookCheck},
		{Texts: []string{"client not found in kerberos database", "client '*' not found in kerberos database", "client not found in database", "client (*) unknown", "kdc_err_c_principal_unknown", "while verifying tgt: client not found"}, Kerberos: 6,
			Says: "The KDC knows no user of this name. With Active Directory the name before the @ is the account's sAMAccountName, and upper and lower case of the realm count. " +
				"An address such as alice@example.com may be a UPN whose suffix is no realm: kinit -E (enterprise) takes it.",
			Codes: []Code{"principal-unknown", "realm-case", "kdc-wrong-realm", "krb5conf-realm-case"}, Look: lookCheck},
		{Texts: []string{"server not found in kerberos database", "server * not found in kerberos database", "server not found in database", "kdc_err_s_principal_unknown", "server (*) unknown"}, Kerberos: 7,
			Says: "The KDC has no account with the service name that was asked for: nobody registered it, or the client asked for another host name (an alias, or a PTR record while rdns is on), " +
				"an IP address in place of a name, or in another realm than the database's. The trace shows the name that was asked for.",
			Codes: []Code{"service-unknown", "krb5conf-mapping-missing", "service-realm-unmapped", "trust-no-referral", "krb5conf-rdns", "app-realm-unmapped", "service-duplicate"},
			Look:  lookKvno + "\n" + lookTrace},
		{Texts: []string{"principal has multiple entries in kerberos database", "kdc_err_principal_not_unique"}, Kerberos: 8,
			Says: "Two accounts of the directory have this service name, so the KDC issues no ticket for it.", Codes: []Code{"service-duplicate"}, Look: lookCheck},
		{Texts: []string{"kdc policy rejects request", "kdc policy rejects transited path", "kdc_err_policy"}, Kerberos: 12,
			Says: "A policy of the directory forbids it: hours of logon, the hosts from which the account may log on, an authentication policy, or across a trust selective authentication, " +
				"which lets in only whom an administrator has allowed to authenticate to the service's account.",
			Codes: []Code{"policy-denied", "logon-restricted"}, Look: lookCheck},
		{Texts: []string{"kdc can't fulfill requested option", "kdc_err_badoption"}, Kerberos: 13,
			Says: "The ticket cannot be renewed, forwarded or used to delegate: it was not issued as renewable, its renewal time is over, or the account may not be delegated. " +
				"klist -f shows the flags. A job that renews tickets needs kinit -r and a keytab for when renewal ends.",
			Codes: []Code{"ticket-expiring", "app-ccache-expired"}, Look: "klist -f"},
		{Texts: []string{"kdc has no support for encryption type", "kdc has no support for the encryption type", "kdc_err_etype_nosupp", "kdc has no supported encryption type"}, Kerberos: 14,
			Says: "The client and the KDC, or the KDC and the service's account, have no encryption type in common. Often the account has RC4 keys only (its password is older than AES in the domain), " +
				"the service's account or the trust does not allow AES (msDS-SupportedEncryptionTypes), or a list in the krb5.conf names dead types.",
			Codes: []Code{"etype-unsupported", "trust-etype", "krb5conf-etypes", "user-rc4", "ticket-rc4", "app-java-etypes"}, Look: lookCheck + "\n" + lookLint},
		{Texts: []string{"credentials have been revoked", "client's credentials revoked", "clients credentials have been revoked", "kdc_err_client_revoked"}, Kerberos: 18,
			Says: "The account is locked, disabled or expired, or may not log on now.", Codes: []Code{"account-locked", "account-disabled", "account-expired", "account-revoked", "logon-restricted"}, Look: lookCheck},
		{Texts: []string{"password has expired", "password expired", "kdc_err_key_expired", "you must change it now"}, Kerberos: 23,
			Says: "The password has expired, or must be changed at the next logon.", Codes: []Code{"password-expired", "password-must-change"}, Look: lookCheck},
		{Texts: []string{"preauthentication failed", "pre-authentication information was invalid", "preauth failed", "password incorrect", "kdc_err_preauth_failed"}, Kerberos: 24,
			Says: "The KDC refuses the password or the key: it is wrong or old, the file has an end of line too many, or the key was made with another salt (AES keys depend on the account's name, so " +
				"a keytab from before a rename, or one that ktutil made for a name in other case, is refused). Each attempt counts towards the lockout.",
			Codes: []Code{"password-wrong", "keytab-stale", "secret-malformed", "app-keytab-stale"}, Look: lookCheck + "\nklist -kte KEYTAB"},
		{Texts: []string{"additional pre-authentication required", "need_preauth", "preauth_required"}, Kerberos: 25,
			Says: "The KDC asks for a proof of the password, as it does at each login.", Harmless: true},
		{Texts: []string{"decrypt integrity check failed", "integrity check on decrypted field failed", "krb_ap_err_bad_integrity", "checksum failed"}, Kerberos: 31,
			Says:  "A key does not fit: the password is wrong, or a ticket was made with another key than the service's keytab has (its password was changed, or another account has the service's name).",
			Codes: []Code{"password-wrong", "keytab-stale", "db-ticket-rejected", "service-duplicate"}, Look: lookCheck + "\nkvno SERVICE/HOST; klist -kte KEYTAB"},
		{Texts: []string{"ticket expired", "ticket has expired", "tkt_expired", "ticket is expired", "credentials expired"}, Kerberos: 32,
			Says:  "The ticket in the cache has expired, and nothing renewed it.",
			Codes: []Code{"app-ccache-expired", "app-ccache-expiring", "ticket-expiring", "ccache-unusable"}, Look: "klist\n" + lookAudit},
		{Texts: []string{"ticket not yet valid"}, Kerberos: 33, Says: "This host's clock is behind, or the ticket is post-dated.", Codes: []Code{"clock-skew", "clock-skew-one-kdc"}, Look: lookCheck},
		{Texts: []string{"the ticket isn't for us", "ticket is not for us", "ticket/authenticator don't match", "gssapi name mismatch", "wrong principal in request"}, Kerberos: 35,
			Says:  "The service got a ticket for another name or with another user than it expects: the client asked for an alias, or the keytab has another name.",
			Codes: []Code{"db-ticket-rejected", "db-spn-unexpected", "krb5conf-rdns"}, Look: lookKvno},
		{Texts: []string{"clock skew too great", "krb_ap_err_skew", "clock skew", "time skew (*) larger than max"}, Kerberos: 37,
			Says:  "Two clocks are more than five minutes apart: this host's and the KDC's, or this host's and the database's.",
			Codes: []Code{"clock-skew", "clock-skew-one-kdc"}, Look: lookCheck + "\nchronyc tracking"},
		{Texts: []string{"message stream modified", "krb_ap_err_modified"}, Kerberos: 41,
			Says: "An answer is not what was asked for. Where it is Java: the KDC returned other times or another spelling of the name than Java asked for; take renew_lifetime out of the krb5.conf, and write " +
				"user and realm as the directory does. Where it is a service: its key is not the one of the account that has its name.",
			Codes: []Code{"realm-case", "krb5conf-realm-case", "service-duplicate", "db-ticket-rejected", "app-reader-differs"}, Look: lookLint + "\n" + lookCheck},
		{Texts: []string{"key version is not available", "key version number for principal in key table is incorrect"}, Kerberos: 44,
			Says:  "The keytab has an older key than the ticket: the account's password was changed after the keytab was made.",
			Codes: []Code{"keytab-stale", "app-keytab-stale", "db-ticket-rejected"}, Look: "kvno SERVICE/HOST; klist -kte KEYTAB"},
		{Texts: []string{"mutual authentication failed"}, Kerberos: 46, Says: "The server did not prove that it holds the service's key.", Codes: []Code{"db-server-unproven", "service-duplicate"}, Look: lookCheck},
		{Texts: []string{"response too big for udp", "response too big", "krb_err_response_too_big", "message size is incompatible with encryption type", "message too long", "krb5 error code 52"}, Kerberos: 52,
			Says:  "The answer does not fit into a datagram, and the client asks again by TCP. Where it ends there, TCP to port 88 is blocked. A user in many groups has a large ticket.",
			Codes: []Code{"kdc-tcp-blocked", "kdc-large-messages-lost", "krb5conf-udp-limit", "app-java-udp"}, Look: lookCheck},
		{Texts: []string{"realm not local to kdc", "wrong realm", "kdc_err_wrong_realm", "krb5 error code 68"}, Kerberos: 68,
			Says:  "The KDC serves another realm than was asked for: the krb5.conf or DNS leads to a KDC of another domain, or the name is a UPN whose suffix is no realm.",
			Codes: []Code{"kdc-wrong-realm", "realm-case", "principal-unknown"}, Look: lookCheck + "\n" + lookTrace},
		{Texts: []string{"illegal cross-realm ticket", "requesting ticket can't get forwardable tickets", "kdc path", "path_not_accepted"}, Kerberos: 28,
			Says:  "The way over the trusts is not accepted: the service's side does not list the realms on the way, or the trust leads in one direction only.",
			Codes: []Code{"trust-no-referral", "trust-realm-unreachable"}, Look: lookTrace},
	}
}
