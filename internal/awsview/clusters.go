package awsview

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// eventsBack is how far back events are read, in minutes: RDS keeps them for 14 days.
const eventsBack = 14 * 24 * 60

// cluster reads the cluster of a database.
func (r *reading) cluster(ctx context.Context, db config.Database) (Cluster, bool) {
	c := r.find(ctx, db)
	if c == nil {
		return Cluster{}, false
	}
	id := aws.ToString(c.DBClusterIdentifier)
	out := Cluster{Database: db.Name, ID: bounded(id), Status: bounded(aws.ToString(c.Status))}
	if len(c.DomainMemberships) > 0 {
		out.Directory, out.Membership = bounded(aws.ToString(c.DomainMemberships[0].Domain)), bounded(aws.ToString(c.DomainMemberships[0].Status))
	}
	for _, g := range c.VpcSecurityGroups[:min(len(c.VpcSecurityGroups), maxGroups)] {
		out.Way.Groups = append(out.Way.Groups, bounded(aws.ToString(g.VpcSecurityGroupId)))
	}
	list, err := awsapi.Instances(ctx, r.instances, id)
	if r.failed(err) {
		return out, true
	}
	if len(list) > maxInstances {
		r.view.note(fmt.Sprintf("the cluster %s has %d instances; the first %d are shown", id, len(list), maxInstances))
		list = list[:maxInstances]
	}
	for _, i := range list {
		out.Instances = append(out.Instances, instance(i, c))
	}
	if out.Membership != "" {
		r.readEvents(ctx, &out)
	}
	return out, true
}

// instance returns what is kept of an instance of a cluster.
func instance(i types.DBInstance, c *types.DBCluster) Instance {
	id := aws.ToString(i.DBInstanceIdentifier)
	out := Instance{ID: bounded(id), Status: bounded(aws.ToString(i.DBInstanceStatus)), Created: aws.ToTime(i.InstanceCreateTime)}
	for _, g := range i.DBParameterGroups {
		if aws.ToString(g.ParameterApplyStatus) == "pending-reboot" {
			out.Pending = append(out.Pending, "parameter group "+bounded(aws.ToString(g.DBParameterGroupName)))
		}
	}
	for _, m := range c.DBClusterMembers {
		if aws.ToString(m.DBInstanceIdentifier) != id {
			continue
		}
		out.Writer = aws.ToBool(m.IsClusterWriter)
		if aws.ToString(m.DBClusterParameterGroupStatus) == "pending-reboot" {
			out.Pending = append(out.Pending, "cluster parameter group "+bounded(aws.ToString(c.DBClusterParameterGroup)))
		}
	}
	if len(i.DomainMemberships) > 0 {
		out.Membership = bounded(aws.ToString(i.DomainMemberships[0].Status))
	}
	out.Pending = out.Pending[:min(len(out.Pending), 4)]
	return out
}

// readEvents reads when the cluster joined, and when its instances restarted last.
func (r *reading) readEvents(ctx context.Context, c *Cluster) {
	events, err := awsapi.Events(ctx, r.events, types.SourceTypeDbCluster, c.ID, eventsBack)
	if r.failed(err) {
		return
	}
	for _, e := range events {
		if at := aws.ToTime(e.Date); mentions(aws.ToString(e.Message)) && at.After(c.Joined) {
			c.Joined = at
		}
	}
	for n := range c.Instances {
		i := &c.Instances[n]
		events, err := awsapi.Events(ctx, r.events, types.SourceTypeDbInstance, i.ID, eventsBack)
		if r.failed(err) {
			return
		}
		for _, e := range events {
			// RDS-EVENT-0006 "DB instance restarted": the API gives no id, only the text.
			if at := aws.ToTime(e.Date); strings.Contains(strings.ToLower(aws.ToString(e.Message)), "restarted") && at.After(i.Restarted) {
				i.Restarted = at
			}
		}
	}
	c.Events = true
}

// find looks for the cluster that a database's name leads to.
func (r *reading) find(ctx context.Context, db config.Database) *types.DBCluster {
	name, _, ok := db.RDSName()
	unknown := "the cluster of the database " + db.Name + " is not known: " + db.Host + " does not have the form of a cluster's name at RDS"
	switch {
	case !ok:
		r.view.note(unknown)
		return nil
	case db.Kind() == config.WriterEndpoint, db.Kind() == config.ReaderEndpoint:
		c, err := awsapi.Cluster(ctx, r.clusters, name)
		return r.found(c, err, db, "the cluster "+name)
	case db.Kind() == config.CustomEndpoint:
		return r.findByEndpoint(ctx, db)
	case strings.Contains(db.Host, ".proxy-"), strings.Contains(db.Host, ".global-"), !config.IsInstanceName(name):
		r.view.note(unknown)
		return nil
	}
	i, err := awsapi.Instance(ctx, r.instances, name)
	if r.failed(err) {
		return nil
	}
	if i == nil || aws.ToString(i.DBClusterIdentifier) == "" {
		r.view.note("AWS lists no instance " + name + " of a cluster in " + r.view.Region + " in the account of these credentials")
		return nil
	}
	c, err := awsapi.Cluster(ctx, r.clusters, aws.ToString(i.DBClusterIdentifier))
	return r.found(c, err, db, "the cluster of "+name)
}

// findByEndpoint looks for the cluster that has a database's custom endpoint.
func (r *reading) findByEndpoint(ctx context.Context, db config.Database) *types.DBCluster {
	all, err := awsapi.Clusters(ctx, r.clusters)
	if r.failed(err) {
		return nil
	}
	for i, c := range all {
		if slices.ContainsFunc(c.CustomEndpoints, func(e string) bool { return strings.EqualFold(e, db.Host) }) {
			return &all[i]
		}
	}
	return r.found(nil, nil, db, "the endpoint")
}

// found checks that a cluster is the one that the database's name leads to: the same
// name may be another account's.
func (r *reading) found(c *types.DBCluster, err error, db config.Database, what string) *types.DBCluster {
	switch {
	case r.failed(err):
		return nil
	case c == nil:
		r.view.note("AWS does not list " + what + " of the database " + db.Name + " in " + r.view.Region + " in the account of these credentials")
		return nil
	}
	same := func(e *string) bool { return e == nil || strings.EqualFold(aws.ToString(e), db.Host) }
	switch db.Kind() {
	case config.WriterEndpoint:
		if !same(c.Endpoint) {
			r.view.note(what + " has another endpoint than the database " + db.Name + ": these credentials are of another account")
			return nil
		}
	case config.ReaderEndpoint:
		if !same(c.ReaderEndpoint) {
			r.view.note(what + " has another endpoint than the database " + db.Name + ": these credentials are of another account")
			return nil
		}
	}
	return c
}
