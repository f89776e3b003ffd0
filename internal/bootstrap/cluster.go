package bootstrap

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

func (s *clusterStep) name() string { return "cluster" }

func (s *clusterStep) look(ctx context.Context) (view, error) {
	want := s.Config.Cluster
	c, err := awsapi.Cluster(ctx, s.rds.describeDBClusters, want.Identifier)
	if err != nil {
		return view{}, err
	}
	if c == nil {
		return s.lookMissing(ctx)
	}
	v := view{is: fmt.Sprintf("%s %s %s is %s", want.Identifier, aws.ToString(c.Engine), aws.ToString(c.EngineVersion),
		aws.ToString(c.Status))}
	if aws.ToString(c.Engine) != engineName {
		return v, advise("name an Aurora MySQL cluster", "the cluster %s runs %s, which has no Kerberos of this kind", want.Identifier,
			aws.ToString(c.Engine))
	}
	if err := s.ours(c); is[*foreignError](err) && s.state.lately("cluster/create-"+want.Identifier, s.Now(), directorySettle) {
		v.wait = &Wait{For: "AWS to show the tags of the cluster " + want.Identifier, Usual: "some seconds", Every: settleEvery,
			Budget: directorySettle}
		return v, nil
	} else if err != nil {
		return v, err
	}
	if wait, err := s.status(aws.ToString(c.Status)); err != nil || wait != nil {
		v.wait = wait
		return v, err
	}
	instances, err := s.instances(ctx, c)
	if err != nil {
		return v, err
	}
	if want.Mode != config.ClusterModify {
		missing, wait, err := s.complete(ctx, c, instances)
		if err != nil || wait != nil || len(missing) > 0 {
			v.do, v.wait = missing, wait
			return v, err
		}
	}
	return s.membership(ctx, v, c, instances)
}

func (s *clusterStep) needs() []permission {
	pass := act("iam:PassRole", s.arn("iam", "", "role"+s.Config.Role.Path+s.Config.Role.Name)).when(condition{"StringEquals",
		"iam:PassedToService", "rds.amazonaws.com,directoryservice.rds.amazonaws.com"})
	out := []permission{watch("rds:DescribeDBClusters", "*"), watch("rds:DescribeDBInstances", "*"),
		watch("rds:DescribeOrderableDBInstanceOptions", "*"),
		watch("ec2:DescribeSecurityGroups", "*"), pass}
	if s.Config.Directory.ID != "" || s.Config.Directory.Adopt { // it may be in another VPC
		out = append(out, watch("ec2:DescribeVpcs", "*"))
	}
	for _, a := range map[config.ClusterMode][]string{
		config.ClusterCreate:          {"CreateDBCluster", "CreateDBInstance", "AddTagsToResource"},
		config.ClusterModify:          {"ModifyDBCluster"},
		config.ClusterRestoreSnapshot: {"RestoreDBClusterFromSnapshot", "CreateDBInstance", "AddTagsToResource"},
		config.ClusterRestoreTime:     {"RestoreDBClusterToPointInTime", "CreateDBInstance", "AddTagsToResource"},
	}[s.Config.Cluster.Mode] {
		out = append(out, act("rds:"+a, "*"))
	}
	if s.Config.Cluster.Mode != config.ClusterModify { // for RDS's own role, where the account never had a database
		out = append(out, act("iam:CreateServiceLinkedRole", s.arn("iam", "", "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS")).
			when(condition{"StringEquals", "iam:AWSServiceName", "rds.amazonaws.com"}))
	}
	if s.Config.Cluster.Mode == config.ClusterRestoreSnapshot {
		out = append(out, watch("rds:DescribeDBClusterSnapshots", "*"))
	}
	if key := s.Config.Cluster.KMSKey; key != "" {
		out = append(out, s.onKey(key, "rds", "DescribeKey", "CreateGrant")...)
	}
	if s.Config.Cluster.Mode == config.ClusterCreate && s.Config.Cluster.PrimaryPassword.IsZero() {
		at := s.arn("secretsmanager", s.region, "secret:rds!cluster-*")
		out = append(out, act("secretsmanager:CreateSecret", at), act("secretsmanager:TagResource", at),
			act("kms:DescribeKey", s.arn("kms", s.region, "key/*")))
	}
	return append(out, s.vault.needs(s.Config.Cluster.PrimaryPassword, s.Config.Cluster.Mode == config.ClusterCreate)...)
}
