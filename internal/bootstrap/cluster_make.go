package bootstrap

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// lookMissing reports how a cluster comes to be where there is none.
func (s *clusterStep) lookMissing(ctx context.Context) (view, error) {
	want := s.Config.Cluster
	v := view{is: "there is no cluster " + want.Identifier,
		billed: []string{fmt.Sprintf("the cluster %s: %d of %s, with storage and backups", want.Identifier, want.Instances, want.InstanceClass)}}
	if want.Mode == config.ClusterModify {
		return v, advise("correct cluster.identifier; or write mode: create", "there is no cluster %s in %s", want.Identifier, s.region)
	}
	from, err := s.origin(ctx)
	if err != nil {
		return v, err
	}
	if from.version != "" {
		if err := s.supports(ctx, from.version, want.InstanceClass); err != nil {
			return v, err
		}
	}
	v.notes = s.unsaid(from)
	blocked, notes, err := s.paths(ctx, want.SecurityGroups)
	if err != nil {
		return v, err
	}
	v.notes = append(v.notes, notes...)
	if s.directory.id != "" {
		v.blocked = blocked
	}
	var password Secret
	if want.Mode == config.ClusterCreate && !want.PrimaryPassword.IsZero() {
		var store *change
		if password, store, err = s.vault.readOrStore(ctx, want.PrimaryPassword, "the primary user of "+want.Identifier,
			checkPrimaryPassword); err != nil {
			return v, err
		}
		if store != nil {
			v.do = append(v.do, *store)
		}
	}
	v.do = append(v.do, change{key: "create-" + want.Identifier, what: s.what(), act: func(ctx context.Context) error {
		err := s.create(ctx, password, from)
		if awsapi.Code(err) == "DBClusterAlreadyExistsFault" {
			return nil // ours of before, or not: the next look tells
		}
		return ofNewKey(s.notYet(err), want.KMSKey)
	}})
	for n := range want.Instances {
		v.do = append(v.do, change{what: "create the instance " + s.instanceID(n)})
	}
	return v, nil
}

// unsaid reports what a new cluster gets that nobody asked for.
func (s *clusterStep) unsaid(from origin) []string {
	want := s.Config.Cluster
	var out []string
	if !want.DeletionProtection {
		out = append(out, "the new cluster has no deletion protection (cluster.deletion_protection)")
	}
	if want.Mode == config.ClusterCreate && want.BackupRetention == 0 {
		out = append(out, "its automated backups are kept for one day (cluster.backup_retention)")
	}
	if !want.NoExtendedSupport {
		out = append(out, "it has RDS Extended Support, which AWS bills when its version's standard support has ended (cluster.extended_support)")
	}
	if want.Mode != config.ClusterCreate {
		out = append(out, fmt.Sprintf("it has the version %s and the parameter group %s", plain(cmp.Or(from.version, "of its source")),
			plain(from.parameterGroup)))
	}
	return out
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
		return fmt.Sprintf("restore the cluster %s from %s as it was at %s,%s", want.Identifier,
			cmp.Or(want.Source, want.SourceResource), at, joined)
	}
	return fmt.Sprintf("create the cluster %s, Aurora MySQL %s,%s", want.Identifier, want.EngineVersion, joined)
}

func (s *clusterStep) instanceID(n int) string {
	return fmt.Sprintf("%s-%d", s.Config.Cluster.Identifier, n+1)
}

// create sends the one request of the mode.
func (s *clusterStep) create(ctx context.Context, password Secret, from origin) (err error) {
	want, role := s.Config.Cluster, aws.String(s.Config.Role.Name)
	var life *string
	if want.NoExtendedSupport {
		life = aws.String(noExtendedSupport)
	}
	switch want.Mode {
	case config.ClusterCreate:
		return s.rds.createDBCluster(ctx, newCluster{
			id: want.Identifier, version: want.EngineVersion, subnetGroup: want.SubnetGroup, groups: want.SecurityGroups,
			domain: s.directory.id, role: s.Config.Role.Name, primary: want.PrimaryUser, password: password, tags: s.tags(),
			parameterGroup: from.parameterGroup, kmsKey: want.KMSKey, least: want.CapacityLeast, most: want.CapacityMost,
			backupDays: want.BackupRetention, protect: want.DeletionProtection, noExtended: want.NoExtendedSupport,
		})
	case config.ClusterRestoreSnapshot:
		_, err = s.rds.restoreDBClusterFromSnapshot(ctx, &rds.RestoreDBClusterFromSnapshotInput{
			DBClusterIdentifier: aws.String(want.Identifier), Domain: aws.String(s.directory.id), DomainIAMRoleName: role,
			Engine: aws.String(engineName), EngineVersion: optional(from.version), DBClusterParameterGroupName: optional(from.parameterGroup),
			SnapshotIdentifier: aws.String(want.Snapshot), DBSubnetGroupName: optional(want.SubnetGroup), VpcSecurityGroupIds: want.SecurityGroups,
			KmsKeyId: optional(want.KMSKey), DeletionProtection: aws.Bool(want.DeletionProtection), EngineLifecycleSupport: life,
			ServerlessV2ScalingConfiguration: s.capacity(), Tags: tagList(s.tags(), rdsTag),
		})
	case config.ClusterRestoreTime:
		in := &rds.RestoreDBClusterToPointInTimeInput{
			DBClusterIdentifier: aws.String(want.Identifier), Domain: aws.String(s.directory.id), DomainIAMRoleName: role,
			SourceDBClusterIdentifier: optional(want.Source), SourceDbClusterResourceId: optional(want.SourceResource),
			DBClusterParameterGroupName: optional(from.parameterGroup), DBSubnetGroupName: optional(want.SubnetGroup),
			VpcSecurityGroupIds: want.SecurityGroups, KmsKeyId: optional(want.KMSKey), DeletionProtection: aws.Bool(want.DeletionProtection),
			EngineLifecycleSupport: life, ServerlessV2ScalingConfiguration: s.capacity(), Tags: tagList(s.tags(), rdsTag),
		}
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

// capacity returns the range of serverless instances, nil where there are none.
func (s *clusterStep) capacity() *types.ServerlessV2ScalingConfiguration {
	least, errLeast := strconv.ParseFloat(s.Config.Cluster.CapacityLeast, 64)
	most, errMost := strconv.ParseFloat(s.Config.Cluster.CapacityMost, 64)
	if errLeast != nil || errMost != nil { // both empty: the configuration was checked
		return nil
	}
	return &types.ServerlessV2ScalingConfiguration{MinCapacity: &least, MaxCapacity: &most}
}

// origin is what a new cluster takes from where it comes from.
type origin struct{ version, parameterGroup string }

// origin is what the new cluster gets: its source's, but for a parameter group that it
// has for itself.
func (s *clusterStep) origin(ctx context.Context) (origin, error) {
	out, err := s.source(ctx)
	out.parameterGroup = s.parameterGroup(out.parameterGroup)
	return out, err
}

// source reads it, since a restore that is not told gets the engine's defaults: a
// cluster of another version, or under parameters that it does not start with.
func (s *clusterStep) source(ctx context.Context) (origin, error) {
	want := s.Config.Cluster
	out := origin{want.EngineVersion, want.ParameterGroup}
	source := want.Source
	if want.Mode == config.ClusterRestoreSnapshot {
		snapshot, err := s.snapshot(ctx)
		if err != nil {
			return out, err
		}
		out.version = cmp.Or(out.version, aws.ToString(snapshot.EngineVersion))
		source = aws.ToString(snapshot.DBClusterIdentifier)
	}
	if out.parameterGroup != "" || source == "" {
		return out, nil
	}
	c, err := awsapi.Cluster(ctx, s.rds.describeDBClusters, source)
	switch {
	case err != nil:
		return out, err
	case c != nil && source != want.Identifier:
		out.parameterGroup = aws.ToString(c.DBClusterParameterGroup)
	case want.Mode == config.ClusterRestoreTime:
		return out, advise("correct cluster.source; of a cluster that was deleted, write its resource id as source_resource",
			"there is no cluster %s in %s", source, s.region)
	default:
		return out, advise("write cluster.parameter_group: the one that it had, default.aurora-mysql8.0 where it had none of its own (a wrong "+
			"one may keep the new cluster from starting)",
			"the snapshot %s is of the cluster %s, which is gone, and AWS does not tell which parameter group it had", want.Snapshot, source)
	}
	return out, nil
}

func (s *clusterStep) snapshot(ctx context.Context) (types.DBClusterSnapshot, error) {
	id := s.Config.Cluster.Snapshot
	in := &rds.DescribeDBClusterSnapshotsInput{DBClusterSnapshotIdentifier: aws.String(id)}
	if strings.HasPrefix(id, "arn:") { // one that was shared
		in.IncludeShared = aws.Bool(true)
	}
	out, err := s.rds.describeDBClusterSnapshots(ctx, in)
	if is[*types.DBClusterSnapshotNotFoundFault](err) || err == nil && len(out.DBClusterSnapshots) != 1 {
		return types.DBClusterSnapshot{}, advise("correct cluster.snapshot", "there is no cluster snapshot %s in %s", id, s.region)
	}
	if err != nil {
		return types.DBClusterSnapshot{}, fmt.Errorf("reading the snapshot %s: %w", id, err)
	}
	return out.DBClusterSnapshots[0], nil
}

// complete adds the instances to a new cluster: a cluster is made without any,
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
				_, err := s.rds.createDBInstance(ctx, &rds.CreateDBInstanceInput{DBInstanceIdentifier: aws.String(id),
					DBClusterIdentifier: aws.String(want.Identifier),
					DBInstanceClass:     aws.String(want.InstanceClass), Engine: aws.String(engineName), PubliclyAccessible: aws.Bool(false),
					Tags: tagList(s.tags(), rdsTag)})
				if is[*types.DBInstanceAlreadyExistsFault](err) {
					return nil
				}
				return err
			}})
			continue
		}
		switch status {
		case "available":
		case "failed", "incompatible-network", "incompatible-parameters", "incompatible-restore", "inaccessible-encryption-credentials",
			"insufficient-capacity", "deleting", "storage-full", "restore-error":
			return nil, nil, advise("see its events: aws rds describe-events --region "+s.region+" --source-type db-instance "+
				"--source-identifier "+id+" --duration 1440", "the instance %s is %s", id, status)
		default:
			if wait == nil {
				wait = &Wait{For: fmt.Sprintf("the instance %s to become available (it is %s)", id, plain(status)), Usual: "5 to 15 minutes",
					Every: 30 * time.Second, Budget: time.Hour}
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
