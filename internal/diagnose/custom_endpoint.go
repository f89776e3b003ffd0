package diagnose

import (
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/probe"
)

// memberless finds the custom endpoints that have no address while other names of their
// cluster have one.
func memberless(v *view) (out []match) {
	for _, m := range unresolvable(v) {
		if other := v.memberless(m); other != nil {
			m.words = m.words.and(words{"trouble": "the custom endpoint has no members",
				"seen": "has no address, while " + other.ID.Target + " of the same cluster answers"})
			out = append(out, m)
		}
	}
	return out
}

// memberless returns a result of the cluster that answers, where a match is of a custom
// endpoint of it; nil otherwise.
func (v *view) memberless(m match) *probe.Result {
	host, _, _ := strings.Cut(m.affects[0].Facts[probe.FactEndpoint], ":")
	if m.affects[0].Facts[probe.FactInstance] != "" || !isCustom(host) {
		return nil
	}
	i := slices.IndexFunc(v.dbs, func(r *probe.Result) bool { return answered(r) && clusterID(r.ID.Target) == clusterID(host) })
	if i < 0 {
		return nil
	}
	return v.dbs[i]
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
