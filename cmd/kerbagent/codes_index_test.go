package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// symptom is what somebody sees before they have asked kerbagent.
type symptom struct {
	sees  string
	codes []diagnose.Code
}

// symptoms are what Kerberos' tools (MIT's words), MySQL's clients and
// applications say, and which codes may be behind it, the likely ones first.
func symptoms() []symptom {
	return []symptom{
		{"`kinit: Cannot contact any KDC for realm`, or a login that hangs for a while and then fails", []diagnose.Code{"realm-unreachable", "trust-realm-unreachable",
			"kdc-tcp-blocked", "kdc-silent", "kdc-hung", "kdc-refused", "kdc-large-messages-lost", "server-down", "host-offline", "host-out-of-resources"}},
		{"`kinit: Cannot find KDC for realm`", []diagnose.Code{"dns-zone-missing", "dns-filtered", "dns-srv-missing", "realm-not-in-dns", "krb5conf-realm-missing", "krb5conf-missing", "krb5conf-template", "krb5conf-not-krb5conf", "krb5conf-unknown-key", "krb5conf-default-realm", "realm-case", "krb5conf-realm-case"}},
		{"`kinit` works, the same login of an application does not", []diagnose.Code{"krb5conf-overridden", "krb5conf-readers-differ", "krb5conf-include-ignored", "krb5conf-unparsable",
			"krb5conf-realm-twice", "krb5conf-kdcs-differ", "ccache-unusable", "krb5conf-rdns", "krb5conf-mapping-missing"}},
		{"`kinit` works for a person, and a program on the same host gets `GSSAPI error` or `No credentials cache found`", []diagnose.Code{"app-ccache-missing", "app-ccache-foreign", "app-ccache-expired",
			"app-ccache-expiring", "app-ccache-unusable", "app-private-tmp", "app-krb5conf-unreadable", "app-krb5conf-other", "app-realm-unmapped", "app-env-stale",
			"app-keytab-unreadable", "app-keytab-no-entry", "app-keytab-stale"}},
		{"A program in a container does not log in", []diagnose.Code{"app-container-krb5conf", "app-container-resolver", "app-network-unreachable", "app-ccache-unusable"}},
		{"`Authentication plugin ... cannot be loaded`", []diagnose.Code{"app-plugin-missing"}},
		{"A Java program: `Failed to find any Kerberos tgt`, `Cannot locate default realm`, `KrbException`", []diagnose.Code{"app-reader-differs", "app-java-login-config",
			"app-java-subject-creds", "app-java-etypes", "app-java-udp", "app-env-stale"}},
		{"Logins are slow, but work", []diagnose.Code{"login-slow", "names-differ", "kdc-udp-blocked", "kdc-silent", "kdc-hung", "kdc-unavailable", "server-down", "dns-server-silent", "dns-udp-blocked", "dns-srv-stale", "ipv6-broken", "server-slow", "path-lossy", "krb5conf-udp-limit"}},
		{"Logins fail now and then, or from some hosts only", []diagnose.Code{"path-lossy", "server-down", "kdc-tcp-blocked", "kdc-wrong-realm", "dns-servers-disagree", "dns-tcp-blocked", "dns-srv-stale", "kdc-unresolvable", "clock-skew-one-kdc", "kdc-not-kerberos", "dns-refused"}},
		{"`Resource temporarily unavailable while getting initial credentials`, or `while getting credentials for mysql/...`", []diagnose.Code{"kdc-lookup-failed"}},
		{"`Clock skew too great`", []diagnose.Code{"clock-skew", "clock-skew-one-kdc"}},
		{"`Preauthentication failed`, `Password incorrect`, `Decrypt integrity check failed`", []diagnose.Code{"password-wrong", "keytab-stale", "secret-malformed"}},
		{"`Client not found in Kerberos database`", []diagnose.Code{"principal-unknown", "realm-case", "kdc-wrong-realm"}},
		{"`Client's credentials have been revoked`, `Password has expired`", []diagnose.Code{"account-locked", "account-disabled", "account-expired", "account-revoked", "logon-restricted",
			"password-expired", "password-must-change", "policy-denied"}},
		{"`KDC has no support for encryption type`, or worry about RC4 and roasting", []diagnose.Code{"etype-unsupported", "trust-etype", "krb5conf-etypes", "ticket-rc4", "user-rc4", "preauth-weak", "preauth-not-required"}},
		{"`Server not found in Kerberos database`", []diagnose.Code{"service-unknown", "service-realm-unmapped", "trust-no-referral", "service-duplicate", "krb5conf-mapping-missing", "db-spn-unexpected"}},
		{"`Ticket expired`, or a job that fails some hours after it began", []diagnose.Code{"ticket-expiring", "ccache-unusable"}},
		{"A password cannot be changed", []diagnose.Code{"kpasswd-blocked"}},
		{"`ERROR 2003 (HY000): Can't connect to MySQL server`, `ERROR 2005: Unknown MySQL server host`", []diagnose.Code{"db-silent", "db-refused", "db-connection-cut", "db-not-mysql", "endpoint-unresolvable", "ipv6-broken"}},
		{"`ERROR 2013`, `ERROR 2026 (HY000): SSL connection error`, `ERROR 3159`", []diagnose.Code{"db-tls-untrusted", "db-tls-required", "db-connection-cut", "db-path-mtu", "db-auth-timeout", "db-certificate-expiring"}},
		{"`ERROR 1045 (28000): Access denied for user`", []diagnose.Code{"db-account-unknown", "db-ticket-rejected", "db-access-denied", "db-realm-mismatch", "db-server-unproven"}},
		{"`ERROR 1524 (HY000): Plugin ... is not loaded`", []diagnose.Code{"db-plugin-missing", "db-too-old", "aws-membership"}},
		{"Logins by a reader or custom endpoint fail now and then", []diagnose.Code{"db-plugin-missing", "reader-unlike-writer", "endpoint-members"}},
		{"`ERROR 1290 (HY000): The MySQL server is running with the --read-only option`", []diagnose.Code{"failover", "endpoint-members"}},
		{"Only some instances of a cluster are watched", []diagnose.Code{"db-topology-hidden"}},
		{"AWS's console or API says something else than packets do", []diagnose.Code{"aws-membership", "aws-directory", "aws-security-group", "aws-view-incomplete"}},
		{"`ERROR 1129`, `1130`, `1040`, `1203`, `1226`, `3118`, `4150`, `4151`", []diagnose.Code{"db-host-blocked", "db-host-denied", "db-too-many-connections", "db-account-locked"}},
		{"kerbagent does not try, or says that it holds something back", []diagnose.Code{"login-paused", "login-record-impossible", "db-probing-paused", "app-report-stale", "secret-malformed", "servers-left-out"}},
		{"All works, and should do so tomorrow", []diagnose.Code{"password-expiring", "db-certificate-expiring", "ticket-expiring", "krb5conf-drift", "krb5conf-writable", "clock-skew-one-kdc"}},
		{"None of these", []diagnose.Code{"login-failed", "probe-failed"}},
	}
}

// codeIndex is docs/codes/README.md.
func codeIndex() string {
	var b strings.Builder
	b.WriteString(made + `# Finding codes

A code says what is wrong, in words, and never changes its meaning. It is the same in the terminal, in JSON, metrics, alerts and here;
"kerbagent explain CODE" prints what its page says. \<Words> in angles stand for what is found on your host.

## By symptom

What is seen without kerbagent, and what may be behind it. Which it is says "kerbagent check".

| you see | it may be |
| --- | --- |
`)
	for _, s := range symptoms() {
		fmt.Fprintf(&b, "| %s | %s |\n", s.sees, codeLinks(s.codes))
	}
	b.WriteString(`
## All codes

Deepest cause first: the order in which they are asked. The severity is the worst that a code can be.

| code | severity | |
| --- | --- | --- |
`)
	for _, r := range diagnose.Catalogue() {
		title, _, _, _ := r.Print()
		fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s |\n", r.Code, r.Code, r.Severity, markdown(title))
	}
	return b.String()
}

// Each symptom leads to codes that there are, and each code of a server, an account or a database has a symptom.
func TestSymptoms(t *testing.T) {
	seen := map[diagnose.Code]bool{}
	for _, s := range symptoms() {
		for _, c := range s.codes {
			if _, ok := diagnose.Lookup(c); !ok {
				t.Errorf("%s: there is no code %s", s.sees, c)
			}
			seen[c] = true
		}
	}
	for _, r := range diagnose.Catalogue() {
		if !seen[r.Code] && !strings.HasPrefix(string(r.Code), "krb5conf-") {
			t.Errorf("%s is behind no symptom", r.Code)
		}
	}
	for c := range unrehearsed() {
		if _, ok := diagnose.Lookup(c); !ok {
			t.Errorf("unrehearsed: there is no code %s", c)
		}
	}
}
