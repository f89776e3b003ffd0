package bootstrap

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice"
	"github.com/aws/aws-sdk-go-v2/service/directoryservice/types"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// A trust from end to end against the fake: AWS's half is made, the commands of
// the other half are printed and waited for; a half with another password is
// said to be one; and when it is there, the next run goes on to the login.
func TestTrustFromEndToEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ configured, direction, powershell, samba string }{
		{"one-way", "One-Way: Outgoing", "Inbound", "incoming"},
		{"two-way", "Two-Way", "Bidirectional", "both"},
	} {
		t.Run(c.configured, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, strings.NewReplacer("one-way", c.configured, "[192.0.2.53]", "[192.0.2.53, 198.51.100.53]").Replace(withTrust)))
			e := h.fails(ExitWaiting, "the other half of the trust, in onprem.local, is not made yet", "could not be contacted", "run it again")
			h.noSecretsIn(Report{Error: e})

			d, trust := cloud.Directories()[0], cloud.Trusts()[0]
			if trust.Direction != c.direction || trust.Type != "Forest" || trust.Password != trustPassword || trust.State != "VerifyFailed" {
				t.Errorf("AWS's half is %+v", trust)
			}
			// The names of the other forest are known here, and its servers can be reached; ...
			if got := d.Forwarders["onprem.local"]; !slices.Equal(got, []string{"192.0.2.53", "198.51.100.53"}) {
				t.Errorf("its names are forwarded to %v", got)
			}
			var out []string
			for _, g := range cloud.SecurityGroups() {
				for _, r := range g.Rules {
					if g.ID == d.SecurityGroup && r.Egress && r.Protocol == "-1" && r.CIDR != "" {
						out = append(out, r.CIDR)
					}
				}
			}
			if slices.Sort(out); !slices.Equal(out, []string{"192.0.2.53/32", "198.51.100.53/32"}) {
				t.Errorf("the domain controllers are let out to %v", out)
			}
			// ... and what is printed makes ours known there, in both of its ways, with the trust in the same direction.
			ours := strings.Join(d.DNS, ",")
			for _, line := range []string{
				"the password asked for is the one in file:",
				"Add-DnsServerConditionalForwarderZone -Name corp.example.com -MasterServers " + ours + " -ReplicationScope Forest\n",
				`CreateLocalSideOfTrustRelationship("corp.example.com", "` + c.powershell + `", $p)`,
				"netdom trust onprem.local /namesuffixes:corp.example.com\n",
				"netdom trust onprem.local /namesuffixes:corp.example.com /togglesuffix:1\n",
				"(its DNS must forward corp.example.com to " + ours + "):\n",
				"samba-tool domain trust create corp.example.com --type=forest --direction=" + c.samba + " --create-location=local -U Administrator",
			} {
				if !strings.Contains(e.Text, line) {
					t.Errorf("%q is not in\n%s", line, e.Text)
				}
			}
			if len(cloud.Roles()) > 0 {
				t.Error("the next step was begun")
			}

			cloud.OtherSide("onprem.local", "mistyped")
			h.fails(ExitWaiting, "Access is denied", "the two halves have different passwords", "samba-tool domain trust create")
			cloud.OtherSide("onprem.local", trustPassword)
			h.done()
			h.right(scenario{file: h.file0})
			trusts := cloud.Trusts()
			if len(trusts) != 1 || trusts[0].ID != trust.ID || trusts[0].State != "Verified" {
				t.Errorf("trusts: %+v", trusts)
			}
			n := 0
			for _, call := range cloud.Mutations() {
				if call.Action == "CreateTrust" || call.Action == "AuthorizeSecurityGroupEgress" || strings.HasSuffix(call.Action, "ConditionalForwarder") {
					n++
				}
			}
			if n != 2 {
				t.Errorf("%d requests for a trust with its forwarder, and a rule", n)
			}
		})
	}
}

// A conditional forwarder that somebody has changed, or that a trust was made
// without, is mended; a trust that could not be verified for it, is then.
func TestForwardersAreMended(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"UpdateConditionalForwarder", "CreateConditionalForwarder"} {
		t.Run(action, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			cloud.OtherSide("onprem.local", trustPassword)
			h := newHost(t, cloud, wish(modifyMode, strings.Replace(withTrust, "one-way", "two-way", 1)))
			in := &directoryservice.CreateTrustInput{RemoteDomainName: aws.String("onprem.local"), TrustPassword: aws.String(trustPassword),
				TrustDirection: types.TrustDirectionTwoWay, TrustType: types.TrustTypeForest}
			if action == "UpdateConditionalForwarder" {
				in.ConditionalForwarderIpAddrs = []string{"192.0.2.99"}
			}
			h.onSleep = func() { // as soon as there is a directory, somebody makes the trust by hand
				d := cloud.Directories()
				if len(d) == 0 || d[0].Stage != "Active" || len(cloud.Trusts()) > 0 {
					return
				}
				in.DirectoryId = aws.String(d[0].ID)
				if _, err := h.options().AWS.directory.createTrust(t.Context(), in); err != nil {
					t.Error(err)
				}
				cloud.Advance(2 * time.Minute)
			}
			h.done()
			h.right(scenario{file: h.file0})
			if got, state := cloud.Directories()[0].Forwarders["onprem.local"], cloud.Trusts()[0].State; !slices.Equal(got, []string{"192.0.2.53"}) || state != "Verified" {
				t.Errorf("forwarded to %v, and the trust is %s", got, state)
			}
			if !slices.ContainsFunc(cloud.Mutations(), func(c awstest.Call) bool { return c.Action == action }) {
				t.Errorf("there was no %s", action)
			}
		})
	}
}
