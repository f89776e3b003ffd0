package awsview

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// Results returns views as results. asked says that somebody asked for the reading, who
// is to hear that it was not made.
func Results(cfg *config.Config, views []View, asked bool) []probe.Result {
	var out []probe.Result
	for _, v := range views {
		out = append(out, v.results(cfg, asked)...)
	}
	return out
}

// maker makes the results of one view.
type maker struct {
	read   time.Time
	region string
	out    []probe.Result
}

func (v View) results(cfg *config.Config, asked bool) []probe.Result {
	m := &maker{read: v.Read, region: v.Region}
	whole := m.result(cmp.Or(v.Region, "region"), "", probe.Facts{probe.FactNotSeen: strings.Join(v.Notes, "; ")})
	if asked {
		whole.Facts[probe.FactAsked] = "true"
	}
	if v.Refused != "" {
		text := v.Refused
		if v.Next != "" {
			text += ": " + v.Next
		}
		whole.Outcome, whole.Reason, whole.Err = probe.Skipped, probe.ReasonNotAsked, errors.New(text)
	}
	m.out = append(m.out, whole)
	for _, c := range v.Clusters {
		m.cluster(cfg, c)
	}
	for _, d := range v.Directories {
		m.directory(d)
	}
	return m.out
}

// result begins one; facts that are empty are left out.
func (m *maker) result(target, variant string, facts probe.Facts) probe.Result {
	r := probe.Result{ID: probe.ID{Kind: probe.AWS, Target: target, Variant: variant}, Outcome: probe.OK, Started: m.read,
		Facts: probe.Facts{probe.FactRegion: m.region}, Samples: probe.Samples{}}
	for k, text := range facts {
		if text != "" {
			r.Facts[k] = text
		}
	}
	return r
}

func (m *maker) cluster(cfg *config.Config, c Cluster) {
	db, _ := cfg.Database(c.Database)
	m.out = append(m.out, m.result(c.Database, probe.AWSCluster, probe.Facts{probe.FactDatabase: c.Database, probe.FactCluster: c.ID,
		probe.FactRealm: db.Realm, probe.FactState: c.Status, probe.FactDirectory: c.Directory, probe.FactMembership: c.Membership,
		probe.FactJoinedAt: stamp(c.Joined)}))
	for _, i := range c.Instances {
		role := probe.RoleReader
		if i.Writer {
			role = probe.RoleWriter
		}
		m.out = append(m.out, m.result(c.Database+"/"+i.ID, probe.AWSInstance, probe.Facts{
			probe.FactDatabase: c.Database, probe.FactCluster: c.ID, probe.FactInstance: i.ID, probe.FactDBRole: role,
			probe.FactState: i.Status, probe.FactMembership: i.Membership,
			probe.FactCreated: stamp(i.Created), probe.FactRestarted: stamp(i.Restarted), probe.FactJoinedAt: stamp(c.Joined),
			probe.FactEvents: eventsOf(c), probe.FactPending: strings.Join(i.Pending, ", ")}))
	}
	m.way(c.Database, probe.Facts{probe.FactDatabase: c.Database}, c.Way)
}

// eventsOf says how far back the events of a cluster's instances were read.
func eventsOf(c Cluster) string {
	if !c.Events {
		return ""
	}
	return fmt.Sprintf("%d days", eventsBack/(24*60))
}

func (m *maker) directory(d Directory) {
	var controllers []string
	for _, c := range d.Controllers {
		controllers = append(controllers, fmt.Sprintf("%s %s", c.Address, c.Status))
	}
	m.out = append(m.out, m.result(d.ID, probe.AWSDirectory, probe.Facts{probe.FactDirectory: d.ID, probe.FactRealm: d.Realm,
		probe.FactState: d.Stage, probe.FactStateWhy: d.Reason, probe.FactControllers: strings.Join(controllers, ", ")}))
	m.way(d.ID, probe.Facts{probe.FactDirectory: d.ID, probe.FactRealm: d.Realm}, d.Way)
}

// way adds whether security groups admit this host.
func (m *maker) way(target string, facts probe.Facts, w Way) {
	if w.State == "" {
		return
	}
	facts[probe.FactState], facts[probe.FactStateWhy] = w.State, w.Why
	facts[probe.FactGroups], facts[probe.FactLacks] = strings.Join(w.Groups, ", "), strings.Join(w.Lacks, ", ")
	if w.From.IsValid() {
		facts[probe.FactFrom] = w.From.String()
	}
	m.out = append(m.out, m.result(target, probe.AWSWay, facts))
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
