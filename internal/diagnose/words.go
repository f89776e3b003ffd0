package diagnose

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// said puts a reason into words for a cause.
func said(r probe.Reason) string {
	switch r {
	case probe.ReasonUDPSilent:
		return "no answer over UDP"
	case probe.ReasonConnectTimeout:
		return "TCP does not connect (no answer)"
	case probe.ReasonTCPSilent:
		return "TCP connects, then no answer"
	case probe.ReasonRefused:
		return "refused"
	case probe.ReasonUnreachable:
		return "no route to host"
	case probe.ReasonForbidden:
		return "this host is not permitted to send"
	case probe.ReasonClosed:
		return "connection closed without an answer"
	}
	return string(r)
}

// seen lists what was seen, each sort once: "no answer over UDP, refused".
func seen(rs []*probe.Result) string {
	var out []string
	for _, r := range rs {
		if s := said(r.Reason); r.Outcome == probe.Failed && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return list(out)
}

// each lists what was seen address by address: "10.0.0.10:88 udp: refused".
func each(rs []*probe.Result) string {
	var out []string
	for _, r := range rs {
		if r.Outcome == probe.Failed {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s: %s", r.ID.Address, r.ID.Transport, said(r.Reason))))
		}
	}
	return strings.Join(out, "; ")
}

func list(s []string) string { return strings.Join(s, ", ") }

func count(n int) string { return strconv.Itoa(n) }

func ipOf(rs []*probe.Result) string {
	for _, r := range rs {
		if r.ID.Address.IsValid() {
			return r.ID.Address.Addr().Unmap().String()
		}
	}
	return ""
}

// safeWords are the words that a remedy may hold: they come from configuration
// or are addresses, so nothing that a peer says can get into a command that
// somebody pastes.
func safeWords() []string {
	return []string{"realm", "domain", "user", "database", "endpoint", "host", "port", "server", "ip", "ip6", "kdc", "transport", "account", "kind", "nc", "secretfile", "blocked", "dig"}
}

// plain replaces what is no host name, address, realm or user name by an empty
// word, so that it is shown as <word> instead of being pasted into a shell.
func plain(s string) string {
	for _, c := range s {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._:@/[]", c)
		if !ok {
			return ""
		}
	}
	return s
}

// wordsOf gives the words that nearly every rule about r uses.
func wordsOf(r *probe.Result) words {
	w := words{
		"realm": plain(r.Facts[probe.FactRealm]), "domain": plain(domainOf(r.Facts[probe.FactRealm])),
		"user": plain(r.Facts[probe.FactUser]), "database": plain(r.Facts[probe.FactDatabase]),
		"endpoint": plain(r.Facts[probe.FactEndpoint]), "kdc": plain(r.ID.Target), "kind": r.Facts[probe.FactKind],
		"transport": string(r.ID.Transport),
	}
	w["account"], _, _ = strings.Cut(w["user"], "@")
	w["host"], w["port"], _ = strings.Cut(w["endpoint"], ":")
	if r.ID.Address.IsValid() {
		w["ip"] = r.ID.Address.Addr().Unmap().String()
		w["server"] = r.ID.Address.String()
		w["dig"] = "dig @" + w["ip"]
		if port := r.ID.Address.Port(); port != 53 {
			w["dig"] += " -p " + strconv.Itoa(int(port))
		}
	}
	return w
}

// and adds words.
func (w words) and(more words) words {
	for k, v := range more {
		w[k] = v
	}
	return w
}

// evidenceOf copies the given facts of r, under their own names.
func evidenceOf(r *probe.Result, facts ...probe.Fact) map[string]string {
	out := map[string]string{}
	for _, f := range facts {
		if v := r.Facts[f]; v != "" {
			out[string(f)] = v
		}
	}
	if r.Err != nil {
		out["error"] = r.Err.Error()
	}
	return out
}

// failedLogins returns the logins that failed for one of the reasons.
func (v *view) failedLogins(any ...probe.Reason) []*probe.Result {
	var out []*probe.Result
	for _, l := range v.logins {
		if l.Outcome == probe.Failed && reason(l, any...) {
			out = append(out, l)
		}
	}
	return out
}
