//go:build awscli

package bootstrap

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// What is exported, in each way to a cluster, is code that HashiCorp's terraform finds
// formatted as its own, and a template that AWS's cfn-lint has nothing to say about.
// Neither is among Debian's packages: make test-aws says where one is missing.
func TestExportsAsTheirToolsReadThem(t *testing.T) {
	for format, command := range map[Format][]string{
		Terraform:      {"terraform", "fmt", "-check", "-diff"},
		CloudFormation: {"cfn-lint", "--non-zero-exit-code", "informational", "--regions", "us-east-1", "--"},
	} {
		if _, err := exec.LookPath(command[0]); err != nil {
			t.Logf("left out: %v", err)
			continue
		}
		for _, s := range scenarios() {
			t.Run(command[0]+"/"+s.name, func(t *testing.T) {
				cloud := newCloud(t, awstest.Options{})
				s.seed(cloud)
				h := newHost(t, cloud, s.file)
				h.done()
				file := filepath.Join(t.TempDir(), map[Format]string{Terraform: "kerberos.tf", CloudFormation: "kerberos.json"}[format])
				if err := os.WriteFile(file, []byte(h.export(format)), 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(command[0], append(command[1:], file)...).CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
			})
		}
	}
}
