package diagnose

import "maps"

// Example returns the title and the cause of a finding as they look, with values of the
// network that the documentation uses: what is seen depends on them.
func (r Rule) Example() (title, cause string) {
	w := exampleWords()
	maps.Copy(w, exampleOf(r.Code))
	return fill(r.Title, w), fill(r.Cause, w)
}

const (
	exampleEndpoint = "orders.cluster-abc123.us-east-1.rds.amazonaws.com:3306"
	exampleSPN      = "mysql/orders.cluster-abc123.us-east-1.rds.amazonaws.com@CORP.EXAMPLE.COM"
	exampleDC2      = "dc2.corp.example.com (10.0.0.11:88)"
)

// exampleWords returns the values that are the same in most examples.
func exampleWords() words {
	return words{
		"realm": "CORP.EXAMPLE.COM", "domain": "corp.example.com", "user": "alice@CORP.EXAMPLE.COM", "account": "alice",
		"database": "orders", "endpoint": exampleEndpoint, "where": exampleEndpoint, "host": "orders.cluster-abc123.us-east-1.rds.amazonaws.com",
		"kdc": "dc2.corp.example.com", "server": "10.0.0.11:88", "whose": "CORP.EXAMPLE.COM", "place": exampleDC2,
		"spn": exampleSPN, "program": "orders.service", "age": "20 s", "date": "2026-12-10T09:00:00Z", "errno": "1045",
	}
}

// exampleOf returns the further values of one finding's example, most of them as a rehearsal of
// it shows them.
func exampleOf(c Code) words {
	for _, of := range []map[Code]words{dnsExamples(), kdcExamples(), loginExamples(), databaseExamples(), hostExamples(), fileExamples(), programExamples(), awsExamples()} {
		if w, ok := of[c]; ok {
			return w
		}
	}
	return nil
}

func dnsExamples() map[Code]words {
	const dc2 = "10.0.0.11:53"
	return map[Code]words{
		"dns-server-silent":     {"server": dc2, "seen": "no answer over UDP, TCP does not connect"},
		"dns-udp-blocked":       {"server": dc2, "seen": "no answer over UDP"},
		"dns-tcp-blocked":       {"server": dc2, "seen": "TCP does not connect"},
		"dns-filtered":          {"server": dc2, "types": "SRV", "seen": "answered REFUSED"},
		"dns-refused":           {"server": dc2, "rcode": "REFUSED"},
		"dns-zone-missing":      {"server": "10.0.9.2:53", "rcode": "NXDOMAIN", "knows": "The zone is known at 10.0.0.10:53, 10.0.0.11:53"},
		"realm-not-in-dns":      {"seen": "10.0.0.10:53 says no such record (NOERROR), 10.0.9.2:53 says no such name (NXDOMAIN)"},
		"dns-servers-disagree":  {"seen": "SRV _kerberos._tcp.corp.example.com: dc1.corp.example.com:88 and dc2.corp.example.com:88 from 10.0.0.10:53, 10.0.9.2:53; dc2.corp.example.com:88 from 10.0.0.11:53. 2 more questions with the same answer"},
		"dns-srv-missing":       {"short": "_kerberos._tcp, _kerberos._udp", "names": "_kerberos._tcp.corp.example.com, _kerberos._udp.corp.example.com"},
		"dns-srv-stale":         {"kdc": "dc9.corp.example.com", "seen": "the name has no address"},
		"kdc-unresolvable":      {"kdc": "dc3.corp.example.com", "seen": "no DNS server has an address for it"},
		"kdc-lookup-failed":     {"error": "10.0.9.2:53 answered SERVFAIL"},
		"endpoint-unresolvable": {"seen": "this host's resolver has no address for it"},
		"servers-left-out":      {"kdc": "corp.example.com", "error": "70 hosts serve CORP.EXAMPLE.COM by DNS; 64 of them are asked"},
		"names-differ":          {"ips": "10.0.0.99", "seen": "no answer over UDP, TCP does not connect"},
	}
}

func kdcExamples() map[Code]words {
	const silent = "10.0.0.11:88: no answer over UDP, TCP does not connect"
	const all = "10.0.0.10:88: no answer over UDP, TCP does not connect; " + silent
	return map[Code]words{
		"kdc-hung":                {"seen": "10.0.0.11:88: no answer over UDP, TCP connects and stays silent"},
		"kdc-large-messages-lost": {"seen": "10.0.0.11:88: no answer over UDP, TCP connects and stays silent"},
		"kdc-not-kerberos":        {"seen": "10.0.0.11:88: an answer in another protocol over UDP, an answer in another protocol over TCP"},
		"kdc-refused":             {"seen": "10.0.0.11:88: refused over UDP, refused over TCP"},
		"kdc-silent":              {"seen": silent},
		"kdc-tcp-blocked":         {"seen": "10.0.0.11:88: TCP does not connect"},
		"kdc-udp-blocked":         {"seen": "10.0.0.11:88: no answer over UDP"},
		"kdc-unavailable":         {"seen": "10.0.0.11:88: error 29 (service unavailable) over UDP, error 29 (service unavailable) over TCP"},
		"kdc-wrong-realm":         {"seen": "10.0.0.11:88 does not know the user (error 6), another KDC of the realm does"},
		"kpasswd-blocked":         {"place": "dc2.corp.example.com (10.0.0.11:464)", "server": "10.0.0.11:464", "seen": "10.0.0.11:464: no answer over UDP, TCP does not connect"},
		"clock-skew":              {"skew": "10 minutes behind", "seen": "10.0.0.10:88 is 10 minutes ahead of this host; 10.0.0.11:88 is 10 minutes ahead of this host"},
		"clock-skew-one-kdc":      {"seen": "10.0.0.11:88 is 10 minutes behind this host; 10.0.0.10:88 agrees with it"},
		"realm-unreachable":       {"count": "2", "seen": all},
		"trust-realm-unreachable": {"user": "carol@ONPREM.LOCAL", "seen": all},
		"server-down":             {"ips": "10.0.0.11", "ports": "dns, kdc, kpasswd", "seen": "no answer over UDP, TCP does not connect"},
		"server-slow":             {"what": "KDC", "figure": "1.2s", "each": "10.0.0.11:88 took 1.2s"},
		"path-lossy":              {"place": "dc2.corp.example.com", "rate": "40", "asked": "27", "lost": "11", "each": "10.0.0.11 40 %"},
		"ipv6-broken":             {"target": "dc1.corp.example.com", "seen": "TCP does not connect, no answer over UDP"},
	}
}

// refused is what a KDC's refusal looks like.
func refused(what string) words {
	return words{"kdcseen": "The KDC 10.0.0.10:88 answered error " + what + "."}
}

func loginExamples() map[Code]words {
	const locate = "as-preauth in CORP.EXAMPLE.COM at 10.0.0.10:88: "
	return map[Code]words{
		"account-disabled":        refused("18, NTSTATUS 0xC0000072"),
		"account-expired":         refused("18, NTSTATUS 0xC0000193"),
		"account-locked":          refused("18, NTSTATUS 0xC0000234"),
		"account-revoked":         refused("18"),
		"logon-restricted":        refused("18, NTSTATUS 0xC000006F"),
		"password-expired":        refused("23, NTSTATUS 0xC0000071"),
		"password-must-change":    refused("23, NTSTATUS 0xC0000224"),
		"password-wrong":          refused("24"),
		"policy-denied":           refused("12, NTSTATUS 0xC000006E"),
		"principal-unknown":       refused("6"),
		"etype-unsupported":       refused("14").and(words{"what": "alice@CORP.EXAMPLE.COM"}),
		"service-unknown":         refused("7"),
		"service-duplicate":       refused("8"),
		"service-realm-unmapped":  refused("7").and(words{"user": "carol@ONPREM.LOCAL"}),
		"trust-no-referral":       refused("7").and(words{"user": "carol@ONPREM.LOCAL"}),
		"trust-etype":             refused("14").and(words{"user": "carol@ONPREM.LOCAL", "hops": "ONPREM.LOCAL"}),
		"login-failed":            refused("60").and(words{"error": "as in CORP.EXAMPLE.COM at 10.0.0.10:88: KRB-ERROR 60 KRB_ERR_GENERIC"}),
		"keytab-stale":            refused("24").and(words{"kvno": "2", "error": locate + "KRB-ERROR 24 KDC_ERR_PREAUTH_FAILED"}),
		"preauth-weak":            {"server": "10.0.0.10:88", "error": locate + "the KDC asks for a weak key: encryption type 18 with 1 rounds, fewer than 4096"},
		"user-rc4":                {"rc4": "KDC 10.0.0.10:88 offers only RC4. kerbagent did not try the login; other programs may be able to log in"},
		"realm-case":              {"realm": "corp.example.com", "user": "alice@corp.example.com", "error": "as-preauth in corp.example.com at 10.0.0.10:88: the reply is for another crealm: asked \"corp.example.com\", got \"CORP.EXAMPLE.COM\""},
		"login-paused":            {"error": "paused since 2026-11-30T09:00:00Z until 2026-11-30T09:30:00Z: the last attempts got no answer, and may have been refused"},
		"login-record-impossible": {"error": "mkdir /proc/none: no such file or directory"},
		"login-slow":              {"late": "4", "seen": "the KDC 10.0.0.11:88, which does not answer"},
		"secret-malformed":        {"secret": "password", "error": "/etc/kerbagent/alice.pw ends with a line end, which would be part of the password"},
		"probe-failed":            {"what": "kdc/dc2.corp.example.com/10.0.0.11:88/udp", "error": "the answer is for another request"},
		"ticket-rc4":              nil,
		"ticket-expiring":         {"place": "/tmp/krb5cc_1000", "end": "2026-11-30 09:40:00 UTC"},
	}
}

func databaseExamples() map[Code]words {
	const orders3 = "orders-3.abc123.us-east-1.rds.amazonaws.com:3306"
	const otherPlugin = "the server asks for plugin \"caching_sha2_password\", not for Kerberos: no such account, or not a Kerberos account"
	return map[Code]words{
		"db-account-locked":       {"errno": "3118"},
		"db-account-unknown":      {"error": otherPlugin},
		"db-auth-timeout":         {"error": "a second login, which already had the ticket, worked"},
		"db-connection-cut":       {"stage": "while it received the ticket", "error": "authenticating: read tcp 10.0.1.17:50976->10.0.3.20:3306: read: connection reset by peer"},
		"db-not-mysql":            {"error": "reading greeting: not a MySQL server: malformed packet: packet of 4739923 bytes, at most 65536 are taken; it begins with \"SSH-\""},
		"db-path-mtu":             {"seen": "the greeting arrived, the answer to the TLS handshake did not"},
		"db-plugin-missing":       {"database": "orders, instance orders-3", "endpoint": orders3},
		"db-probing-paused":       {"error": "paused since 2026-11-30T09:00:00Z: too many of kerbagent's connections ended before the login was complete"},
		"db-realm-mismatch":       {"spnrealm": "CORP.EXAMPLE.ORG"},
		"db-server-unproven":      {"error": "it sent no proof (AP-REP)"},
		"db-silent":               {"seen": "TCP does not connect"},
		"db-spn-unexpected":       {"spn": "ldap/dc1.corp.example.com@CORP.EXAMPLE.COM", "spnwhy": "kerbagent requested no ticket: the server announces \"ldap/dc1.corp.example.com@CORP.EXAMPLE.COM\", which is not allowed"},
		"db-ticket-rejected":      {"ticketkvno": "3"},
		"db-tls-required":         {"problem": "kerbagent requires TLS, the server does not offer it"},
		"db-tls-untrusted":        {"problem": "the certificate is signed by an unknown CA", "error": "starting TLS: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		"db-too-many-connections": {"errno": "1040"},
		"db-too-old":              {"version": "5.1.73-log"},
		"db-topology-hidden":      {"error": "server error 1227 (42000): Access denied; you need (at least one of) the PROCESS privilege(s) for this operation"},
		"reader-unlike-writer": {"database": "orders, instance orders-3", "differs": "it lacks the account, or has it with another plugin", "endpoint": orders3, "error": otherPlugin,
			"works": exampleEndpoint, "versions": " with the same server version"},
		"endpoint-members": {"trouble": "the endpoint leads to an instance that the cluster does not list", "seen": "led to copy-1; the cluster lists orders-1, orders-2 and 1 more"},
		"failover":         {"before": "orders-1", "writer": "orders-2", "at": "2026-11-30T09:00:00Z", "stale": "still leads to the old writer"},
	}
}

func hostExamples() map[Code]words {
	return map[Code]words{
		"host-offline":          {"count": "58", "seen": "no route to host"},
		"host-out-of-resources": {"count": "62", "error": "opening a socket: dial udp 10.0.0.10:88: socket: too many open files"},
		"krb5conf-kdcs-differ":  {"seen": "Only the krb5.conf names dc3.corp.example.com"},
	}
}

// issue is what `krb5conf lint` and `audit` say of one place.
func issue(place, cause, fix string) words {
	return words{"place": place, "cause": cause, "fix": fix}
}

func fileExamples() map[Code]words {
	const file, second = "/etc/krb5.conf", "/etc/krb5.conf:2"
	return map[Code]words{
		"ccache-unusable":          issue("KRB5CCNAME", "KRB5CCNAME is \"MSLSA:\": this type of cache exists only on Windows.", "set KRB5CCNAME to FILE:/run/PROGRAM/krb5cc"),
		"krb5conf-missing":         issue(file, "There is no /etc/krb5.conf. Programs have no default realm, and find the realm of no database.", "run kerbagent krb5conf apply"),
		"krb5conf-unparsable":      issue("/etc/krb5.conf:9", "gokrb5 refuses the file because of this line.", "write the line as KEY = VALUE"),
		"krb5conf-not-krb5conf":    issue(file, "This is no krb5.conf. It has no section.", "replace it with a krb5.conf"),
		"krb5conf-template":        issue("/etc/krb5.conf:3", "{{ realm }} is a placeholder of a template.", "render the template, and install the result"),
		"krb5conf-unknown-key":     issue("/etc/krb5.conf:4", "No library knows dns_lokup_kdc; dns_lookup_kdc is probably meant.", "write dns_lookup_kdc"),
		"krb5conf-writable":        issue(file, "Every user may write /etc/krb5.conf (mode 666).", "chmod o-w /etc/krb5.conf"),
		"krb5conf-overridden":      issue(file, "KRB5_CONFIG is \"/opt/app/krb5.conf\": MIT and Heimdal read that file instead of /etc/krb5.conf.", "unset KRB5_CONFIG"),
		"krb5conf-drift":           issue(file, "The file differs from what kerbagent would write in 1 line.", "run kerbagent krb5conf diff"),
		"krb5conf-kdcs-unordered":  issue(file, "The KDCs of CORP.EXAMPLE.COM are found by DNS.", "name each domain controller in kerbagent.yaml (kdcs of the realm)"),
		"krb5conf-include-ignored": issue("/etc/krb5.conf:1", "gokrb5 ignores this line: what it includes does not exist for programs that use gokrb5.", "copy the included lines into this file"),
		"krb5conf-readers-differ":  issue("/etc/krb5.conf:5", "forwardable is set twice: MIT, Heimdal and Java use the first value, \"yes\", gokrb5 the last, \"no\".", "keep one of the two lines"),
		"krb5conf-default-realm":   issue(second, "The default realm is EXAMPLE.COM, not CORP.EXAMPLE.COM.", "default_realm = CORP.EXAMPLE.COM"),
		"krb5conf-realm-missing":   issue(file, "MIT and Java cannot find a KDC of realm CORP.EXAMPLE.COM: it has no entry in [realms], and dns_lookup_kdc is off.", "add the realm with its KDCs"),
		"krb5conf-realm-case":      issue("/etc/krb5.conf:6", "\"corp.example.com\" is another realm than CORP.EXAMPLE.COM to Kerberos.", "CORP.EXAMPLE.COM"),
		"krb5conf-mapping-missing": issue(file, "Database orders is in realm CORP.EXAMPLE.COM. The file maps it to no realm.", ".us-east-1.rds.amazonaws.com = CORP.EXAMPLE.COM in [domain_realm]"),
		"krb5conf-realm-twice":     issue("/etc/krb5.conf:12", "Realm CORP.EXAMPLE.COM has 2 blocks. MIT and Heimdal merge them, Java uses only the first, gokrb5 only the last.", "make one block"),
		"krb5conf-etypes":          issue("/etc/krb5.conf:4", "permitted_enctypes: \"rc4-hmac\" is weak.", "remove the line"),
		"krb5conf-udp-limit":       issue(second, "Without udp_preference_limit, libraries ask over UDP first.", "udp_preference_limit = 1 in [libdefaults]"),
		"krb5conf-rdns":            issue("/etc/krb5.conf:3", "rdns is on: MIT takes the name of a service from the PTR record of its address.", "rdns = false"),
	}
}

func programExamples() map[Code]words {
	const file, cache = "/etc/krb5.conf", "/tmp/krb5cc_1000"
	return map[Code]words{
		"app-krb5conf-unreadable": issue("/opt/app/krb5.conf", "The program runs as user 1000 and may not read this file, so it knows no realm and no KDC.", "chmod o+r /opt/app/krb5.conf"),
		"app-krb5conf-other":      issue("/opt/app/krb5.conf", "The program reads this file because of KRB5_CONFIG, and not /etc/krb5.conf.", "unset KRB5_CONFIG in the unit"),
		"app-container-krb5conf":  issue(file, "In the program's container, this file has other content than on this host.", "if this host's file is the right one, mount it into the container, and restart the container"),
		"app-container-resolver":  issue("/etc/resolv.conf", "The container names the nameserver 127.0.0.53, and nothing listens there.", "give the container this host's nameservers"),
		"app-network-unreachable": issue("orders.service", "From the program's network, no connection to 10.0.0.10:88 is made: no route to host.", "give the network a route to the domain controllers"),
		"app-reader-differs":      issue(file, "gokrb5 refuses this file, so kinit works and the program does not.", "run kerbagent krb5conf lint"),
		"app-env-stale":           issue(file, "The program was started 2026-11-29 09:00 UTC, and this file was changed after that.", "restart the program when that does no harm"),
		"app-realm-unmapped":      issue(file, "The database orders is in the realm CORP.EXAMPLE.COM; the program's library guesses the realm AMAZONAWS.COM.", "map the database's domain in [domain_realm]"),
		"app-plugin-missing":      issue("/usr/lib/mysql/plugin", "The program needs authentication_kerberos_client.so, which is in none of its plugin folders.", "install the package with this plugin"),
		"app-ccache-missing":      issue(cache, "The program's credential cache does not exist, and there is no client keytab.", "run kinit as user 1000"),
		"app-ccache-expired":      issue(cache, "The ticket of alice@CORP.EXAMPLE.COM ended 2026-11-30 02:00 UTC, and nobody renewed it.", "run kinit as user 1000"),
		"app-ccache-expiring":     issue(cache, "The ticket of alice@CORP.EXAMPLE.COM ends 2026-11-30 10:00 UTC, and nobody has renewed it so far.", "run kinit -R as user 1000"),
		"app-ccache-foreign":      issue(cache, "The program runs as user 1000, and this cache belongs to user 0.", "get the ticket as user 1000"),
		"app-ccache-unusable":     issue("KRB5CCNAME", "The program's credential cache is \"KCM:\": no KCM service runs on this host.", "use a cache of type FILE"),
		"app-private-tmp":         issue(cache, "The program has its own /tmp, which does not have this file; the ticket is in the host's /tmp.", "keep the cache below /run"),
		"app-keytab-unreadable":   issue("/etc/orders.keytab", "The program runs as user 1000 and may not read this file.", "let user 1000 read it. If no other program uses the file: chown 1000 and mode 0600. If others do, leave its owner, and give this program a keytab with its own principal alone"),
		"app-keytab-no-entry":     issue("/etc/orders.keytab", "The keytab has keys of Alice@CORP.EXAMPLE.COM, and none of alice@CORP.EXAMPLE.COM.", "export a keytab of the right user"),
		"app-keytab-stale":        issue("/etc/orders.keytab", "The keytab has key version 2, kerbagent's own keytab of the same user has 3.", "give the program the newer keytab"),
		"app-report-stale":        issue("/run/kerbagent-audit/report.json", "The report is 3 hours old.", "enable kerbagent-audit.timer, and see how its last run ended"),
		"app-java-login-config":   issue("/opt/app/login.config", "The JVM is told to read this file, and it does not exist.", "create it, or remove the option"),
		"app-java-subject-creds":  issue("orders.service", "The JVM uses credentials of a JAAS login only and has no login configuration.", "if logins fail, set -Djavax.security.auth.useSubjectCredsOnly=false"),
		"app-java-etypes":         issue(file, "The file lists the encryption types \"des-cbc-md5\". Java supports none of them.", "remove the list"),
		"app-java-udp":            issue(file, "The file has no udp_preference_limit, so Java asks KDCs over UDP first.", "udp_preference_limit = 1 in [libdefaults]"),
	}
}

func awsExamples() map[Code]words {
	return map[Code]words{
		"aws-membership":      {"place": "the cluster orders", "membership": "failed"},
		"aws-directory":       {"directory": "d-1234567890", "what": "the domain controller 10.0.0.11 as Impaired", "detail": "the domain controller 10.0.0.11 as Impaired"},
		"aws-security-group":  {"place": "database orders", "lacks": "TCP 3306", "groups": "sg-0123456789abcdef0", "from": "10.0.1.17", "packets": "The probes get no answer there either"},
		"aws-view-incomplete": {"region": "us-east-1", "why": "no credentials were found"},
	}
}
