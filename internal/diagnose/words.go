package diagnose

import (
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
		return "TCP does not connect"
	case probe.ReasonTCPSilent:
		return "TCP connects and stays silent"
	case probe.ReasonRefused:
		return "refused"
	case probe.ReasonUnreachable:
		return "no route to host"
	case probe.ReasonForbidden:
		return "not permitted (by a firewall on the way, or this host's)"
	case probe.ReasonClosed, probe.ReasonDBCut:
		return "connection closed without an answer"
	case probe.ReasonMalformed:
		return "an answer in another protocol"
	case probe.ReasonUnresolvable:
		return "the name has no address"
	case probe.ReasonDNSRefused:
		return "answered REFUSED"
	case probe.ReasonDNSServFail:
		return "answered SERVFAIL"
	case probe.ReasonDNSNXDomain:
		return "answered that the name does not exist (NXDOMAIN)"
	case probe.ReasonDNSNoData:
		return "answered without a record (NOERROR)"
	case probe.ReasonDNSTruncated:
		return "answered in part (TC), as the answer needs TCP"
	case probe.ReasonKRBServiceUnavailable:
		return "error 29 (service unavailable)"
	}
	return string(r)
}

// saidOver is said with the transport, where the words do not name it.
func saidOver(r *probe.Result) string {
	switch r.Reason {
	case probe.ReasonUDPSilent, probe.ReasonConnectTimeout, probe.ReasonTCPSilent:
		return said(r.Reason)
	}
	return said(r.Reason) + " over " + strings.ToUpper(string(r.ID.Transport))
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

// each lists what was seen address by address, each sort once:
// "10.0.0.10:88: no answer over UDP, TCP does not connect; 10.0.0.11:88: refused over TCP".
func each(rs []*probe.Result) string {
	var addresses []string
	sorts := map[string][]string{}
	for _, r := range rs {
		if r.Outcome != probe.Failed {
			continue
		}
		a := r.ID.Address.String()
		if sorts[a] == nil {
			addresses = append(addresses, a)
		}
		sorts[a] = appendNew(sorts[a], saidOver(r))
	}
	for i, a := range addresses {
		addresses[i] = a + ": " + list(sorts[a])
	}
	return clauses(addresses)
}

// mostClauses is how many of them somebody reads.
const mostClauses = 12

// clauses strings what was seen together; beyond mostClauses it says how many more there are.
func clauses(s []string) string {
	if n := len(s) - mostClauses; n > 1 {
		return strings.Join(s[:mostClauses], "; ") + "; and " + count(n) + " more"
	}
	return strings.Join(s, "; ")
}

// do makes a remedy: what to do in plain words, and the commands, each on a
// line of its own that begins with two spaces.
func do(what string, commands ...string) string {
	return what + "\n  " + strings.Join(commands, "\n  ")
}

// sql makes a command of a statement for the database's administrator. The
// statement stands in double quotes: it must hold none, and nothing that a
// shell expands in them.
func sql(statement string) string {
	return `mysql -h {host} -P {port} -u <admin> -p -e "` + statement + `"`
}

// askDatabases asks the databases once more, with the settings of the configuration, those of TLS among them.
const askDatabases = "kerbagent check --only database  # probes only, no login; if there is no kerbagent.yaml, add the flags of your check"

// lastInOrder says how programs come to ask a KDC last.
const lastInOrder = "In krb5.conf, put its line last among the kdc lines of its realm. If it has no such lines, DNS decides the order: name the KDCs in kerbagent.yaml (kdcs of the realm), and run `kerbagent krb5conf apply`. " +
	"With krb5_conf.mode: maintain, kerbagent moves the line itself."

// writeSecret is a command that puts a password into its file without a line
// end, unseen by the shell's history and by other users.
const writeSecret = `(umask 077; IFS= read -rs P && printf %s "$P" > {file})`

// placeOf names what a title is about when a match joins several addresses:
// "dc1.corp.example.com (10.0.0.10:88)", or the names alone when they are several.
func placeOf(names, addresses string) string {
	n, a := strings.Split(names, ", "), strings.Split(addresses, ", ")
	switch {
	case len(n) > 1:
		return few(n)
	case names == "" || strings.HasPrefix(addresses, names+":") || strings.HasPrefix(addresses, "["+names+"]:"):
		return few(a)
	}
	return names + " (" + few(a) + ")"
}

// few lists at most two and says how many more there are.
func few(s []string) string {
	if len(s) > 2 {
		return list(s[:2]) + " and " + count(len(s)-2) + " more"
	}
	return list(s)
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
	return []string{"file", "realm", "domain", "user", "account", "database", "endpoint", "host", "port", "address", "ip", "ip6", "cidr", "kdc", "server", "unit", "uid", "instance"}
}

// plain replaces what a shell would not take as one word by an empty word.
// A name that begins with a hyphen would be taken for an option.
func plain(s string) string {
	if strings.HasPrefix(s, "-") {
		return ""
	}
	for _, c := range s {
		ok := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-._:@/[]", c)
		if !ok {
			return ""
		}
	}
	return s
}

// wordsOf returns the values of the placeholders that nearly every rule about r uses. address and ip
// are one server's and stay so when matches are joined; server and kdc become lists then.
func wordsOf(r *probe.Result) words {
	w := words{
		"realm": r.Facts[probe.FactRealm], "domain": domainOf(r.Facts[probe.FactRealm]),
		"user": r.Facts[probe.FactUser], "database": r.Facts[probe.FactDatabase],
		"instance": plain(r.Facts[probe.FactInstance]), "endpoint": plain(r.Facts[probe.FactEndpoint]), "kdc": r.ID.Target, "file": r.Facts[probe.FactSecretFile],
	}
	if unit := plain(r.Facts[probe.FactSecretUnit]); unit != "" {
		w["unit"] = unit
	}
	w["account"], _, _ = strings.Cut(w["user"], "@")
	if i := strings.LastIndexByte(w["endpoint"], ':'); i >= 0 {
		w["host"], w["port"] = strings.Trim(w["endpoint"][:i], "[]"), w["endpoint"][i+1:]
	}
	if a := r.ID.Address; a.IsValid() {
		w["ip"], w["server"], w["address"] = a.Addr().Unmap().String(), a.String(), a.String()
		if a.Addr().Unmap().Is4() {
			w["cidr"] = w["ip"] + "/32"
		}
		if r.ID.Kind != probe.Database && r.ID.Kind != probe.Login {
			w["port"] = count(int(a.Port())) // the endpoint's, if there is one, is another server's
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
