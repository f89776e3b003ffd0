package bootstrap

import (
	"context"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	dstypes "github.com/aws/aws-sdk-go-v2/service/directoryservice/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	rdstypes "github.com/aws/aws-sdk-go-v2/service/rds/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secrettypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// belongings are the resources that bootstrap has created, as AWS has them. nil: there
// is none, or it is somebody else's.
type belongings struct {
	*world
	directory *dstypes.DirectoryDescription
	trust     *dstypes.Trust
	role      *iamtypes.Role
	cluster   *rdstypes.DBCluster
	instances []rdstypes.DBInstance
	joined    *rdstypes.DBCluster // somebody else's, that has joined the directory
	secrets   []*secretsmanager.DescribeSecretOutput
}

func (b *belongings) readDirectory(ctx context.Context) error {
	find := &directoryStep{world: b.world, ds: b.AWS.directory, ec2: b.AWS.ec2, vault: vault{b.AWS.secrets, b.world}}
	d, err := find.find(ctx)
	if err != nil || d == nil {
		return err
	}
	b.world.directory = vpcOf(*d)
	ours, err := find.tagged(ctx, b.world.directory.id)
	if err != nil {
		return err
	}
	if ours {
		b.directory = d
	}
	if b.Config.Trust != nil && !b.world.directory.shared {
		b.trust, err = (&trustStep{world: b.world, ds: b.AWS.directory}).find(ctx)
	}
	return err
}

func (b *belongings) readRole(ctx context.Context) error {
	name := b.Config.Role.Name
	out, err := b.AWS.iam.getRole(ctx, &iam.GetRoleInput{RoleName: aws.String(name)})
	switch {
	case is[*iamtypes.NoSuchEntityException](err):
		return nil
	case err != nil:
		return fmt.Errorf("reading the role %s: %w", name, err)
	}
	if slices.ContainsFunc(out.Role.Tags, func(t iamtypes.Tag) bool { return aws.ToString(t.Key) == ourTag }) {
		b.role = out.Role
	}
	return nil
}

func (b *belongings) readCluster(ctx context.Context) error {
	c, err := awsapi.Cluster(ctx, b.AWS.rds.describeDBClusters, b.Config.Cluster.Identifier)
	if err != nil || c == nil {
		return err
	}
	ours := b.Config.Cluster.Fresh() && slices.ContainsFunc(c.TagList, func(t rdstypes.Tag) bool { return aws.ToString(t.Key) == ourTag })
	if !ours {
		if slices.ContainsFunc(c.DomainMemberships,
			func(m rdstypes.DomainMembership) bool { return aws.ToString(m.Domain) == b.world.directory.id }) {
			b.joined = c
		}
		return nil
	}
	b.cluster = c
	b.instances, err = (&clusterStep{world: b.world, rds: b.AWS.rds}).instances(ctx, c)
	return err
}

func (b *belongings) readSecrets(ctx context.Context) error {
	for _, ref := range b.managedSecrets() {
		out, err := b.AWS.secrets.describeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: aws.String(ref.Manager)})
		if is[*secrettypes.ResourceNotFoundException](err) || deniedByName(err, ref.Manager) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", ref, err)
		}
		ours := slices.ContainsFunc(out.Tags, func(t secrettypes.Tag) bool { return aws.ToString(t.Key) == ourTag })
		known := slices.ContainsFunc(b.secrets,
			func(s *secretsmanager.DescribeSecretOutput) bool { return aws.ToString(s.ARN) == aws.ToString(out.ARN) })
		if ours && !known {
			b.secrets = append(b.secrets, out)
		}
	}
	return nil
}

// left are what no tool of this kind knows, or what it must not take over from here.
func (b *belongings) left() []string {
	var out []string
	if len(b.Config.Users) > 0 {
		out = append(out, "the users of the directory: neither Terraform nor CloudFormation creates them; kerbagent bootstrap still does")
	}
	if len(b.Config.DatabaseUsers) > 0 {
		out = append(out, "the database users: kerbagent bootstrap still creates them")
	}
	if b.Config.Cluster.AnyCase {
		out = append(out, "the DB cluster parameter group "+b.ownGroup()+" or the one that the cluster has, with "+anyCase)
	}
	if b.joined != nil {
		out = append(out, fmt.Sprintf("the cluster %s, which kerbagent did not create: in your own code for it, set the domain to %s and the "+
			"domain's IAM role name to %s",
			aws.ToString(b.joined.DBClusterIdentifier), b.world.directory.id, b.Config.Role.Name))
	}
	if b.Config.Trust != nil && b.world.directory.group != "" {
		out = append(out, "the rules by which the domain controllers ("+b.world.directory.group+") reach the other forest: AWS created that "+
			"security group, and kerbagent added rules to it")
	}
	return out
}
