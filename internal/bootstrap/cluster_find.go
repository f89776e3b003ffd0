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

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// clusterStep is the guide's step 5, but for the readers of a cluster that was there.
type clusterStep struct {
	*world
	rds   rdsCalls
	ec2   ec2Calls
	vault vault
}

// ours keeps a new cluster from being an old one of the same name.
func (s *clusterStep) ours(c *types.DBCluster) error {
	want := s.Config.Cluster
	if want.Mode == config.ClusterModify || slices.ContainsFunc(c.TagList, func(t types.Tag) bool { return aws.ToString(t.Key) == ourTag }) {
		return nil
	}
	return &foreignError{advise("to join it to the directory, write mode: modify; for a new one, take another identifier",
		"mode %s makes a cluster, and there is one called %s that kerbagent did not make", want.Mode, want.Identifier)}
}

// status reports what a cluster's state asks for: to wait, to give up, or nothing.
// The words are those of "Viewing DB cluster status" in the Aurora user guide.
func (s *clusterStep) status(status string) (*Wait, error) {
	id := s.Config.Cluster.Identifier
	switch status {
	case "available":
		return nil, nil
	case "stopped", "stopping":
		return nil, advise("start it: aws rds start-db-cluster --region "+s.region+" --db-cluster-identifier "+id,
			"the cluster %s is %s", id, status)
	case "deleting", "deleted":
		return nil, advise("wait until it is gone, or name another cluster", "the cluster %s is being deleted", id)
	case "failed", "migration-failed", "cloning-failed", "incompatible-restore", "incompatible-parameters", "incompatible-network",
		"incompatible-option-group",
		"inaccessible-encryption-credentials", "inaccessible-encryption-credentials-recoverable", "restore-error", "create-failed",
		"storage-full":
		return nil, advise("see its events: aws rds describe-events --region "+s.region+" --source-type db-cluster --source-identifier "+id+" "+
			"--duration 1440", "the cluster %s is %s", id, status)
	}
	return &Wait{For: fmt.Sprintf("the cluster %s to become available (it is %s)", id, plain(status)),
		Usual: "some minutes; a restore, up to hours", Every: 30 * time.Second, Budget: s.Config.Cluster.Wait}, nil
}

// instances reads the members, the writer first, and checks that they can do Kerberos.
func (s *clusterStep) instances(ctx context.Context, c *types.DBCluster) ([]types.DBInstance, error) {
	out, err := awsapi.Instances(ctx, s.rds.describeDBInstances, aws.ToString(c.DBClusterIdentifier))
	if err != nil {
		return nil, err
	}
	writer := writerOf(c)
	slices.SortStableFunc(out, func(a, b types.DBInstance) int {
		switch {
		case aws.ToString(a.DBInstanceIdentifier) == writer:
			return -1
		case aws.ToString(b.DBInstanceIdentifier) == writer:
			return 1
		}
		return strings.Compare(aws.ToString(a.DBInstanceIdentifier), aws.ToString(b.DBInstanceIdentifier))
	})
	return out, nil
}

func writerOf(c *types.DBCluster) string {
	for _, m := range c.DBClusterMembers {
		if aws.ToBool(m.IsClusterWriter) {
			return aws.ToString(m.DBInstanceIdentifier)
		}
	}
	return ""
}

// unlistedError reports that AWS does not list a version on an instance class. It
// lists what can be ordered: a deprecated version that runs may be left out.
type unlistedError struct{ error }

// Unwrap returns the advice.
func (e *unlistedError) Unwrap() error { return e.error }

// supports asks AWS whether a version on an instance class has Kerberos.
func (s *clusterStep) supports(ctx context.Context, version, class string) error {
	in := &rds.DescribeOrderableDBInstanceOptionsInput{Engine: aws.String(engineName), EngineVersion: aws.String(version),
		DBInstanceClass: aws.String(class)}
	known := false
	for p := rds.NewDescribeOrderableDBInstanceOptionsPaginator(s.rds, in); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return fmt.Errorf("asking which instances have Kerberos: %w", err)
		}
		for _, o := range page.OrderableDBInstanceOptions {
			known = true
			if aws.ToBool(o.SupportsKerberosAuthentication) {
				return nil
			}
		}
	}
	next := "take Aurora MySQL 3.03.0 or later (8.4.7 or later), and an instance class that has it in this Region"
	if !known {
		return &unlistedError{advise(next, "%s has no Aurora MySQL %s on %s to be ordered", s.region, version, class)}
	}
	return advise(next, "Aurora MySQL %s on %s has no Kerberos in %s", version, class, s.region)
}

// remember keeps what the other steps need.
func (s *clusterStep) remember(c *types.DBCluster, instances []types.DBInstance) {
	f := foundCluster{host: aws.ToString(c.Endpoint), port: aws.ToInt32(c.Port), primary: aws.ToString(c.MasterUsername)}
	if c.MasterUserSecret != nil {
		f.secret = aws.ToString(c.MasterUserSecret.SecretArn)
	}
	for _, i := range instances {
		if i.Endpoint != nil {
			f.instances = append(f.instances, foundInstance{aws.ToString(i.DBInstanceIdentifier), aws.ToString(i.Endpoint.Address),
				aws.ToString(i.DBInstanceIdentifier) == writerOf(c)})
		}
	}
	s.cluster = f
}
