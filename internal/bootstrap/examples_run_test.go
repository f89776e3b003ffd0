package bootstrap

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"go.yaml.in/yaml/v3"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// The Terraform template is rendered as Terraform does it, by its own parser, and run: it
// writes the configuration byte for byte, and calls bootstrap until it is done.
func TestExampleOfTerraform(t *testing.T) {
	t.Parallel()
	text := example(t, "user-data.sh.tftpl")
	const configuration = "bootstrap: {account: \"123456789012\"} # $HOME `id` ${not a template} %{nor this}"
	for first, want := range map[bool]string{true: "bootstrap --wait-lock 1h", false: "bootstrap client"} {
		e, problems := hclsyntax.ParseTemplate([]byte(text), "user-data.sh.tftpl", hcl.InitialPos)
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		v, problems := e.Value(&hcl.EvalContext{Variables: map[string]cty.Value{"config": cty.StringVal(configuration), "first": cty.BoolVal(first)}})
		if problems.HasErrors() {
			t.Fatal(problems)
		}
		dir := t.TempDir()
		calls := runExample(t, "sh", "-c", strings.ReplaceAll(v.AsString(), "/etc/kerbagent", dir))
		if want := want + "\n" + want + "\n"; calls != want {
			t.Errorf("first: %v: called %q, want %q", first, calls, want)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "kerbagent.yaml")); err != nil || string(got) != configuration+"\n" {
			t.Errorf("wrote %q, %v", got, err)
		}
	}
}

// The commands of cloud-init and of the Ansible task are run as these tools run them: a
// list without a shell, and words.
func TestExamplesOfCloudInitAndAnsible(t *testing.T) {
	t.Parallel()
	var init struct {
		WriteFiles []struct{ Path, Permissions, Encoding, Content string } `yaml:"write_files"`
		RunCmd     [][]string                                              `yaml:"runcmd"`
	}
	strictly(t, "cloud-init.yaml", &init)
	if !strings.HasPrefix(example(t, "cloud-init.yaml"), "#cloud-config\n") || len(init.WriteFiles) != 1 || init.WriteFiles[0].Path != "/etc/kerbagent/kerbagent.yaml" || len(init.RunCmd) != 1 {
		t.Fatalf("%+v", init)
	}
	if got := runExample(t, init.RunCmd[0]...); got != "bootstrap client\nbootstrap client\n" {
		t.Errorf("cloud-init called %q", got)
	}

	type task struct {
		Name       string
		Copy       map[string]any `yaml:"ansible.builtin.copy"`
		Command    string         `yaml:"ansible.builtin.command"`
		RunOnce    bool           `yaml:"run_once"`
		Register   string
		Until      string
		Retries    int
		Delay      int
		FailedWhen string `yaml:"failed_when"`
		Changed    bool   `yaml:"changed_when"`
	}
	var plays []struct {
		Hosts  string
		Become bool
		Tasks  []task
	}
	strictly(t, "ansible.yaml", &plays)
	var called []string
	for _, k := range plays[0].Tasks {
		if k.Command == "" {
			continue
		}
		words := strings.Fields(k.Command)
		called = append(called, strings.TrimSpace(runExample(t, words...)))
		if once := words[len(words)-1] != "client"; k.RunOnce != once || (k.Until == "made.rc == 0") != once {
			t.Errorf("%s: run once: %v, until %q", k.Name, k.RunOnce, k.Until)
		}
	}
	if got := strings.Join(called, "; "); got != "bootstrap --wait-lock 1h; bootstrap client" {
		t.Errorf("Ansible called %q", got)
	}
}

func example(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "examples", "bootstrap", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// strictly reads a file whose every key is known here.
func strictly(t *testing.T, name string, into any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(example(t, name)))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// runExample runs a command with a kerbagent that waits once for somebody else (exit 1)
// and is done then, and returns the arguments that it was called with.
func runExample(t *testing.T, command ...string) string {
	t.Helper()
	bin := t.TempDir()
	for name, script := range map[string]string{
		"kerbagent": "#!/bin/sh\necho \"$*\" >> '" + bin + "/calls'\n[ $(wc -l < '" + bin + "/calls') -gt 1 ]\n",
		"sleep":     "#!/bin/sh\n",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if command[0] == "kerbagent" {
		command[0] = filepath.Join(bin, "kerbagent")
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH")}
	if out, err := cmd.CombinedOutput(); len(out) > 0 {
		t.Errorf("%v: %s", err, out)
	}
	calls, err := os.ReadFile(filepath.Join(bin, "calls"))
	if err != nil {
		t.Fatal(err)
	}
	return string(calls)
}

// Everything that can have a tag has those of the file, and bootstrap's own.
func TestEverythingThatIsMadeIsTagged(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	cloud.OtherSide("onprem.local", trustPassword)
	newHost(t, cloud, wish(createMode, withTrust)).done()
	tagged := map[string]map[string]string{}
	for _, d := range cloud.Directories() {
		tagged["the directory"] = d.Tags
	}
	for _, r := range cloud.Roles() {
		tagged["the role"] = r.Tags
	}
	for _, c := range cloud.Clusters() {
		tagged["the cluster"] = c.Tags
	}
	for _, i := range cloud.Instances() {
		tagged[i.ID] = i.Tags
	}
	for _, s := range cloud.Secrets() {
		if !strings.HasPrefix(s.Name, "rds!") { // RDS's own has RDS's tags
			tagged[s.Name] = s.Tags
		}
	}
	for _, g := range cloud.SecurityGroups() {
		for _, r := range g.Rules {
			if strings.HasPrefix(r.Description, "kerbagent: ") {
				tagged["the rule "+r.ID] = r.Tags
			}
		}
	}
	if len(tagged) != 9 {
		t.Errorf("%d things: %v", len(tagged), tagged)
	}
	for name, tags := range tagged {
		if tags["team"] != "database" || tags[ourTag] != "corp.example.com" {
			t.Errorf("%s has the tags %v", name, tags)
		}
	}
}
