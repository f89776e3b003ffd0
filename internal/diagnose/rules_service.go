package diagnose

import (
	"slices"
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
		Title: "the realm of {user} issues no ticket for the realm of the database",
		Means: "The user's realm does not know the database's realm (no krbtgt for it): there is no trust between the two, or it points the wrong way. The database's directory has to trust the user's.",
		Cause: "{kdcseen} The user's realm gave the same answer when it was asked for a ticket to the realm of the database.",
		Remedy: do("Look at the trust from both sides. The database's directory must trust the user's. In AWS the trust's direction must be One-Way: Outgoing or Two-Way, and its state Verified. If there is no trust, or it points the wrong way, have the administrators of both directories create it in the right direction. If AWS reports another state, TrustStateReason names the reason.",
			"aws ds describe-trusts --query 'Trusts[].[RemoteDomainName,TrustDirection,TrustState,TrustStateReason]'  # AWS Managed AD", "Get-ADTrust -Filter *  # Windows",
			"netdom trust <domain of the database> /domain:{domain} /verify  # Windows", "samba-tool domain trust list  # Samba"),
		match: unknown(probe.ReferralNoTrust),
	}, {
		Code: "service-realm-unmapped", Severity: Error,
		Title: "the realm of {user} has no referral to the database's realm",
		Means: "The database's service exists in the database's realm. A client that does not know which realm the database is in asks the KDC of the user's realm, and that KDC does not refer the client to the database's realm.",
		Cause: "{kdcseen} The database's own realm, asked directly, knows the service.",
		Remedy: do("Map the database to its realm in krb5.conf, under [domain_realm]: {host} = REALM. REALM is the realm of database {database} in kerbagent.yaml, or the first --realm. `kerbagent krb5conf apply` writes this line. If you write it by hand, write it outside kerbagent's block. With `krb5_conf.style: file` there is no such block, and your line is overwritten, by `kerbagent krb5conf apply` and by the daemon with `krb5_conf.mode: maintain`. Or have an administrator of the user's directory enable name suffix routing for the database's domain on the trust: netdom lists the suffixes by number. CAUTION: /togglesuffix enables a disabled suffix and disables an enabled one. Run it only if the list shows the suffix as disabled: if it was enabled, no user who comes over this trust gets a ticket for the database any more.",
			"kerbagent krb5conf diff",
			"netdom trust {domain} /namesuffixes:<domain of the database>  # Windows: lists them", "kerbagent krb5conf apply",
			"netdom trust {domain} /namesuffixes:<domain of the database> /togglesuffix:<number>  # Windows"),
		match: unknown(probe.ReferralExistsThere),
	}, {
		Code: "service-unknown", Severity: Error,
		Title: "the directory does not know the service that database {database} announces",
		Means: "A database announces the name of its Kerberos service (SPN). No realm that was asked knows this name. Either the database has not fully joined the directory, or the cluster's port was changed after Kerberos was switched on: Aurora does not support that, and logins fail. Samba also answers this if two accounts have the name.",
		Cause: "{kdcseen} The announced service is {spn}.",
		Remedy: do("See whether the cluster is a member of the directory (DomainMemberships), and whether its port (Port) is still the one that it had when Kerberos was switched on. If the port was changed, have it changed back; that interrupts every connection. Only if the cluster is not a member, associate it with the directory again. CAUTION: the last command changes the cluster at once.",
			"aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,Port,DomainMemberships]'",
			"samba-tool spn list <account>  # Samba: only one account may have the name",
			"aws rds modify-db-cluster --db-cluster-identifier <cluster> --domain <directory> --domain-iam-role-name <role> --apply-immediately"),
		match: serviceUnknown,
	}, {
		Code: "service-duplicate", Severity: Error,
		Title: "two accounts of the directory hold the service of database {database}",
		Means: "The KDC answers KDC_ERR_PRINCIPAL_NOT_UNIQUE (8): more than one account has the service's name (SPN), so the KDC cannot tell whose key to use.",
		Cause: "{kdcseen} The announced service is {spn}.",
		Remedy: do("Find the accounts that have the name, and remove it from the wrong one. CAUTION: if the name is removed from the right account, every login to that service fails.", "setspn -X  # Windows: lists duplicates", "samba-tool spn list <account>  # Samba",
			"setspn -D <service name> <wrong account>  # Windows", "samba-tool spn delete <service name> <wrong account>  # Samba"),
		match: loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBNotUnique) }),
	}, {
		Code: "trust-etype", Severity: Error,
		Title:  "no encryption type in common across the trust that {user} needs",
		Means:  "The KDC answers KDC_ERR_ETYPE_NOSUPP (14) to the request for a ticket to another realm. Usually the trust between the two realms is not set to AES.",
		Cause:  "{kdcseen} Realms on the way: {hops}.",
		Remedy: do("Set \"The other domain supports Kerberos AES Encryption\" on the trust, on both sides. The last command sets it from the command line, on a domain controller of one side.", "Get-ADTrust -Filter *  # Windows: SupportsAesKeys", "ksetup /setenctypeattr <other domain> AES128-CTS-HMAC-SHA1-96 AES256-CTS-HMAC-SHA1-96  # Windows"),
		match:  loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBEType) && acrossTrust(r) }),
	}}
	for i := range rules {
		rules[i].DependsOn = kdcCauses()
	}
	rules[2].DependsOn = append(rules[2].DependsOn, "trust-no-referral", "service-realm-unmapped")
	return append(rules, Rule{
		Code: "ticket-rc4", Severity: Warning, Remark: true,
		Title: "database {database}: its tickets are encrypted with RC4",
		Means: "The KDC encrypted the service's ticket with RC4: the service's account has no AES keys, or AES is not allowed on it. RC4 is broken. Windows domain controllers with the updates of July 2026 or later use it only for accounts that explicitly allow it (CVE-2026-20833, KB5073381).",
		Cause: "The ticket for {spn} has encryption type 23 (rc4-hmac).",
		Remedy: do("If AWS manages the cluster, associate it with the directory again. CAUTION: the last command changes the cluster at once. Otherwise allow AES on the service's account. CAUTION: Set-ADUser also forbids RC4. If the account has no AES keys because its password is old, or the server's keytab has none, every login then fails. So first set the password and make a new keytab for the server.", "Get-ADUser -Identity <service account> -Properties KerberosEncryptionType  # Windows",
			"aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,DomainMemberships]'", "Set-ADUser -Identity <service account> -KerberosEncryptionType AES128,AES256  # Windows",
			"aws rds modify-db-cluster --db-cluster-identifier <cluster> --domain <directory> --domain-iam-role-name <role> --apply-immediately"),
		match: func(v *view) []match {
			return v.perLogin(func(r *probe.Result) bool { return r.Facts[probe.FactTicketType] == "23" })
		},
	})
}

// serviceUnknown is also about logins that failed at the database before it announced its service: that service was
// announced before, and no program gets a ticket for it.
func serviceUnknown(v *view) []match {
	out := loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonKRBServerUnknown) })(v)
	for _, m := range loginMatch(func(r *probe.Result) bool { return r.Facts[probe.FactRefusedAhead] != "" })(v) {
		m.words["spn"] = m.affects[0].Facts[probe.FactRefusedAhead]
		m.words["kdcseen"] = "A ticket was requested before the database announced its service, and the KDC answered error 7."
		m.noTicket = true
		m.explains = append(m.explains, slices.DeleteFunc(slices.Clone(v.logins), func(l *probe.Result) bool {
			return l.Outcome != probe.Failed || l.Facts[probe.FactFailedAt] != probe.AtDatabase || l.Facts[probe.FactSPN] != "" ||
				l.Facts[probe.FactDatabase] != m.affects[0].Facts[probe.FactDatabase]
		})...)
		out = append(out, m)
	}
	return out
}

// acrossTrust reports whether the login died while a ticket for another realm was asked for.
func acrossTrust(r *probe.Result) bool {
	return r.Facts[probe.FactFailedAt] == probe.AtTGS && strings.HasPrefix(r.Facts[probe.FactAskedFor], "krbtgt/")
}

// acceptRules are about the database's answer to a ticket.
func acceptRules() []Rule {
	causes := slices.Clip(append(kdcCauses(), "endpoint-unresolvable", codeReader))
	return []Rule{{
		Code: "db-spn-unexpected", Severity: Error,
		Title: "database {database}: announces a service that is not its own",
		Means: "The service (SPN) that the server announced does not belong to this database: its service, realm or host is wrong. For example, it names the host of another configured database, the RDS name of another cluster, or another host than before. kerbagent did not request a ticket: otherwise a malicious server could obtain a ticket of this user for any service, and log in there as the user. If kerbagent cannot tell whether a host is right, it accepts the host with a warning and remembers it in the state directory. If the database was moved on purpose, set spn_hosts to the new host.",
		Cause: "{endpoint} announced {spn}. {spnwhy}.",
		Remedy: do("Make sure that {endpoint} is the database. If it is, allow the announced service in kerbagent.yaml: add the part before the slash to allowed_services of database {database}, its host to spn_hosts, or its realm to realms. Then check again.",
			"kerbagent check", "setspn -Q mysql/{host}  # Windows: which account has the service of this endpoint"),
		DependsOn: append(causes, "principal-unknown", "realm-case"),
		match:     spnUnexpected,
	}, {
		Code: codeAuthTimeout, Severity: Error,
		Title:     "database {database}: closed the connection during the login of {user}",
		Means:     "The server closed the connection in the middle of the Kerberos exchange. Usually its connect_timeout (10 seconds by default) passed while a KDC was slow. Programs that already have the database's service ticket in their credential cache can log in; the ticket of kinit alone is not enough. kerbagent tries once more, now with the service ticket. If that login works, this is a warning.",
		Cause:     "The connection ended after the server had asked for a ticket: {error}.",
		Remedy:    do("Find the slow step: the last command lists the stages of the login with their times. If a KDC is slow, let programs ask it last. "+lastInOrder+" If every KDC is slow, have their administrators find out why, and have the database's connect_timeout raised until then.", sql("SHOW VARIABLES LIKE 'connect_timeout'"), "kerbagent check -o json"),
		DependsOn: causes,
		match:     hungUp,
	}, {
		Code: "db-account-locked", Severity: Error,
		Title:     "database {database}: the account of {user} is locked (ERROR {errno})",
		Means:     "The account is locked in the database, not in the directory (errors 3118 and 4151), or MariaDB blocked the account after too many failed logins (error 4150).",
		Cause:     "{endpoint} answered ERROR {errno}.",
		Remedy:    do("Ask the database's administrators who locked the account and why. CAUTION: the other commands let the account in again; FLUSH PRIVILEGES does so for every account that MariaDB blocked.", sql("SHOW CREATE USER '{account}'@'%'"), sql("ALTER USER '{account}'@'%' ACCOUNT UNLOCK"), sql("FLUSH PRIVILEGES")+"  # for ERROR 4150"),
		DependsOn: causes,
		match:     acceptMatch(probe.ReasonDBAccountLocked),
	}, {
		Code: "db-access-denied", Severity: Error,
		Title: "database {database}: accepts the ticket of {user}, but denies access",
		Means: "The server accepted the ticket, so the ticket and the server's keytab are good. The database account does not fit: it is for another principal, realm or spelling, or it requires something else, for example TLS.",
		Cause: "{endpoint} answered ERROR {errno} to a ticket that it had accepted.",
		Remedy: do("Compare the database account with the user. The name must have the directory's spelling, and the realm must be {realm}. If the realm differs, the last command corrects it (Aurora, MySQL). CAUTION: users of the old realm can then no longer log in to this account. If the account has REQUIRE SSL or X509, kerbagent needs another tls.mode than off; it has no client certificate for X509.", sql("SELECT user, host, plugin FROM mysql.user WHERE user = '{account}'"), sql("SHOW CREATE USER '{account}'@'%'"),
			sql("ALTER USER '{account}'@'%' IDENTIFIED WITH 'authentication_kerberos' BY '{realm}'")),
		DependsOn: causes,
		match:     acceptMatch(probe.ReasonDBAccessDenied),
	}, {
		Code: "db-ticket-rejected", Severity: Error,
		Title: "database {database}: refuses the ticket of {user}",
		Means: "The server refused the ticket before it proved its own identity. Its key may no longer match the directory's (it was rotated, or has another version), or its clock may be wrong. Or the database account belongs to another principal: the server answers the same then.",
		Cause: "{endpoint} answered ERROR {errno} to a ticket for {spn} (key version {ticketkvno}).",
		Remedy: do("Run the check again; each run gets a new ticket. If the server still refuses it, compare the database account with {user}, and correct it if it is for another principal. See also whether the cluster is still a member of the directory (DomainMemberships). If it is not, associate it again. CAUTION: the last command changes the cluster at once. If both are right, the server's clock or key is wrong: ask its administrators, or AWS Support.", "kerbagent check", sql("SHOW CREATE USER '{account}'@'%'"),
			"aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,DomainMemberships]'",
			"aws rds modify-db-cluster --db-cluster-identifier <cluster> --domain <directory> --domain-iam-role-name <role> --apply-immediately"),
		DependsOn: causes,
		match:     acceptMatch(probe.ReasonDBTicketRejected),
	}, {
		Code: "db-server-unproven", Severity: Warning,
		Title:     "database {database}: did not prove that it holds the service's key",
		Means:     "The server was asked to prove its identity. It sent no proof (AP-REP), or one that is not valid. So only TLS proves that this is the right server.",
		Cause:     "{endpoint}: {error}.",
		Remedy:    do("Make sure that {endpoint} is the database, and keep tls.mode of database {database} at verify-full in kerbagent.yaml (with flags: --database-tls). While the certificate is verified, nothing else needs to be done. Otherwise the way to the database may lead to another server.", askDatabases),
		DependsOn: causes,
		match: func(v *view) []match {
			var out []match
			for _, m := range v.perLogin(func(r *probe.Result) bool {
				return reason(r, probe.ReasonDBUnproven) || r.Outcome == probe.OK && r.Facts[probe.FactProven] == "false"
			}) {
				m.words = dbWords(m)
				if m.words["error"] == "" {
					m.words["error"] = "it sent no proof (AP-REP)"
				}
				out = append(out, m)
			}
			return out
		},
	}}
}

const codeAuthTimeout Code = "db-auth-timeout"

// hungUp is about databases that did not wait for a ticket, and of these also logins that worked once the ticket was there.
func hungUp(v *view) []match {
	out := loginMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBAuthTimeout) })(v)
	for _, m := range v.perLogin(func(r *probe.Result) bool { return r.Outcome == probe.OK && r.Facts[probe.FactHungUp] == "true" }) {
		m.severity = Warning
		m.words["error"] = "a second login, which already had the ticket, worked"
		out = append(out, m)
	}
	return out
}

func spnUnexpected(v *view) []match {
	refused := dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBSPNUnexpected) })(v)
	for i, m := range refused {
		refused[i].words["spnwhy"] = "kerbagent requested no ticket: " + m.words["error"]
	}
	taken := v.perLogin(func(r *probe.Result) bool { return r.Outcome == probe.OK && r.Facts[probe.FactSPNUnusual] == "true" })
	for i := range taken {
		taken[i].severity = Warning
		taken[i].words["spnwhy"] = "That host is not the endpoint, an RDS name of its cluster, a name in the certificate or one of spn_hosts. kerbagent accepted it and will refuse any other one"
	}
	return append(refused, taken...)
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
	if w["ticketkvno"] == "" {
		w["ticketkvno"] = "unknown"
	}
	return w
}
