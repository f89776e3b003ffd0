package bootstrap

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// What is used of AWS, one function an operation.

// call is one operation of the SDK: input, output, options.
type call[I, O, P any] = awsapi.Call[I, O, P]

// directoryCalls are those of directoryservice.
type directoryCalls struct {
	createMicrosoftAD call[directoryservice.CreateMicrosoftADInput, directoryservice.CreateMicrosoftADOutput,
		directoryservice.Options]
	describeDirectories call[directoryservice.DescribeDirectoriesInput, directoryservice.DescribeDirectoriesOutput,
		directoryservice.Options]
	describeDomainControllers call[directoryservice.DescribeDomainControllersInput, directoryservice.DescribeDomainControllersOutput,
		directoryservice.Options]
	getDirectoryLimits call[directoryservice.GetDirectoryLimitsInput, directoryservice.GetDirectoryLimitsOutput,
		directoryservice.Options]
	listTagsForResource call[directoryservice.ListTagsForResourceInput, directoryservice.ListTagsForResourceOutput,
		directoryservice.Options]
	resetUserPassword call[directoryservice.ResetUserPasswordInput, directoryservice.ResetUserPasswordOutput,
		directoryservice.Options]
	createTrust                   call[directoryservice.CreateTrustInput, directoryservice.CreateTrustOutput, directoryservice.Options]
	describeTrusts                call[directoryservice.DescribeTrustsInput, directoryservice.DescribeTrustsOutput, directoryservice.Options]
	verifyTrust                   call[directoryservice.VerifyTrustInput, directoryservice.VerifyTrustOutput, directoryservice.Options]
	describeConditionalForwarders call[directoryservice.DescribeConditionalForwardersInput,
		directoryservice.DescribeConditionalForwardersOutput, directoryservice.Options]
	createConditionalForwarder call[directoryservice.CreateConditionalForwarderInput, directoryservice.CreateConditionalForwarderOutput,
		directoryservice.Options]
	updateConditionalForwarder call[directoryservice.UpdateConditionalForwarderInput, directoryservice.UpdateConditionalForwarderOutput,
		directoryservice.Options]
}

// rdsCalls are those of rds.
type rdsCalls struct {
	describeDBClusters                 call[rds.DescribeDBClustersInput, rds.DescribeDBClustersOutput, rds.Options]
	describeDBInstances                call[rds.DescribeDBInstancesInput, rds.DescribeDBInstancesOutput, rds.Options]
	describeOrderableDBInstanceOptions call[rds.DescribeOrderableDBInstanceOptionsInput, rds.DescribeOrderableDBInstanceOptionsOutput,
		rds.Options]
	describeDBClusterSnapshots    call[rds.DescribeDBClusterSnapshotsInput, rds.DescribeDBClusterSnapshotsOutput, rds.Options]
	describeEvents                call[rds.DescribeEventsInput, rds.DescribeEventsOutput, rds.Options]
	createDBCluster               func(context.Context, newCluster) error
	modifyDBCluster               call[rds.ModifyDBClusterInput, rds.ModifyDBClusterOutput, rds.Options]
	restoreDBClusterFromSnapshot  call[rds.RestoreDBClusterFromSnapshotInput, rds.RestoreDBClusterFromSnapshotOutput, rds.Options]
	restoreDBClusterToPointInTime call[rds.RestoreDBClusterToPointInTimeInput, rds.RestoreDBClusterToPointInTimeOutput, rds.Options]
	describeDBClusterParameters   call[rds.DescribeDBClusterParametersInput, rds.DescribeDBClusterParametersOutput, rds.Options]
	createDBClusterParameterGroup call[rds.CreateDBClusterParameterGroupInput, rds.CreateDBClusterParameterGroupOutput, rds.Options]
	modifyDBClusterParameterGroup call[rds.ModifyDBClusterParameterGroupInput, rds.ModifyDBClusterParameterGroupOutput, rds.Options]
	createDBInstance              call[rds.CreateDBInstanceInput, rds.CreateDBInstanceOutput, rds.Options]
	rebootDBInstance              call[rds.RebootDBInstanceInput, rds.RebootDBInstanceOutput, rds.Options]
}

// ec2Calls are those of ec2.
type ec2Calls struct {
	describeVpcs                 call[ec2.DescribeVpcsInput, ec2.DescribeVpcsOutput, ec2.Options]
	describeSubnets              call[ec2.DescribeSubnetsInput, ec2.DescribeSubnetsOutput, ec2.Options]
	describeSecurityGroups       call[ec2.DescribeSecurityGroupsInput, ec2.DescribeSecurityGroupsOutput, ec2.Options]
	authorizeSecurityGroupEgress call[ec2.AuthorizeSecurityGroupEgressInput, ec2.AuthorizeSecurityGroupEgressOutput, ec2.Options]
}

// iamCalls are those of iam.
type iamCalls struct {
	listAccountAliases       call[iam.ListAccountAliasesInput, iam.ListAccountAliasesOutput, iam.Options]
	getPolicy                call[iam.GetPolicyInput, iam.GetPolicyOutput, iam.Options]
	getPolicyVersion         call[iam.GetPolicyVersionInput, iam.GetPolicyVersionOutput, iam.Options]
	listRolePolicies         call[iam.ListRolePoliciesInput, iam.ListRolePoliciesOutput, iam.Options]
	getRole                  call[iam.GetRoleInput, iam.GetRoleOutput, iam.Options]
	createRole               call[iam.CreateRoleInput, iam.CreateRoleOutput, iam.Options]
	updateAssumeRolePolicy   call[iam.UpdateAssumeRolePolicyInput, iam.UpdateAssumeRolePolicyOutput, iam.Options]
	listAttachedRolePolicies call[iam.ListAttachedRolePoliciesInput, iam.ListAttachedRolePoliciesOutput, iam.Options]
	attachRolePolicy         call[iam.AttachRolePolicyInput, iam.AttachRolePolicyOutput, iam.Options]
	getRolePolicy            call[iam.GetRolePolicyInput, iam.GetRolePolicyOutput, iam.Options]
	putRolePolicy            call[iam.PutRolePolicyInput, iam.PutRolePolicyOutput, iam.Options]
}

// secretsCalls are those of secretsmanager.
type secretsCalls struct {
	createSecret             call[secretsmanager.CreateSecretInput, secretsmanager.CreateSecretOutput, secretsmanager.Options]
	getSecretValue           call[secretsmanager.GetSecretValueInput, secretsmanager.GetSecretValueOutput, secretsmanager.Options]
	deleteSecret             call[secretsmanager.DeleteSecretInput, secretsmanager.DeleteSecretOutput, secretsmanager.Options]
	describeSecret           call[secretsmanager.DescribeSecretInput, secretsmanager.DescribeSecretOutput, secretsmanager.Options]
	putSecretValue           call[secretsmanager.PutSecretValueInput, secretsmanager.PutSecretValueOutput, secretsmanager.Options]
	updateSecretVersionStage call[secretsmanager.UpdateSecretVersionStageInput, secretsmanager.UpdateSecretVersionStageOutput,
		secretsmanager.Options]
}

// stsCalls are those of sts.
type stsCalls struct {
	getCallerIdentity call[sts.GetCallerIdentityInput, sts.GetCallerIdentityOutput, sts.Options]
}

// ListTagsForResource is the SDK's, for its paginator.
func (c directoryCalls) ListTagsForResource(ctx context.Context, in *directoryservice.ListTagsForResourceInput,
	o ...func(*directoryservice.Options)) (*directoryservice.ListTagsForResourceOutput, error) {
	return c.listTagsForResource(ctx, in, o...)
}

// DescribeTrusts is the SDK's, for its paginator.
func (c directoryCalls) DescribeTrusts(ctx context.Context, in *directoryservice.DescribeTrustsInput,
	o ...func(*directoryservice.Options)) (*directoryservice.DescribeTrustsOutput, error) {
	return c.describeTrusts(ctx, in, o...)
}

// DescribeOrderableDBInstanceOptions is the SDK's, for its paginator.
func (c rdsCalls) DescribeOrderableDBInstanceOptions(ctx context.Context, in *rds.DescribeOrderableDBInstanceOptionsInput,
	o ...func(*rds.Options)) (*rds.DescribeOrderableDBInstanceOptionsOutput, error) {
	return c.describeOrderableDBInstanceOptions(ctx, in, o...)
}

// ListAttachedRolePolicies is the SDK's, for its paginator.
func (c iamCalls) ListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput,
	o ...func(*iam.Options)) (*iam.ListAttachedRolePoliciesOutput, error) {
	return c.listAttachedRolePolicies(ctx, in, o...)
}

// ListRolePolicies is the SDK's, for its paginator.
func (c iamCalls) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput,
	o ...func(*iam.Options)) (*iam.ListRolePoliciesOutput, error) {
	return c.listRolePolicies(ctx, in, o...)
}

// newCluster is what CreateDBCluster is given here.
type newCluster struct {
	id, version, subnetGroup string
	groups                   []string
	domain, role             string
	primary                  string
	password                 Secret // empty: RDS makes and keeps one
	parameterGroup, kmsKey   string // empty: the default
	least, most              string // capacity units of serverless instances; empty: there are none
	backupDays               int    // 0: AWS's default
	protect, noExtended      bool
	tags                     map[string]string
}
