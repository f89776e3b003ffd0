package discover

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// Instance is one instance of a database's cluster.
type Instance struct {
	ID      string // its identifier, or its host name where that is configured
	Host    string
	Role    string // probe.RoleWriter or RoleReader; empty where nobody said
	Vouched bool   // it is configured, or was listed on a connection whose certificate was verified
}

// Cluster is what is known of the instances behind a database's endpoint.
type Cluster struct {
	Instances []Instance // in the order of their identifiers
	Writer    string
	Version   string // of Aurora
	Server    string // the instance that the endpoint last led to
	Hidden    string // what the server says in place of its instances
	LeftOut   int    // instances that it names and that are not asked

	Failover Failover
}

// Failover is the latest change of a cluster's writer.
type Failover struct {
	From, To string
	At       time.Time     // when it was seen; zero: never
	Stale    bool          // the endpoint leads to the writer of before
	StaleFor time.Duration // how long it was seen to do so
}

// RecentFailover is how long a failover is worth telling.
const RecentFailover = time.Hour

// instances returns the instances that a configuration names.
func named(db config.Database) (out []Instance) {
	for _, name := range db.InstanceNames {
		host, short := db.InstanceHost(name)
		if !short {
			host = name
		}
		id, _, _ := strings.Cut(name, ".")
		out = append(out, Instance{ID: id, Host: host, Vouched: true})
	}
	return out
}

// LearnCluster takes in what a database said of its cluster, and reports whether
// anything is different but times. What a login may not see is no news of what another saw.
func (m *Memory) LearnCluster(db config.Database, t probe.Topology, now time.Time) (changed bool) {
	if t.NotAurora && db.Instances == config.InstancesDefault {
		return false // the name looks like a cluster's, and nobody said that there is one
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	before := m.clusters[db.Name]
	next := before
	if len(t.Instances) == 0 {
		if len(next.Instances) > 0 {
			return false
		}
		next.Hidden = "the table of instances is empty"
		if t.Err != nil {
			next.Hidden = t.Err.Error()
		}
	} else {
		next = before.with(db, t, now)
	}
	if m.clusters == nil {
		m.clusters = map[string]Cluster{}
	}
	m.clusters[db.Name] = next
	maps.DeleteFunc(m.of, func(s Search, _ *history) bool {
		return s.Name == db.Name && s.Host != "" && !slices.ContainsFunc(next.Instances, func(i Instance) bool { return i.Host == s.Host })
	})
	return next.Writer != before.Writer || next.Version != before.Version || next.Server != before.Server || next.Hidden != before.Hidden ||
		next.LeftOut != before.LeftOut || next.Failover != before.Failover || !slices.Equal(next.Instances, before.Instances)
}

// with returns what is known of a cluster once t is said of it.
func (c Cluster) with(db config.Database, t probe.Topology, now time.Time) Cluster {
	next := Cluster{Version: t.Version, Server: t.Server, LeftOut: t.LeftOut, Failover: c.Failover}
	vouched := db.TLS.Mode == config.VerifyFull || db.TLS.Mode == config.VerifyCA
	for _, i := range t.Instances {
		host, ok := db.InstanceHost(i.ID)
		if !ok || slices.ContainsFunc(next.Instances, func(had Instance) bool { return had.Host == host }) {
			next.LeftOut++
			continue
		}
		role := probe.RoleReader
		if i.Writer && next.Writer == "" {
			role, next.Writer = probe.RoleWriter, i.ID
		}
		next.Instances = append(next.Instances, Instance{ID: i.ID, Host: host, Role: role, Vouched: vouched})
	}
	slices.SortFunc(next.Instances, func(a, b Instance) int { return strings.Compare(a.ID, b.ID) })
	switch f := &next.Failover; {
	case c.Writer != "" && next.Writer != "" && c.Writer != next.Writer:
		*f = Failover{From: c.Writer, To: next.Writer, At: now, Stale: t.Server == c.Writer}
	case f.Stale && t.Server != f.From:
		f.Stale, f.StaleFor = false, now.Sub(f.At)
	}
	return next
}

// Stranger returns the instance that the endpoint led to, where the cluster does not list it.
func (c Cluster) Stranger() string {
	if len(c.Instances) == 0 || c.LeftOut > 0 || slices.ContainsFunc(c.Instances, func(i Instance) bool { return i.ID == c.Server }) {
		return ""
	}
	return c.Server
}

// InstancesOf returns the instances of a database that are watched: those that are
// configured, or those that it has listed.
func (k Known) InstancesOf(db config.Database) []Instance {
	if db.Instances == config.InstancesNamed {
		return named(db)
	}
	return k.Clusters[db.Name].Instances
}

// At returns what is known of one instance's name.
func (k Known) At(db config.Database, i Instance) Servers {
	return k.Servers[Search{Kind: probe.Database, Name: db.Name, Host: i.Host}]
}
