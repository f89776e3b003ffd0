// Package ladder is how results are laid out for people: rungs, the servers of a
// rung, and what they are called. The terminal report and the status page draw
// the same ladder.
package ladder

import (
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Path returns the rungs that lie on the way to a login, in their order.
func Path() []probe.Kind {
	return slices.DeleteFunc(probe.Rungs(), func(k probe.Kind) bool { return k == probe.Krb5Conf })
}

// Name returns what people call a rung, and its port; empty where there is no
// usual one.
func Name(k probe.Kind) (name, port string) {
	switch k {
	case probe.DNS:
		return "DNS", "port 53"
	case probe.KDC:
		return "Kerberos", "port 88"
	case probe.Kpasswd:
		return "Password change", "port 464"
	case probe.Database:
		return "Database", ""
	case probe.Login:
		return "Login", ""
	case probe.Krb5Conf:
		return "krb5.conf", ""
	}
	return string(k), ""
}

// ServerName returns what a server's line begins with. A DNS result's target is a
// question, so its server is named by what it is there for.
func ServerName(r *probe.Result) string {
	switch {
	case r.Facts[probe.FactDBRole] != "":
		return r.ID.Target + " (" + r.Facts[probe.FactDBRole] + ")"
	case r.ID.Kind != probe.DNS:
		return r.ID.Target
	case r.Facts[probe.FactRole] == probe.RoleHost:
		return "this host's resolver"
	}
	return r.Facts[probe.FactRealm]
}

// AsksNobody reports whether a result is no answer to a question: it says what is
// known of a database's cluster, whose instances have rows of their own.
func AsksNobody(r *probe.Result) bool {
	return r.ID.Kind == probe.Database && r.Facts[probe.FactInstances]+r.Facts[probe.FactHidden] != ""
}

// Place returns a database's name, and which instance of its cluster a result is of.
func Place(r *probe.Result, database string) string {
	instance, role := r.Facts[probe.FactInstance], r.Facts[probe.FactDBRole]
	switch {
	case instance == "":
		return database
	case role == "":
		return database + ", instance " + instance
	}
	return database + ", " + role + " " + instance
}

// Lag returns how far the instance that a login went to is behind its writer; ok is
// false where it did not say, or is the writer.
func Lag(r *probe.Result) (lag time.Duration, ok bool) {
	s, ok := r.Samples[probe.SampleReplicaLag]
	return time.Duration(s * float64(time.Second)), ok
}

// Servers gathers items by the server that their result is of, in their order.
// Of a database each port is a server of its own.
func Servers[T any](items []T, result func(T) *probe.Result) [][]T {
	type key struct {
		name string
		addr netip.Addr
		port uint16
	}
	return gather(items, func(item T) (key, bool) {
		r := result(item)
		who := key{name: ServerName(r), addr: r.ID.Address.Addr()}
		if r.ID.Kind == probe.Database {
			who.port = r.ID.Address.Port()
		}
		return who, true
	})
}

// Alike gathers the results that failed in the same way over the same transport:
// ten times "no answer" says no more than once.
func Alike[T any](items []T, result func(T) *probe.Result) [][]T {
	type sort struct {
		transport probe.Transport
		variant   string
		reason    probe.Reason
	}
	return gather(items, func(item T) (sort, bool) {
		r := result(item)
		return sort{r.ID.Transport, r.ID.Variant, r.Reason}, r.Outcome == probe.Failed
	})
}

// gather puts the items of one key together, in the order in which they and the
// keys come; those that have none are left out.
func gather[T any, K comparable](items []T, key func(T) (K, bool)) [][]T {
	var out [][]T
	index := map[K]int{}
	for _, item := range items {
		k, has := key(item)
		if !has {
			continue
		}
		n, seen := index[k]
		if !seen {
			n = len(out)
			index[k] = n
			out = append(out, nil)
		}
		out[n] = append(out[n], item)
	}
	return out
}
