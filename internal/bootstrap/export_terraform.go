package bootstrap

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds/types"
)

// terraformFile is a file of Terraform that is being written: import blocks need version 1.5.
type terraformFile struct{ strings.Builder }

// literal quotes a text so that Terraform takes nothing in it for a template.
func literal(s string) string {
	s = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s)
	return `"` + strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s) + `"`
}

func literals(list []string) string {
	var out []string
	for _, s := range list {
		out = append(out, literal(s))
	}
	return "[" + strings.Join(out, ", ") + "]"
}

// resource writes one resource, and the block that takes over the existing one. Each
// line is an argument; arguments without a value are left out.
func (h *terraformFile) resource(kind, name, id string, lines ...string) {
	fmt.Fprintf(h, "import {\n  to = %s.%s\n  id = %s\n}\n\nresource %q %q {\n", kind, name, literal(id), kind, name)
	for _, l := range aligned(lines) {
		h.WriteString("  " + strings.ReplaceAll(l, "\n", "\n  ") + "\n")
	}
	h.WriteString("}\n\n")
}

// aligned returns the lines that are not empty, as `terraform fmt` has them: the equals
// signs of arguments that follow each other, each in one line, stand in one column.
func aligned(lines []string) []string {
	var out []string
	name := func(l string) int {
		if strings.Contains(l, "\n") {
			return -1
		}
		at := 0
		if strings.HasPrefix(l, `"`) { // a tag, whose key may have anything in it
			for at = 1; l[at] != '"'; at++ {
				if l[at] == '\\' {
					at++
				}
			}
		}
		return at + strings.Index(l[at:], " = ")
	}
	lines = slices.DeleteFunc(lines, func(l string) bool { return l == "" })
	for i := 0; i < len(lines); {
		end, widest := i, 0
		for ; end < len(lines) && name(lines[end]) >= 0; end++ {
			widest = max(widest, name(lines[end]))
		}
		for _, l := range lines[i:end] {
			at := name(l)
			out = append(out, l[:at]+strings.Repeat(" ", widest-at)+l[at:])
		}
		if i = end; i < len(lines) {
			out = append(out, lines[i])
			i++
		}
	}
	return out
}

// set is an argument whose value is a text, "" where there is none.
func set(name, value string) string {
	if value == "" {
		return ""
	}
	return name + " = " + literal(value)
}

// variable declares a password: none is in the code.
func (h *terraformFile) variable(name, of string) string {
	fmt.Fprintf(h, "variable %q {\n  description = %s\n  type        = string\n  sensitive   = true\n}\n\n", name, literal(of))
	return "var." + name
}

func (b *belongings) tagBlock() string {
	lines := tagList(b.tags(), func(key, value *string) string { return literal(*key) + " = " + literal(*value) })
	return "tags = {\n  " + strings.Join(aligned(lines), "\n  ") + "\n}"
}

// unread are arguments that an import cannot read; without this block the next apply
// would set them.
func unread(names string) string { return "lifecycle {\n  ignore_changes = [" + names + "]\n}" }

func (b *belongings) terraform() (string, error) {
	h := &terraformFile{}
	h.WriteString("# Written by kerbagent bootstrap export terraform, for the provider hashicorp/aws.\n" +
		"# Before the first terraform apply, read its plan: it must import, and change nothing but tags.\n")
	for _, l := range b.left() {
		h.WriteString("# Not included: " + l + ".\n")
	}
	h.WriteString("\n")
	for i, s := range b.secrets { // without the values
		h.resource("aws_secretsmanager_secret", fmt.Sprintf("password_%d", i+1), aws.ToString(s.ARN), set("name", aws.ToString(s.Name)),
			set("description", aws.ToString(s.Description)),
			set("kms_key_id", aws.ToString(s.KmsKeyId)), b.tagBlock())
	}
	directory := b.terraformDirectory(h)
	if err := b.terraformRole(h); err != nil {
		return "", err
	}
	b.terraformCluster(h, directory)
	return strings.TrimRight(h.String(), "\n") + "\n", nil
}

// terraformDirectory writes directory and trust, and returns the directory's id as an
// expression.
func (b *belongings) terraformDirectory(h *terraformFile) string {
	id := literal(b.world.directory.id)
	if d := b.directory; d != nil {
		password := h.variable("directory_admin_password", "Password of the directory's Admin: "+b.Config.Directory.AdminPassword.String())
		h.resource("aws_directory_service_directory", "kerberos", b.world.directory.id, set("name", aws.ToString(d.Name)),
			set("short_name", aws.ToString(d.ShortName)), `type = "MicrosoftAD"`,
			set("edition", string(d.Edition)), set("description", aws.ToString(d.Description)), "password = "+password,
			fmt.Sprintf("vpc_settings {\n  vpc_id     = %s\n  subnet_ids = %s\n}", literal(b.world.directory.vpc),
				literals(d.VpcSettings.SubnetIds)), b.tagBlock(), unread("password"))
		id = "aws_directory_service_directory.kerberos.id"
	}
	if t := b.trust; t != nil {
		want := b.Config.Trust
		password := h.variable("trust_password", "Password of the trust: "+want.Password.String())
		var servers []string
		for _, a := range want.DNSServers {
			servers = append(servers, a.String())
		}
		h.resource("aws_directory_service_trust", "other_forest", b.world.directory.id+"/"+want.Domain, "directory_id = "+id,
			set("remote_domain_name", want.Domain),
			set("trust_direction", string(t.TrustDirection)), set("trust_type", string(t.TrustType)),
			set("selective_auth", string(t.SelectiveAuth)), "trust_password = "+password,
			"conditional_forwarder_ip_addrs = "+literals(servers), unread("trust_password"))
	}
	return id
}

func (b *belongings) terraformRole(h *terraformFile) error {
	r := b.role
	if r == nil {
		return nil
	}
	name := aws.ToString(r.RoleName)
	trust, err := unescape(r.AssumeRolePolicyDocument)
	if err != nil {
		return fmt.Errorf("reading the trust policy of %s: %w", name, err)
	}
	boundary := ""
	if r.PermissionsBoundary != nil {
		boundary = set("permissions_boundary", aws.ToString(r.PermissionsBoundary.PermissionsBoundaryArn))
	}
	h.resource("aws_iam_role", "aurora", name, set("name", name), set("path", aws.ToString(r.Path)),
		set("description", aws.ToString(r.Description)), set("assume_role_policy", trust), boundary, b.tagBlock())
	s := &roleStep{world: b.world}
	if b.Config.Role.Inline {
		h.resource("aws_iam_role_policy", "directory", name+":"+inlinePolicy, set("name", inlinePolicy), "role = aws_iam_role.aurora.name",
			set("policy", directoryAccess()))
		return nil
	}
	h.resource("aws_iam_role_policy_attachment", "directory", name+"/"+s.managed(), "role = aws_iam_role.aurora.name",
		set("policy_arn", s.managed()))
	return nil
}

func (b *belongings) terraformCluster(h *terraformFile, directory string) {
	c := b.cluster
	if c == nil {
		return
	}
	role := literal(b.Config.Role.Name)
	if b.role != nil {
		role = "aws_iam_role.aurora.name"
	}
	password, ignored := "manage_master_user_password = true", ""
	if c.MasterUserSecret == nil {
		password = "master_password = " + h.variable("primary_password",
			"Password of the primary user: "+b.Config.Cluster.PrimaryPassword.String())
		ignored = unread("master_password, snapshot_identifier, restore_to_point_in_time")
	}
	id := aws.ToString(c.DBClusterIdentifier)
	capacity := ""
	if k := b.Config.Cluster; k.CapacityLeast != "" {
		capacity = fmt.Sprintf("serverlessv2_scaling_configuration {\n  min_capacity = %s\n  max_capacity = %s\n}", k.CapacityLeast,
			k.CapacityMost)
	}
	h.resource("aws_rds_cluster", "kerberos", id, set("cluster_identifier", id), set("engine", engineName),
		set("engine_version", aws.ToString(c.EngineVersion)),
		set("master_username", aws.ToString(c.MasterUsername)), password, set("db_subnet_group_name", aws.ToString(c.DBSubnetGroup)),
		"vpc_security_group_ids = "+literals(groupsOf(c)),
		set("db_cluster_parameter_group_name", aws.ToString(c.DBClusterParameterGroup)), "domain = "+directory, "domain_iam_role_name = "+role,
		fmt.Sprintf("backup_retention_period = %d", aws.ToInt32(c.BackupRetentionPeriod)),
		fmt.Sprintf("deletion_protection = %t", aws.ToBool(c.DeletionProtection)),
		fmt.Sprintf("storage_encrypted = %t", aws.ToBool(c.StorageEncrypted)), set("kms_key_id", aws.ToString(c.KmsKeyId)),
		set("final_snapshot_identifier", id+"-final"), capacity, b.tagBlock(), ignored)
	for n, i := range b.instances {
		h.resource("aws_rds_cluster_instance", fmt.Sprintf("kerberos_%d", n+1), aws.ToString(i.DBInstanceIdentifier),
			set("identifier", aws.ToString(i.DBInstanceIdentifier)),
			"cluster_identifier = aws_rds_cluster.kerberos.id", set("instance_class", aws.ToString(i.DBInstanceClass)), set("engine", engineName),
			fmt.Sprintf("publicly_accessible = %t", aws.ToBool(i.PubliclyAccessible)), b.tagBlock())
	}
}

func groupsOf(c *types.DBCluster) []string {
	var out []string
	for _, g := range c.VpcSecurityGroups {
		out = append(out, aws.ToString(g.VpcSecurityGroupId))
	}
	return out
}
