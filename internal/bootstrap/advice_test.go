package bootstrap

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/rds"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// A command that is printed for a person may need more than the printed policy has.
// That was not said, and the command was refused.
func TestAdviceSaysWhatThePolicyLacks(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	cloud.AddSecurityGroup("sg-00000001", "vpc-00000001", awstest.Rule{Egress: true, Protocol: "tcp", From: 443, To: 443, CIDR: "0.0.0.0/0"})
	id := cloud.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}, Password: "The-Secret-4711"})
	cloud.AddSecret("kerbagent/corp/admin", "The-Secret-4711")
	h := newHost(t, cloud, strings.Replace(wish(modifyMode, ""), "edition: Standard, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b]", "id: "+id, 1))
	h.as(h.policy(ForApply))
	h.fails(ExitWaiting, "--protocol tcp --port 88", "does not include ec2:AuthorizeSecurityGroupEgress: run the command with an administrator's credentials")
	rep, err := Plan(t.Context(), h.options())
	if err != nil {
		t.Fatal(err)
	}
	said := false
	for _, s := range rep.Steps {
		said = said || strings.Contains(strings.Join(s.Notes, ""), "does not include ec2:AuthorizeSecurityGroupEgress")
	}
	if !said {
		t.Errorf("the plan says nothing of it: %+v", rep.Steps)
	}

	w := &world{Options: h.options(), account: "123456789012", region: "us-east-1", partition: "aws"}
	for command, want := range map[string]string{
		"aws rds describe-events --region us-east-1":                                       "", // of a modify, for the readers' reboots
		"aws rds reboot-db-instance":                                                       "",
		"aws ds delete-directory, or aws rds start-db-cluster, or aws ds delete-directory": "ds:DeleteDirectory and rds:StartDBCluster",
	} {
		if got := w.beyond(command); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q", command, got)
		}
	}
}

// Each command that is printed is one that AWS has: its name is one of the SDK's methods.
func TestCommandsAreOperationsOfAWS(t *testing.T) {
	t.Parallel()
	clients := map[string]any{"ds": &directoryservice.Client{}, "rds": &rds.Client{}, "ec2": &ec2.Client{}, "iam": &iam.Client{}, "secretsmanager": &secretsmanager.Client{}}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\baws (ds|rds|ec2|iam|secretsmanager) ([a-z-]+-[a-z]+)`).FindAllStringSubmatch(string(b), -1) {
			if n++; !hasMethod(clients[m[1]], operation(m[2])) {
				t.Errorf("%s: aws %s %s", file, m[1], m[2])
			}
		}
	}
	if n < 15 {
		t.Errorf("%d commands found", n)
	}
}

// hasMethod reports whether a client of the SDK has an operation.
func hasMethod(client any, operation string) bool {
	_, ok := reflect.TypeOf(client).MethodByName(operation)
	return ok
}
