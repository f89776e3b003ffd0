package diagnose

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// variantInstances is the result that says what is known of a database's cluster.
const variantInstances = "instances"

// recentFailover is how long a failover is worth telling.
const recentFailover = time.Hour

// codeReader is what other codes about one instance depend on.
const codeReader Code = "reader-unlike-writer"

// decides reports whether a result is of a login that the verdict is made of: one by
// a database's endpoint, or at an instance that this endpoint can lead to.
func decides(r *probe.Result) bool {
	return r.ID.Kind == probe.Login && !aside(r)
}

// aside reports whether a result is of an instance that the database's endpoint does not lead to. An
// endpoint that leads to a name without an address has none itself.
func aside(r *probe.Result) bool {
	return r.Facts[probe.FactInstance] != "" && !leadsTo(r)
}

// leadsTo reports whether a result is of an instance that the database's endpoint can lead to.
func leadsTo(r *probe.Result) bool {
	return r.Facts[probe.FactLeadsTo] == "true" && r.Reason != probe.ReasonUnresolvable
}

// askedAt returns where a database was asked: its name, and behind a blank the instance.
func askedAt(r *probe.Result) string {
	return strings.TrimSpace(r.Facts[probe.FactDatabase] + " " + r.Facts[probe.FactInstance])
}

// share says how often a login by a database's endpoint meets what a match is about,
// where that is so at some of the instances that the endpoint leads to; empty otherwise.
func (v *view) share(m match) string {
	met, all := map[string]bool{}, map[string]bool{}
	for _, r := range m.affects {
		if leadsTo(r) && r.Outcome == probe.Failed {
			met[askedAt(r)] = true
		}
	}
	if len(met) == 0 {
		return ""
	}
	for _, r := range slices.Concat(v.logins, v.dbs) {
		if leadsTo(r) && r.Facts[probe.FactDatabase] == m.affects[0].Facts[probe.FactDatabase] {
			all[askedAt(r)] = true
		}
	}
	if len(met) == len(all) {
		return ""
	}
	return fmt.Sprintf("%d of %d logins by this endpoint", len(met), len(all))
}

// databasePlaces returns the places of which a match is made. What holds by a database's
// endpoint and at its instances is one trouble, and that of the endpoint.
func databasePlaces(by map[string][]*probe.Result) (places []string) {
	for _, place := range sortedKeys(by) {
		name, instance, _ := strings.Cut(place, " ")
		if instance != "" && len(by[name]) > 0 {
			by[name] = append(by[name], by[place]...)
			continue
		}
		places = append(places, place)
	}
	return places
}

// named returns the words of a match for its title and cause. Where all of it is of
// instances, these are named; an address that the endpoint leads to is the instance's there.
func named(m match) words {
	var instances []string
	for _, r := range m.affects {
		if r.Facts[probe.FactInstance] == "" {
			if !slices.ContainsFunc(m.affects, func(i *probe.Result) bool {
				return i.Facts[probe.FactInstance] != "" && r.ID.Address.IsValid() && i.ID.Address == r.ID.Address
			}) {
				return m.words
			}
			continue
		}
		instances = appendNew(instances, r.Facts[probe.FactInstance])
	}
	if len(instances) == 0 {
		return m.words
	}
	w := maps.Clone(m.words)
	w["database"] += ", instance " + few(instances)
	return w
}

// vouched returns the words of a match for its remedy. What a server said of its
// cluster is in there only where its certificate was verified.
func vouched(r *probe.Result, w words) words {
	if r.Facts[probe.FactInstance] == "" || r.Facts[probe.FactVouched] == "true" {
		return w
	}
	w = maps.Clone(w)
	for _, word := range []string{"instance", "endpoint", "host"} {
		delete(w, word)
	}
	return w
}

func pluginQuery() string {
	return sql("SELECT PLUGIN_NAME, PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = 'authentication_kerberos'")
}

const rebootInstance = "aws rds reboot-db-instance --db-instance-identifier {instance}  # AWS"

// pluginRemedy is by what the instance is in its cluster.
func pluginRemedy(r *probe.Result) string {
	const look = "See whether the plugin is active on {instance}. If it is missing: "
	switch {
	case r.Facts[probe.FactInstance] == "":
		return ""
	case r.Facts[probe.FactDBRole] == probe.RoleWriter:
		return do("CAUTION: {instance} is the writer. Its reboot is an outage of the whole cluster: every connection to it ends, and nothing is written until it is back. "+look+
			"reboot it in a maintenance window, or fail over to a reader that has the plugin first.", pluginQuery(), rebootInstance)
	case r.Facts[probe.FactDBRole] == probe.RoleReader:
		return do(look+"reboot this reader. CAUTION: that ends every connection to it; the writer and the other readers go on.", pluginQuery(), rebootInstance)
	}
	return do(look+"reboot it. CAUTION: that ends every connection to it, and if it is the writer it is an outage of the whole cluster.", pluginQuery(), rebootInstance)
}

// pluginMissing makes a match of each instance, since each is rebooted by itself; the
// login by the endpoint is a consequence, where instances are known.
func pluginMissing(v *view) []match {
	missing := func(r *probe.Result) bool { return reason(r, probe.ReasonDBPluginMissing) }
	byDB := map[string][]*probe.Result{}
	for _, r := range slices.Concat(v.logins, v.dbs) {
		if r.Outcome == probe.Failed && missing(r) {
			byDB[askedAt(r)] = append(byDB[askedAt(r)], r)
		}
	}
	var out []match
	first := map[string]int{} // the first instance's match, by database
	for _, place := range sortedKeys(byDB) {
		if name, instance, _ := strings.Cut(place, " "); instance != "" {
			m := dbTrouble(byDB[place])
			m.spare = aside(byDB[place][0]) || v.otherAddressWorks(byDB[place])
			if _, had := first[name]; !had {
				first[name] = len(out)
			}
			out = append(out, m)
		}
	}
	for _, place := range sortedKeys(byDB) {
		name, instance, _ := strings.Cut(place, " ")
		i, listed := first[name]
		switch {
		case instance != "":
		case listed:
			out[i].explains = append(out[i].explains, byDB[place]...)
		default:
			out = append(out, dbMatch(func(r *probe.Result) bool { return missing(r) && askedAt(r) == place })(v)...)
		}
	}
	return out
}

// readerUnlikeWriter is the rule about an instance that refuses a user whom others let in.
func readerUnlikeWriter(causes []Code) Rule {
	return Rule{
		Code: codeReader, Severity: Error,
		Title: "database {database}: refuses {user}, whom other instances let in: {differs}",
		Means: "This instance refuses a user whose login works at the cluster's endpoint or at another instance. A program that connects by a reader or custom endpoint fails each time the endpoint leads to this instance. The instance has another keytab, service name or plugin, or does not have the account yet. Usually it was not rebooted since the cluster's Kerberos settings were changed.",
		Cause: "{endpoint}: {error}. The login works at {works}{versions}.",
		Remedy: do("Run the first two commands on this instance and on the writer, and compare. A new account needs a moment to reach every instance. If the account is the same and the plugin is missing here, reboot this instance. CAUTION: a reboot ends every connection to the instance; if it is the writer, the whole cluster is interrupted.",
			sql("SHOW CREATE USER '{account}'@'%'"), pluginQuery(), "aws rds describe-events --source-type db-instance --source-identifier {instance} --duration 1440  # AWS", rebootInstance),
		DependsOn: causes,
		match:     unlikeOthers,
	}
}

// unlikeOthers finds the instances that refuse a user for what is theirs alone.
func unlikeOthers(v *view) []match {
	byPlace := map[string][]*probe.Result{}
	for _, r := range slices.Concat(v.logins, v.dbs) {
		if r.Facts[probe.FactInstance] != "" && r.Outcome == probe.Failed && differs(r) != "" {
			key := askedAt(r) + " " + r.Facts[probe.FactUser]
			byPlace[key] = append(byPlace[key], r)
		}
	}
	var out []match
	for _, key := range sortedKeys(byPlace) {
		r := byPlace[key][0]
		i := slices.IndexFunc(v.logins, func(l *probe.Result) bool {
			return l.Outcome == probe.OK && l.Facts[probe.FactUser] == r.Facts[probe.FactUser] && l.Facts[probe.FactDatabase] == r.Facts[probe.FactDatabase]
		})
		if i < 0 {
			continue
		}
		m := dbTrouble(byPlace[key])
		m.spare = aside(r)
		m.explains = append(m.explains, v.byEndpoint(byPlace[key])...)
		m.words["differs"] = differs(r)
		m.words["works"], m.words["versions"] = v.logins[i].Facts[probe.FactEndpoint], " with the same server version"
		if here, there := r.Facts[probe.FactVersion], v.logins[i].Facts[probe.FactVersion]; here != "" && there != "" && here != there {
			m.words["versions"] = "; the versions differ, " + here + " here and " + there + " there"
		}
		out = append(out, m)
	}
	return out
}

// byEndpoint returns what failed in the same way by the endpoint that led to an instance:
// at one of its addresses, or a login of the same user, whose address nobody notes.
func (v *view) byEndpoint(at []*probe.Result) (out []*probe.Result) {
	for _, r := range slices.Concat(v.logins, v.dbs) {
		same := func(there *probe.Result) bool {
			return there.Reason == r.Reason && there.Facts[probe.FactDatabase] == r.Facts[probe.FactDatabase] &&
				(r.ID.Kind == probe.Login && there.Facts[probe.FactUser] == r.Facts[probe.FactUser] || r.ID.Address.IsValid() && there.ID.Address == r.ID.Address)
		}
		if r.Facts[probe.FactInstance] == "" && r.Outcome == probe.Failed && slices.ContainsFunc(at, same) {
			out = append(out, r)
		}
	}
	return out
}

// differs says what an instance may have otherwise than the rest of its cluster.
func differs(r *probe.Result) string {
	if r.ID.Kind == probe.Login && r.Facts[probe.FactFailedAt] != probe.AtDatabase {
		return ""
	}
	switch r.Reason {
	case probe.ReasonDBOtherPlugin:
		return "it lacks the account, or has it with another plugin"
	case probe.ReasonDBRealmMismatch:
		return "its account is for another realm"
	case probe.ReasonDBTicketRejected:
		return "it cannot read the ticket, as with an old keytab"
	case probe.ReasonDBSPNUnexpected:
		return "it announces another service"
	case probe.ReasonDBAccessDenied:
		return "it accepts the ticket and denies the account"
	case probe.ReasonDBAccountLocked:
		return "the account is locked there"
	}
	return ""
}

// clusterRules are about a database's cluster as a whole.
func clusterRules() []Rule {
	members := "aws rds describe-db-clusters --query 'DBClusters[].[Endpoint,ReaderEndpoint,CustomEndpoints,DBClusterMembers[].[DBInstanceIdentifier,IsClusterWriter]]'  # AWS"
	return []Rule{{
		Code: "endpoint-members", Severity: Error,
		Title:     "database {database}: {trouble}",
		Means:     "A login at the database's endpoint was answered by an instance of another cluster. The DNS name, or a proxy or load balancer behind it, leads to a restored copy, a clone or the old cluster. Or a custom endpoint has no address although the cluster has instances: all members of the endpoint were deleted or excluded.",
		Cause:     "{endpoint} {seen}.",
		Remedy:    do("Compare the addresses of the endpoint with those of the cluster's instances. If they differ, correct the DNS name, proxy or load balancer that leads elsewhere, or the endpoint of database {database} in kerbagent.yaml. For a custom endpoint, compare its list of members with the instances that exist, and have an existing instance added to it.", "dig {host} A", members),
		DependsOn: append(serverCauses(), "dns-server-silent", "dns-filtered", "dns-zone-missing", "realm-not-in-dns"),
		match:     func(v *view) []match { return append(strangers(v), memberless(v)...) },
	}, {
		Code: "failover", Severity: Info, Remark: true,
		Title:  "database {database}: failed over from {before} to {writer}",
		Means:  "Another instance of the cluster became its writer within the last hour. Connections to the old writer ended. The old writer comes back as a reader, and refuses writes with ERROR 1290.",
		Cause:  "Seen at {at}: {before} was the writer, now {writer} is. The endpoint {stale}.",
		Remedy: do("If the failover was intended, nothing needs to be done. If not, see what AWS reports about it.", "aws rds describe-events --source-type db-cluster --duration 120  # AWS", members),
		match: clusterMatch(func(v *view, r *probe.Result) words {
			at, err := time.Parse(time.RFC3339, r.Facts[probe.FactFailoverAt])
			if err != nil || v.snap.Now.Sub(at) > recentFailover {
				return nil
			}
			stale := "led to the new writer when that was seen"
			switch led := r.Facts[probe.FactOldWriter]; led {
			case "0s", "":
			case "still":
				stale = "still leads to the old writer"
			default:
				stale = "led to the old writer for " + led + " after that"
			}
			return words{"before": r.Facts[probe.FactFailoverFrom], "writer": r.Facts[probe.FactWriter], "at": r.Facts[probe.FactFailoverAt], "stale": stale}
		}),
	}, {
		Code: "db-topology-hidden", Severity: Info, Remark: true,
		Title:  "database {database}: does not list its instances",
		Means:  "Logins work, but the server does not list the instances of its cluster (information_schema.replica_host_status). Either the account is not allowed to read this table, or the server is not Aurora. kerbagent watches only the instance behind the endpoint, so it does not notice a reader without the Kerberos plugin.",
		Cause:  "{endpoint}: {error}.",
		Remedy: do("In kerbagent.yaml, set instances of database {database} to a list of the instances. Or set it to none, and kerbagent no longer asks for the list.", "kerbagent config check", members),
		match: clusterMatch(func(v *view, r *probe.Result) words {
			if r.Facts[probe.FactHidden] == "" {
				return nil
			}
			return words{"error": r.Facts[probe.FactHidden]}
		}),
	}}
}

// clusterMatch makes a rule about clusters from what is known of each; nil words: it does not hold.
func clusterMatch(holds func(*view, *probe.Result) words) func(*view) []match {
	return func(v *view) (out []match) {
		for _, r := range v.clusters {
			if w := holds(v, r); w != nil {
				out = append(out, match{affects: []*probe.Result{r}, words: wordsOf(r).and(w), evidence: evidenceOf(r, probe.FactInstances, probe.FactWriter, probe.FactServer)})
			}
		}
		return out
	}
}

// strangers finds the endpoints that lead to an instance which the cluster does not list.
func strangers(v *view) []match {
	found := clusterMatch(func(_ *view, r *probe.Result) words {
		if r.Facts[probe.FactStranger] == "" {
			return nil
		}
		return words{"trouble": "the endpoint leads to an instance that the cluster does not list",
			"seen": "led to " + r.Facts[probe.FactStranger] + "; the cluster lists " + few(r.Facts.List(probe.FactInstances))}
	})(v)
	for i := range found {
		found[i].severity = Warning // the logins by it may work
	}
	return found
}
