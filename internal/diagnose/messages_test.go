package diagnose

import (
	"slices"
	"strings"
	"testing"
)

// What people paste is recognized, and the code that is behind it is among the first
// three that are told. The texts are as the programs print them; names are invented.
func TestRecognize(t *testing.T) {
	for text, want := range map[string]Code{
		"kinit: Client 'alice@CORP.TEST' not found in Kerberos database while getting initial credentials":                                         "principal-unknown",
		"kinit: Cannot find KDC for realm \"CORP.TEST\" while getting initial credentials":                                                         "krb5conf-realm-missing",
		"kinit: Cannot contact any KDC for realm 'CORP.TEST' while getting initial credentials":                                                    "realm-unreachable",
		"GSSAPI operation failed with error - An invalid status code was supplied (Server not found in Kerberos database).":                        "service-unknown",
		"SSPI Provider: No Kerberos credentials available (default cache: KEYRING:persistent:0)":                                                   "app-ccache-missing",
		"kinit: Invalid UID in persistent keyring name while getting default ccache":                                                               "ccache-unusable",
		"klist: Credentials cache permissions incorrect (filename: /dev/shm/cc)":                                                                   "app-ccache-foreign",
		"kinit: KDC reply did not match expectations while getting initial credentials":                                                            "realm-case",
		"kinit: Preauthentication failed while getting initial credentials":                                                                        "password-wrong",
		"javax.security.auth.login.LoginException: Pre-authentication information was invalid (24)":                                                "password-wrong",
		"kinit: KDC has no support for encryption type while getting initial credentials":                                                          "etype-unsupported",
		"GSSException: No valid credentials provided (Mechanism level: Failed to find any Kerberos tgt)":                                           "app-java-subject-creds",
		"KrbException: Clock skew too great (37) - PROCESS_TGS":                                                                                    "clock-skew",
		"KrbException: Message stream modified (41)":                                                                                               "realm-case",
		"Received error from KDC: -1765328361/Password has expired":                                                                                "password-expired",
		"TGS request result: -1765328377/Server not found in Kerberos database":                                                                    "service-unknown",
		"krb5_get_init_creds_password() failed: -1765328366":                                                                                       "account-locked",
		"kinit: Keytab contains no suitable keys for svc@CORP.TEST while getting initial credentials":                                              "app-keytab-no-entry",
		"Request ticket server mysql/db@CORP.TEST kvno 5 not found in keytab; ticket is likely out of date":                                        "keytab-stale",
		"ERROR 2059 (HY000): Authentication plugin 'authentication_kerberos_client' cannot be loaded: no such file":                                "app-plugin-missing",
		"Error: Server requests authentication using unknown plugin auth_gssapi_client. See TODO":                                                  "app-plugin-missing",
		"ERROR 1045 (28000): Access denied for user 'alice'@'10.0.0.7' (using password: NO)":                                                       "db-account-unknown",
		"ERROR 1698 (28000): Access denied for user 'alice'@'localhost'":                                                                           "db-account-unknown",
		"ERROR 1524 (HY000): Plugin 'authentication_kerberos' is not loaded":                                                                       "db-plugin-missing",
		"pymysql.err.OperationalError: (1524, \"Plugin 'auth_gssapi' is not loaded\")":                                                             "db-plugin-missing",
		"ERROR 2026 (HY000): SSL connection error: error:0A000086:SSL routines::certificate verify failed":                                         "db-tls-untrusted",
		"kinit: Ticket expired while renewing credentials":                                                                                         "app-ccache-expired",
		"kinit: KDC can't fulfill requested option while renewing credentials":                                                                     "ticket-expiring",
		"kinit: KDC policy rejects request while getting initial credentials":                                                                      "policy-denied",
		"kinit: Improper format of Kerberos configuration file while initializing Kerberos 5 library":                                              "krb5conf-unparsable",
		"KrbException: Cannot locate default realm":                                                                                                "krb5conf-default-realm",
		"kinit: Client’s credentials have been revoked while getting initial credentials":                                                          "account-locked",
		"Caused by: java.net.SocketTimeoutException: Receive timed out":                                                                            "kdc-udp-blocked",
		"kinit: Resource temporarily unavailable while getting initial credentials":                                                                "kdc-lookup-failed",
		"GSSAPI Error: Unspecified GSS failure. Minor code may provide more information (Matching credential not found (filename: /tmp/krb5cc_0))": "app-ccache-missing",
		"GSSAPI continuation error: Unspecified GSS failure. Minor code may provide more information: Invalid boolean value":                       "krb5conf-readers-differ",
		"kinit(v5): KRB5 error code 68 while getting initial credentials":                                                                          "kdc-wrong-realm",
		"kinit: krb5_get_init_creds: unable to reach any KDC in realm A.TEST, tried 1 KDC":                                                         "realm-unreachable",
		"kinit: krb5_get_init_creds: Client (alice@A.TEST) unknown":                                                                                "principal-unknown",
		"Failed to find DC1$@A.TEST(kvno 5) in keytab FILE:/etc/krb5.keytab (aes256-cts-hmac-sha1-96)":                                             "keytab-stale",
		"krb5_get_default_principal: unable to find realm of host app1":                                                                            "krb5conf-default-realm",
		"GSSException: No valid credentials provided (Mechanism level: Server not found in Kerberos database (7))":                                 "service-unknown",
		"kvno: Server mysql/db1.a.test@A.TEST not found in Kerberos database while getting credentials":                                            "service-unknown",
		"KDC_ERR_WRONG_REALM": "kdc-wrong-realm",
		"Unspecified GSS failure. Minor code may provide more information\n(Ticket\nexpired)":                                                        "app-ccache-expired",
		"org.ietf.jgss.GSSException: Failure unspecified at GSS-API level (Mechanism level: Encryption type RC4 with HMAC is not supported/enabled)": "krb5conf-etypes",
	} {
		found := Recognize(text)
		if len(found) == 0 {
			t.Errorf("%q: not recognized", text)
			continue
		}
		codes := found[0].Codes
		if !slices.Contains(codes[:min(3, len(codes))], want) {
			t.Errorf("%q: %q, %v; want %s", text, found[0].Seen, codes, want)
		}
	}
}

// The last error of a trace is told first, and what every trace has last.
func TestTheEndOfATraceIsToldFirst(t *testing.T) {
	found := Recognize(`[1] 1.1: Retrieving alice@A.TEST -> krb5_ccache_conf_data from FILE:/tmp/x with result: -1765328243/Matching credential not found
[1] 1.2: Received error from KDC: -1765328359/Additional pre-authentication required
[1] 1.3: Response was not from primary KDC
[1] 1.4: Received error from KDC: -1765328360/Preauthentication failed
[1] 1.5: Response was not from primary KDC`)
	var seen []string
	for _, r := range found {
		seen = append(seen, r.Seen)
	}
	if len(seen) != 4 || seen[0] != "Preauthentication failed" || !found[1].Harmless {
		t.Errorf("%q", seen)
	}
}

// A number is a message's number only where it stands alone.
func TestNumbersOfOtherThings(t *testing.T) {
	for _, text := range []string{"listening on 10.0.0.1:2003", "at 12:10:45.1045", "took 10450 ms", "version 5.1045", "all is well", ""} {
		if found := Recognize(text); found != nil {
			t.Errorf("%q: %v", text, found[0].Seen)
		}
	}
}

// Each code of a message is one of the catalogue, and each text can be found: in lower
// case, with single blanks, and no other message's.
func TestMessagesAreSound(t *testing.T) {
	texts := map[string]bool{}
	for _, m := range Messages() {
		if m.Says == "" || len(m.Texts) == 0 || !m.Harmless && m.Look == "" && len(m.Codes) > 0 {
			t.Errorf("%q says nothing", m.Texts)
		}
		for _, c := range m.Codes {
			if _, ok := Lookup(c); !ok {
				t.Errorf("%q: no code %s", m.Texts, c)
			}
		}
		for _, text := range m.Texts {
			if text != asciiLower(strings.Join(strings.Fields(text), " ")) && !strings.HasSuffix(text, " ") || texts[text] {
				t.Errorf("%q can never be found, or is another's, too", text)
			}
			texts[text] = true
		}
	}
}
