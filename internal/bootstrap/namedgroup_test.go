package bootstrap

import (
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// The domain controllers' security group that the file names is the one that the
// cluster's rules are judged by; one that is not there, or is elsewhere, is refused.
func TestSecurityGroupOfTheDirectory(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		group string // of the file; the cluster is let out to sg-0000000d alone
		exit  Exit
		words string
	}{
		"the one that the rules lead to": {"security_group: sg-0000000d, ", ExitDone, ""},
		"AWS's own":                      {"", ExitWaiting, "do not let it out to the directory"},
		"one that is not there":          {"security_group: sg-0000000e, ", ExitFailed, "there is no security group sg-0000000e"},
		"one of another VPC":             {"security_group: sg-0000000f, ", ExitFailed, "sg-0000000f is in vpc-00000002, and the directory in vpc-00000001"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			cloud.AddVPC("vpc-00000002", "10.9.0.0/16")
			cloud.AddSecurityGroup("sg-0000000d", "vpc-00000001", awstest.AllEgress())
			cloud.AddSecurityGroup("sg-0000000f", "vpc-00000002", awstest.AllEgress())
			rule := awstest.AllEgress()
			rule.CIDR, rule.Group = "", "sg-0000000d"
			cloud.AddSecurityGroup("sg-00000001", "vpc-00000001", rule)
			addOrders(cloud)
			h := newHost(t, cloud, strings.Replace(wish(modifyMode, ""), "admin_password:", c.group+"admin_password:", 1))
			if c.exit == ExitDone {
				h.as(h.policy(ForApply))
				// That the join then fails is the fake's: its domain controllers stay in AWS's own group.
				if _, err, _ := h.apply(); h.effects("ModifyDBCluster") == 0 {
					t.Errorf("it was not asked to join: %v", err)
				}
				return
			}
			if h.fails(c.exit, c.words); h.effects("ModifyDBCluster") > 0 {
				t.Error("it was asked to join")
			}
		})
	}
}
