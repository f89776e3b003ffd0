package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// questionFile is a bootstrap whose first change AWS bills by the hour.
const questionFile = `bootstrap:
  account: "123456789012"
  region: us-east-1
  directory: {name: corp.example.com, short_name: CORP, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b], admin_password: "secretsmanager:kerbagent/corp/admin"}
  cluster: {mode: create, identifier: orders, engine_version: 8.0.mysql_aurora.3.04.0, instance_class: db.r6g.large, instances: 2, subnet_group: databases, security_groups: [sg-00000001]}
`

// On a terminal both bootstrap and bootstrap apply show what would be done, where, and
// what AWS bills, and ask; whatever is not a yes changes nothing. Without a terminal
// apply needs --yes, and the bare bootstrap is for provisioning.
func TestBootstrapAsksOnATerminal(t *testing.T) {
	shown := []string{"AWS account 123456789012 (prod), us-east-1", "create the AWS Managed Microsoft AD corp.example.com", "create the cluster orders",
		"AWS bills: ", "Standard edition", "db.r6g.large", "Apply this plan?"}
	for name, c := range map[string]struct {
		args     []string
		file     string
		answer   string // "": there is no terminal
		asks     bool
		begins   bool // it changes something
		exit     int
		says     []string
		unspoken string
	}{
		"apply, no":              {args: []string{"apply"}, answer: "no\n", asks: true, exit: 3, says: shown},
		"apply, y is not yes":    {args: []string{"apply"}, answer: "y\n", asks: true, exit: 3, says: shown},
		"apply, an empty line":   {args: []string{"apply"}, answer: "\n", asks: true, exit: 3, says: []string{"nothing was done"}},
		"apply, yes":             {args: []string{"apply"}, answer: "yes\n", asks: true, begins: true, exit: 5, says: shown},
		"bootstrap, no":          {answer: "no\n", asks: true, exit: 3, says: shown},
		"bootstrap, yes":         {answer: "YES\n", asks: true, begins: true, exit: 5, says: shown},
		"apply --yes":            {args: []string{"apply", "--yes"}, answer: "no\n", begins: true, exit: 5},
		"no account to ask for":  {args: []string{"apply"}, file: strings.Replace(questionFile, "  account: \"123456789012\"\n", "", 1), answer: "yes\n", exit: 3, says: []string{`account: "123456789012"`}},
		"apply, no terminal":     {args: []string{"apply"}, exit: 3, says: []string{"AWS account 123456789012 (prod), us-east-1", "--yes applies"}, unspoken: "Apply this plan?"},
		"bootstrap, no terminal": {begins: true, exit: 5, unspoken: "Apply this plan?"},
		"plan asks nothing":      {args: []string{"plan"}, answer: "yes\n", exit: 0, unspoken: "Apply this plan?"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := awstest.New(awstest.Options{Alias: "prod"})
			cloud.AddVPC("vpc-00000001", "10.0.0.0/16")
			cloud.AddSubnet("subnet-0000000a", "vpc-00000001", "10.0.1.0/24", "us-east-1a", "use1-az1")
			cloud.AddSubnet("subnet-0000000b", "vpc-00000001", "10.0.2.0/24", "us-east-1b", "use1-az2")
			cloud.AddSecurityGroup("sg-00000001", "vpc-00000001", awstest.AllEgress())
			cloud.AddSubnetGroup("databases", "subnet-0000000a", "subnet-0000000b")
			if err := cloud.AddUser("operator", "AKIATEST", "secret", awstest.Everything); err != nil {
				t.Fatal(err)
			}
			// The first change but the lock's ends it.
			cloud.Fault(awstest.Match{Action: "CreateMicrosoftAD"}, awstest.Denied())
			cloud.Start(t)
			for key, value := range map[string]string{"AWS_ENDPOINT_URL": cloud.URL(), "AWS_ACCESS_KEY_ID": "AKIATEST", "AWS_SECRET_ACCESS_KEY": "secret",
				"AWS_PROFILE": "", "AWS_SESSION_TOKEN": "", "AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent", "STATE_DIRECTORY": ""} {
				t.Setenv(key, value)
			}
			dir := t.TempDir()
			file := filepath.Join(dir, "kerbagent.yaml")
			if c.file == "" {
				c.file = questionFile
			}
			if err := os.WriteFile(file, []byte(c.file), 0o600); err != nil {
				t.Fatal(err)
			}
			in, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer in.Close()
			asked := false
			said := &prompts{part: "Apply this plan?", then: func() {}}
			if c.answer != "" {
				var typed *os.File
				typed, in = terminalPair(t)
				said.then = func() {
					asked = true
					if n := len(cloud.Mutations()); n > 0 {
						t.Errorf("%d changes before the question", n)
					}
					if _, err := typed.WriteString(c.answer); err != nil {
						t.Error(err)
					}
				}
			}
			args := append([]string{"bootstrap"}, c.args...)
			exit := run(t.Context(), append(args, "--config", file, "--state-dir", filepath.Join(dir, "state"), "--no-service"), in, said, said)
			if exit != c.exit || asked != c.asks {
				t.Errorf("exit %d, want %d; asked: %v", exit, c.exit, asked)
			}
			if begins := len(cloud.Mutations()) > 0; begins != c.begins {
				t.Errorf("changed something: %v", begins)
			}
			all := said.all.String()
			for _, words := range c.says {
				if !strings.Contains(all, words) {
					t.Errorf("it does not say %q", words)
				}
			}
			if c.unspoken != "" && strings.Contains(all, c.unspoken) {
				t.Errorf("it says %q", c.unspoken)
			}
			if t.Failed() {
				t.Log(all)
			}
		})
	}
}
