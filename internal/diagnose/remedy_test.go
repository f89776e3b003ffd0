package diagnose

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

// causes are the results that a remedy is chosen by: every kind of directory,
// secret and thing that can be wrong with it, and every problem of TLS.
func causes() []*probe.Result {
	var out []*probe.Result
	add := func(reason probe.Reason, facts probe.Facts) {
		out = append(out, &probe.Result{ID: probe.ID{Kind: probe.Login, Target: "alice@A.TEST@orders"}, Outcome: probe.Failed, Reason: reason, Facts: facts})
	}
	for _, kind := range []string{"", "aws-managed-ad", "active-directory", "mit", "heimdal"} {
		for _, secret := range []string{"password", "keytab", "ccache"} {
			for _, problem := range []string{"", "missing", "unreadable", "not-regular", "too-large", "empty", "bom", "newline", "encoding", "not-a-keytab", "not-a-ccache", "other-user"} {
				for _, reason := range []probe.Reason{probe.ReasonSecretMalformed, probe.ReasonKRBPreauthFailed, probe.ReasonKeytabNoKey} {
					add(reason, probe.Facts{probe.FactKind: kind, probe.FactSecretType: secret, probe.FactSecretProblem: problem, probe.FactSecretFile: "/etc/kerbagent/secret"})
				}
			}
		}
		for _, problem := range []string{"ca", "name", "date", "bundle", "other"} {
			add(probe.ReasonDBTLSUntrusted, probe.Facts{probe.FactKind: kind, probe.FactTLSProblem: problem})
		}
	}
	return out
}

// What a command may do, and where it may stand.
var (
	// harms resets a password, deletes a record, restarts a service or changes a cluster at once.
	harms = regexp.MustCompile(`ktpass|ktadd|setpassword|kpasswd |reset-|reboot-|Restart-Service|systemctl restart|dsderegdns|dns delete|spn delete|setspn -D|` +
		`modify-db|delete-|DROP |RENAME |--ignore-breaker|0\.0\.0\.0/0|togglesuffix|makestep|chown`)
	// changes is everything that is no look: what harms, and what somebody may not have meant.
	changes = regexp.MustCompile(harms.String() + `|printf %s|modprinc|\b(Enable|Disable|Clear|Unlock|Set|Add|Remove|New)-AD|Add-Dns|` +
		`samba-tool user (enable|setexpiry|unlock|edit)|ksetup|dsregdns|samba_dnsupdate|/resync|krb5conf apply|chmod|install -m|Start-Service|` +
		`systemctl (enable|reload|start)|aws \S+ (modify|authorize|create)-|"(ALTER|CREATE|FLUSH|TRUNCATE) |flush-hosts|kinit -R|kinit -c`)
	writes    = regexp.MustCompile(`printf %s`)
	forKeytab = regexp.MustCompile(`klist -k|ktpass|ktadd|exportkeytab`)
	forCache  = regexp.MustCompile(`klist -c|kinit -c`)
	windows   = regexp.MustCompile(`Get-AD|Set-AD|Get-Win|Get-Service|Restart-Service|nltest|netdom|setspn|w32tm|ktpass|ksetup|Unlock-AD|Enable-AD|Clear-AD`)
	samba     = regexp.MustCompile(`samba`)
	mit       = regexp.MustCompile(`kadmin|krb5-kdc`)
)

// Every code, with every cause, names only what can help there, and nothing
// that harms before a look at what is wrong.
func TestRemediesFitTheirCause(t *testing.T) {
	for _, rule := range Catalogue() {
		said := map[string]bool{}
		for _, r := range causes() {
			kind, secret := r.Facts[probe.FactKind], r.Facts[probe.FactSecretType]
			f := newFound(rule, match{affects: []*probe.Result{r}, words: loginWords(r)})
			remedy := f.remedyFor()
			if said[kind+secret+remedy] {
				continue
			}
			said[kind+secret+remedy] = true
			where := fmt.Sprintf("%s, kind %q, %s, %s %s%s:\n%s", rule.Code, kind, secret, r.Reason, r.Facts[probe.FactSecretProblem], r.Facts[probe.FactTLSProblem], remedy)
			sentence, commands, _ := strings.Cut(remedy, "\n")
			looked, changed := false, false
			for command := range strings.Lines(commands) {
				switch change := changes.MatchString(command); {
				case change && !looked:
					t.Errorf("a command that changes something stands before a look: %s", where)
				case !change && changed:
					t.Errorf("a look stands behind a command that changes something: %s", where)
				}
				looked, changed = true, changed || changes.MatchString(command)
			}
			if harms.MatchString(commands) && !strings.Contains(sentence, "CAUTION:") {
				t.Errorf("what a command destroys is not said: %s", where)
			}
			if mitLike := kind == "mit" || kind == "heimdal"; mitLike && (windows.MatchString(commands) || samba.MatchString(commands)) && labelled(commands) {
				t.Errorf("a tool of Active Directory: %s", where)
			}
			if kind != "" && kind != "mit" && mit.MatchString(commands) {
				t.Errorf("a tool of MIT's: %s", where)
			}
			if kind == "aws-managed-ad" && samba.MatchString(commands) {
				t.Errorf("a tool of Samba's: %s", where)
			}
			if rule.Code == "secret-malformed" && secret != "" {
				if secret != "password" && writes.MatchString(commands) || secret != "keytab" && forKeytab.MatchString(commands) || secret != "ccache" && forCache.MatchString(commands) {
					t.Errorf("a command for another kind of secret: %s", where)
				}
				if strings.Contains(commands, "<file>") {
					t.Errorf("the file is known and not named: %s", where)
				}
			}
		}
	}
}

// labelled reports whether a command is marked as one for a kind of directory.
func labelled(commands string) bool {
	return regexp.MustCompile(`# (Windows|Samba)`).MatchString(commands)
}

// A name that AD allows stands in a command where quotes make it safe, and its
// placeholder where they do not.
func TestNamesInCommandsAreQuoted(t *testing.T) {
	for _, c := range []struct{ line, user, want string }{
		{"  kinit {user}", "svc-a@A.TEST", "  kinit svc-a@A.TEST"},
		{"  kinit {user}", "John Smith@A.TEST", "  kinit 'John Smith@A.TEST'"},
		{"  kinit {user}", "web$@A.TEST", "  kinit 'web$@A.TEST'"},
		{"  kinit {user}", "müller@A.TEST", "  kinit 'müller@A.TEST'"},
		{"  kinit {user}", "o'brien@A.TEST", "  kinit <user>"},
		{"  kadmin -q 'getprinc {user}'", "John Smith@A.TEST", "  kadmin -q 'getprinc <user>'"},
		{"  x --principal={user}", "a b@A.TEST", "  x --principal=<user>"},
		{"  kinit {user}", "-rf@A.TEST", "  kinit <user>"},
		{"  kinit {user}", "a\x1b[2J@A.TEST", "  kinit <user>"},
		{"Ask for {user}.", "o'brien@A.TEST", "Ask for o'brien@A.TEST."},
	} {
		if got := fillLine(c.line, words{"user": c.user}); got != c.want {
			t.Errorf("%q with %q: %q, want %q", c.line, c.user, got, c.want)
		}
	}
}

// A keytab of another principal is no reason to make new keys: nothing that resets
// a password is advised, and the login's user comes first.
func TestKeytabOfAnotherPrincipal(t *testing.T) {
	r := loginResult(probe.ReasonKeytabNoKey, "")
	r.Facts[probe.FactSecretType], r.Facts[probe.FactKeytabHas] = "keytab", "Etl@CORP.EXAMPLE.COM"
	got := Explain(Snapshot{Results: []probe.Result{r}, Now: testNow})
	if len(got.Findings) == 0 || got.Findings[0].Code != "keytab-stale" {
		t.Fatalf("%+v", got.Findings)
	}
	remedy := got.Findings[0].Remedy
	if !strings.Contains(remedy, "correct the user of the login") || regexp.MustCompile(`ktpass|ktadd|exportkeytab|Set-AD|passwd`).MatchString(remedy) {
		t.Errorf("remedy %q", remedy)
	}
}

// Where this host has no route to the database, its security group is no remedy; and
// to a database that has IPv6 addresses alone no IPv4 route is.
func TestNoRouteIsNotTheSecurityGroups(t *testing.T) {
	for at, want := range map[string]string{"[2001:db8::5]:3306": "ip -6 route get 2001:db8::5", "192.0.2.5:3306": "ip route get 192.0.2.5"} {
		for reason, none := range map[probe.Reason]bool{probe.ReasonUnreachable: true, probe.ReasonConnectTimeout: false} {
			r := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "orders", Address: netip.MustParseAddrPort(at), Transport: probe.TCP}, Outcome: probe.Failed, Reason: reason,
				Facts: probe.Facts{probe.FactDatabase: "orders", probe.FactEndpoint: "db.test:3306", probe.FactRealm: "A.TEST"}}
			for _, rule := range Catalogue() {
				if rule.Code != "db-silent" {
					continue
				}
				remedy := newFound(rule, match{affects: []*probe.Result{&r}, words: wordsOf(&r)}).remedyFor()
				if strings.Contains(remedy, want) != none || strings.Contains(remedy, "security group") == none {
					t.Errorf("%s, %s: %s", at, reason, remedy)
				}
			}
		}
	}
}

// A remedy once told people to write to the service's own copy of the file, which nobody can.
func TestTheRemedyForACopiedSecret(t *testing.T) {
	res := &probe.Result{ID: probe.ID{Kind: probe.Login, Target: "u@R.TEST@orders"}, Outcome: probe.Failed, Reason: probe.ReasonKRBPreauthFailed,
		Facts: probe.Facts{probe.FactSecretType: "password", probe.FactUser: "u@R.TEST", probe.FactSecretFile: "/etc/kerbagent/probe.pw", probe.FactSecretUnit: "kerbagent.service"}}
	remedy := func() string {
		rule, _ := Lookup("password-wrong")
		f := newFound(rule, match{affects: []*probe.Result{res}, words: loginWords(res)})
		return f.remedyFor()
	}
	got := remedy()
	if !strings.Contains(got, "> /etc/kerbagent/probe.pw)\n") || !strings.Contains(got, "\n  systemctl restart kerbagent.service  # ") {
		t.Errorf("the file is not changed yet: %s", got)
	}
	res.Facts = res.Facts.With(probe.FactSecretChanged, "2026-11-29T18:05:00Z")
	got = remedy()
	if strings.Contains(got, "read -r") || !strings.Contains(got, "was changed at 2026-11-29T18:05:00Z") || !strings.HasSuffix(got, "\n  systemctl restart kerbagent.service") {
		t.Errorf("the file is changed: %s", got)
	}
}
