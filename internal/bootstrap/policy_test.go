package bootstrap

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

func (h *host) policy(purpose Purpose) string {
	h.t.Helper()
	cfg, err := config.LoadBootstrap(h.file)
	if err != nil {
		h.t.Fatal(err)
	}
	return Policy(cfg, "us-east-1", "123456789012", purpose)
}

// as runs a test with a policy in place of an administrator's.
func (h *host) as(policies ...string) {
	h.t.Helper()
	if err := h.cloud.SetPolicies(accessKey, policies...); err != nil {
		h.t.Fatalf("%v in %v", err, policies)
	}
}

// life is all that happens to a set-up: from nothing, with the other side of a
// trust made late, and again from a host that knows nothing of the first one.
func (h *host) life() error {
	_, err, _ := h.apply()
	if err != nil && problem("", err).Exit == ExitWaiting {
		h.cloud.OtherSide("onprem.local", trustPassword)
		_, err, _ = h.apply()
	}
	if err != nil {
		return err
	}
	other := newHost(h.t, h.cloud, h.file0)
	other.people, other.database = h.people, h.database
	_, err, _ = other.apply()
	return err
}

// What is printed is enough for everything, and there is nothing in it that the
// bootstrap can do without.
func TestPolicyIsSufficientAndNecessary(t *testing.T) {
	t.Parallel()
	sometimes := []string{
		"ds:CreateConditionalForwarder", "ds:UpdateConditionalForwarder", // for a trust that somebody has taken the forwarder from, or changed it
		"iam:GetPolicy", "iam:GetPolicyVersion", "iam:GetRolePolicy", // for a role that is somebody's, with policies of theirs
		"iam:ListAccountAliases",      // a courtesy: without it the account has no name in the question
		"iam:CreateServiceLinkedRole", // where the account never had a database
	}
	draws := drawActions(t)
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			fast := awstest.Options{Slowest: 45 * time.Second}
			h := newHost(t, newCloud(t, fast), s.file)
			s.seed(h.cloud)
			h.cloud.OtherSide("onprem.local", "not yet the right one")
			all := h.policy(ForApply)
			h.as(all)
			if err := h.life(); err != nil {
				t.Fatal(err)
			}
			h.right(s)
			used := map[string]bool{}
			for _, c := range h.cloud.Calls() {
				for _, p := range c.Permissions {
					used[p.Action] = true
				}
			}
			var doc policy
			if err := json.Unmarshal([]byte(all), &doc); err != nil {
				t.Fatal(err)
			}
			for i, st := range doc.Statement {
				for _, action := range st.Action {
					if slices.Contains(sometimes, action) {
						continue
					}
					if !used[action] {
						t.Errorf("%s on %s is not needed", action, st.Resource)
					}
					if !wholeMatrix && draws[action] != s.name {
						continue // another way to a cluster does without it
					}
					less := policy{Version: doc.Version, Statement: slices.Clone(doc.Statement)}
					less.Statement[i].Action = slices.DeleteFunc(slices.Clone(st.Action), func(a string) bool { return a == action })
					if len(less.Statement[i].Action) == 0 {
						less.Statement = slices.Delete(less.Statement, i, i+1)
					}
					h := newHost(t, newCloud(t, fast), s.file)
					s.seed(h.cloud)
					h.cloud.OtherSide("onprem.local", "not yet the right one")
					h.as(policyText(less))
					err := h.life()
					if err == nil {
						t.Errorf("%s on %s is not needed", action, st.Resource)
						continue
					}
					words := action
					if strings.HasPrefix(action, "kms:") {
						words = "the KMS key is refused" // AWS does not say by what
					}
					if p := problem("", err); p.Exit != ExitPermission || !strings.Contains(p.Text, words) || !strings.Contains(p.Policy, action) {
						t.Errorf("without %s: exit %d, %s", action, p.Exit, p.Text)
					}
				}
			}
		})
	}
}

// drawActions draws for each action one of the ways to a cluster that need it.
func drawActions(t *testing.T) map[string]string {
	t.Helper()
	ways := map[string][]string{}
	for _, s := range scenarios() {
		var doc policy
		if err := json.Unmarshal([]byte(newHost(t, newCloud(t, awstest.Options{}), s.file).policy(ForApply)), &doc); err != nil {
			t.Fatal(err)
		}
		for _, st := range doc.Statement {
			for _, action := range st.Action {
				if !slices.Contains(ways[action], s.name) {
					ways[action] = append(ways[action], s.name)
				}
			}
		}
	}
	draw, out := drawn(t), map[string]string{}
	for _, action := range slices.Sorted(maps.Keys(ways)) {
		out[action] = ways[action][draw.IntN(len(ways[action]))]
	}
	return out
}

func TestReadOnlyPolicyIsEnoughForAStatus(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			h := newHost(t, newCloud(t, awstest.Options{}), s.file)
			s.seed(h.cloud)
			h.done()
			h.as(h.policy(ForStatus))
			rep, err := Plan(t.Context(), h.options())
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range rep.Steps {
				// The watcher has no business with passwords.
				if unseen := strings.HasPrefix(step.Is, "not looked at"); unseen != (step.Step == "users" || step.Step == "database-users" && strings.Contains(s.file, "mode: create")) {
					t.Errorf("%s: %s", step.Step, step.Is)
				}
			}
		})
	}
}

func TestPolicyOfOtherPartitions(t *testing.T) {
	t.Parallel()
	h := newHost(t, newCloud(t, awstest.Options{}), wish(modifyMode, ""))
	cfg, err := config.LoadBootstrap(h.file)
	if err != nil {
		t.Fatal(err)
	}
	for region, want := range map[string]string{"cn-north-1": "arn:aws-cn:iam::", "us-gov-west-1": "arn:aws-us-gov:iam::", "eusc-de-east-1": "arn:aws-eusc:iam::", "af-south-1": "arn:aws:iam::"} {
		if got := Policy(cfg, region, "", ForApply); !strings.Contains(got, want+"*:role/") {
			t.Errorf("%s: no %s in\n%s", region, want, got)
		}
	}
}
