package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
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
// askCode asks for the code of a profile with MFA; nil: there is nobody to ask.
func Connect(ctx context.Context, region, profile string, askCode func() (string, error),
	more ...func(*awsconfig.LoadOptions) error) (Clients, error) {
	if askCode == nil {
		askCode = func() (string, error) { return "", errNobodyToAsk }
	}
	more = append(more, awsconfig.WithRegion(region), awsconfig.WithSharedConfigProfile(profile),
		awsconfig.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) { o.TokenProvider = askCode }))
	cfg, err := awsconfig.LoadDefaultConfig(ctx, more...)
	if err != nil {
		return Clients{}, &Error{Exit: ExitUsage, Step: "start", Text: err.Error(),
			Next: "correct the profile, or the AWS configuration", Err: err}
	}
	if cfg.Region == "" {
		return Clients{}, &Error{Exit: ExitUsage, Step: "start", Text: "no AWS Region is set", Next: "set bootstrap.region, or pass --region"}
	}
	return NewClients(cfg), nil
}

// NewClients makes the clients of one configuration. The SDK repeats by itself
// only what AWS refused for the number of requests, or for this host's clock, which
// the SDK corrects then by AWS's. Anything else may have had
// its effect, and a second directory costs money: the engine looks first.
func NewClients(cfg aws.Config) Clients {
	cfg.Retryer = func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts = 6
			o.Retryables = []retry.IsErrorRetryable{retry.RetryableErrorCode{Codes: retry.DefaultThrottleErrorCodes},
				retry.IsErrorRetryableFunc(clockCorrected)}
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
	ds, db, net, id, who, sm := directoryservice.NewFromConfig(cfg), rds.NewFromConfig(cfg), ec2.NewFromConfig(cfg),
		iam.NewFromConfig(cfg), sts.NewFromConfig(cfg), secretsmanager.NewFromConfig(cfg)
	return Clients{
		region: cfg.Region,
		directory: directoryCalls{createMicrosoftAD: ds.CreateMicrosoftAD, describeDirectories: ds.DescribeDirectories,
			describeDomainControllers: ds.DescribeDomainControllers, getDirectoryLimits: ds.GetDirectoryLimits,
			listTagsForResource: ds.ListTagsForResource, createTrust: ds.CreateTrust, describeTrusts: ds.DescribeTrusts,
			verifyTrust: ds.VerifyTrust, resetUserPassword: ds.ResetUserPassword,
			describeConditionalForwarders: ds.DescribeConditionalForwarders, createConditionalForwarder: ds.CreateConditionalForwarder,
			updateConditionalForwarder: ds.UpdateConditionalForwarder},
		rds: rdsCalls{describeDBClusters: db.DescribeDBClusters, describeDBInstances: db.DescribeDBInstances,
			describeOrderableDBInstanceOptions: db.DescribeOrderableDBInstanceOptions, describeEvents: db.DescribeEvents,
			describeDBClusterSnapshots: db.DescribeDBClusterSnapshots, createDBCluster: createDBCluster(db.DescribeDBClusters),
			modifyDBCluster: db.ModifyDBCluster, restoreDBClusterFromSnapshot: db.RestoreDBClusterFromSnapshot,
			restoreDBClusterToPointInTime: db.RestoreDBClusterToPointInTime, createDBInstance: db.CreateDBInstance,
			rebootDBInstance: db.RebootDBInstance},
		ec2: ec2Calls{describeVpcs: net.DescribeVpcs, describeSubnets: net.DescribeSubnets,
			describeSecurityGroups: net.DescribeSecurityGroups, authorizeSecurityGroupEgress: net.AuthorizeSecurityGroupEgress},
		iam: iamCalls{listAccountAliases: id.ListAccountAliases, getPolicy: id.GetPolicy, getPolicyVersion: id.GetPolicyVersion,
			listRolePolicies: id.ListRolePolicies, getRole: id.GetRole, createRole: id.CreateRole,
			updateAssumeRolePolicy: id.UpdateAssumeRolePolicy, listAttachedRolePolicies: id.ListAttachedRolePolicies,
			attachRolePolicy: id.AttachRolePolicy, getRolePolicy: id.GetRolePolicy, putRolePolicy: id.PutRolePolicy},
		secrets: secretsCalls{createSecret: sm.CreateSecret, getSecretValue: sm.GetSecretValue, deleteSecret: sm.DeleteSecret,
			describeSecret: sm.DescribeSecret, putSecretValue: sm.PutSecretValue, updateSecretVersionStage: sm.UpdateSecretVersionStage},
		sts: stsCalls{getCallerIdentity: who.GetCallerIdentity},
	}
}

// clockCorrected reports that AWS refused a signature for its time: the SDK marks
// such answers, and signs the next attempt by AWS's clock.
func clockCorrected(err error) aws.Ternary {
	var marked interface{ RetryableError() bool }
	if code(err) != "" && errors.As(err, &marked) && marked.RetryableError() {
		return aws.TrueTernary
	}
	return aws.UnknownTernary
}
