package bootstrap

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/kerbagent/kerbagent/internal/awsapi"
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
	cfg, err := awsapi.Load(ctx, region, profile, askCode, more...)
	var unknown awsconfig.SharedConfigProfileNotExistError
	if errors.As(err, &unknown) {
		return Clients{}, &Error{Exit: ExitUsage, Step: "start", Text: "the AWS configuration has no profile " + plain(unknown.Profile),
			Next: "correct --profile or AWS_PROFILE (aws configure list-profiles prints those that there are)", Err: err}
	}
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
	cfg = awsapi.Careful(cfg, 6, time.Minute)
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
			rebootDBInstance: db.RebootDBInstance, describeDBClusterParameters: db.DescribeDBClusterParameters,
			createDBClusterParameterGroup: db.CreateDBClusterParameterGroup,
			modifyDBClusterParameterGroup: db.ModifyDBClusterParameterGroup},
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
