package bootstrap

import (
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// unreachable asks each service one small question, side by side, and says which
// did not get it, and why. Whatever a service answers, a refusal too, it is
// reachable. STS has answered already.
func (w *world) unreachable(ctx context.Context) []string {
	services := []struct {
		name string
		ask  func() error
	}{
		{"AWS Directory Service", func() error {
			_, err := w.AWS.directory.getDirectoryLimits(ctx, &directoryservice.GetDirectoryLimitsInput{})
			return err
		}},
		{"Amazon EC2", func() error {
			_, err := w.AWS.ec2.describeVpcs(ctx, &ec2.DescribeVpcsInput{MaxResults: aws.Int32(5)})
			return err
		}},
		{"IAM", func() error {
			_, err := w.AWS.iam.getRole(ctx, &iam.GetRoleInput{RoleName: aws.String(w.Config.Role.Name)})
			return err
		}},
		{"Amazon RDS", func() error {
			_, err := w.AWS.rds.describeDBClusters(ctx, &rds.DescribeDBClustersInput{DBClusterIdentifier: aws.String(w.Config.Cluster.Identifier)})
			return err
		}},
		{"AWS Secrets Manager", func() error {
			_, err := w.AWS.secrets.getSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(lockName)})
			return err
		}},
	}
	notes := make([]string, len(services))
	var all sync.WaitGroup
	for i, s := range services {
		all.Go(func() {
			if where, why := awsapi.Unsent(s.ask()); why != "" {
				notes[i] = fmt.Sprintf("%s (%s) is not reachable from this host: %s", s.name, where, why)
			}
		})
	}
	all.Wait()
	var out []string
	for _, n := range notes {
		if n != "" {
			out = append(out, n+"; it takes a NAT, a proxy (HTTPS_PROXY), or an interface endpoint where the Region has one")
		}
	}
	return out
}
