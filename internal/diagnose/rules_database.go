package diagnose

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// databaseRules are about the database before it is asked for a ticket: what
// is wrong for every user alike.
func databaseRules() []Rule {
	causes := []Code{"host-offline", "path-lossy", "ipv6-broken", "endpoint-unresolvable"}
	clusters := "aws rds describe-db-clusters --query 'DBClusters[].[DBClusterIdentifier,Endpoint,ReaderEndpoint,Port,Status]'  # AWS"
	return []Rule{{
		Code: "db-silent", Severity: Error,
		Title: "database {database}: no answer from {where}",
		Means: "The database's port does not connect, or it connects and sends no greeting. The cause is a security group, a route, or a cluster that is stopped or stuck.",
		Cause: "{where}: {seen}.",
		Remedy: do("Allow this host in the cluster's security group (TCP port {port}). If the cluster is stopped, have it started. Make no bare port checks (nc, telnet): each that connects counts towards blocking this host.",
			clusters, askDatabases),
		remedyOf:  routeRemedy,
		DependsOn: causes,
		match: dbMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonConnectTimeout, probe.ReasonTCPSilent, probe.ReasonUnreachable, probe.ReasonForbidden) && !largeLost(r)
		}),
	}, {
		Code: "db-path-mtu", Severity: Error,
		Title: "database {database}: large packets are lost on the way to or from {where}",
		Means: "The connection is established and the server's small greeting arrives, but a step that needs full-size packets gets no answer: the server's certificate in the TLS handshake, or the ticket. Packets are too big for a link on the way, and the ICMP message that would say so is filtered; or a firewall drops them because of their content.",
		Cause: "{where}: {seen}.",
		Remedy: do("Let ICMP \"fragmentation needed\" (type 3 code 4; ICMPv6 type 2) through in security groups and network ACLs, and clamp the MSS on the VPN or transit gateway. Or lower this host's MTU.",
			"ip route get {ip}", "ping -M do -c 3 -s 1472 {host}", "ping -M do -c 3 -s 1372 {host}", "tracepath -n {host}", askDatabases),
		DependsOn: causes,
		match:     dbMatch(largeLost),
	}, {
		Code: "db-connection-cut", Severity: Error,
		Title: "database {database}: the other side closed the connection {stage}",
		Means: "The connection was established. Then the database's side closed or reset it in the middle of a step, without an error message. Either the server restarts, fails over or has crashed, or a proxy, load balancer or firewall on the way ends connections. The KDCs are not involved.",
		Cause: "{where} ended the connection {stage}: {error}.",
		Remedy: do("Look at the events and the error log of the database for the last hour. If it restarted or failed over, check again when it is available. If it crashed, send the error log to its administrators or to AWS Support. If it did not restart, let the connection pass the proxies, load balancers and firewalls on the way: raise their idle timeouts, and take them out one by one to find the one that ends it.",
			"aws rds describe-events --source-type db-instance --duration 60  # AWS", sql("SHOW GLOBAL STATUS WHERE Variable_name IN ('Uptime', 'Aborted_connects')"), askDatabases),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBCut, probe.ReasonClosed) }),
	}, {
		Code: "db-refused", Severity: Error,
		Title:     "database {database}: connections are refused by {where}",
		Means:     "Nothing listens on the database's port, or a firewall rejects the connection.",
		Cause:     "{where}: connection refused.",
		Remedy:    do("See which port the cluster has and whether its status is available. If the port differs, correct it (endpoint of database {database} in kerbagent.yaml, or --database). If the cluster is stopped, have it started; if it is being changed, wait. If both are right, a firewall on the way rejects the connection: allow it there.", clusters, askDatabases),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonRefused) }),
	}, {
		Code: "db-not-mysql", Severity: Error,
		Title:     "database {database}: no MySQL at {where}",
		Means:     "The port accepts connections, but the answer is not that of a MySQL server.",
		Cause:     "{where}: {error}.",
		Remedy:    do("Compare host and port with those of the cluster, and correct them (endpoint of database {database} in kerbagent.yaml, or --database). If they are right, a proxy answers in place of the database: have it pass the MySQL protocol through.", clusters, askDatabases),
		DependsOn: causes,
		match: dbMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonDBNotMySQL, probe.ReasonMalformed)
		}),
	}, {
		Code: "db-too-old", Severity: Error,
		Title: "database {database}: too old for Kerberos",
		Means: "The server does not support authentication plugins (CLIENT_PLUGIN_AUTH), which MySQL has had since version 5.5. Kerberos needs such a plugin, so no client can log in with a ticket.",
		Cause: "{where} greets as version {version}, without CLIENT_PLUGIN_AUTH.",
		Remedy: do("Check that {endpoint} is the right server, and correct it if not (endpoint of database {database} in kerbagent.yaml, or --database). If it is the right one, have it upgraded: Kerberos needs Aurora MySQL 3.03 or later, MySQL Enterprise 8.0.26 or later, or MariaDB with its gssapi plugin.",
			sql("SELECT VERSION()"), clusters, askDatabases),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBTooOld) }),
	}, {
		Code: "db-host-blocked", Severity: Error,
		Title: "database {database}: has blocked this host (ERROR 1129)",
		Means: "Too many connections from this host ended without a login, so the server now refuses every program on this host (max_connect_errors). Usually a port check is the cause.",
		Cause: "{where} answered ERROR 1129.",
		Remedy: do("Find the program that connects without logging in, and stop it. Then unblock this host: run one of the last two commands on another host. Both also reset the error counts of all other hosts.",
			"ss -tnp 'dport = :{port}'  # on this host, as root", "mysqladmin -h {host} -P {port} -u <admin> -p flush-hosts", sql("TRUNCATE TABLE performance_schema.host_cache")+"  # the same, in SQL"),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBBlocked) }),
	}, {
		Code: "db-host-denied", Severity: Error,
		Title:     "database {database}: has no account that may come from this host (ERROR 1130)",
		Means:     "No database account has a host part that fits this host's address.",
		Cause:     "{where} answered ERROR 1130.",
		Remedy:    do("See which hosts the account may connect from (the part after @). If this host is meant to be one of them, change that part. CAUTION: the last command lets the account connect from every host.", sql("SELECT user, host FROM mysql.user WHERE user = '{account}'"), sql("RENAME USER '{account}'@'<host part>' TO '{account}'@'%'")),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBHostDenied) }),
	}, {
		Code: "db-too-many-connections", Severity: Warning,
		Title:     "database {database}: a limit is reached (ERROR {errno})",
		Means:     "A limit on connections is reached: the server's (error 1040), a user's (1203), or another one that is set for the user (1226). Kerberos is not the cause.",
		Cause:     "{where} answered ERROR {errno}.",
		Remedy:    do("Find the programs that hold the connections, and stop those that should not. Or have the limit raised: max_connections in the parameter group of the cluster for error 1040, the limits of the account (ALTER USER … WITH) for the others.", sql("SHOW FULL PROCESSLIST"), sql("SHOW VARIABLES LIKE 'max%connections'"), sql("SHOW CREATE USER '{account}'@'%'")),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBTooMany) }),
	}, {
		Code: "db-tls-untrusted", Severity: Error,
		Title:    "database {database}: its TLS cannot be trusted: {problem}",
		Means:    "The server's certificate does not verify (unknown CA, another name, out of date), or the TLS handshake fails.",
		Cause:    "{error}.",
		remedyOf: tlsRemedy,
		Remedy: do("See what is wrong with the certificate. Run the first command only once: it leaves a connection that the server counts as unfinished. For RDS, the second command downloads the CA bundle. Name that file in kerbagent.yaml (tls.ca_file of database {database}) and reload the service, or pass it with --database-ca.",
			"openssl s_client -starttls mysql -connect {endpoint} -servername {host} </dev/null 2>/dev/null | openssl x509 -noout -subject -issuer -dates -ext subjectAltName",
			"curl -O https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem  # RDS"),
		DependsOn: causes,
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBTLSUntrusted, probe.ReasonDBTLSFailed) }),
	}, {
		Code: "db-tls-required", Severity: Error,
		Title:     "database {database}: only one side uses TLS: {problem}",
		Means:     "Either the server requires TLS and kerbagent's configuration has it off, or the configuration requires TLS and the server does not offer it.",
		Cause:     "{where}: {problem}.",
		Remedy:    do("If the server has TLS, set tls.mode of database {database} to verify-full in kerbagent.yaml. CAUTION: with the mode off, the login and all data are sent unencrypted; use it only if the server has no TLS.", sql("SHOW VARIABLES LIKE 'require_secure_transport'"), sql("SHOW VARIABLES LIKE '%ssl%'")),
		DependsOn: causes,
		match: dbMatch(func(r *probe.Result) bool {
			return reason(r, probe.ReasonDBTLSRequired, probe.ReasonDBTLSMissing)
		}),
	}, {
		Code: "db-certificate-expiring", Severity: Warning, Remark: true,
		Title: "database {database}: the certificate ends on {date}",
		Means: "The server's certificate ends within the configured time (warn.certificate_expiry in kerbagent.yaml).",
		Cause: "{endpoint} shows a certificate that ends on {date}.",
		Remedy: do("First give every client the CA of the new certificate; for kerbagent, add it to the file that tls.ca_file of database {database} names. Then have the certificate replaced. CAUTION: the last command does so in the instance's next maintenance window. Clients without the new CA can then no longer connect. The instance also restarts, unless the second command shows true for its version.",
			"aws rds describe-certificates --query 'Certificates[].[CertificateIdentifier,ValidTill]'  # AWS",
			"aws rds describe-db-engine-versions --engine aurora-mysql --query 'DBEngineVersions[].[EngineVersion,SupportsCertificateRotationWithoutRestart]'  # AWS",
			"aws rds modify-db-instance --db-instance-identifier <instance> --ca-certificate-identifier <certificate>  # AWS"),
		DependsOn: append(causes, "db-tls-untrusted"),
		match:     dbCertExpiring,
	}, {
		Code: "db-probing-paused", Severity: Warning,
		Title: "database {database}: probing is paused for safety",
		Means: "Some connections of kerbagent ended before the login was complete, for example by a timeout. The server counts them, and at max_connect_errors it blocks this host. kerbagent stops at a quarter of that limit; a complete login resets the counter. kerbagent also pauses the logins of a user if the server asked for that user's password instead of a ticket.",
		Cause: "{error}.",
		Remedy: do("The other findings show why connections stay unfinished: remove that cause first. A successful login ends the pause. The second command asks once in spite of the pause. CAUTION: if that connection stays unfinished too, this host is closer to being blocked.",
			"kerbagent check", "kerbagent check --ignore-breaker"),
		DependsOn: causes,
		match:     dbPaused,
	}}
}

// databaseAccountRules are about the account that the database has for a user.
// A user whom the directory does not know has none there either, mostly.
func databaseAccountRules() []Rule {
	causes := slices.Clip([]Code{"host-offline", "path-lossy", "ipv6-broken", "endpoint-unresolvable", "principal-unknown", "realm-case"})
	return []Rule{{
		Code: "db-plugin-missing", Severity: Error,
		Title: "database {database}: the Kerberos plugin is not loaded (ERROR 1524)",
		Means: "The account needs an authentication plugin that this instance has not loaded. Usually the instance is a reader that was not rebooted after Kerberos was switched on.",
		Cause: "{endpoint} answered ERROR 1524.",
		Remedy: do("See whether the plugin is active on this instance. If it is missing, reboot the instance. CAUTION: a reboot ends every connection to the instance, and of a writer it interrupts the cluster.", pluginQuery(),
			"aws rds reboot-db-instance --db-instance-identifier <instance>  # AWS"),
		remedyOf:  pluginRemedy,
		DependsOn: causes,
		match:     pluginMissing,
	}, readerUnlikeWriter(causes), {
		Code: "db-account-unknown", Severity: Error,
		Title: "database {database}: no Kerberos account for {account}",
		Means: "The server does not ask this user for a Kerberos ticket: there is no such account, its host part does not fit, or it is for another sort of login. The plugin that a server names for an unknown user may be a decoy. kerbagent sent only random bytes in answer.",
		Cause: "{endpoint}: {error}.",
		Remedy: do("See how the account is spelled in the database: upper and lower case count. If it exists in another spelling, correct the user of the login in kerbagent.yaml, or set the cluster parameter authentication_kerberos_caseins_cmp (Aurora); do not create a second account. Only if there is no account in any spelling, create one.",
			sql("SELECT user, host, plugin FROM mysql.user WHERE LOWER(user) = LOWER('{account}')"),
			sql("CREATE USER '{account}'@'%' IDENTIFIED WITH 'authentication_kerberos' BY '{realm}'")+"  # Aurora, MySQL",
			sql("CREATE USER '{account}'@'%' IDENTIFIED VIA gssapi USING '{user}'")+"  # MariaDB"),
		DependsOn: append(causes, codeReader),
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBOtherPlugin) }),
	}, {
		Code: "db-realm-mismatch", Severity: Error,
		Title:     "database {database}: expects {account} from another realm",
		Means:     "The database account was created for another realm (CREATE USER … BY) than the user's. That realm may be misspelt, in lower case, or that of another directory.",
		Cause:     "The user is {user}; the database account is for the realm {spnrealm}.",
		Remedy:    do("Give the database account the user's realm. CAUTION: with the last command, users of the old realm can no longer log in to this account.", sql("SHOW CREATE USER '{account}'@'%'"), sql("ALTER USER '{account}'@'%' IDENTIFIED WITH 'authentication_kerberos' BY '{realm}'")),
		DependsOn: append(causes, codeReader),
		match:     dbMatch(func(r *probe.Result) bool { return reason(r, probe.ReasonDBRealmMismatch) }),
	}}
}

// dbMatch makes a rule about databases from a condition on the database's own
// result or on the database stages of a login: one match a database, and one for each
// instance of its cluster where the same does not hold by its endpoint.
func dbMatch(holds func(*probe.Result) bool) func(*view) []match {
	return func(v *view) []match {
		byDB := map[string][]*probe.Result{}
		for _, r := range slices.Concat(v.logins, v.dbs) {
			if r.Outcome == probe.Failed && holds(r) && (r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
				key := askedAt(r)
				byDB[key] = append(byDB[key], r)
			}
		}
		var out []match
		for _, name := range databasePlaces(byDB) {
			m := dbTrouble(byDB[name])
			m.words["where"] = v.where(byDB[name])
			m.spare = aside(byDB[name][0]) || v.otherAddressWorks(byDB[name])
			out = append(out, m)
		}
		return out
	}
}

func dbPaused(v *view) []match {
	byDB := map[string][]*probe.Result{}
	for _, r := range slices.Concat(v.dbs, v.logins) {
		if r.Outcome == probe.Skipped && r.Reason == probe.ReasonPaused && (r.ID.Kind == probe.Database || r.Facts[probe.FactFailedAt] == probe.AtDatabase) {
			byDB[askedAt(r)] = append(byDB[askedAt(r)], r)
		}
	}
	var out []match
	for _, name := range databasePlaces(byDB) {
		out = append(out, dbTrouble(byDB[name]))
	}
	return out
}

// otherAddressWorks: only database probes failed, on the way to some addresses,
// and the same database answers at another one: programs go there.
func (v *view) otherAddressWorks(failed []*probe.Result) bool {
	if slices.ContainsFunc(failed, func(r *probe.Result) bool { return r.ID.Kind == probe.Login }) {
		return false
	}
	where := failed[0].Facts[probe.FactEndpoint]
	return slices.ContainsFunc(v.dbs, func(r *probe.Result) bool {
		return r.Facts[probe.FactEndpoint] == where && (r.Outcome == probe.OK || onPath(failed[0]) && answered(r))
	}) || slices.ContainsFunc(v.logins, func(r *probe.Result) bool {
		return r.Facts[probe.FactEndpoint] == where && r.Outcome == probe.OK
	})
}

// where is a database's endpoint, with the addresses at which it was asked
// where others of it answer.
func (v *view) where(rs []*probe.Result) string {
	endpoint := rs[0].Facts[probe.FactEndpoint]
	var here []string
	for _, r := range rs {
		if r.ID.Address.IsValid() {
			here = appendNew(here, r.ID.Address.String())
		} else if at := r.Facts[probe.FactDBAddress]; at != "" {
			here = appendNew(here, at)
		}
	}
	if len(here) > 1 {
		return few(here) + " (addresses of " + endpoint + ")"
	}
	for _, r := range v.dbs {
		if len(here) > 0 && r.Facts[probe.FactEndpoint] == endpoint && !slices.Contains(here, r.ID.Address.String()) {
			return few(here) + " (an address of " + endpoint + ")"
		}
	}
	return endpoint
}

func dbTrouble(rs []*probe.Result) match {
	r := rs[0]
	w := wordsOf(r)
	w["seen"], w["errno"] = seen(rs), r.Facts[probe.FactErrNumber]
	w["version"] = r.Facts[probe.FactVersion]
	w["spn"], w["spnrealm"] = r.Facts[probe.FactSPN], r.Facts[probe.FactSPNRealm]
	if r.Err != nil {
		w["error"] = r.Err.Error()
	}
	w["problem"] = certificateProblem(r)
	switch r.Reason {
	case probe.ReasonDBTLSRequired:
		w["problem"] = "the server requires TLS, kerbagent has it switched off"
	case probe.ReasonDBTLSMissing:
		w["problem"] = "kerbagent requires TLS, the server does not offer it"
	case probe.ReasonDBTLSFailed:
		w["problem"] = "the handshake fails"
	case probe.ReasonTCPSilent:
		w["seen"] = silentAt(r)
	}
	w["stage"] = stageOf(r)
	if w["problem"] == "" {
		w["problem"] = "the certificate does not verify"
	}
	return match{affects: rs, words: w, evidence: evidenceOf(r, probe.FactErrNumber, probe.FactErrText, probe.FactPlugin, probe.FactSPN,
		probe.FactSPNRealm, probe.FactTLSProblem, probe.FactCertNotAfter, probe.FactVersion)}
}

// largeLost: the server spoke, and is silent where full packets are due.
func largeLost(r *probe.Result) bool {
	stage := r.Facts[probe.FactDBStage]
	return reason(r, probe.ReasonTCPSilent) && (stage == "db-tls" || stage == "db-token")
}

// silentAt reports what a database's silence followed.
func silentAt(r *probe.Result) string {
	switch r.Facts[probe.FactDBStage] {
	case "db-tls":
		return "the greeting arrived, the answer to the TLS handshake did not"
	case "db-switch":
		return "the greeting arrived, the answer to the login packet did not"
	case "db-token":
		return "the server asked for the ticket, and its answer to it did not arrive"
	case "query":
		return "the login succeeded, the answer to a query did not arrive"
	}
	return "it takes connections and sends no greeting"
}

// stageOf reports at which stage a conversation with a database failed.
func stageOf(r *probe.Result) string {
	switch r.Facts[probe.FactDBStage] {
	case "db-tls":
		return "in the TLS handshake"
	case "db-switch":
		return "after the login packet"
	case "db-token":
		return "while it received the ticket"
	case "query":
		return "after the login"
	}
	return "before its greeting"
}

// certificateProblem names all that is wrong with a certificate.
func certificateProblem(r *probe.Result) string {
	if r.Facts[probe.FactTLSProblem] == "bundle" {
		return "the CA bundle (ca_file) cannot be used"
	}
	said := map[string]string{"ca": "is signed by an unknown CA", "name": "is for another name", "date": "is out of date"}
	var all []string
	for _, problem := range r.Facts.List(probe.FactTLSProblem) {
		if s := said[problem]; s != "" {
			all = append(all, s)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "the certificate " + strings.Join(all, " and ")
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
