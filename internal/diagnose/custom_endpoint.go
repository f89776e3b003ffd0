package diagnose

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// memberless finds the custom endpoints that have no address while other names of their
// cluster have one.
func memberless(v *view) []match {
	byHost := map[string][]*probe.Result{}
	for _, r := range v.dbs {
		if reason(r, probe.ReasonUnresolvable) && r.Facts[probe.FactInstance] == "" && isCustom(r.ID.Target) {
			byHost[r.ID.Target] = append(byHost[r.ID.Target], r)
		}
	}
	var out []match
	for _, host := range sortedKeys(byHost) {
		i := slices.IndexFunc(v.dbs, func(r *probe.Result) bool { return answered(r) && clusterID(r.ID.Target) == clusterID(host) })
		if i < 0 {
			continue
		}
		r := byHost[host][0]
		out = append(out, match{affects: byHost[host], evidence: evidenceOf(r),
			words: wordsOf(r).and(words{"trouble": "the custom endpoint has no members",
				"seen": "has no address, while " + v.dbs[i].ID.Target + " of the same cluster answers"})})
	}
	return out
}

// isCustom reports whether a host is a cluster's custom endpoint: NAME.cluster-custom-ID.REGION….
func isCustom(host string) bool {
	_, rest, _ := strings.Cut(host, ".")
	return strings.HasPrefix(rest, "cluster-custom-")
}

// clusterID returns what follows the first label of the names of a cluster's instances; of
// any other host it is that host's own domain.
func clusterID(host string) string {
	_, rest, _ := strings.Cut(host, ".")
	for _, kind := range []string{"cluster-ro-", "cluster-custom-", "cluster-"} {
		if id, ok := strings.CutPrefix(rest, kind); ok {
			return id
		}
	}
	return rest
}
