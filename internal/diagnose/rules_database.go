package diagnose

import (
	"slices"

	"github.com/kerbagent/kerbagent/probe"
)

// databaseRules are about the database before it is asked for a ticket: what
// is wrong for every user alike.
func databaseRules() []Rule {
	causes := []Code{"host-offline", "ipv6-broken", "endpoint-unresolvable"}
	return []Rule{{
		Code: "db-silent", Severity: Error,
		Title:     "database {database} does not answer on {endpoint}",
		Means:     "The database's port times out: a security group, a route, or a stopped cluster.",
		Cause:     "{endpoint}: {seen}.",
		Remedy:    "allow this host in the cluster's security group (TCP {port}); check: nc -vz -w 5 {host} {port} once, not in a loop (each try counts towards max_connect_errors)",
		DependsOn: causes,
		match: dbMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonUnreachable, probe.ReasonForbidden)
		}),
	}, {
		Code: "db-refused", Severity: Error,
		Title:     "database {database} refuses connections on {endpoint}",
		Means:     "Nothing listens on the database's port, or a firewall rejects.",
		Cause:     "{endpoint}: connection refused.",
		Remedy:    "check the port under databases: {database}: endpoint, and that the cluster is available: aws rds describe-db-clusters --query 'DBClusters[].[Endpoint,Port,Status]'",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonRefused) }),
	}, {
		Code: "db-not-mysql", Severity: Error,
		Title:     "what answers on {endpoint} is not MySQL",
		Means:     "The port accepts, and what comes is no MySQL greeting.",
		Cause:     "{endpoint}: {error}.",
		Remedy:    "check host and port under databases: {database}: endpoint; a proxy or another service may sit there",
		DependsOn: causes,
		match: dbMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonDBNotMySQL, probe.ReasonMalformed, probe.ReasonClosed)
		}),
	}, {
		Code: "db-host-blocked", Severity: Error,
		Title:     "database {database} has blocked this host (ERROR 1129)",
		Means:     "Too many connections from this host ended without a login (max_connect_errors): a port check is the usual cause. Every program on this host is locked out.",
		Cause:     "{endpoint} answered ERROR 1129.",
		Remedy:    "mysqladmin -h {host} -P {port} -u <admin> -p flush-hosts (from another host), or TRUNCATE TABLE performance_schema.host_cache; then find the port check: grep -rn {port} /etc/nagios /etc/telegraf /etc/consul.d 2>/dev/null",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBBlocked) }),
	}, {
		Code: "db-host-denied", Severity: Error,
		Title:     "database {database} has no account that may come from this host (ERROR 1130)",
		Means:     "No database account has a host part that fits this host's address.",
		Cause:     "{endpoint} answered ERROR 1130.",
		Remedy:    "as the primary user: SELECT user, host FROM mysql.user WHERE user = '{account}'; then CREATE USER with a host part that fits this host, or '%'",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBHostDenied) }),
	}, {
		Code: "db-too-many-connections", Severity: Warning,
		Title:     "database {database} has no connection left (ERROR {errno})",
		Means:     "A limit on connections is reached (1040, 1203 or 1226). This is no fault of Kerberos.",
		Cause:     "{endpoint} answered ERROR {errno}.",
		Remedy:    "as the primary user: SHOW PROCESSLIST; SHOW VARIABLES LIKE 'max_connections'; raise the limit, or find who holds the connections",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBTooMany) }),
	}, {
		Code: "db-tls-untrusted", Severity: Error,
		Title:     "the certificate of database {database} does not verify: {problem}",
		Means:     "The server's certificate is signed by an unknown CA, is for another name, or is out of date.",
		Cause:     "{error}",
		Remedy:    "openssl s_client -starttls mysql -connect {endpoint} -servername {host} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName; get the current RDS bundle and set databases: {database}: tls: ca_file",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBTLSUntrusted, probe.ReasonDBTLSFailed) }),
	}, {
		Code: "db-tls-required", Severity: Error,
		Title:     "TLS: {problem} ({database})",
		Means:     "The server accepts only TLS and it is off here; or it is wanted here and the server has none.",
		Cause:     "{endpoint}: {problem}.",
		Remedy:    "set databases: {database}: tls: mode (verify-full, or off) to what the server has; as the primary user: SHOW VARIABLES LIKE '%ssl%'; SHOW VARIABLES LIKE 'require_secure_transport'",
		DependsOn: causes,
		match: dbMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonDBTLSRequired, probe.ReasonDBTLSMissing)
		}),
	}, {
		Code: "db-certificate-expiring", Severity: Warning,
		Title:     "the certificate of database {database} ends on {date}",
		Means:     "The server's certificate ends within the configured time (warn: certificate_expiry).",
		Cause:     "{endpoint} shows a certificate that ends on {date}.",
		Remedy:    "rotate it: aws rds describe-certificates; aws rds modify-db-instance --db-instance-identifier <instance> --ca-certificate-identifier <ca>; have the new CA in databases: {database}: tls: ca_file first",
		DependsOn: append(causes, "db-tls-untrusted"),
		match:     dbCertExpiring,
	}, {
		Code: "db-probing-paused", Severity: Warning,
		Title:     "probing of database {database} is paused, so that it does not block this host or lock an account",
		Means:     "Connections that we opened and could not end (timeouts, kills) count towards the server's max_connect_errors. At a quarter of it kerbagent stops, so that this host is never blocked, until a full login has set the server's counter back. A user whom the server asked for a password is not probed again either.",
		Cause:     "{error}",
		Remedy:    "look at the other findings for why handshakes stay unfinished; a login that succeeds clears it; to ask once all the same: kerbagent check --ignore-breaker",
		DependsOn: causes,
		match:     dbPaused,
	}}
}

// databaseAccountRules are about the account that the database has for a user.
// A user whom the directory does not know has none there either, mostly.
func databaseAccountRules() []Rule {
	causes := []Code{"host-offline", "ipv6-broken", "endpoint-unresolvable", "principal-unknown", "realm-case"}
	return []Rule{{
		Code: "db-plugin-missing", Severity: Error,
		Title:     "database {database} has not loaded the Kerberos plugin (ERROR 1524)",
		Means:     "The account is a Kerberos one, the instance has no authentication_kerberos plugin: a reader that was not rebooted after Kerberos was switched on.",
		Cause:     "{endpoint} answered ERROR 1524.",
		Remedy:    "reboot the reader: aws rds reboot-db-instance --db-instance-identifier <reader>; then: SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'authentication_kerberos'",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBPluginMissing) }),
	}, {
		Code: "db-account-unknown", Severity: Error,
		Title:     "database {database} has no Kerberos account for {account}",
		Means:     "The server asked for another plugin: there is no such account, its host part does not fit, or it is a password account. The plugin's name may be a decoy. Nothing was answered but junk.",
		Cause:     "{endpoint} asked {account} for {plugin}.",
		Remedy:    "as the primary user: SELECT user, host, plugin FROM mysql.user WHERE user = '{account}'; then: CREATE USER '{account}'@'%' IDENTIFIED WITH 'authentication_kerberos' BY '{realm}'",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBOtherPlugin) }),
	}, {
		Code: "db-realm-mismatch", Severity: Error,
		Title:     "database {database} expects {account} from another realm",
		Means:     "The realm in CREATE USER … BY is not the user's realm: misspelt, in lower case, or another directory's.",
		Cause:     "{user} logs in, the account says BY '{spnrealm}'.",
		Remedy:    "as the primary user: ALTER USER '{account}'@'%' IDENTIFIED WITH 'authentication_kerberos' BY '{realm}'",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBRealmMismatch) }),
	}, {
		Code: "db-spn-unexpected", Severity: Error,
		Title:     "database {database} announced a service that no ticket is asked for",
		Means:     "The SPN in the auth switch is not of an allowed service (mysql, mariadb or a configured one) or not in a configured realm. A server that is not the database could otherwise have this host's user get a ticket for any service.",
		Cause:     "{endpoint} announced {spn}; no ticket was asked for.",
		Remedy:    "make sure that {endpoint} is the database; if it is, add the service under databases: {database}: allowed_services, or its realm under realms:",
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBSPNUnexpected) }),
	}}
}

// dbMatch makes a rule about databases from a condition on the database's own
// result or on the database stages of a login: one match a database.
func dbMatch(holds func(*probe.Result) bool) func(*view) []match {
	return func(v *view) []match {
		byDB := map[string][]*probe.Result{}
		for _, r := range slices.Concat(v.logins, v.dbs) {
			if r.Outcome == probe.Failed && holds(r) && (r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
				key := r.Facts[probe.FactDatabase]
				byDB[key] = append(byDB[key], r)
			}
		}
		var out []match
		for _, name := range sortedKeys(byDB) {
			m := dbTrouble(byDB[name])
			m.spare = v.otherAddressWorks(byDB[name])
			out = append(out, m)
		}
		return out
	}
}

func dbPaused(v *view) []match {
	byDB := map[string][]*probe.Result{}
	for _, r := range slices.Concat(v.dbs, v.logins) {
		if r.Outcome == probe.Skipped && r.Reason == probe.ReasonPaused && (r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
			byDB[r.Facts[probe.FactDatabase]] = append(byDB[r.Facts[probe.FactDatabase]], r)
		}
	}
	var out []match
	for _, name := range sortedKeys(byDB) {
		out = append(out, dbTrouble(byDB[name]))
	}
	return out
}

// otherAddressWorks: only database probes failed, and the same database works at another address.
func (v *view) otherAddressWorks(failed []*probe.Result) bool {
	if slices.ContainsFunc(failed, func(r *probe.Result) bool { return r.ID.Kind == probe.Login }) {
		return false
	}
	return slices.ContainsFunc(slices.Concat(v.dbs, v.logins), func(r *probe.Result) bool {
		return r.Outcome == probe.OK && r.Facts[probe.FactDatabase] == failed[0].Facts[probe.FactDatabase]
	})
}

func dbTrouble(rs []*probe.Result) match {
	r := rs[0]
	w := wordsOf(r)
	w["seen"], w["errno"], w["plugin"] = seen(rs), r.Facts[probe.FactErrNumber], r.Facts[probe.FactPlugin]
	w["spn"], w["spnrealm"] = r.Facts[probe.FactSPN], r.Facts[probe.FactSPNRealm]
	if r.Err != nil {
		w["error"] = r.Err.Error()
	}
	w["problem"] = map[string]string{"ca": "it is signed by an unknown CA", "name": "it is for another name", "date": "it is out of date"}[r.Facts[probe.FactTLSProblem]]
	switch r.Reason {
	case probe.ReasonDBTLSRequired:
		w["problem"] = "the server accepts only TLS, and it is off here"
	case probe.ReasonDBTLSMissing:
		w["problem"] = "it is wanted here, and the server has none"
	case probe.ReasonDBTLSFailed:
		w["problem"] = "the TLS handshake fails"
	case probe.ReasonTCPSilent:
		w["seen"] = "it accepts connections and sends no greeting"
	}
	if w["problem"] == "" {
		w["problem"] = "verification fails"
	}
	return match{affects: rs, words: w, evidence: evidenceOf(r, probe.FactErrNumber, probe.FactErrText, probe.FactPlugin, probe.FactSPN,
		probe.FactSPNRealm, probe.FactTLSProblem, probe.FactCertNotAfter, probe.FactVersion)}
}

func dbCertExpiring(v *view) []match {
	var out []match
	done := map[string]bool{}
	for _, r := range slices.Concat(v.logins, v.dbs) {
		end, ok := r.Samples[probe.SampleCertExpiry]
		left := end - float64(v.snap.Now.Unix())
		name := r.Facts[probe.FactDatabase]
		if ok && left < v.snap.Limits.CertificateExpiry.Seconds() && left > 0 && !done[name] {
			done[name] = true
			m := dbTrouble([]*probe.Result{r})
			m.words["date"] = r.Facts[probe.FactCertNotAfter]
			out = append(out, m)
		}
	}
	return out
}
