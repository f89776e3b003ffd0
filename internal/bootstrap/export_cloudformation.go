package bootstrap

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/kerbagent/kerbagent/config"
)

// template is CloudFormation's, for a stack that imports what exists.
type template struct {
	Version     string                  `json:"AWSTemplateFormatVersion"`
	Description string                  `json:"Description"`
	Metadata    templateMetadata        `json:"Metadata"`
	Resources   map[string]*cfnResource `json:"Resources"`
}

// templateMetadata is for whoever imports: the list that create-change-set takes, and
// what is not in the template.
type templateMetadata struct {
	ResourcesToImport []cfnImport `json:"ResourcesToImport"`
	NotIncluded       []string    `json:"NotIncluded"`
}

type cfnImport struct {
	ResourceType       string            `json:"ResourceType"`
	LogicalResourceID  string            `json:"LogicalResourceId"`
	ResourceIdentifier map[string]string `json:"ResourceIdentifier"`
}

// cfnResource is one resource. CloudFormation imports none without a DeletionPolicy.
type cfnResource struct {
	Type                string         `json:"Type"`
	DeletionPolicy      string         `json:"DeletionPolicy"`
	UpdateReplacePolicy string         `json:"UpdateReplacePolicy"`
	Properties          map[string]any `json:"Properties"`
}

type cfnTag struct{ Key, Value string }

// add puts a resource into the template, with the property that identifies it. Empty
// properties are left out.
func (t *template) add(name, kind, key, id string, properties map[string]any) {
	for k, v := range properties {
		if v == "" {
			delete(properties, k)
		}
	}
	t.Resources[name] = &cfnResource{kind, "Retain", "Retain", properties}
	t.Metadata.ResourcesToImport = append(t.Metadata.ResourcesToImport, cfnImport{kind, name, map[string]string{key: id}})
}

func (b *belongings) cloudFormation() (string, error) {
	t := &template{Version: "2010-09-09", Resources: map[string]*cfnResource{},
		Description: "What kerbagent bootstrap created for Kerberos logins to " + b.Config.Cluster.Identifier +
			". Written by kerbagent bootstrap export cloudformation."}
	t.Metadata.NotIncluded = b.left()
	if b.directory != nil { // the registry's type is not among those that can be imported: not verified
		t.Metadata.NotIncluded = append(t.Metadata.NotIncluded,
			"the directory "+b.world.directory.id+": CloudFormation imports no AWS::DirectoryService::MicrosoftAD (not verified)")
	}
	if b.trust != nil {
		t.Metadata.NotIncluded = append(t.Metadata.NotIncluded,
			"the trust "+aws.ToString(b.trust.TrustId)+": CloudFormation has no resource type for it")
	}
	tags := tagList(b.tags(), func(key, value *string) cfnTag { return cfnTag{*key, *value} })
	for i, s := range b.secrets {
		t.add(fmt.Sprintf("Password%d", i+1), "AWS::SecretsManager::Secret", "Id", aws.ToString(s.ARN),
			map[string]any{"Name": aws.ToString(s.Name), "Description": aws.ToString(s.Description), "KmsKeyId": aws.ToString(s.KmsKeyId),
				"Tags": tags})
	}
	if err := b.cloudFormationRole(t, tags); err != nil {
		return "", err
	}
	b.cloudFormationCluster(t, tags)
	text, err := json.MarshalIndent(t, "", "  ")
	return string(text) + "\n", err
}

func (b *belongings) cloudFormationRole(t *template, tags []cfnTag) error {
	r := b.role
	if r == nil {
		return nil
	}
	name := aws.ToString(r.RoleName)
	text, err := unescape(r.AssumeRolePolicyDocument)
	if err != nil {
		return fmt.Errorf("reading the trust policy of %s: %w", name, err)
	}
	properties := map[string]any{"RoleName": name, "Path": aws.ToString(r.Path), "Description": aws.ToString(r.Description),
		"AssumeRolePolicyDocument": json.RawMessage(text), "Tags": tags}
	if r.PermissionsBoundary != nil {
		properties["PermissionsBoundary"] = aws.ToString(r.PermissionsBoundary.PermissionsBoundaryArn)
	}
	if b.Config.Role.Inline {
		properties["Policies"] = []map[string]any{{"PolicyName": inlinePolicy, "PolicyDocument": json.RawMessage(directoryAccess())}}
	} else {
		properties["ManagedPolicyArns"] = []string{(&roleStep{world: b.world}).managed()}
	}
	t.add("AuroraRole", "AWS::IAM::Role", "RoleName", name, properties)
	return nil
}

func (b *belongings) cloudFormationCluster(t *template, tags []cfnTag) {
	c := b.cluster
	if c == nil {
		return
	}
	id := aws.ToString(c.DBClusterIdentifier)
	properties := map[string]any{
		"DBClusterIdentifier":         id,
		"Engine":                      engineName,
		"EngineVersion":               aws.ToString(c.EngineVersion),
		"MasterUsername":              aws.ToString(c.MasterUsername),
		"DBSubnetGroupName":           aws.ToString(c.DBSubnetGroup),
		"VpcSecurityGroupIds":         groupsOf(c),
		"DBClusterParameterGroupName": aws.ToString(c.DBClusterParameterGroup),
		"Domain":                      b.world.directory.id,
		"DomainIAMRoleName":           b.Config.Role.Name,
		"BackupRetentionPeriod":       aws.ToInt32(c.BackupRetentionPeriod),
		"DeletionProtection":          aws.ToBool(c.DeletionProtection),
		"StorageEncrypted":            aws.ToBool(c.StorageEncrypted),
		"KmsKeyId":                    aws.ToString(c.KmsKeyId),
		"Tags":                        tags,
	}
	if c.MasterUserSecret != nil {
		properties["ManageMasterUserPassword"] = true
	} else {
		properties["MasterUserPassword"] = resolve(b.Config.Cluster.PrimaryPassword)
	}
	t.add("Cluster", "AWS::RDS::DBCluster", "DBClusterIdentifier", id, properties)
	for n, i := range b.instances {
		t.add(fmt.Sprintf("Instance%d", n+1), "AWS::RDS::DBInstance", "DBInstanceIdentifier", aws.ToString(i.DBInstanceIdentifier),
			map[string]any{
				"DBInstanceIdentifier": aws.ToString(i.DBInstanceIdentifier), "DBClusterIdentifier": map[string]string{"Ref": "Cluster"},
				"DBInstanceClass": aws.ToString(i.DBInstanceClass),
				"Engine":          engineName, "PubliclyAccessible": aws.ToBool(i.PubliclyAccessible), "Tags": tags})
	}
}

// resolve is the reference by which CloudFormation reads a secret itself; "" for one
// that is on this host.
func resolve(ref config.BootstrapSecret) string {
	switch {
	case ref.Manager == "":
		return ""
	case ref.Key != "":
		return "{{resolve:secretsmanager:" + ref.Manager + ":SecretString:" + ref.Key + "}}"
	}
	return "{{resolve:secretsmanager:" + ref.Manager + "}}"
}
