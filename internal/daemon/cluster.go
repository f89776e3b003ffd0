package daemon

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/probe"
)

// listed takes in what a login was told of its database's cluster. The endpoint's word
// counts: an instance may know of a failover a moment later than the others.
func (d *Daemon) listed(j plan.Job, t probe.Topology) {
	if j.Instance == "" && d.names.LearnCluster(j.Database, t, d.o.Now()) {
		d.planning.again()
		d.forgetGone()
	}
}

// forgetGone forgets what is on record of instances that left their clusters: with
// autoscaling there are new names each day.
func (d *Daemon) forgetGone() {
	s := d.planning.current()
	known := d.names.Known(s.resolver)
	if err := d.guard.ForgetDatabases(func(endpoint string) bool { return isGone(s.cfg, known, endpoint) }); err != nil {
		d.o.Log.Warn("what is on record of instances that are gone stays", "error", err)
	}
}

// isGone reports whether an endpoint is that of an instance of a configured cluster which
// the cluster does not list.
func isGone(cfg *config.Config, known discover.Known, endpoint string) bool {
	host, _, err := net.SplitHostPort(endpoint)
	if err != nil {
		return false
	}
	id, _, _ := strings.Cut(host, ".")
	gone := false
	for _, db := range cfg.Databases {
		listed := known.InstancesOf(db)
		switch would, is := db.InstanceHost(id); {
		case strings.EqualFold(db.Host, host), slices.ContainsFunc(listed, func(i discover.Instance) bool { return i.Host == host }):
			return false
		case is && would == host && db.DiscoversInstances() && len(listed) > 0 && known.Clusters[db.Name].LeftOut == 0:
			gone = true
		}
	}
	return gone
}

// countUnfinished shows how many handshakes with a database are held against this host.
func (d *Daemon) countUnfinished(ctx context.Context, s *setup, db config.Database) {
	endpoint, _ := s.cfg.Database(db.Name)
	hosts := []string{endpoint.Host}
	for _, i := range d.names.Known(s.resolver).InstancesOf(endpoint) {
		hosts = append(hosts, i.Host)
	}
	var servers []netip.Addr // an instance's address may be the endpoint's too
	for _, host := range hosts {
		addrs, err := s.finder.Addresses(ctx, host)
		if err != nil {
			continue
		}
		for _, a := range addrs {
			if !slices.Contains(servers, a) {
				servers = append(servers, a)
			}
		}
	}
	if n, err := d.guard.Unfinished(endpoint, servers); err == nil { // else it is shown by what is held back
		d.metrics.Unfinished(db.Name, n)
	}
}
