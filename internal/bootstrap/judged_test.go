package bootstrap

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

func awsRule(protocol string, port int) awstest.Rule {
	return awstest.Rule{Egress: true, Protocol: protocol, From: port, To: port}
}

// A rule whose peers cannot be read is said, and stands in nobody's way: it used
// to count for nothing, so that a good cluster was waited for forever.
func TestRulesThatCannotBeJudged(t *testing.T) {
	t.Parallel()
	list, group := awsRule("-1", -1), awsRule("-1", -1)
	list.PrefixList, group.Group = "pl-0123456789abcdef0", "sg-0000000f"
	only443 := awsRule("tcp", 443)
	only443.PrefixList = list.PrefixList
	for name, c := range map[string]struct {
		rules  []awstest.Rule
		shared bool
		said   string // empty: it is judged, and blocked
	}{
		"a prefix list":                           {[]awstest.Rule{list}, false, list.PrefixList},
		"the group of another account":            {[]awstest.Rule{group}, true, group.Group},
		"a group that is not the directory's":     {[]awstest.Rule{group}, false, ""},
		"a prefix list for another port":          {[]awstest.Rule{only443}, false, ""},
		"a prefix list and a rule that is enough": {[]awstest.Rule{list, awstest.AllEgress()}, false, "-"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			cloud.AddSecurityGroup("sg-00000001", "vpc-00000001", c.rules...)
			h := newHost(t, cloud, wish(modifyMode, ""))
			o := h.options()
			s := clusterStep{world: &world{Options: o, region: "us-east-1", directory: foundDirectory{id: "d-1", group: "sg-00000002", vpc: "vpc-00000001",
				addresses: []netip.Addr{netip.MustParseAddr("10.0.1.4"), netip.MustParseAddr("10.0.2.4")}}}, ec2: o.AWS.ec2}
			if c.shared {
				s.directory.group = ""
			}
			blocked, notes, err := s.paths(t.Context(), []string{"sg-00000001"})
			said := strings.Join(notes, "")
			switch {
			case err != nil:
				t.Fatal(err)
			case c.said == "" && (len(notes) > 0 || !strings.Contains(blocked, "--port 88 --cidr 10.0.1.4/32")):
				t.Errorf("blocked %q, noted %q", blocked, notes)
			case c.said == "-" && (blocked != "" || len(notes) > 0):
				t.Errorf("blocked %q, noted %q", blocked, notes)
			case len(c.said) > 1 && (blocked != "" || len(notes) != 1 || strings.Count(said, c.said) != 1 || !strings.Contains(said, "10.0.1.4, 10.0.2.4")):
				t.Errorf("blocked %q, noted %q", blocked, notes)
			}
		})
	}
}

// Whether a role lets a service in, as IAM reads it: "sts:*" used to count as lacking.
func TestWhoMayAssumeARole(t *testing.T) {
	t.Parallel()
	for action, want := range map[string]bool{`"sts:AssumeRole"`: true, `"sts:*"`: true, `"STS:assumerole"`: true, `["sts:TagSession", "sts:Assume*"]`: true, `"*"`: true,
		`"sts:TagSession"`: false, `"s3:*"`: false, `"sts:AssumeRoleWithSAML"`: false} {
		doc, err := parsePolicy(`{"Statement":{"Effect":"Allow","Principal":{"Service":"rds.amazonaws.com"},"Action":` + action + `}}`)
		if got := doc.letsIn("rds.amazonaws.com", caller{}) == granted; got != want || err != nil {
			t.Errorf("%s lets it in: %v", action, got)
		}
	}
}

// AWS wants a route to DNS servers with public addresses; it was not said.
func TestPublicDNSOfTheOtherForestIsSaid(t *testing.T) {
	t.Parallel()
	for servers, want := range map[string]string{"[192.0.2.53, 10.9.0.53]": "CidrIp=192.0.2.53/32", "[10.9.0.53]": ""} {
		cloud := newCloud(t, awstest.Options{})
		addOrders(cloud)
		h := newHost(t, cloud, wish(modifyMode, strings.Replace(withTrust, "[192.0.2.53]", servers, 1)))
		said := func(text string) bool {
			return strings.Contains(text, "aws ds add-ip-routes --region us-east-1 --directory-id d-") && strings.HasSuffix(strings.TrimSpace(text), want)
		}
		rep, err := Plan(t.Context(), h.options())
		if err != nil || said(strings.Join(rep.Steps[1].Notes, "\n")) != (want != "") {
			t.Errorf("%s: planned %+v, %v", servers, rep.Steps[1], err)
		}
		if e := h.fails(ExitWaiting, "onprem.local"); said(e.Text) != (want != "") {
			t.Errorf("%s: said %s", servers, e.Text)
		}
		cloud.OtherSide("onprem.local", trustPassword)
		if rep := h.done(); strings.Contains(strings.Join(rep.Steps[1].Notes, ""), "add-ip-routes") {
			t.Errorf("%s: said of a trust that works: %v", servers, rep.Steps[1].Notes)
		}
	}
}

// However far an apply has come, a watcher's status changes nothing at AWS and
// on this host, and the printed read-only policy is enough for it: it was not
// while readers were rebooted. Nor did it work on a host without a state folder.
func TestStatusAtEveryPoint(t *testing.T) {
	t.Parallel()
	s := scenarios()[4]
	whole := newHost(t, newCloud(t, awstest.Options{}), s.file)
	s.seed(whole.cloud)
	whole.done()
	for i, call := range whole.cloud.Calls() {
		if !call.Mutating {
			continue
		}
		t.Run(call.Action, func(t *testing.T) {
			t.Parallel()
			cloud := newCloud(t, awstest.Options{})
			s.seed(cloud)
			h := newHost(t, cloud, s.file)
			h.killAt, h.killAfter = i+1, true
			if _, err, killed := h.apply(); !killed {
				t.Fatalf("ended by itself: %v", err)
			}
			h.killAt = 0
			h.as(h.policy(ForStatus))
			other := newHost(t, cloud, s.file)
			other.people, other.database = h.people, h.database
			for n, h := range []*host{h, other, h} {
				cloud.Advance(time.Duration(n) * 3 * time.Minute) // at last the reader that was asked to restart has done so
				before, files := len(cloud.Mutations()), h.files()
				if _, err := Plan(context.Background(), h.options()); err != nil {
					t.Errorf("after %s: %v", call.Action, err)
				}
				if n := len(cloud.Mutations()); n != before || !slices.Equal(h.files(), files) {
					t.Errorf("after %s: %d changes at AWS; files %v, were %v", call.Action, n-before, h.files(), files)
				}
			}
		})
	}
}

// files are those of a host, with their contents.
func (h *host) files() (out []string) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out = append(out, path+"\n"+string(b))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return out
}
