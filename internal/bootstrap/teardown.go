package bootstrap

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// Teardown returns what the configuration's bootstrap has made, in reverse order, as
// commands for a person to run. It reads alone: nothing is deleted. What kerbagent
// did not make is left out.
func Teardown(ctx context.Context, o Options) ([]string, error) {
	e, err := start(ctx, o, false)
	if err != nil {
		return nil, err
	}
	w := e.world
	t := &teardown{world: w, find: &directoryStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault{w.AWS.secrets, w}}}
	d, err := t.find.find(ctx)
	if err != nil {
		return nil, w.problem("directory", err)
	}
	ours := false
	if d != nil {
		w.directory = vpcOf(*d)
		if ours, err = t.find.tagged(ctx, w.directory.id); err != nil {
			return nil, w.problem("directory", err)
		}
	}
	for _, part := range []struct {
		step string
		add  func(context.Context) error
	}{{"cluster", t.cluster}, {"parameters", t.parameters}, {"users", t.users}, {"role", t.role}, {"trust", t.trust}} {
		if err := part.add(ctx); err != nil {
			return nil, w.problem(part.step, err)
		}
	}
	if ours {
		t.add("the directory, with every user in it; its backups go with it", "aws ds delete-directory --region %s --directory-id %s",
			w.region, w.directory.id)
	}
	if err := t.secrets(ctx); err != nil {
		return nil, w.problem("secrets", err)
	}
	return t.lines, nil
}

type teardown struct {
	*world
	find  *directoryStep
	lines []string
}

func (t *teardown) add(why, command string, args ...any) {
	t.lines = append(t.lines, "# "+why, fmt.Sprintf(command, args...))
}

// cluster is deleted where bootstrap made it, and else taken out of the domain.
func (t *teardown) cluster(ctx context.Context) error {
	id := t.Config.Cluster.Identifier
	c, err := awsapi.Cluster(ctx, t.AWS.rds.describeDBClusters, id)
	if err != nil || c == nil {
		return err
	}
	for _, u := range t.Config.DatabaseUsers {
		t.add("a database user; as the primary user of "+id, "DROP USER '%s'@'%s';", u.User, u.Host)
	}
	made := t.Config.Cluster.Mode != config.ClusterModify &&
		slices.ContainsFunc(c.TagList, func(tag rdstypes.Tag) bool { return aws.ToString(tag.Key) == ourTag })
	if !made {
		if slices.ContainsFunc(c.DomainMemberships, func(m rdstypes.DomainMembership) bool { return aws.ToString(m.Domain) == t.directory.id }) {
			t.add("no Kerberos login works after this", "aws rds modify-db-cluster --region %s --db-cluster-identifier %s --domain none "+
				"--apply-immediately", t.region, id)
		}
		return nil
	}
	for _, m := range c.DBClusterMembers {
		t.add("an instance of the cluster", "aws rds delete-db-instance --region %s --db-instance-identifier %s", t.region,
			aws.ToString(m.DBInstanceIdentifier))
	}
	t.add("the cluster, with ALL ITS DATA but for the snapshot that is made here",
		"aws rds delete-db-cluster --region %s --db-cluster-identifier %s --final-db-snapshot-identifier %s-final", t.region, id, id)
	return nil
}

// parameters are those of the group that is named for the cluster; it is free once no
// cluster has it.
func (t *teardown) parameters(ctx context.Context) error {
	if !t.Config.Cluster.AnyCase {
		return nil
	}
	s := &parametersStep{world: t.world, rds: t.AWS.rds}
	_, there, err := s.value(ctx, t.ownGroup())
	if err != nil || !there {
		return err
	}
	if c, err := awsapi.Cluster(ctx, t.AWS.rds.describeDBClusters, t.Config.Cluster.Identifier); err != nil {
		return err
	} else if c != nil && !t.Config.Cluster.Fresh() && aws.ToString(c.DBClusterParameterGroup) == t.ownGroup() {
		t.add("the cluster's names have case again after a reboot", "aws rds modify-db-cluster --region %s --db-cluster-identifier %s "+
			"--db-cluster-parameter-group-name default.%s", t.region, t.Config.Cluster.Identifier, familyOf(aws.ToString(c.EngineVersion)))
	}
	t.add("the parameter group that was made for the cluster", "aws rds delete-db-cluster-parameter-group --region %s "+
		"--db-cluster-parameter-group-name %s", t.region, t.ownGroup())
	return nil
}

func (t *teardown) users(context.Context) error {
	if t.directory.id == "" {
		return nil
	}
	for _, u := range t.Config.Users {
		t.add("a user of the directory; in PowerShell, as its Admin", "Remove-ADUser -Identity %s -Server %s", u.Name, t.Config.Directory.Name)
	}
	return nil
}

func (t *teardown) role(ctx context.Context) error {
	name := t.Config.Role.Name
	out, err := t.AWS.iam.getRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	if is[*iamtypes.NoSuchEntityException](err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading the role %s: %w", name, err)
	}
	if !slices.ContainsFunc(out.Role.Tags, func(tag iamtypes.Tag) bool { return aws.ToString(tag.Key) == ourTag }) {
		return nil
	}
	s := &roleStep{world: t.world}
	if t.Config.Role.Inline {
		t.add("the role by which Aurora reached the directory", "aws iam delete-role-policy --role-name %s --policy-name %s", quote(name),
			inlinePolicy)
	} else {
		t.add("the role by which Aurora reached the directory", "aws iam detach-role-policy --role-name %s --policy-arn %s", quote(name),
			s.managed())
	}
	t.lines = append(t.lines, "aws iam delete-role --role-name "+quote(name))
	return nil
}

func (t *teardown) trust(ctx context.Context) error {
	if t.Config.Trust == nil || t.directory.id == "" || t.directory.shared {
		return nil
	}
	found, err := (&trustStep{world: t.world, ds: t.AWS.directory}).find(ctx)
	if err != nil || found == nil {
		return err
	}
	t.add("AWS's half of the trust, which carries no tag: see that it is yours. The other half is deleted in "+t.Config.Trust.Domain,
		"aws ds delete-trust --region %s --trust-id %s", t.region, aws.ToString(found.TrustId))
	return nil
}

// secrets are last: the directory cannot be entered without them.
func (t *teardown) secrets(ctx context.Context) error {
	for _, ref := range t.managedSecrets() {
		out, err := t.AWS.secrets.describeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(ref.Manager)})
		if is[*secrettypes.ResourceNotFoundException](err) || deniedByName(err, ref.Manager) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", ref, err)
		}
		if slices.ContainsFunc(out.Tags, func(tag secrettypes.Tag) bool { return aws.ToString(tag.Key) == ourTag }) &&
			!strings.Contains(strings.Join(t.lines, "\n"), " "+quote(ref.Manager)+" ") {
			t.add("a password that bootstrap made; it can be restored for 30 days",
				"aws secretsmanager delete-secret --region %s --secret-id %s --recovery-window-in-days 30", t.region, quote(ref.Manager))
		}
	}
	return nil
}
