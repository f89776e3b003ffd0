package bootstrap

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// exported is a file of Terraform's, read by Terraform's own parser: the import ids and
// the arguments of each resource, where they are texts.
type exported struct {
	imports   map[string]string
	resources map[string]map[string]string
}

func readTerraform(t *testing.T, text string) exported {
	t.Helper()
	if canonical := string(hclwrite.Format([]byte(text))); canonical != text {
		t.Errorf("terraform fmt would change it: %s", cmp.Diff(canonical, text))
	}
	f, problems := hclparse.NewParser().ParseHCL([]byte(text), "kerberos.tf")
	if problems.HasErrors() {
		t.Fatalf("%v in\n%s", problems, text)
	}
	out := exported{map[string]string{}, map[string]map[string]string{}}
	value := func(e hcl.Expression) string {
		v, problems := e.Value(nil) // without variables: a template in a text is an error
		if problems.HasErrors() || !v.Type().IsPrimitiveType() || v.Type().FriendlyName() != "string" {
			return ""
		}
		return v.AsString()
	}
	for _, b := range f.Body.(*hclsyntax.Body).Blocks {
		switch b.Type {
		case "import":
			to, problems := hcl.AbsTraversalForExpr(b.Body.Attributes["to"].Expr)
			if problems.HasErrors() || len(to) != 2 {
				t.Fatalf("import to %v, %v", to, problems)
			}
			out.imports[to.RootName()+"."+to[1].(hcl.TraverseAttr).Name] = value(b.Body.Attributes["id"].Expr)
		case "resource":
			arguments := map[string]string{}
			for name, a := range b.Body.Attributes {
				arguments[name] = value(a.Expr)
				if o, ok := a.Expr.(*hclsyntax.ObjectConsExpr); ok {
					for _, item := range o.Items {
						arguments[name+"."+value(item.KeyExpr)] = value(item.ValueExpr)
					}
				}
			}
			out.resources[strings.Join(b.Labels, ".")] = arguments
		}
	}
	return out
}

func (h *host) export(format Format) string {
	h.t.Helper()
	before, files := len(h.cloud.Mutations()), h.files()
	text, err := Export(h.t.Context(), h.options(), format)
	if err != nil || len(h.cloud.Mutations()) != before || !slices.Equal(h.files(), files) {
		h.t.Fatalf("%v; %d changes", err, len(h.cloud.Mutations())-before)
	}
	for _, secret := range h.secrets() {
		if strings.Contains(text, secret) {
			h.t.Error("a secret is in it")
		}
	}
	return text
}

// Whatever stands in a text of AWS's, Terraform reads it as it is.
func TestTextsOfTerraform(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`a "quoted" ${template} %{if} \ text`, "two\nlines\t", `$${a} %%{b} $`, `ünï`} {
		e, problems := hclsyntax.ParseExpression([]byte(literal(text)), "", hcl.InitialPos)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		if v, problems := e.Value(nil); problems.HasErrors() || v.AsString() != text {
			t.Errorf("%q is %v, %v", text, v, problems)
		}
	}
}

// What bootstrap created is exported as code that Terraform's parser reads, with an
// import block for each resource; what it did not create is not in it.
func TestExportTerraform(t *testing.T) {
	t.Parallel()
	const odd = `a tag +-=._:/@`
	cloud := newCloud(t, awstest.Options{})
	cloud.OtherSide("onprem.local", trustPassword)
	h := newHost(t, cloud, strings.Replace(wish(createMode, withTrust), "{team: database}", "{team: '"+odd+"', 'cost = center': a = b}", 1))
	if _, err := Export(t.Context(), h.options(), Terraform); problem("", err).Exit != ExitFailed {
		t.Errorf("before: %v", err)
	}
	h.done()
	text := h.export(Terraform)
	got := readTerraform(t, text)
	d, role := cloud.Directories()[0], cloud.Roles()[0]
	want := map[string]string{
		"aws_directory_service_directory.kerberos": d.ID,
		"aws_directory_service_trust.other_forest": d.ID + "/onprem.local",
		"aws_iam_role.aurora":                      role.Name,
		"aws_iam_role_policy_attachment.directory": role.Name + "/" + role.Attached[0],
		"aws_rds_cluster.kerberos":                 "orders",
		"aws_rds_cluster_instance.kerberos_1":      "orders-1",
		"aws_rds_cluster_instance.kerberos_2":      "orders-2",
		"aws_secretsmanager_secret.password_1":     secretOf(cloud, "kerbagent/corp/admin").ARN,
		"aws_secretsmanager_secret.password_2":     secretOf(cloud, "kerbagent/corp/bob").ARN,
	}
	for address, id := range want {
		if got.imports[address] != id || got.resources[address] == nil {
			t.Errorf("%s is imported as %q, want %q", address, got.imports[address], id)
		}
	}
	if len(got.imports) != len(want) || len(got.resources) != len(want) {
		t.Errorf("%d imports and %d resources in\n%s", len(got.imports), len(got.resources), text)
	}
	if a := got.resources["aws_iam_role.aurora"]; a["assume_role_policy"] != role.Trust || a["tags.team"] != odd || a["tags.cost = center"] != "a = b" || a["tags."+ourTag] != "corp.example.com" {
		t.Errorf("the role has %q", a)
	}
	if a := got.resources["aws_rds_cluster.kerberos"]; a["engine_version"] != "8.0.mysql_aurora.3.04.0" || a["db_subnet_group_name"] != "databases" {
		t.Errorf("the cluster has %q", a)
	}
	for _, left := range []string{"# Not included: the users of the directory", "# Not included: the database users"} {
		if !strings.Contains(text, left) {
			t.Errorf("without %q", left)
		}
	}
}

// Resources that bootstrap found are not exported: it says how to join them in one's own code.
func TestExportLeavesOutWhatWasThere(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	id := cloud.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}, Password: "The-Secret-4711"})
	cloud.AddSecret("kerbagent/corp/admin", "The-Secret-4711")
	h := newHost(t, cloud, strings.Replace(wish(modifyMode, "  role: {policy: inline}\n"), "edition: Standard", "adopt: true", 1))
	h.done()
	h.as(h.policy(ForStatus))
	text := h.export(Terraform)
	got := readTerraform(t, text)
	if got.imports["aws_iam_role_policy.directory"] != roleName+":"+inlinePolicy || got.resources["aws_directory_service_directory.kerberos"] != nil || got.resources["aws_rds_cluster.kerberos"] != nil {
		t.Errorf("%v", got.imports)
	}
	if !strings.Contains(text, "set the domain to "+id) {
		t.Errorf("it does not say how to join the cluster:\n%s", text)
	}
}

// The template has a list of imports that fits it, and each resource stays if the stack
// is deleted.
func TestExportCloudFormation(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			s.seed(cloud)
			h := newHost(t, cloud, s.file)
			h.done()
			d := json.NewDecoder(strings.NewReader(h.export(CloudFormation)))
			d.DisallowUnknownFields()
			var got template
			if err := d.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if got.Version != "2010-09-09" || len(got.Resources) != len(got.Metadata.ResourcesToImport) || len(got.Resources) == 0 {
				t.Errorf("%+v", got)
			}
			for _, i := range got.Metadata.ResourcesToImport {
				r := got.Resources[i.LogicalResourceID]
				if r == nil || r.Type != i.ResourceType || r.DeletionPolicy != "Retain" || r.UpdateReplacePolicy != "Retain" || len(i.ResourceIdentifier) != 1 {
					t.Errorf("%+v of %+v", i, r)
					continue
				}
				for key, id := range i.ResourceIdentifier {
					if have, ok := r.Properties[key]; id == "" || ok && have != id {
						t.Errorf("%s: the property %s is %v and imported as %q", i.LogicalResourceID, key, have, id)
					}
				}
			}
			made := strings.Contains(s.file, "mode: create") || strings.Contains(s.file, "mode: restore")
			if (got.Resources["Cluster"] != nil) != made || got.Resources["AuroraRole"] == nil {
				t.Errorf("%v", got.Resources)
			}
			if c := got.Resources["Cluster"]; c != nil && c.Properties["MasterUserPassword"] == nil && c.Properties["ManageMasterUserPassword"] != true && !strings.Contains(s.file, "file:primary") {
				t.Errorf("the cluster has no password: %v", c.Properties)
			}
		})
	}
}
