package bootstrap

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/kerbagent/kerbagent/config"
)

// lookMissing says how a cluster comes to be where there is none.
func (s *clusterStep) lookMissing(ctx context.Context) (view, error) {
	want := s.Config.Cluster
	v := view{is: "there is no cluster " + want.Identifier, billed: []string{fmt.Sprintf("the cluster %s: %d of %s, with storage and backups", want.Identifier, want.Instances, want.InstanceClass)}}
	if want.Mode == config.ClusterModify {
		return v, advise("correct cluster.identifier; or write mode: create", "there is no cluster %s in %s", want.Identifier, s.region)
	}
	if want.EngineVersion != "" {
		if err := s.supports(ctx, want.EngineVersion, want.InstanceClass); err != nil {
			return v, err
		}
	}
	blocked, notes, err := s.paths(ctx, want.SecurityGroups)
	if err != nil {
		return v, err
	}
	v.notes = notes
	if s.directory.id != "" {
		v.blocked = blocked
	}
	var password Secret
	if want.Mode == config.ClusterCreate && !want.PrimaryPassword.IsZero() {
		var store *change
		if password, store, err = s.vault.readOrStore(ctx, want.PrimaryPassword, "the primary user of "+want.Identifier, checkPrimaryPassword); err != nil {
			return v, err
		}
		if store != nil {
			v.do = append(v.do, *store)
		}
	}
	v.do = append(v.do, change{key: "create-" + want.Identifier, what: s.what(), act: func(ctx context.Context) error {
		err := s.create(ctx, password)
		if code(err) == "DBClusterAlreadyExistsFault" {
			return nil // ours of before, or not: the next look tells
		}
		return notYet(err)
	}})
	for n := range want.Instances {
		v.do = append(v.do, change{what: "create the instance " + s.instanceID(n)})
	}
	return v, nil
}

func (s *clusterStep) what() string {
	want := s.Config.Cluster
	joined := " joined to " + s.Config.Directory.Name
	switch want.Mode {
	case config.ClusterRestoreSnapshot:
		return fmt.Sprintf("restore the cluster %s from the snapshot %s,%s", want.Identifier, want.Snapshot, joined)
	case config.ClusterRestoreTime:
		at := "the latest moment"
		if !want.RestoreTo.IsZero() {
			at = want.RestoreTo.Format(time.RFC3339)
		}
		return fmt.Sprintf("restore the cluster %s from %s as it was at %s,%s", want.Identifier, want.Source, at, joined)
	}
	return fmt.Sprintf("create the cluster %s, Aurora MySQL %s,%s", want.Identifier, want.EngineVersion, joined)
}

func (s *clusterStep) instanceID(n int) string {
	return fmt.Sprintf("%s-%d", s.Config.Cluster.Identifier, n+1)
}

// optional is nil for a value that is not given.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// create sends the one request of the mode.
func (s *clusterStep) create(ctx context.Context, password Secret) (err error) {
	want, id, domain, role := s.Config.Cluster, aws.String(s.Config.Cluster.Identifier), aws.String(s.directory.id), aws.String(s.Config.Role.Name)
	switch want.Mode {
	case config.ClusterCreate:
		return s.rds.createDBCluster(ctx, newCluster{id: want.Identifier, version: want.EngineVersion, subnetGroup: want.SubnetGroup, groups: want.SecurityGroups,
			domain: s.directory.id, role: s.Config.Role.Name, primary: want.PrimaryUser, password: password, tags: s.tags()})
	case config.ClusterRestoreSnapshot:
		_, err = s.rds.restoreDBClusterFromSnapshot(ctx, &rds.RestoreDBClusterFromSnapshotInput{DBClusterIdentifier: id, Domain: domain, DomainIAMRoleName: role,
			Engine: aws.String(engineName), EngineVersion: optional(want.EngineVersion), SnapshotIdentifier: aws.String(want.Snapshot),
			DBSubnetGroupName: optional(want.SubnetGroup), VpcSecurityGroupIds: want.SecurityGroups, Tags: tagList(s.tags(), rdsTag)})
	case config.ClusterRestoreTime:
		in := &rds.RestoreDBClusterToPointInTimeInput{DBClusterIdentifier: id, Domain: domain, DomainIAMRoleName: role, SourceDBClusterIdentifier: aws.String(want.Source),
			DBSubnetGroupName: optional(want.SubnetGroup), VpcSecurityGroupIds: want.SecurityGroups, Tags: tagList(s.tags(), rdsTag)}
		if want.RestoreTo.IsZero() {
			in.UseLatestRestorableTime = aws.Bool(true)
		} else {
			in.RestoreToTime = aws.Time(want.RestoreTo)
		}
		_, err = s.rds.restoreDBClusterToPointInTime(ctx, in)
	}
	if err != nil {
		return fmt.Errorf("making the cluster: %w", err)
	}
	return nil
}

// complete gives a new cluster its instances: a cluster is made without any,
// and joins when it has a writer.
func (s *clusterStep) complete(ctx context.Context, c *types.DBCluster, have []types.DBInstance) (missing []change, wait *Wait, err error) {
	want := s.Config.Cluster
	there := map[string]string{}
	for _, i := range have {
		there[aws.ToString(i.DBInstanceIdentifier)] = aws.ToString(i.DBInstanceStatus)
	}
	for n := range want.Instances {
		id := s.instanceID(n)
		status, ok := there[id]
		if !ok {
			missing = append(missing, change{key: "instance-" + id, what: "create the instance " + id, act: func(ctx context.Context) error {
				_, err := s.rds.createDBInstance(ctx, &rds.CreateDBInstanceInput{DBInstanceIdentifier: aws.String(id), DBClusterIdentifier: aws.String(want.Identifier),
					DBInstanceClass: aws.String(want.InstanceClass), Engine: aws.String(engineName), Tags: tagList(s.tags(), rdsTag)})
				if is[*types.DBInstanceAlreadyExistsFault](err) {
					return nil
				}
				return err
			}})
			continue
		}
		switch status {
		case "available":
		case "failed", "incompatible-network", "incompatible-parameters", "incompatible-restore", "inaccessible-encryption-credentials", "insufficient-capacity", "deleting", "storage-full", "restore-error":
			return nil, nil, advise("see its events: aws rds describe-events --region "+s.region+" --source-type db-instance --source-identifier "+id+" --duration 1440", "the instance %s is %s", id, status)
		default:
			if wait == nil {
				wait = &Wait{For: fmt.Sprintf("the instance %s to become available (it is %s)", id, plain(status)), Usual: "5 to 15 minutes", Every: 30 * time.Second, Budget: time.Hour}
			}
		}
	}
	if len(missing) > 0 {
		if want.EngineVersion == "" { // a restore's: known now
			if err := s.supports(ctx, aws.ToString(c.EngineVersion), want.InstanceClass); err != nil {
				return nil, nil, err
			}
		}
		return missing, nil, nil
	}
	return nil, wait, nil
}

func rdsTag(key, value *string) types.Tag { return types.Tag{Key: key, Value: value} }
