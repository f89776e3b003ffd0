package diagnose

import (
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// serviceRules are about the ticket for the database.
func serviceRules() []Rule {
	unknown := func(referral string) func(*view) []match {
		return loginMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonKRBServerUnknown) && r.Facts[probe.FactReferral] == referral
		})
	}
	rules := []Rule{{
		Code: "trust-no-referral", Severity: Error,
		Title:  "the realm of {user} gives no ticket for the realm of the database",
		Means:  "The user's realm does not know krbtgt/SERVICE.REALM: there is no trust between the two, or it points the wrong way. The database's directory must trust the user's.",
		Cause:  "{kdcseen} Asked for a ticket to the service's realm, the realm of {user} said the same (7).",
		Remedy: "aws ds describe-trusts (direction \"One-Way: Outgoing\" or \"Two-Way\", state Verified); on-premises: netdom trust, or samba-tool domain trust list",
		match:  unknown(probe.ReferralNoTrust),
	}, {
		Code: "service-realm-unmapped", Severity: Error,
		Title:  "the database's service exists, but the realm of {user} was not told to look there",
		Means:  "The SPN exists in its own realm. A client that does not know which realm the database is in asks the user's realm, which gives no referral.",
		Cause:  "{kdcseen} With a ticket for the service's realm the same SPN was found.",
		Remedy: "map the database in krb5.conf: [domain_realm] {host} = <realm of the database>; and switch on name suffix routing for it on the trust (netdom trust /NameSuffixes)",
		match:  unknown(probe.ReferralExistsThere),
	}, {
		Code: "service-unknown", Severity: Error,
		Title:  "the directory does not know the service that database {database} announces",
		Means:  "The SPN from the auth switch exists in no realm that could hold it: the association with the directory is incomplete, or the cluster's port was changed after Kerberos was switched on.",
		Cause:  "{kdcseen} The announced SPN is {spn}.",
		Remedy: "aws rds describe-db-clusters --query 'DBClusters[].DomainMemberships'; associate the cluster anew (modify-db-cluster --domain), and do not change its port",
		match:  loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBServerUnknown) }),
	}, {
		Code: "service-duplicate", Severity: Error,
		Title:  "two accounts hold the database's SPN",
		Means:  "KDC_ERR_PRINCIPAL_NOT_UNIQUE (8): the directory cannot tell whose key to use.",
		Cause:  "{kdcseen} The announced SPN is {spn}.",
		Remedy: "on the directory: setspn -X (lists duplicates), then setspn -D <SPN> <the wrong account>",
		match:  loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBNotUnique) }),
	}, {
		Code: "trust-etype", Severity: Error,
		Title:  "no encryption type in common across the trust ({user})",
		Means:  "KDC_ERR_ETYPE_NOSUPP (14) for a cross-realm ticket: the trust has no AES keys.",
		Cause:  "{kdcseen} Path: {hops}.",
		Remedy: "tick \"The other domain supports Kerberos AES Encryption\" on the trust, on both sides; or: ksetup /setenctypeattr <domain> AES256-CTS-HMAC-SHA1-96",
		match:  loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBEType) && acrossTrust(r) }),
	}}
	for i := range rules {
		rules[i].DependsOn = kdcCauses()
	}
	rules[2].DependsOn = append(rules[2].DependsOn, "trust-no-referral", "service-realm-unmapped")
	return append(rules, Rule{
		Code: "ticket-rc4", Severity: Warning,
		Title:  "the ticket for database {database} is encrypted with RC4",
		Means:  "The service's account has no AES keys, or msDS-SupportedEncryptionTypes leaves AES out. RC4 is broken and will be switched off.",
		Cause:  "Ticket encryption type 23 (rc4-hmac) for {spn}.",
		Remedy: "set msDS-SupportedEncryptionTypes = 24 on the service's account and its password anew; for a managed cluster: associate it with the directory again",
		match: func(v *view) []match {
			return v.perLogin(func(r *probe.Result) bool { return r.Facts[probe.FactTicketType] == "23" })
		},
	})
}

// acrossTrust says that the login died while a ticket for another realm was asked for.
func acrossTrust(r *probe.Result) bool {
	return r.Facts[probe.FactFailedAt] == probe.AtTGS && strings.HasPrefix(r.Facts[probe.FactAskedFor], "krbtgt/")
}

// acceptRules are about the database's answer to a ticket.
func acceptRules() []Rule {
	causes := append(kdcCauses(), "endpoint-unresolvable")
	return []Rule{{
		Code: "db-auth-timeout", Severity: Error,
		Title:     "database {database} gave up waiting for the ticket of {user}",
		Means:     "The server closes a connection that has not authenticated within connect_timeout (10 s by default). The KDC was slower than that.",
		Cause:     "The connection ended after the auth switch, before a ticket could be sent: {error}.",
		Remedy:    "find the slow KDC in the ladder below and move it to the end of krb5.conf; as the primary user: SHOW VARIABLES LIKE 'connect_timeout'",
		DependsOn: causes,
		match:     loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBAuthTimeout) }),
	}, {
		Code: "db-account-locked", Severity: Error,
		Title:     "the database account of {user} is locked (ERROR {errno})",
		Means:     "The account is locked in the database, not in the directory.",
		Cause:     "{endpoint} answered ERROR {errno}.",
		Remedy:    "as the primary user: ALTER USER '{account}'@'%' ACCOUNT UNLOCK",
		DependsOn: causes,
		match:     acceptMatch(probe.ReasonDBAccountLocked),
	}, {
		Code: "db-access-denied", Severity: Error,
		Title:     "database {database} accepts the ticket of {user} and denies the account",
		Means:     "The server proved itself (AP-REP), so ticket and keytab are good. The database account is not this user's: another principal, realm or case; or it requires something else (TLS).",
		Cause:     "{endpoint} answered ERROR {errno} after it had proved itself.",
		Remedy:    "as the primary user: SHOW CREATE USER '{account}'@'%'; the name must be in the directory's case, the realm {realm}",
		DependsOn: causes,
		match:     acceptMatch(probe.ReasonDBAccessDenied),
	}, {
		Code: "db-ticket-rejected", Severity: Error,
		Title:     "database {database} refuses the ticket of {user}",
		Means:     "The server said no before it proved itself: its keytab is not the directory's any more (rotated, other kvno), its clock is off; on MySQL also an account that it would not have.",
		Cause:     "{endpoint} answered ERROR {errno} to a ticket for {spn} (kvno {ticketkvno}).",
		Remedy:    "run kerbagent check again (a new ticket is got each time); if it stays, associate the cluster with the directory again; as the primary user: SHOW CREATE USER '{account}'@'%'",
		DependsOn: causes,
		match:     acceptMatch(probe.ReasonDBTicketRejected),
	}, {
		Code: "db-server-unproven", Severity: Warning,
		Title:     "database {database} did not prove that it holds the service's key",
		Means:     "The server accepted the login, but sent no AP-REP, or one that does not verify, although it was asked for one. Only TLS speaks for its identity then.",
		Cause:     "{endpoint}: {error}.",
		Remedy:    "keep databases: {database}: tls: mode verify-full; make sure that {endpoint} is the database",
		DependsOn: causes,
		match: func(v *view) []match {
			var out []match
			for _, m := range v.perLogin(func(r *probe.Result) bool {
				return reason(r, probe.ReasonDBUnproven) || r.Outcome == probe.OK && r.Facts[probe.FactProven] == "false"
			}) {
				m.words = dbWords(m)
				if m.words["error"] == "" {
					m.words["error"] = "no AP-REP came"
				}
				out = append(out, m)
			}
			return out
		},
	}}
}

func acceptMatch(reasons ...probe.Reason) func(*view) []match {
	return func(v *view) []match {
		ms := loginMatch(func(r *probe.Result) bool { return reason(r, reasons...) })(v)
		for i := range ms {
			ms[i].words = dbWords(ms[i])
		}
		return ms
	}
}

func dbWords(m match) words {
	w := loginWords(m.affects[0])
	w["errno"] = m.affects[0].Facts[probe.FactErrNumber]
	w["ticketkvno"] = m.affects[0].Facts[probe.FactTicketKVNO]
	return w
}
