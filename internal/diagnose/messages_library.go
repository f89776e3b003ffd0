package diagnose

// libraryMessages are errors of libkrb5 and GSSAPI that come before a KDC has answered,
// or of the credential cache and the keytab.
func libraryMessages() []Message {
	return []Message{
		{Texts: []string{"cannot find kdc for realm", "cannot find kdc for requested realm", "cannot locate kdc", "unable to locate kdc", "-1765328230"},
			Says:  "No KDC of this realm is known: the krb5.conf has no entry for exactly this name (case counts), and DNS has no SRV records, or is not asked, or the host's resolver is not the one that knows the domain.",
			Codes: []Code{"krb5conf-realm-missing", "dns-zone-missing", "realm-not-in-dns", "dns-srv-missing", "dns-filtered", "krb5conf-realm-case", "krb5conf-missing"},
			Look:  lookLint + "\nhost -t SRV _kerberos._tcp.DOMAIN\n" + lookCheck},
		{Texts: []string{"cannot contact any kdc", "unable to reach any kdc", "cannot contact kdc", "can't contact any kdc", "-1765328228"},
			Says: "KDCs are known, and none answered: port 88 is blocked by UDP or TCP, their names lead to wrong addresses (a line in /etc/hosts, an interface that only the KDC sees), or they are down. " +
				"The trace shows the addresses that were tried.",
			Codes: []Code{"realm-unreachable", "kdc-tcp-blocked", "kdc-silent", "kdc-refused", "kdc-unresolvable", "names-differ", "server-down", "trust-realm-unreachable"},
			Look:  lookCheck + "\nKRB5_TRACE=/dev/stderr kinit USER@REALM"},
		{Texts: []string{"cannot resolve network address for kdc", "cannot resolve servers for kdc", "unable to resolve kdc"},
			Says: "The host name of a KDC has no address here.", Codes: []Code{"kdc-unresolvable", "dns-zone-missing"}, Look: lookCheck},
		{Texts: []string{"resource temporarily unavailable while getting", "temporary failure in name resolution", "name or service not known"},
			Says:  "A name could not be resolved: the resolver of this host does not answer, or does not know the name.",
			Codes: []Code{"kdc-lookup-failed", "dns-server-silent", "kdc-unresolvable", "endpoint-unresolvable"}, Look: lookCheck},
		{Texts: []string{"invalid argument while getting initial credentials"},
			Says: "MIT cannot read a kdc line of the realm, and then uses none of the others.", Codes: []Code{"krb5conf-realm-missing"}, Look: lookLint},
		{Texts: []string{"kdc reply did not match expectations"},
			Says:  "The KDC answered for another name than was asked for: the realm is not in upper case, or the name is a UPN or an alias that the KDC replaced (kinit -C or -E accept that).",
			Codes: []Code{"realm-case", "krb5conf-realm-case", "principal-unknown"}, Look: lookLint + "\n" + lookCheck},
		{Texts: []string{"no supported encryption types", "program lacks support for encryption type", "encryption type not permitted", "no supported default etypes for", "not supported/enabled",
			"cannot find key of appropriate type", "bad encryption type", "encryption type has no support"},
			Says:  "This side has no encryption type or key that can be used: a list in the krb5.conf names dead types only, the system's crypto policy or Java forbids RC4, or the keytab has no AES key.",
			Codes: []Code{"krb5conf-etypes", "app-java-etypes", "etype-unsupported", "ticket-rc4", "keytab-stale"}, Look: lookLint + "\nklist -kte KEYTAB; klist -e"},
		{Texts: []string{"invalid uid in persistent keyring name"},
			Says:  "The tickets are to be kept in the kernel's keyring, and the process may not: it runs in a container, or as another user than the name has (sudo, a setuid program). Give it a FILE cache: KRB5CCNAME.",
			Codes: []Code{"ccache-unusable", "app-ccache-unusable"}, Look: lookLint + "\necho $KRB5CCNAME; id"},
		{Texts: []string{"credentials cache permissions incorrect", "credential cache permissions incorrect", "permission denied (filename: /tmp/krb5cc"},
			Says: "The cache file belongs to another user: two programs or containers share one path, or kinit ran as root.", Codes: []Code{"app-ccache-foreign", "ccache-unusable"}, Look: lookAudit},
		{Texts: []string{"no kerberos credentials available", "no credentials cache found", "no credentials cache file found", "credentials cache file", "not find credential cache", "no credentials were supplied",
			"credentials cache keyring", "no ticket file", "no default credentials cache", "unavailable or inaccessible", "-1765328189", "credential cache is empty"},
			Says: "This process finds no ticket: kinit ran as another user or in another session, or the program has another KRB5CCNAME than your shell. sudo, cron and systemd pass on neither; a service needs a keytab " +
				"or a cache of its own, and a unit with PrivateTmp= does not see /tmp/krb5cc_UID.",
			Codes: []Code{"app-ccache-missing", "app-private-tmp", "app-ccache-foreign", "app-env-stale", "ccache-unusable", "app-java-subject-creds"},
			Look:  "id; echo $KRB5CCNAME; klist\n" + lookAudit},
		{Texts: []string{"(matching credential not found", "error: matching credential not found", "cannot find credential", "can't find client principal", "does not match desired name"},
			Says: "The cache that the program reads has no ticket of this user for this realm: kinit wrote another cache (KRB5CCNAME, another user, a container), or the program has another krb5.conf, which " +
				"leads to another realm.",
			Codes: []Code{"app-ccache-missing", "krb5conf-overridden", "app-ccache-foreign", "krb5conf-mapping-missing"}, Look: "echo $KRB5CCNAME $KRB5_CONFIG; klist -A\n" + lookAudit},
		{Texts: []string{"matching credential not found", "-1765328243"},
			Says: "The cache has no ticket for this name, and the KDC is asked for one: in a trace that is as it should be.", Harmless: true},
		{Texts: []string{"key table entry not found", "keytab contains no suitable keys", "no suitable keys for", "not found in keytab", "no key table entry found", "cannot find key for", "failed to find * in keytab", "-1765328203"},
			Says:  "The keytab has no key of this user or service: other spelling or case of the name or realm, an older key version, or another encryption type.",
			Codes: []Code{"app-keytab-no-entry", "keytab-stale", "app-keytab-stale", "realm-case"}, Look: "klist -kte KEYTAB\n" + lookCheck},
		{Texts: []string{"unsupported key table format", "bad format in keytab", "bad start of keytab", "key table file", "key table name malformed"},
			Says: "The keytab is not there, not readable by this user, or no keytab (encoded as base64, say).", Codes: []Code{"secret-malformed", "app-keytab-unreadable"}, Look: "ls -l KEYTAB; klist -kte KEYTAB"},
		{Texts: []string{"internal credentials cache error", "unknown credential cache type", "invalid keyring anchor name", "no kcm server found"},
			Says: "MIT cannot use the name of the credential cache: an unknown %{token} or type, or a KCM without its daemon.", Codes: []Code{"ccache-unusable", "app-ccache-unusable"}, Look: lookLint},
		{Texts: []string{"generic preauthentication failure", "cannot create cert chain", "kdc name mismatch", "pkinit"},
			Says: "A login with a certificate or smart card (PKINIT) failed: the KDC's certificate is not trusted or has no name for Kerberos, or the card's is not mapped to the account. kerbagent logs in with a password or a keytab only."},
		{Texts: []string{"unknown mech-code 0", "an unsupported mechanism was requested", "mech_dh", "libgssapi_krb5.so"},
			Says:  "The program finds no Kerberos library: libgssapi-krb5-2 (Debian) or krb5-libs (RHEL) is missing in its image, or it asked for NTLM.",
			Codes: []Code{"app-plugin-missing"}, Look: lookAudit},
		{Texts: []string{"response was not from primary kdc", "response was not from master kdc"}, Says: "The KDC that answered is not named as the primary one. libkrb5 asks that one too where a password is refused.", Harmless: true},
	}
}

// fileMessages are errors about the krb5.conf.
func fileMessages() []Message {
	return []Message{
		{Texts: []string{"improper format of kerberos configuration file", "included profile file could not be read", "included profile directory could not be read", "profile relation not found", "malformed configuration file"},
			Says: "The krb5.conf cannot be read as a whole: a line with a mistake, a missing bracket, or an include that is not there.", Codes: []Code{"krb5conf-unparsable", "krb5conf-template", "krb5conf-not-krb5conf"}, Look: lookLint},
		{Texts: []string{"does not specify default realm", "cannot locate default realm", "unable to find realm of host", "no default realm", "default realm not found"},
			Says:  "The krb5.conf that this program reads has no default_realm, or is not there.",
			Codes: []Code{"krb5conf-default-realm", "krb5conf-missing", "krb5conf-overridden", "app-krb5conf-unreadable", "app-container-krb5conf"}, Look: lookLint + "\n" + lookAudit},
		{Texts: []string{"invalid boolean value"},
			Says:  "A setting of the krb5.conf is neither true nor false to this library. One that comes with a program (a Python wheel, say) may be too old for dns_canonicalize_hostname = fallback.",
			Codes: []Code{"krb5conf-readers-differ", "app-reader-differs"}, Look: lookLint},
		{Texts: []string{"invalid format of kerberos lifetime"}, Says: "ticket_lifetime or renew_lifetime is no time.", Codes: []Code{"krb5conf-unparsable"}, Look: lookLint},
		{Texts: []string{"can't open/find kerberos configuration file", "can't open kerberos configuration file", "krb5.conf (permission denied)"},
			Says: "The krb5.conf is not there or not readable for this program.", Codes: []Code{"krb5conf-missing", "app-krb5conf-unreadable", "app-container-krb5conf"}, Look: lookAudit},
	}
}

// javaMessages are errors of Java and of .NET and ODBC for SQL Server, which hide the one below.
func javaMessages() []Message {
	return []Message{
		{Texts: []string{"failed to find any kerberos tgt", "failed to find any kerberos credentials", "fail to create credential", "no valid credentials provided"},
			Says:  "Java has no ticket: its Subject is empty (javax.security.auth.useSubjectCredsOnly), the JAAS login has no useTicketCache or keyTab, or the cache is of a type that Java does not read (KEYRING, KCM).",
			Codes: []Code{"app-java-subject-creds", "app-java-login-config", "app-ccache-missing", "app-ccache-unusable", "app-reader-differs"}, Look: lookAudit},
		{Texts: []string{"unable to obtain password from user", "unable to obtain principal name for authentication", "no loginmodules configured", "unable to obtain princpal name"},
			Says: "The JAAS login finds neither a ticket nor a key: the keyTab's path, its permissions or the principal's spelling.", Codes: []Code{"app-java-login-config", "app-keytab-unreadable", "app-keytab-no-entry"}, Look: lookAudit},
		{Texts: []string{"receive timed out", "identifier doesn't match expected value"},
			Says: "Java waited for a KDC, mostly by UDP, or got an answer that it cannot read.", Codes: []Code{"kdc-udp-blocked", "app-java-udp", "kdc-silent", "krb5conf-udp-limit"}, Look: lookCheck},
		{Texts: []string{"cannot generate sspi context", "cannot authenticate using kerberos", "ensure kerberos has been initialized on the client", "gss initiate failed"},
			Says: "The driver could not make a Kerberos login; the real error is the one beside it, or in KRB5_TRACE.", Codes: []Code{"app-ccache-missing", "service-unknown", "krb5conf-realm-missing"}, Look: "klist\n" + lookKvno},
	}
}

// databaseMessages are errors of MySQL, MariaDB and their clients.
func databaseMessages() []Message {
	return []Message{
		{Texts: []string{"unknown plugin auth_gssapi_client", "unknown plugin authentication_kerberos", "authentication plugin not supported", "this authentication plugin is not supported", "unknown auth plugin"},
			Says:  "This driver cannot log in with Kerberos to the server's plugin, whatever the tickets: another driver or version is needed, or its plugin. Where Kerberos is not meant, the server is another one (MariaDB for MySQL) or the account is.",
			Codes: []Code{"app-plugin-missing"}, Look: lookAudit},
		{Texts: []string{"cannot be loaded", "authentication_kerberos_client.so", "auth_gssapi_client.so", "cr_auth_plugin_cannot_load", "reported error: "}, SQL: []int{2059, 2061},
			Says: "The client has no plugin for Kerberos logins, or does not find it (--plugin-dir), or a library below it is missing.", Codes: []Code{"app-plugin-missing"}, Look: lookAudit},
		{Texts: []string{"is not loaded"}, SQL: []int{1524},
			Says: "The server has not loaded its Kerberos plugin. In Aurora: the cluster is not a member of the directory yet, or the instance was not restarted after.", Codes: []Code{"db-plugin-missing", "aws-membership", "db-too-old", "reader-unlike-writer"}, Look: lookCheck},
		{Texts: []string{"access denied for user"}, SQL: []int{1045, 1698},
			Says:  "The server answers so for an unknown account, an account with a password, and a refused ticket alike. A plain client without Kerberos gets it too: is it the plugin that logs in?",
			Codes: []Code{"db-account-unknown", "db-ticket-rejected", "db-access-denied", "db-realm-mismatch", "app-plugin-missing"}, Look: lookCheck},
		{Texts: []string{"can't connect to mysql server", "can't connect to server on", "can't connect to local mysql server", "can't connect to local server"}, SQL: []int{2002, 2003},
			Says: "No connection to the port: a security group, the wrong port, or nobody listens.", Codes: []Code{"db-silent", "db-refused", "aws-security-group"}, Look: lookCheck},
		{Texts: []string{"unknown mysql server host", "unknown server host"}, SQL: []int{2005}, Says: "The database's host name has no address here.", Codes: []Code{"endpoint-unresolvable"}, Look: lookCheck},
		{Texts: []string{"lost connection to mysql server", "lost connection to server", "server has gone away", "reading authorization packet", "reading initial communication packet"}, SQL: []int{2013, 2006, 2012},
			Says: "The connection ended during the login: the server waited too long (connect_timeout), something on the way cut it, or large packets are lost.", Codes: []Code{"db-auth-timeout", "db-connection-cut", "db-path-mtu", "db-tls-required"}, Look: lookCheck},
		{Texts: []string{"ssl connection error", "tls/ssl error", "certificate verify failed", "self signed certificate", "self-signed certificate", "validation of ssl server certificate failed", "unable to get local issuer certificate"}, SQL: []int{2026},
			Says: "The database's certificate is not trusted, does not have this name, or has ended; or one side has no TLS.", Codes: []Code{"db-tls-untrusted", "db-tls-required", "db-certificate-expiring"}, Look: lookCheck},
		{Texts: []string{"insecure transport are prohibited", "using insecure transport"}, SQL: []int{3159}, Says: "The server takes TLS connections only.", Codes: []Code{"db-tls-required"}, Look: lookCheck},
		{Texts: []string{"is blocked because of many connection errors"}, SQL: []int{1129}, Says: "The server has blocked this host: a program opens connections and drops them (a health check by bare TCP, say).", Codes: []Code{"db-host-blocked"}, Look: lookCheck},
		{Texts: []string{"is not allowed to connect to this"}, SQL: []int{1130}, Says: "No account may come from this host.", Codes: []Code{"db-host-denied"}, Look: lookCheck},
		{Texts: []string{"too many connections", "max_user_connections", "exceeded the '"}, SQL: []int{1040, 1203, 1226}, Says: "A limit of the server or of the account is reached.", Codes: []Code{"db-too-many-connections"}, Look: lookCheck},
		{Texts: []string{"account is locked", "account is blocked"}, SQL: []int{3118, 3955, 4151}, Says: "The database account is locked.", Codes: []Code{"db-account-locked"}, Look: lookCheck},
		{Texts: []string{"--read-only option", "--super-read-only"}, SQL: []int{1290, 1836}, Says: "The connection leads to a reader: after a failover, or by a reader's endpoint.", Codes: []Code{"failover", "endpoint-members"}, Look: lookCheck},
	}
}
