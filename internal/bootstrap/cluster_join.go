package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// membership reads how far the cluster's join is. A cluster that is available
// is not joined for that.
func (s *clusterStep) membership(ctx context.Context, v view, c *types.DBCluster, instances []types.DBInstance) (view, error) {
	id := s.Config.Cluster.Identifier
	if g := aws.ToString(c.GlobalClusterIdentifier); g != "" {
		v.notes = append(v.notes, "the cluster "+id+" belongs to the global database "+plain(g)+": each of its clusters has to join by itself, "+
			"in its own Region, to a directory that is there too")
	}
	status := ""
	for _, m := range c.DomainMemberships {
		domain := aws.ToString(m.Domain)
		if domain != s.directory.id && s.directory.id != "" && domain != "" {
			return v, advise("take it out of that domain first, when its users can do without: kerbagent does not",
				"the cluster %s is a member of %s, not of %s", id, domain, s.directory.id)
		}
		status = aws.ToString(m.Status)
	}
	if status != "" {
		v.seen = true
		v.is += ", Kerberos: " + plain(status)
	}
	wait := &Wait{For: fmt.Sprintf("the cluster %s to join the directory (%s)", id, plain(status)), Usual: "10 to 30 minutes",
		Every: 15 * time.Second, Budget: 45 * time.Minute}
	switch status {
	case "kerberos-enabled", "joined":
		s.remember(c, instances)
		return v, nil
	case "disabling-kerberos", "pending-disable-kerberos", "pending-maintenance-disable-kerberos":
		return v, advise("let that come to its end, and run it again if it is not what was meant",
			"somebody is taking the cluster %s out of the directory (%s)", id, status)
	case "", "pending-maintenance-enable-kerberos", "enable-kerberos-failed", "failed":
	default: // enabling-kerberos, pending-enable-kerberos, pending-join, and what AWS has added since
		v.wait = wait
		return v, nil
	}
	if s.directory.id == "" {
		v.do = []change{{what: s.joining()}}
		return v, nil
	}
	return s.join(ctx, v, c, instances, status)
}

func (s *clusterStep) joining() string {
	return fmt.Sprintf("join the cluster %s to %s now, not in its maintenance window", s.Config.Cluster.Identifier, s.Config.Directory.Name)
}

// join returns the request that turns Kerberos on, or on again after a failure,
// where nothing stands in its way.
func (s *clusterStep) join(ctx context.Context, v view, c *types.DBCluster, instances []types.DBInstance, status string) (view, error) {
	id := s.Config.Cluster.Identifier
	if len(instances) == 0 {
		return v, advise("give it an instance", "the cluster %s has no instance, and cannot join", id)
	}
	for _, class := range classes(instances) {
		err := s.supports(ctx, aws.ToString(c.EngineVersion), class)
		if is[*unlistedError](err) {
			v.notes = append(v.notes, err.Error()+": it runs all the same, so AWS decides whether it can join")
			err = nil
		}
		if err != nil {
			return v, err
		}
	}
	// ApplyImmediately is for everything that waits, not for this change alone.
	if waiting := pending(c.PendingModifiedValues); len(waiting) > 0 {
		v.blocked = fmt.Sprintf("the cluster %s has changes that wait for its maintenance window (%s), and turning Kerberos on now would make "+
			"them too. Let them be made, or take them back", id, strings.Join(waiting, ", "))
		return v, nil
	}
	var groups []string
	for _, g := range c.VpcSecurityGroups {
		groups = append(groups, aws.ToString(g.VpcSecurityGroupId))
	}
	blocked, notes, err := s.paths(ctx, groups)
	if err != nil {
		return v, err
	}
	v.notes = append(v.notes, notes...)
	if blocked != "" {
		v.blocked = blocked
		return v, nil
	}
	what := s.joining()
	if strings.HasSuffix(status, "failed") {
		v.notes = append(v.notes, "the last try failed: as a rule the domain controllers cannot be reached from the cluster, or the "+
			"role "+s.Config.Role.Name+" does not let Aurora in")
		what = "try again to " + what
	}
	v.do = append(v.do, change{key: "join-" + id, what: what, next: s.unjoined(), act: func(ctx context.Context) error {
		// The readers of now are those to be rebooted.
		var newest time.Time
		for _, i := range instances {
			if at := aws.ToTime(i.InstanceCreateTime); at.After(newest) {
				newest = at
			}
			delete(s.state.Done, eventsUntil(aws.ToString(i.DBInstanceIdentifier))) // of an older join
		}
		if err := s.state.did(newestBefore(id), newest); err != nil {
			return err
		}
		if err := s.state.did("joined/"+id, s.Now()); err != nil {
			return err
		}
		_, err := s.rds.modifyDBCluster(ctx, &rds.ModifyDBClusterInput{DBClusterIdentifier: aws.String(id), Domain: aws.String(s.directory.id),
			DomainIAMRoleName: aws.String(s.Config.Role.Name), ApplyImmediately: aws.Bool(true)})
		return s.notYet(err)
	}})
	return v, nil
}

func classes(instances []types.DBInstance) []string {
	var out []string
	for _, i := range instances {
		if c := aws.ToString(i.DBInstanceClass); !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}

// pending names what waits for a cluster's maintenance window.
func pending(p *types.ClusterPendingModifiedValues) []string {
	if p == nil {
		return nil
	}
	var out []string
	for name, set := range map[string]bool{
		"allocated storage":       p.AllocatedStorage != nil,
		"backup retention":        p.BackupRetentionPeriod != nil,
		"certificate":             p.CertificateDetails != nil,
		"identifier":              p.DBClusterIdentifier != nil,
		"engine version":          p.EngineVersion != nil,
		"IAM authentication":      p.IAMDatabaseAuthenticationEnabled != nil,
		"IOPS":                    p.Iops != nil,
		"primary user's password": p.MasterUserPassword != nil,
		"log exports":             p.PendingCloudwatchLogsExports != nil,
		"storage type":            p.StorageType != nil,
	} {
		if set {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
