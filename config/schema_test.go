package config

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(Schema())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid reports what the schema says of a YAML file, by way of JSON.
func valid(s *jsonschema.Schema, b []byte) error {
	var plain any
	if err := yaml.Unmarshal(b, &plain); err != nil {
		return err
	}
	js, err := json.Marshal(plain)
	if err != nil {
		return err
	}
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(js)))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestSchemaTakesWhatLoadTakes(t *testing.T) {
	s := compileSchema(t)
	for _, name := range []string{"example", "every-key", "least"} {
		b, err := os.ReadFile("testdata/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		if err := valid(s, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The schema refuses the invalid files too, but for those whose error is in
// what one value says about another, or too fine for a pattern.
func TestSchemaRefusesInvalidFiles(t *testing.T) {
	finer := []string{
		"ccache-type", "credential-name", "database-realm-missing", "database-realm-unknown", "dns-server-twice", "duplicate-realm",
		"duration-range", "endpoint-port-zero", "kdc-dot", "kdc-not-an-address", "kdc-port", "login-database-unknown", "login-interval", "login-twice", "merge",
		"tag", "timeout-not-below-interval", "trusted-by-itself", "trusted-by-unknown", "two-documents", "user-realm-case", "user-realm-unknown",
	}
	s := compileSchema(t)
	files, err := filepath.Glob("testdata/invalid-*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "invalid-"), ".yaml")
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if refused := valid(s, b) != nil; refused == slices.Contains(finer, name) {
			t.Errorf("%s: refused by the schema: %v", name, refused)
		}
	}
}

// Before its first bootstrap a file has nothing but that part, as in the first
// example of docs/bootstrap.md. The schema used to want realms of it.
func TestSchemaTakesABootstrapAlone(t *testing.T) {
	b, err := os.ReadFile("../docs/bootstrap.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(b), "\n    bootstrap:\n")
	example, _, ended := strings.Cut(rest, "\n\n")
	if !ok || !ended {
		t.Fatal("docs/bootstrap.md has no example")
	}
	example = strings.ReplaceAll("    bootstrap:\n"+example+"\n", "\n    ", "\n")[4:]
	s := compileSchema(t)
	for name, c := range map[string]struct {
		text string
		good bool
	}{
		"the docs' example":       {example, true},
		"all of it":               {goodBootstrap, true},
		"with other parts":        {example + "probes: {interval: 30s}\n", true},
		"with realms":             {example + "realms: {CORP.EXAMPLE.COM: }\n", true},
		"without a cluster":       {strings.Replace(example, "  cluster:", "  # cluster:", 1), false},
		"with a key that is none": {strings.Replace(example, "region:", "regin:", 1), false},
		"neither":                 {"probes: {interval: 30s}\n", false},
	} {
		_, err := ParseBootstrap("kerbagent.yaml", []byte(c.text))
		if (err == nil) != c.good {
			t.Errorf("%s: the reader says %v", name, err)
		}
		if err := valid(s, []byte(c.text)); (err == nil) != c.good {
			t.Errorf("%s: the schema says %v", name, err)
		}
	}
	if _, err := Parse("kerbagent.yaml", []byte(example)); err == nil || !strings.Contains(err.Error(), "`kerbagent bootstrap` adds it") {
		t.Errorf("the daemon's reader says %v", err)
	}
}

// The schema and the reader know the same keys and the same defaults.
func TestSchemaHasTheKeys(t *testing.T) {
	type object struct {
		Properties map[string]struct {
			Default    any
			Properties map[string]struct{ Default any }
		}
	}
	var doc struct {
		object
		Defs map[string]object `json:"$defs"`
	}
	if err := json.Unmarshal(Schema(), &doc); err != nil {
		t.Fatal(err)
	}
	keys := func(o object) []string {
		var out []string
		for k := range o.Properties {
			out = append(out, k)
		}
		return out
	}
	tls := []string{}
	for k := range doc.Defs["database"].Properties["tls"].Properties {
		tls = append(tls, k)
	}
	for name, c := range map[string][2][]string{
		"top":         {topKeys(), keys(doc.object)},
		"realm":       {realmKeys(), keys(doc.Defs["realm"])},
		"database":    {databaseKeys(), keys(doc.Defs["database"])},
		"tls":         {tlsKeys(), tls},
		"login":       {loginKeys(), keys(doc.Defs["login"])},
		"application": {applicationKeys(), keys(doc.Defs["application"])},
		"krb5_conf":   {krb5ConfKeys(), keys(doc.Defs["krb5_conf"])},
		"probes":      {probesKeys(), keys(doc.Defs["probes"])},
		"warn":        {warnKeys(), keys(doc.Defs["warn"])},
		"aws":         {awsKeys(), keys(doc.Defs["aws"])},

		"bootstrap":               {bootstrapKeys(), keys(doc.Defs["bootstrap"])},
		"bootstrap directory":     {bootstrapDirectoryKeys(), keys(doc.Defs["bootstrap_directory"])},
		"bootstrap trust":         {bootstrapTrustKeys(), keys(doc.Defs["bootstrap_trust"])},
		"bootstrap role":          {bootstrapRoleKeys(), keys(doc.Defs["bootstrap_role"])},
		"bootstrap user":          {bootstrapUserKeys(), keys(doc.Defs["bootstrap_user"])},
		"bootstrap cluster":       {bootstrapClusterKeys(), keys(doc.Defs["bootstrap_cluster"])},
		"bootstrap database user": {bootstrapDatabaseUserKeys(), keys(doc.Defs["bootstrap_database_user"])},
		"bootstrap client":        {bootstrapClientKeys(), keys(doc.Defs["bootstrap_client"])},
	} {
		slices.Sort(c[0])
		slices.Sort(c[1])
		if diff := cmp.Diff(c[0], c[1]); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, c := range map[string][2]any{
		"interval":           {doc.Defs["probes"].Properties["interval"].Default, short(DefaultProbeInterval)},
		"timeout":            {doc.Defs["probes"].Properties["timeout"].Default, short(DefaultProbeTimeout)},
		"login interval":     {doc.Defs["login"].Properties["interval"].Default, short(DefaultLoginInterval)},
		"password expiry":    {doc.Defs["warn"].Properties["password_expiry"].Default, short(DefaultPasswordExpiry)},
		"certificate expiry": {doc.Defs["warn"].Properties["certificate_expiry"].Default, short(DefaultCertificateExpiry)},
		"connect errors":     {doc.Defs["database"].Properties["max_connect_errors"].Default, float64(DefaultMaxConnectErrors)},
		"hide users":         {doc.Properties["hide_users"].Default, false},
		"krb5.conf":          {doc.Defs["krb5_conf"].Properties["path"].Default, DefaultKrb5ConfPath},
		"directory edition":  {doc.Defs["bootstrap_directory"].Properties["edition"].Default, DefaultEdition},
		"role":               {doc.Defs["bootstrap_role"].Properties["name"].Default, DefaultRoleName},
		"restore":            {doc.Defs["bootstrap_cluster"].Properties["wait"].Default, short(DefaultRestoreFor)},
		"client's krb5.conf": {doc.Defs["bootstrap_client"].Properties["krb5_conf"].Default, DefaultKrb5ConfPath},
	} {
		if c[0] != c[1] {
			t.Errorf("%s: schema says %v, the code %v", name, c[0], c[1])
		}
	}
}
