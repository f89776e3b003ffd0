package report

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

var begun = time.Date(2026, 11, 22, 14, 41, 2, 250_000_000, time.UTC)

func ms(f float64) time.Duration { return time.Duration(f * float64(time.Millisecond)) }

func result(kind probe.Kind, target, addr string, tr probe.Transport, took float64) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: kind, Target: target, Transport: tr}, Outcome: probe.OK, Started: begun, Duration: ms(took),
		Facts: probe.Facts{}, Samples: probe.Samples{}}
	if addr != "" {
		r.ID.Address = netip.MustParseAddrPort(addr)
	}
	return r
}

func failed(r probe.Result, reason probe.Reason, err string) probe.Result {
	r.Outcome, r.Reason, r.Err = probe.Failed, reason, errors.New(err)
	return r
}

func skipped(r probe.Result, reason probe.Reason, err string) probe.Result {
	r.Outcome, r.Reason, r.Err, r.Duration = probe.Skipped, reason, errors.New(err), 0
	return r
}

const rdsEndpoint = "orders.cluster-abc123def456.us-east-1.rds.amazonaws.com"

// path is a healthy path: two DCs with both families, a resolver, a database.
func path() []probe.Result {
	var out []probe.Result
	for _, q := range []string{"SOA corp.example.com", "SRV _kerberos._udp.corp.example.com", "SRV _kerberos._tcp.corp.example.com", "A dc1.corp.example.com", "A dc2.corp.example.com"} {
		for _, tr := range []probe.Transport{probe.UDP, probe.TCP} {
			for i, server := range []string{"10.77.0.10:53", "10.77.0.11:53", "10.77.0.2:53"} {
				r := result(probe.DNS, q, server, tr, 0.4+0.1*float64(len(q)%7)+float64(i))
				r.Facts[probe.FactRealm], r.Facts[probe.FactRole] = "CORP.EXAMPLE.COM", probe.RoleRealm
				if i == 2 {
					r.Facts[probe.FactRole] = probe.RoleHost
				}
				out = append(out, r)
			}
		}
	}
	for i, dc := range []string{"dc1.corp.example.com", "dc2.corp.example.com"} {
		for _, addr := range []string{fmt.Sprintf("10.77.0.1%d", i), fmt.Sprintf("[fd77::1%d]", i)} {
			for _, tr := range []probe.Transport{probe.UDP, probe.TCP} {
				r := result(probe.KDC, dc, addr+":88", tr, 1.2+float64(i))
				r.Samples[probe.SampleSkew] = 0.1
				r.Facts[probe.FactUser] = "alice@CORP.EXAMPLE.COM"
				r.Facts[probe.FactRealm] = "CORP.EXAMPLE.COM"
				r.Facts[probe.FactSalt] = "CORP.EXAMPLE.COMalice"
				large := result(probe.KDC, dc, addr+":88", tr, 2.1)
				large.ID.Variant = "large"
				out = append(out, r, large, result(probe.Kpasswd, dc, addr+":464", tr, 1.9))
			}
		}
	}
	return out
}

func stages(words ...any) []probe.Stage {
	var out []probe.Stage
	var at time.Duration
	for i := 0; i < len(words); i += 2 {
		d := ms(words[i+1].(float64))
		out = append(out, probe.Stage{Name: words[i].(string), Offset: at, Duration: d})
		at += d
	}
	return out
}

func login(user, database, address string) probe.Result {
	r := result(probe.Login, user+"@"+database, address, "", 42)
	r.Facts = probe.Facts{
		probe.FactUser: user, probe.FactDatabase: database, probe.FactCurrentUser: user[:5] + "@%", probe.FactSPN: "mysql/db1.corp.example.com",
		probe.FactTLSVersion: "TLSv1.3", probe.FactKDC: "10.77.0.10:88", probe.FactTicketType: "18", probe.FactSecretType: "password",
	}
	r.Samples[probe.SamplePasswordExpiry] = float64(begun.Unix() + 40*86400)
	r.Stages = stages("kdc-connect", 0.8, "as", 1.9, "as-preauth", 6.1, "connect", 0.9, "greeting", 1.1, "tls", 8.0, "auth-switch", 1.2, "tgs", 4.0, "token", 12.0, "query", 0.7)
	return r
}

func healthy() Input {
	l := login("alice@CORP.EXAMPLE.COM", "orders", "10.77.0.30:3306")
	db := result(probe.Database, rdsEndpoint, "10.77.0.30:3306", probe.TCP, 12)
	db.Facts[probe.FactTLSVersion], db.Facts[probe.FactVersion] = "TLSv1.3", "8.0.39"
	db.Samples[probe.SampleCertExpiry] = float64(begun.Unix() + 300*86400)
	return Input{Report: diagnose.Report{Verdict: diagnose.VerdictOK}, Results: append(path(), db, l), Started: begun, Elapsed: ms(61)}
}

func pathOnly() Input {
	in := healthy()
	in.Results = in.Results[:len(in.Results)-2]
	return in
}

func kdcTCPBlocked() Input {
	in := healthy()
	in.Elapsed = ms(5042)
	finding := diagnose.Finding{
		Code: "kdc-tcp-blocked", Severity: diagnose.Error, Title: "TCP to port 88 of both domain controllers is blocked",
		Cause:    "UDP port 88 of dc1.corp.example.com and dc2.corp.example.com answers, but TCP does not connect. A ticket with a PAC is larger than a UDP answer may be, so the KDC tells every client to come back over TCP: every login fails. A security group or firewall that opens port 88 for UDP only looks like this.",
		Remedy:   "Open TCP port 88 from this host to 10.77.0.10 and 10.77.0.11, then try:\n  nc -vz -w 3 10.77.0.10 88\n  kerbagent check --config /etc/kerbagent/kerbagent.yaml",
		Evidence: map[string]string{"udp": "answers in 1.2 ms", "tcp": "no answer to the SYN in 5.0 s"},
		Silences: []diagnose.Code{"realm-unreachable"}, Since: begun,
	}
	for i, r := range in.Results {
		switch {
		case r.ID.Kind == probe.KDC && r.ID.Transport == probe.TCP:
			r.Duration = 5 * time.Second
			in.Results[i] = failed(r, probe.ReasonConnectTimeout, "connecting: dial tcp "+r.ID.Address.String()+": i/o timeout")
			if r.ID.Variant == "" {
				finding.Affects = append(finding.Affects, r.ID)
			} else {
				in.Results[i] = skipped(r, probe.ReasonNotAsked, "TCP does not connect")
			}
		case r.ID.Kind == probe.Login:
			r.Duration, r.Stages = 5*time.Second, stages("connect", 0.9, "greeting", 1.1, "tls", 8.0, "kdc-connect", 5000.0)
			r.Stages[3].Offset, r.Stages[3].Err = 0, errors.New("i/o timeout")
			r.Facts = probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactDatabase: "orders"}
			in.Results[i] = failed(r, probe.ReasonConnectTimeout, "getting ticket from CORP.EXAMPLE.COM: connecting 10.77.0.10:88: i/o timeout")
		}
	}
	in.Report = diagnose.Report{Verdict: diagnose.VerdictFailed, Findings: []diagnose.Finding{finding,
		{Code: "dns-udp-blocked", Severity: diagnose.Warning, Title: "DNS server 10.77.0.11 answers on TCP only", Cause: "Five questions over UDP were not answered, over TCP they were.",
			Remedy: "Open UDP port 53 from this host to 10.77.0.11.", Affects: []probe.ID{in.Results[1].ID}, Since: begun}}}
	return in
}

func wrongPassword() Input {
	in := healthy()
	last := len(in.Results) - 1
	r := in.Results[last]
	r.Stages = stages("kdc-connect", 0.8, "as", 1.9, "as-preauth", 6.1)
	r.Stages[2].Err = errors.New("KRB-ERROR 24")
	r.Duration = ms(9)
	r.Facts = probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactDatabase: "orders", probe.FactKRBCode: "24", probe.FactFailedAt: "as"}
	in.Results[last] = failed(r, probe.ReasonKRBPreauthFailed, "getting ticket for alice@CORP.EXAMPLE.COM: KDC 10.77.0.10:88 says 24: PREAUTHENTICATION_FAILED")
	in.Report = diagnose.Report{Verdict: diagnose.VerdictFailed, Findings: []diagnose.Finding{{
		Code: "password-wrong", Severity: diagnose.Error, Title: "the password of alice@CORP.EXAMPLE.COM is wrong",
		Cause:    "The KDC 10.77.0.10 refused the preauthentication (error 24). kerbagent will not try this password again, so that the account is not locked.",
		Remedy:   "Put the right password into the secret file, without a line end, and check again:\n  read -rs P; printf %s \"$P\" > /etc/kerbagent/alice.password\n  kerbagent check",
		Affects:  []probe.ID{r.ID},
		Evidence: map[string]string{"krb-code": "24", "krb-text": "PREAUTHENTICATION_FAILED"}, Since: begun.Add(ms(9)),
	}}}
	return in
}

func overTrust() Input {
	in := healthy()
	l := login("etl@ONPREM.LOCAL", "orders", "10.77.0.30:3306")
	l.Facts[probe.FactHops] = "ONPREM.LOCAL CORP.EXAMPLE.COM"
	l.Facts[probe.FactCurrentUser] = "etl@%"
	l.Stages = stages("kdc-connect", 0.8, "as", 1.9, "as-preauth", 6.1, "tgs ONPREM.LOCAL", 4.0, "tgs CORP.EXAMPLE.COM", 4.4, "token", 12.0, "query", 0.7)
	held := skipped(login("carol@CORP.EXAMPLE.COM", "orders", "10.77.0.30:3306"), probe.ReasonPaused, "paused since 2026-11-22T13:00:00Z: krb-preauth-failed")
	held.Stages = nil
	held.Facts = probe.Facts{probe.FactUser: "carol@CORP.EXAMPLE.COM", probe.FactDatabase: "orders"}
	in.Results = append(in.Results, l, held)
	in.Report.Findings = []diagnose.Finding{{Code: "login-paused", Severity: diagnose.Info, Title: "logins of carol@CORP.EXAMPLE.COM are held back",
		Cause: "Its password was refused on 2026-11-22 at 13:00 UTC and has not changed since.", Remedy: "Change the secret, or try once by hand:\n  kerbagent check --ignore-breaker", Affects: []probe.ID{held.ID}, Since: begun}}
	return in
}

// hostile is what a peer says who wants to be believed.
func hostile() Input {
	const evil = "x\x1b[2J\x1b[1;32mok: all 9 logins work\x1b[0m\r\nok: fine | 'a'=1 \u202eevil\u202c \u200b\u009b31m \xff\xfe </script><b>&\u2028"
	in := wrongPassword()
	last := len(in.Results) - 1
	r := in.Results[last]
	r.Err = errors.New("database says: " + evil)
	r.Facts = probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactDatabase: "orders", probe.FactSPN: evil, probe.FactErrText: evil, probe.FactCurrentUser: evil}
	in.Results[last] = r
	for i := range in.Results {
		if in.Results[i].ID.Kind == probe.Database {
			in.Results[i].Facts[probe.FactVersion] = evil
			in.Results[i].Facts[probe.FactTLSVersion] = evil
		}
	}
	f := &in.Report.Findings[0]
	f.Title, f.Cause = "database says "+evil, "The database says "+evil
	f.Evidence = map[string]string{"mysql-error": evil, evil: "key"}
	return in
}
