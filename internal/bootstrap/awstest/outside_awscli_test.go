//go:build awscli

package awstest

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// turn is one call of a client that we did not write.
type turn struct {
	service, action, params string        // $name in the parameters is what a turn before kept
	code                    string        // the error that it wants; "": success
	keep                    [2]string     // a name, and the path in the answer to what it stands for
	after                   time.Duration // moves the clock when it is done
}

// story is bootstrap's whole way by hand, with every action that the cloud knows.
func story() []turn {
	return []turn{
		{service: "sts", action: "GetCallerIdentity"},
		{service: "sts", action: "AssumeRole", params: `{"RoleArn":"arn:aws:iam::123456789012:role/operator","RoleSessionName":"outside"}`},
		{service: "iam", action: "ListAccountAliases"},
		{service: "ec2", action: "DescribeVpcs", params: `{"VpcIds":["vpc-0a000000"]}`},
		{service: "ec2", action: "DescribeSubnets", params: `{"Filters":[{"Name":"vpc-id","Values":["vpc-0a000000"]}]}`},
		{service: "ec2", action: "DescribeSubnets", params: `{"SubnetIds":["subnet-00000000"]}`, code: "InvalidSubnetID.NotFound"},
		{service: "ec2", action: "DescribeNetworkInterfaces", params: `{"Filters":[{"Name":"addresses.private-ip-address","Values":["10.0.1.9"]}]}`},
		{service: "ds", action: "GetDirectoryLimits"},
		{service: "secretsmanager", action: "CreateSecret", params: `{"Name":"kerbagent/corp/admin","SecretString":"Secret-1234","Tags":[{"Key":"made-by","Value":"kerbagent"}]}`, keep: [2]string{"secret", "ARN"}},
		{service: "secretsmanager", action: "CreateSecret", params: `{"Name":"kerbagent/corp/admin","SecretString":"other"}`, code: "ResourceExistsException"},
		{service: "secretsmanager", action: "TagResource", params: `{"SecretId":"$secret","Tags":[{"Key":"directory","Value":"corp"}]}`},
		{service: "secretsmanager", action: "PutSecretValue", params: `{"SecretId":"kerbagent/corp/admin","SecretString":"Secret-12345"}`},
		{service: "secretsmanager", action: "PutSecretValue", params: `{"SecretId":"$secret","SecretString":"Secret-123456","VersionStages":["AWSPENDING"]}`, keep: [2]string{"pending", "VersionId"}},
		{service: "secretsmanager", action: "GetSecretValue", params: `{"SecretId":"$secret","VersionStage":"AWSCURRENT"}`, keep: [2]string{"current", "VersionId"}},
		{service: "secretsmanager", action: "UpdateSecretVersionStage", code: "InvalidParameterException", params: `{"SecretId":"$secret","VersionStage":"AWSCURRENT","MoveToVersionId":"$pending"}`},
		{service: "secretsmanager", action: "UpdateSecretVersionStage", params: `{"SecretId":"$secret","VersionStage":"AWSCURRENT","MoveToVersionId":"$pending","RemoveFromVersionId":"$current"}`},
		{service: "secretsmanager", action: "DescribeSecret", params: `{"SecretId":"kerbagent/corp/admin"}`},
		{service: "secretsmanager", action: "GetSecretValue", params: `{"SecretId":"$secret"}`},
		{service: "ds", action: "CreateMicrosoftAD", code: "InvalidParameterException", params: `{"Name":"corp.example.com","Password":"NoAdmin-1234","Edition":"Standard","VpcSettings":{"VpcId":"vpc-0a000000","SubnetIds":["subnet-0a000001","subnet-0a000002"]}}`},
		{service: "ds", action: "CreateMicrosoftAD", keep: [2]string{"directory", "DirectoryId"}, after: time.Minute,
			params: `{"Name":"corp.example.com","ShortName":"CORP","Description":"for Aurora","Password":"Secret-12345","Edition":"Standard","VpcSettings":{"VpcId":"vpc-0a000000","SubnetIds":["subnet-0a000001","subnet-0a000002"]},"Tags":[{"Key":"made-by","Value":"kerbagent"}]}`},
		{service: "ds", action: "DescribeDirectories", after: time.Hour},
		{service: "ds", action: "DescribeDirectories", params: `{"DirectoryIds":["$directory"]}`, keep: [2]string{"group", "DirectoryDescriptions.0.VpcSettings.SecurityGroupId"}},
		{service: "ds", action: "DescribeDirectories", params: `{"DirectoryIds":["d-0123456789"]}`, code: "EntityDoesNotExistException"},
		{service: "ds", action: "ResetUserPassword", params: `{"DirectoryId":"$directory","UserName":"Admin","NewPassword":"Secret-123456"}`},
		{service: "ds", action: "ResetUserPassword", code: "UserDoesNotExistException", params: `{"DirectoryId":"$directory","UserName":"nobody","NewPassword":"Secret-123456"}`},
		{service: "ds", action: "DescribeDomainControllers", params: `{"DirectoryId":"$directory"}`},
		{service: "ds", action: "AddTagsToResource", params: `{"ResourceId":"$directory","Tags":[{"Key":"a","Value":"b"},{"Key":"c","Value":"d"}]}`},
		{service: "ds", action: "ListTagsForResource", params: `{"ResourceId":"$directory"}`},
		{service: "ec2", action: "DescribeSecurityGroups", params: `{"GroupIds":["$group"]}`},
		{service: "ec2", action: "AuthorizeSecurityGroupEgress", params: `{"GroupId":"$group","IpPermissions":[{"IpProtocol":"-1","IpRanges":[{"CidrIp":"192.0.2.0/24","Description":"other forest"}]},{"IpProtocol":"tcp","FromPort":88,"ToPort":88,"UserIdGroupPairs":[{"GroupId":"sg-0db"}]}],"TagSpecifications":[{"ResourceType":"security-group-rule","Tags":[{"Key":"made-by","Value":"kerbagent"}]}]}`},
		{service: "ec2", action: "DescribeSecurityGroupRules", params: `{"Filters":[{"Name":"group-id","Values":["$group"]}]}`},
		{service: "ec2", action: "DescribeRouteTables", params: `{"Filters":[{"Name":"vpc-id","Values":["vpc-0b000000"]}]}`},
		{service: "ec2", action: "DescribeVpcPeeringConnections", params: `{"Filters":[{"Name":"accepter-vpc-info.vpc-id","Values":["vpc-0a000000"]}]}`},
		{service: "ds", action: "AddIpRoutes", params: `{"DirectoryId":"$directory","IpRoutes":[{"CidrIp":"8.8.8.0/24"}],"UpdateSecurityGroupForDirectoryControllers":false}`},
		{service: "ds", action: "ListIpRoutes", params: `{"DirectoryId":"$directory"}`},
		{service: "ds", action: "CreateTrust", keep: [2]string{"trust", "TrustId"}, after: 5 * time.Minute,
			params: `{"DirectoryId":"$directory","RemoteDomainName":"onprem.local","TrustPassword":"trust-pass","TrustDirection":"One-Way: Outgoing","TrustType":"Forest","ConditionalForwarderIpAddrs":["192.0.2.53"]}`},
		{service: "ds", action: "DescribeTrusts", params: `{"DirectoryId":"$directory"}`},
		{service: "ds", action: "VerifyTrust", params: `{"TrustId":"$trust"}`},
		{service: "ds", action: "DescribeConditionalForwarders", params: `{"DirectoryId":"$directory","RemoteDomainNames":["onprem.local"]}`},
		{service: "ds", action: "UpdateConditionalForwarder", params: `{"DirectoryId":"$directory","RemoteDomainName":"onprem.local","DnsIpAddrs":["192.0.2.54"]}`},
		{service: "ds", action: "CreateConditionalForwarder", params: `{"DirectoryId":"$directory","RemoteDomainName":"other.local","DnsIpAddrs":["192.0.2.55"]}`},
		{service: "iam", action: "GetRole", params: `{"RoleName":"` + roleName + `"}`, code: "NoSuchEntity"},
		{service: "iam", action: "CreateRole", params: `{"RoleName":"` + roleName + `","AssumeRolePolicyDocument":` + quoted(guideTrust) + `,"Tags":[{"Key":"made-by","Value":"kerbagent"}]}`},
		{service: "iam", action: "UpdateAssumeRolePolicy", params: `{"RoleName":"` + roleName + `","PolicyDocument":` + quoted(guideTrust) + `}`},
		{service: "iam", action: "TagRole", params: `{"RoleName":"` + roleName + `","Tags":[{"Key":"a","Value":"b"}]}`},
		{service: "iam", action: "AttachRolePolicy", params: `{"RoleName":"` + roleName + `","PolicyArn":"` + managedARN + `"}`},
		{service: "iam", action: "PutRolePolicy", params: `{"RoleName":"` + roleName + `","PolicyName":"kerberos","PolicyDocument":` + quoted(serviceRoleAccess) + `}`},
		{service: "iam", action: "GetRole", params: `{"RoleName":"` + roleName + `"}`},
		{service: "iam", action: "ListAttachedRolePolicies", params: `{"RoleName":"` + roleName + `"}`},
		{service: "iam", action: "GetPolicy", params: `{"PolicyArn":"` + managedARN + `"}`},
		{service: "iam", action: "GetPolicyVersion", params: `{"PolicyArn":"` + managedARN + `","VersionId":"v1"}`},
		{service: "iam", action: "ListRolePolicies", params: `{"RoleName":"` + roleName + `"}`},
		{service: "iam", action: "GetRolePolicy", params: `{"RoleName":"` + roleName + `","PolicyName":"kerberos"}`, after: time.Minute},
		{service: "rds", action: "DescribeDBSubnetGroups", params: `{"DBSubnetGroupName":"dbs"}`},
		{service: "rds", action: "DescribeOrderableDBInstanceOptions", params: `{"Engine":"aurora-mysql","DBInstanceClass":"db.r6g.large"}`},
		{service: "rds", action: "CreateDBCluster", after: 5 * time.Minute, params: `{"DBClusterIdentifier":"shop","Engine":"aurora-mysql","EngineVersion":"8.0.mysql_aurora.3.08.0","DBSubnetGroupName":"dbs","VpcSecurityGroupIds":["sg-0db"],"MasterUsername":"root","MasterUserPassword":"primary-pass","StorageEncrypted":true,"Domain":"$directory","DomainIAMRoleName":"` + roleName + `","Tags":[{"Key":"made-by","Value":"kerbagent"}]}`},
		{service: "rds", action: "CreateDBInstance", after: 15 * time.Minute, params: `{"DBInstanceIdentifier":"shop-1","DBClusterIdentifier":"shop","DBInstanceClass":"db.r6g.large","Engine":"aurora-mysql","Tags":[{"Key":"made-by","Value":"kerbagent"}]}`},
		{service: "rds", action: "DescribeDBInstances", params: `{"Filters":[{"Name":"db-cluster-id","Values":["shop"]}]}`},
		{service: "rds", action: "DescribeDBClusters", params: `{"DBClusterIdentifier":"shop"}`},
		{service: "rds", action: "DescribeDBClusters", params: `{"DBClusterIdentifier":"none"}`, code: "DBClusterNotFoundFault"},
		{service: "rds", action: "ModifyDBCluster", after: 10 * time.Minute, params: `{"DBClusterIdentifier":"orders","Domain":"$directory","DomainIAMRoleName":"` + roleName + `","ApplyImmediately":true}`},
		{service: "rds", action: "CreateDBClusterParameterGroup", params: `{"DBClusterParameterGroupName":"any-case","DBParameterGroupFamily":"aurora-mysql8.0","Description":"d","Tags":[{"Key":"a","Value":"b"}]}`},
		{service: "rds", action: "CreateDBClusterParameterGroup", params: `{"DBClusterParameterGroupName":"any-case","DBParameterGroupFamily":"aurora-mysql8.0","Description":"d"}`, code: "DBParameterGroupAlreadyExists"},
		{service: "rds", action: "ModifyDBClusterParameterGroup", params: `{"DBClusterParameterGroupName":"any-case","Parameters":[{"ParameterName":"authentication_kerberos_caseins_cmp","ParameterValue":"true","ApplyMethod":"pending-reboot"}]}`},
		{service: "rds", action: "DescribeDBClusterParameters", params: `{"DBClusterParameterGroupName":"any-case","Filters":[{"Name":"parameter-name","Values":["authentication_kerberos_caseins_cmp"]}]}`},
		{service: "rds", action: "DescribeDBClusterParameters", params: `{"DBClusterParameterGroupName":"none"}`, code: "DBParameterGroupNotFound"},
		{service: "rds", action: "DescribeDBClusters"},
		{service: "rds", action: "RebootDBInstance", params: `{"DBInstanceIdentifier":"orders-2"}`, after: 2 * time.Minute},
		{service: "rds", action: "DescribeEvents", params: `{"SourceType":"db-instance","SourceIdentifier":"orders-2"}`},
		{service: "rds", action: "DescribeDBClusterSnapshots", params: `{"DBClusterSnapshotIdentifier":"nightly"}`},
		{service: "rds", action: "RestoreDBClusterFromSnapshot", params: `{"DBClusterIdentifier":"copy","SnapshotIdentifier":"nightly","Engine":"aurora-mysql","DBSubnetGroupName":"dbs","Domain":"$directory","DomainIAMRoleName":"` + roleName + `"}`},
		{service: "rds", action: "RestoreDBClusterToPointInTime", params: `{"DBClusterIdentifier":"past","SourceDBClusterIdentifier":"orders","UseLatestRestorableTime":true,"DBSubnetGroupName":"dbs"}`},
		{service: "rds", action: "AddTagsToResource", params: `{"ResourceName":"arn:aws:rds:us-east-1:123456789012:cluster:orders","Tags":[{"Key":"a","Value":"b"}]}`},
		{service: "rds", action: "ListTagsForResource", params: `{"ResourceName":"arn:aws:rds:us-east-1:123456789012:cluster:orders"}`},
		{service: "rds", action: "DescribeGlobalClusters"},
		{service: "secretsmanager", action: "DeleteSecret", params: `{"SecretId":"$secret","ForceDeleteWithoutRecovery":true}`},
	}
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}

// TestOutsideClients runs botocore and the AWS CLI through every action, and holds
// what they sent and got against AWS's models.
func TestOutsideClients(t *testing.T) {
	for _, mode := range []string{"botocore", "cli"} {
		t.Run(mode, func(t *testing.T) {
			c := world(t, Options{PageSize: 2})
			c.AddVPC("vpc-0b000000", "10.1.0.0/16")
			c.AddPeering("pcx-01", "vpc-0b000000", "vpc-0a000000", true)
			c.AddCluster(Cluster{ID: "orders", SubnetGroup: "dbs", Groups: []string{"sg-0db"}}, "orders-1", "orders-2", "orders-3")
			c.AddInterface("vpc-0a000000", "10.0.1.9", "sg-0db")
			c.AddSnapshot(Snapshot{ID: "nightly", Cluster: "orders"})
			c.AddGlobalCluster("world", "orders")
			play(t, c, mode, story())
			for service, actions := range c.actions {
				for _, name := range slices.Sorted(maps.Keys(actions)) {
					if !slices.ContainsFunc(c.Calls(), func(k Call) bool { return k.Service == service && k.Action == name && k.Effect }) {
						t.Errorf("no call of %s %s had an effect", service, name)
					}
				}
			}
			problems, err := Validate(t.Context(), c.Calls())
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range problems {
				t.Error(p)
			}
		})
	}
}

// play has a client do the turns of a story.
func play(t *testing.T, c *Cloud, mode string, turns []turn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // a client that hangs: usually it takes half a minute
	defer cancel()
	cmd := exec.CommandContext(ctx, "python3", "testdata/drive.py", mode, c.URL())
	home := t.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_ACCESS_KEY_ID=" + adminKey, "AWS_SECRET_ACCESS_KEY=" + adminSecret,
		"AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=" + home + "/none"}
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("drive.py (it needs python3 with botocore and awscli): %v", err)
		}
	}()
	answers := bufio.NewScanner(stdout)
	answers.Buffer(nil, 1<<20)
	kept := []string{}
	for _, u := range turns {
		params := u.params
		if params == "" {
			params = "{}"
		}
		params = strings.NewReplacer(kept...).Replace(params)
		if _, err := io.WriteString(stdin, `{"service":"`+u.service+`","action":"`+u.action+`","params":`+params+"}\n"); err != nil {
			t.Fatal(err)
		}
		if !answers.Scan() {
			t.Fatalf("%s %s: no answer: %v", u.service, u.action, answers.Err())
		}
		var got struct {
			Result any
			Code   string
		}
		if err := json.Unmarshal(answers.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Code != u.code {
			t.Fatalf("%s %s: answered %q, want %q", u.service, u.action, got.Code, u.code)
		}
		if u.keep[0] != "" {
			kept = append(kept, "$"+u.keep[0], at(t, got.Result, u.keep[1]))
		}
		c.Advance(u.after)
	}
}

// at follows a path with dots into an answer.
func at(t *testing.T, v any, path string) string {
	t.Helper()
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			v = x[0]
		}
	}
	s, ok := v.(string)
	if !ok {
		t.Fatalf("%s is no text in the answer", path)
	}
	return s
}
