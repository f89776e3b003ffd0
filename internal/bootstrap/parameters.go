package bootstrap

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

const (
	// anyCase is the cluster parameter with which a database user's name need not be in
	// the case of the directory's (Aurora user guide, Kerberos set-up, step 8).
	anyCase = "authentication_kerberos_caseins_cmp"
	// groupSettles is how long a new parameter group may not be complete: a cluster that
	// is made with it earlier may not get its parameters (RDS API reference,
	// CreateDBClusterParameterGroup).
	groupSettles = 5 * time.Minute
)

// parametersStep is the newer guide's step 8: the parameter is set in the cluster's own
// parameter group, which is made where it has a default one. Nothing is rebooted here.
type parametersStep struct {
	*world
	rds      rdsCalls
	clusters *clusterStep
}

func (s *parametersStep) name() string { return "parameters" }

func (s *parametersStep) look(ctx context.Context) (view, error) {
	has, version, c, err := s.current(ctx)
	if err != nil {
		return view{}, err
	}
	if has == "" && c == nil && s.Config.Cluster.Mode == config.ClusterModify {
		return view{is: "there is no cluster " + s.Config.Cluster.Identifier}, nil // the cluster's step has more on that
	}
	group := s.parameterGroup(has)
	v := view{is: "the DB cluster parameter group " + group}
	value, there, err := s.value(ctx, group)
	if err != nil {
		return v, err
	}
	set := change{key: "set-" + group, what: "set " + anyCase + " to true in the parameter group " + group,
		act: func(ctx context.Context) error {
			_, err := s.rds.modifyDBClusterParameterGroup(ctx, &rds.ModifyDBClusterParameterGroupInput{
				DBClusterParameterGroupName: aws.String(group), Parameters: []types.Parameter{{
					ParameterName: aws.String(anyCase), ParameterValue: aws.String("true"), ApplyMethod: types.ApplyMethodPendingReboot}}})
			return err
		}}
	switch {
	case !there && group != s.ownGroup():
		return v, advise("correct cluster.parameter_group", "there is no DB cluster parameter group %s in %s", group, s.region)
	case !there:
		v.is = "there is no " + strings.TrimPrefix(v.is, "the ")
		v.do = append(v.do, s.making(group, version), set)
	case value != "true" && value != "1":
		v.do = append(v.do, set)
	}
	if len(v.do) > 0 && group != s.ownGroup() {
		v.notes = append(v.notes, "every cluster with the parameter group "+group+" gets "+anyCase+" with the next reboot of its instances")
	}
	if c != nil && has != group {
		id := s.Config.Cluster.Identifier
		v.do = append(v.do, change{key: "attach-" + group, what: fmt.Sprintf("give the cluster %s the parameter group %s in place of %s",
			id, group, has), next: "run aws rds modify-db-cluster --region " + s.region + " --db-cluster-identifier " + id +
			" --db-cluster-parameter-group-name " + group + " --apply-immediately, which also makes every change that waits for the " +
			"maintenance window; then run it again", act: func(ctx context.Context) error {
			_, err := s.rds.modifyDBCluster(ctx, &rds.ModifyDBClusterInput{DBClusterIdentifier: aws.String(id),
				DBClusterParameterGroupName: aws.String(group)})
			return err
		}})
	}
	if made, ok := s.state.Done["parameters/"+group]; ok && c == nil && len(v.do) == 0 {
		if left := groupSettles - s.Now().Sub(made); left > 0 {
			v.wait = &Wait{For: "AWS to complete the parameter group " + group + " before a cluster gets it", Usual: "5 minutes",
				Every: min(30*time.Second, left), Budget: 2 * groupSettles}
		}
	}
	if c != nil && len(v.do) == 0 {
		v.notes = append(v.notes, s.unbooted(c)...)
	}
	return v, nil
}

// current returns the parameter group that the cluster has or would get, and its version.
func (s *parametersStep) current(ctx context.Context) (group, version string, c *types.DBCluster, err error) {
	want := s.Config.Cluster
	if c, err = awsapi.Cluster(ctx, s.rds.describeDBClusters, want.Identifier); err != nil {
		return "", "", nil, err
	}
	if c != nil {
		return aws.ToString(c.DBClusterParameterGroup), aws.ToString(c.EngineVersion), c, nil
	}
	if want.Mode == config.ClusterModify {
		return "", "", nil, nil
	}
	from, err := s.clusters.origin(ctx)
	if err == nil && want.ParameterGroup == "" && from.parameterGroup != s.ownGroup() {
		err = advise("write cluster.parameter_group: "+from.parameterGroup+", and its other clusters get the parameter too; or the name of "+
			"a copy of it (aws rds copy-db-cluster-parameter-group)",
			"the cluster would get its source's parameter group %s, which is not for it alone", from.parameterGroup)
	}
	return from.parameterGroup, from.version, nil, err
}

// value reads the parameter; there: the group exists.
func (s *parametersStep) value(ctx context.Context, group string) (value string, there bool, err error) {
	out, err := s.rds.describeDBClusterParameters(ctx, &rds.DescribeDBClusterParametersInput{DBClusterParameterGroupName: aws.String(group),
		Filters: []types.Filter{{Name: aws.String("parameter-name"), Values: []string{anyCase}}}})
	if is[*types.DBParameterGroupNotFoundFault](err) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading the parameter group %s: %w", group, err)
	}
	for _, p := range out.Parameters {
		if aws.ToString(p.ParameterName) == anyCase {
			return aws.ToString(p.ParameterValue), true, nil
		}
	}
	return "", true, nil
}

func (s *parametersStep) making(group, version string) change {
	family := familyOf(version)
	return change{key: "create-" + group, what: fmt.Sprintf("create the DB cluster parameter group %s (%s)", group, family),
		act: func(ctx context.Context) error {
			_, err := s.rds.createDBClusterParameterGroup(ctx, &rds.CreateDBClusterParameterGroupInput{
				DBClusterParameterGroupName: aws.String(group), DBParameterGroupFamily: aws.String(family),
				Description: aws.String("Made by kerbagent bootstrap for the cluster " + s.Config.Cluster.Identifier),
				Tags:        tagList(s.tags(), rdsTag)})
			if err != nil && !is[*types.DBParameterGroupAlreadyExistsFault](err) {
				return fmt.Errorf("making the parameter group: %w", err)
			}
			return s.state.did("parameters/"+group, s.Now())
		}}
}

// unbooted reports which instances do not have the parameters of the group yet.
func (s *parametersStep) unbooted(c *types.DBCluster) []string {
	var out []string
	for _, m := range c.DBClusterMembers {
		if aws.ToString(m.DBClusterParameterGroupStatus) != "pending-reboot" {
			continue
		}
		id := aws.ToString(m.DBInstanceIdentifier)
		kind := "reader"
		if aws.ToBool(m.IsClusterWriter) {
			kind = "writer"
		}
		out = append(out, "the "+kind+" "+id+" has "+anyCase+" after its next reboot: aws rds reboot-db-instance --region "+s.region+
			" --db-instance-identifier "+quote(id))
	}
	return out
}

// familyOf returns the parameter group family of an engine version: aurora-mysql8.0 of
// 8.0.mysql_aurora.3.04.0.
func familyOf(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 2 {
		return engineName + version
	}
	return engineName + parts[0] + "." + parts[1]
}

func (s *parametersStep) needs() []permission {
	group, any := s.arn("rds", s.region, "cluster-pg:"+s.ownGroup()), s.arn("rds", s.region, "cluster-pg:*")
	set := any // the one that the cluster has
	if g := s.Config.Cluster.ParameterGroup; g != "" {
		return []permission{watch("rds:DescribeDBClusters", "*"), watch("rds:DescribeDBClusterParameters", any),
			act("rds:ModifyDBClusterParameterGroup", s.arn("rds", s.region, "cluster-pg:"+g))}
	}
	if s.Config.Cluster.Fresh() {
		set = group
	}
	return []permission{watch("rds:DescribeDBClusters", "*"), watch("rds:DescribeDBClusterParameters", any),
		act("rds:CreateDBClusterParameterGroup", group), act("rds:AddTagsToResource", group), act("rds:ModifyDBClusterParameterGroup", set)}
}
