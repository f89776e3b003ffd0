package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/kerbagent/kerbagent/config"
)

// Clients are the services that a bootstrap talks to, in one Region.
type Clients struct {
	region    string
	directory directoryCalls
	rds       rdsCalls
	ec2       ec2Calls
	iam       iamCalls
	sts       stsCalls
	secrets   secretsCalls
}

// Connect finds credentials and Region as every AWS tool does: environment,
// files, web identity, container, instance. What is given empty is found there.
func Connect(ctx context.Context, region, profile string) (Clients, error) {
	cfg, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(region), awsconfig.WithSharedConfigProfile(profile))
	if err != nil {
		return Clients{}, &Error{Exit: ExitUsage, Step: "start", Text: err.Error(), Next: "correct the profile, or the AWS configuration", Err: err}
	}
	if cfg.Region == "" {
		return Clients{}, &Error{Exit: ExitUsage, Step: "start", Text: "no Region is known", Next: "write bootstrap.region, or give --region"}
	}
	return NewClients(cfg), nil
}

// NewClients makes the clients of one configuration. The SDK repeats by itself
// only what AWS refused for the number of requests. Anything else may have had
// its effect, and a second directory costs money: the engine looks first.
func NewClients(cfg aws.Config) Clients {
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 6
			o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes}}
		})
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	if b, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = b.WithTimeout(time.Minute) // a connection that hangs is one whose answer is lost
	}
	if inner := cfg.Credentials; inner != nil {
		cfg.Credentials = aws.NewCredentialsCache(aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			c, err := inner.Retrieve(ctx)
			if err != nil && ctx.Err() == nil {
				err = &credentialsError{err}
			}
			return c, err
		}))
	}
	ds, db, net, id, who, sm := directoryservice.NewFromConfig(cfg), rds.NewFromConfig(cfg), ec2.NewFromConfig(cfg), iam.NewFromConfig(cfg), sts.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)
	return Clients{
		region:    cfg.Region,
		directory: directoryCalls{createMicrosoftAD: ds.CreateMicrosoftAD, describeDirectories: ds.DescribeDirectories, describeDomainControllers: ds.DescribeDomainControllers, getDirectoryLimits: ds.GetDirectoryLimits, listTagsForResource: ds.ListTagsForResource, createTrust: ds.CreateTrust, describeTrusts: ds.DescribeTrusts, verifyTrust: ds.VerifyTrust, describeConditionalForwarders: ds.DescribeConditionalForwarders, createConditionalForwarder: ds.CreateConditionalForwarder, updateConditionalForwarder: ds.UpdateConditionalForwarder},
		rds:       rdsCalls{describeDBClusters: db.DescribeDBClusters, describeDBInstances: db.DescribeDBInstances, describeOrderableDBInstanceOptions: db.DescribeOrderableDBInstanceOptions, describeEvents: db.DescribeEvents, createDBCluster: createDBCluster(db.DescribeDBClusters), modifyDBCluster: db.ModifyDBCluster, restoreDBClusterFromSnapshot: db.RestoreDBClusterFromSnapshot, restoreDBClusterToPointInTime: db.RestoreDBClusterToPointInTime, createDBInstance: db.CreateDBInstance, rebootDBInstance: db.RebootDBInstance},
		ec2:       ec2Calls{describeSubnets: net.DescribeSubnets, describeSecurityGroups: net.DescribeSecurityGroups, authorizeSecurityGroupEgress: net.AuthorizeSecurityGroupEgress},
		iam:       iamCalls{getRole: id.GetRole, createRole: id.CreateRole, updateAssumeRolePolicy: id.UpdateAssumeRolePolicy, listAttachedRolePolicies: id.ListAttachedRolePolicies, attachRolePolicy: id.AttachRolePolicy, getRolePolicy: id.GetRolePolicy, putRolePolicy: id.PutRolePolicy},
		secrets:   secretsCalls{createSecret: sm.CreateSecret, getSecretValue: sm.GetSecretValue, deleteSecret: sm.DeleteSecret},
		sts:       stsCalls{getCallerIdentity: who.GetCallerIdentity},
	}
}

// world is what the steps share: the wish, the means, and what was found so far.
type world struct {
	Options
	began                      time.Time
	state                      *state
	account, partition, region string
	directory                  foundDirectory // by the directory's step
	cluster                    foundCluster   // by the cluster's step
}

// identify asks who we are, which tells the partition too.
func (w *world) identify(ctx context.Context) error {
	w.region = w.AWS.region
	out, err := w.AWS.sts.getCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("asking AWS who we are: %w", err)
	}
	a, err := arn.Parse(aws.ToString(out.Arn))
	if err != nil {
		return fmt.Errorf("asking AWS who we are: %w", err)
	}
	w.account, w.partition = aws.ToString(out.Account), a.Partition
	if want := w.Config.Region; want != "" && want != w.region {
		return &Error{Exit: ExitUsage, Step: "start", Text: fmt.Sprintf("bootstrap.region is %s and --region %s", want, w.region), Next: "leave the flag out"}
	}
	return nil
}

func (w *world) tell(ev Event) {
	if w.Progress != nil {
		w.Progress(ev)
	}
}

// steps are the guide's, in its order.
func (w *world) steps() []step {
	vault := vault{w.AWS.secrets, w}
	steps := []step{&directoryStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault}}
	if w.Config.Trust != nil {
		steps = append(steps, &trustStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault})
	}
	steps = append(steps, &roleStep{world: w, iam: w.AWS.iam})
	if len(w.Config.Users) > 0 {
		steps = append(steps, &usersStep{world: w, vault: vault})
	}
	steps = append(steps, &clusterStep{world: w, rds: w.AWS.rds, ec2: w.AWS.ec2, vault: vault})
	if w.Config.Cluster.Mode == config.ClusterModify {
		steps = append(steps, &readersStep{world: w, rds: w.AWS.rds})
	}
	if len(w.Config.DatabaseUsers) > 0 {
		steps = append(steps, &databaseStep{world: w, vault: vault})
	}
	return append(steps, &clientStep{world: w, vault: vault})
}

// ourTag marks what a bootstrap made; its value is the directory's name.
const ourTag = "kerbagent:bootstrap"

// tags are put on everything that is made.
func (w *world) tags() map[string]string {
	out := map[string]string{ourTag: w.Config.Directory.Name}
	for k, v := range w.Config.Tags {
		out[k] = v
	}
	return out
}

// partitionOf is the partition of a Region, for ARNs where nobody can be asked.
func partitionOf(region string) string {
	for _, p := range [][2]string{{"cn-", "aws-cn"}, {"us-gov-", "aws-us-gov"}, {"us-isob-", "aws-iso-b"}, {"us-iso-", "aws-iso"},
		{"eu-isoe-", "aws-iso-e"}, {"us-isof-", "aws-iso-f"}, {"eusc-", "aws-eusc"}} {
		if strings.HasPrefix(region, p[0]) {
			return p[1]
		}
	}
	return "aws"
}

var errNoSecret = errors.New("there is no such secret")
