package plan

import (
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/probe"
)

// aboutInstances asks each instance of a database's cluster as a server of its own,
// without a login. gone has what is asked at addresses that DNS has let go of.
func (d databaseJobs) aboutInstances(db config.Database, known discover.Known) (jobs, gone []Job) {
	if cluster, told := known.Clusters[db.Name]; told && db.DiscoversInstances() {
		jobs = append(jobs, d.aboutCluster(db, cluster))
	}
	for _, i := range known.InstancesOf(db) {
		at, servers := instanceOf(db, i, known), known.At(db, i)
		if servers.Asked && len(servers.Now) == 0 && len(servers.Lost) == 0 {
			jobs = append(jobs, d.job(d.lack(probe.Database, i.Host, at.facts(), servers.Err)))
		}
		jobs = append(jobs, d.along(servers).aboutDatabase(at, slices.Concat(servers.Now, servers.Lost))...)
		gone = append(gone, d.along(servers).aboutDatabase(at, servers.Gone)...)
	}
	return jobs, gone
}

// aboutInstanceLogins logs a user in at each instance of the database's cluster.
func (d databaseJobs) aboutInstanceLogins(l config.Login, beat time.Duration, known discover.Known) (jobs []Job) {
	db, _ := d.cfg.Database(l.Database)
	if d.world.Tickets == nil {
		return nil
	}
	for _, i := range known.InstancesOf(db) {
		// By a custom endpoint the addresses tell whether a login can get to the instance.
		if kind := db.Kind(); kind != config.WriterEndpoint && kind != config.ReaderEndpoint && !known.At(db, i).Asked {
			continue
		}
		at := instanceOf(db, i, known)
		j := d.job(d.loginProbe(l, at))
		j.Beat, j.Every, j.Limit, j.Prompt = beat, beat, min(3*d.cfg.Probes.LoginTimeout(), beat), false
		j.Login, j.Database, j.Instance = l, at.db, i.ID
		first := d.firstLogin(db)
		j.Tells = first >= 0 && d.cfg.Logins[first].Principal() == l.Principal()
		jobs = append(jobs, j)
	}
	return jobs
}

// aboutCluster reports what a database said of its cluster.
func (d databaseJobs) aboutCluster(db config.Database, c discover.Cluster) Job {
	facts := databaseFacts(db)
	var ids []string
	for _, i := range c.Instances {
		ids = append(ids, i.ID)
	}
	set := func(k probe.Fact, v string) {
		if v != "" {
			facts[k] = v
		}
	}
	set(probe.FactInstances, strings.Join(ids, " "))
	set(probe.FactWriter, c.Writer)
	set(probe.FactServer, c.Server)
	set(probe.FactAurora, c.Version)
	set(probe.FactHidden, c.Hidden)
	set(probe.FactStranger, c.Stranger())
	if f := c.Failover; !f.At.IsZero() {
		set(probe.FactFailoverFrom, f.From)
		set(probe.FactFailoverAt, f.At.UTC().Format(time.RFC3339))
		if f.Stale {
			set(probe.FactOldWriter, "still")
		} else {
			set(probe.FactOldWriter, f.StaleFor.Round(time.Second).String())
		}
	}
	return d.job(members{id: probe.ID{Kind: probe.Database, Target: db.Host, Variant: variantInstances}, facts: facts, now: d.world.Now})
}
