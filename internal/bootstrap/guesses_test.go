package bootstrap

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// guess is a row of docs/first-contact.md: what nobody has seen on AWS yet. Its
// test makes the guess wrong, and holds bootstrap to what the row promises then.
type guess struct {
	row     string // as its first cell begins
	test    string // a test elsewhere that does it; the fields below are empty then
	options awstest.Options
	file    string // empty: modifyMode
	seed    func(*awstest.Cloud, *host)
	exit    Exit // of the first run, with the words that it has to say
	words   []string
	after   func(*host) // makes it right: a second run then has to end well. nil: there is none
	check   func(*testing.T, *host)
}

func guesses() []guess {
	deny := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
	}
	fault := func(action string, f awstest.Fault) func(*awstest.Cloud, *host) {
		return func(c *awstest.Cloud, _ *host) { c.Fault(awstest.Match{Action: action, Nth: 1}, f) }
	}
	again := func(*host) {}
	create := wish(createMode, "")
	return []guess{
		{row: "whether the printed policy is enough", exit: ExitPermission, words: []string{"ds:DescribeDirectories", `"Action": [`},
			seed: func(_ *awstest.Cloud, h *host) { h.as(awstest.Everything, deny("ds:DescribeDirectories")) }, after: func(h *host) { h.as(awstest.Everything) }},
		{row: "which service `iam:PassRole`", options: awstest.Options{PassedToService: "kerberos.rds.amazonaws.com"}, exit: ExitPermission, words: []string{"iam:PassRole"},
			seed: func(_ *awstest.Cloud, h *host) { h.as(h.policy(ForApply)) }, after: func(h *host) { h.as(awstest.Everything) }},
		{row: "whether RDS sends `aws:SourceAccount`", test: "TestAHardenedRoleWhereRDSSendsNoSource"},
		{row: "which service principal", options: awstest.Options{RolePrincipal: "directoryservice-aurora-mysql.rds.us-east-1.amazonaws.com"}, exit: ExitFailed,
			words: []string{"IAM role provided is not valid", "role.principals"}, check: func(t *testing.T, h *host) { h.unjoined(t) }},
		{row: "what RDS answers where its service-linked role", file: create, exit: ExitFailed, words: []string{"ServiceLinkedRoleRefused", "cannot be created"},
			seed: fault("CreateDBCluster", awstest.Refuse("ServiceLinkedRoleRefused", "The role cannot be created.")), after: again},
		{row: "which version a restore gets", test: "TestRestoresKeepVersionAndParameterGroup"},
		{row: "whether orderable options", test: "TestAVersionThatIsNotListedIsTried"},
		{row: "`msDS-UserPasswordExpiryTimeComputed`", check: func(t *testing.T, h *host) {
			h.people.accounts["Admin"] = &Account{Name: "Admin", HasPassword: true} // without a date
			rep, err := Plan(t.Context(), h.options())
			if err != nil || strings.Contains(strings.Join(rep.Steps[2].Notes, ""), "expires on") {
				t.Errorf("status says %v, %v", rep.Steps[2].Notes, err)
			}
		}},
		{row: "whether `ResetUserPassword` on Admin", test: "TestRotateProvesBeforeItGivesOut"},
		{row: "what kpasswd of the directory's", exit: ExitFailed, words: []string{"result code 9", "alice.password"},
			seed: func(_ *awstest.Cloud, h *host) { h.people.refused = errors.New("result code 9") }, after: func(h *host) { h.people.refused = nil },
			check: func(t *testing.T, h *host) {
				if len(h.people.accounts) != 1 || !h.people.accounts["alice"].Disabled {
					t.Error("a user without a known password was enabled")
				}
			}},
		{row: "in which Regions Directory Service and IAM", test: "TestAPIsThatCannotBeReached"},
		{row: "what Secrets Manager answers", exit: ExitFailed, words: []string{"ValidationException"},
			seed: fault("GetSecretValue", awstest.Refuse("ValidationException", "no such name")), check: func(t *testing.T, h *host) {
				if len(h.cloud.Directories()) > 0 {
					t.Error("a directory was made with a password that is not stored")
				}
			}, after: again},
		{row: "what Secrets Manager and RDS answer where KMS refuses", file: wish(modifyMode, "  secrets_kms_key: alias/corp\n"), exit: ExitPermission,
			words: []string{"secretsmanager:CreateSecret", "AWS names no permission", "KMS key refuses", `"kms:GenerateDataKey"`}, seed: func(c *awstest.Cloud, _ *host) {
				c.Fault(awstest.Match{Action: "CreateSecret", Nth: 2}, awstest.Refuse("AccessDeniedException", "The key is not for you."))
			}, check: func(t *testing.T, h *host) {
				if len(h.cloud.Directories()) > 0 {
					t.Error("a directory was made with a password that is not stored")
				}
			}, after: again},
		{row: "whether RDS asks for `kms:CreateGrant`", file: create, options: awstest.Options{DefaultKeyAsks: true}, exit: ExitPermission,
			words: []string{"the use of the KMS key is refused", `"kms:CreateGrant"`, `"kms:DescribeKey"`, "rds.us-east-1.amazonaws.com"},
			seed:  func(_ *awstest.Cloud, h *host) { h.as(h.policy(ForApply)) }, check: func(t *testing.T, h *host) {
				e := h.fails(ExitPermission)
				if len(h.cloud.Clusters()) > 0 {
					t.Error("there is a cluster")
				}
				h.as(h.policy(ForApply), e.Policy) // what it asks for is enough
			}, after: func(*host) {}},
		{row: "how long a new KMS key is not found", test: "TestAKeyThatIsSecondsOld"},
		{row: "whether AuthFailure and the like", exit: ExitFailed, words: []string{"SessionIsOver", "run it again"},
			seed: func(c *awstest.Cloud, _ *host) {
				c.Fault(awstest.Match{Action: "DescribeDirectories", Nth: 7}, awstest.Refuse("SessionIsOver", "too late"))
			}, after: again},
		{row: "how long RDS does not see a new role", exit: ExitFailed, words: []string{"InvalidParameterCombination", "The domain's identity is unknown"},
			seed:  fault("ModifyDBCluster", awstest.Refuse("InvalidParameterCombination", "The domain's identity is unknown.")),
			check: func(t *testing.T, h *host) { h.unjoined(t) }, after: again},
		{row: "the states of a membership", options: awstest.Options{MemberWords: map[string]string{"kerberos-enabled": "kerberos-on", "pending-enable-kerberos": "queued"}},
			exit: ExitWaiting, words: []string{"kerberos-on", "45m"}, check: func(t *testing.T, h *host) {
				if n := h.effects("ModifyDBCluster"); n != 1 {
					t.Errorf("the join was asked for %d times", n)
				}
			}},
		{row: "whether the writer has the plugin", options: awstest.Options{WriterNeedsReboot: true}, exit: ExitFailed,
			words: []string{"is not loaded on orders-1", "aws rds reboot-db-instance --region us-east-1 --db-instance-identifier orders-1"},
			check: func(t *testing.T, h *host) {
				if h.cloud.Instances()[0].Reboots > 0 {
					t.Error("the writer was rebooted")
				}
			}},
		{row: "what CreateDBCluster makes of Domain", file: create, options: awstest.Options{NoDomainAtCreation: true}, exit: ExitPermission, words: []string{"rds:ModifyDBCluster"},
			seed: func(_ *awstest.Cloud, h *host) { h.as(h.policy(ForApply)) }, check: func(t *testing.T, h *host) {
				h.as(awstest.Everything)
				h.fails(ExitFailed, "is not loaded on orders-2", "reboot-db-instance")
			}},
		{row: "whether the Admin may do all of it", exit: ExitFailed, words: []string{"insufficientAccessRights"},
			seed:  func(_ *awstest.Cloud, h *host) { h.people.uncreated = errors.New("insufficientAccessRights (50)") },
			after: func(h *host) { h.people.uncreated, h.people.created = nil, 0 }},
		{row: "whether the new user is on the domain controller", test: "TestWaitForUsersEnds"},
		{row: "whether Aurora takes the statements", exit: ExitFailed, words: []string{"tried 3 times to run CREATE USER 'alice'@'%'"},
			seed: func(_ *awstest.Cloud, h *host) { h.database.deaf = true }, after: func(h *host) { h.database.deaf = false }},
		{row: "the trust's state reasons", file: wish(modifyMode, withTrust), exit: ExitWaiting, words: []string{"a reason of the year 2031", "netdom trust"},
			seed: fault("VerifyTrust", awstest.Fails("a reason of the year 2031"))},
		{row: "what a reboot leaves in an instance's events", options: awstest.Options{RebootEvents: [2]string{"going down", "up again"}, Slowest: 2 * time.Second},
			seed: fault("RebootDBInstance", awstest.DropAfter()), check: func(t *testing.T, h *host) { h.right(scenarios()[0]) }},
		{row: "whether a reader that is made while", exit: ExitFailed, words: []string{"is not loaded on orders-4", "reboot-db-instance"},
			seed: func(c *awstest.Cloud, h *host) {
				h.onSleep = func() {
					if h.effects("ModifyDBCluster") == 1 && len(c.Instances()) == 3 {
						c.AddInstance("orders-4", "orders")
					}
				}
			}},
		{row: "whether a directory that was deleted stays listed", exit: ExitWaiting, words: []string{"Removing"},
			seed: func(c *awstest.Cloud, h *host) {
				h.onSleep = func() {
					if d := c.Directories(); len(d) == 1 {
						c.SetStage(d[0].ID, "Removing", "")
					}
				}
			}, check: func(t *testing.T, h *host) {
				if n := len(h.cloud.Directories()); n != 1 {
					t.Errorf("%d directories", n)
				}
			}},
		{row: "whether a read of the lock", seed: func(c *awstest.Cloud, _ *host) {
			c.Fault(awstest.Match{Action: "GetSecretValue", Nth: 2}, awstest.Refuse("ResourceNotFoundException", "Secrets Manager can't find the specified secret."))
		}, check: func(t *testing.T, h *host) {
			if !slices.ContainsFunc(h.cloud.Calls(), func(c awstest.Call) bool {
				return c.Action == "GetSecretValue" && !c.Effect && strings.Contains(string(c.Request), lockName)
			}) {
				t.Error("the lock was always seen")
			}
		}},
		{row: "the ports that the cluster needs", exit: ExitFailed, words: []string{"cluster.directory_ports", "describe-events --region us-east-1 --source-type db-cluster"},
			seed: func(c *awstest.Cloud, _ *host) {
				c.Fault(awstest.Match{Action: "ModifyDBCluster"}, awstest.Fails("the domain controllers cannot be reached on tcp/636"))
			}},
		{row: "the form of an endpoint", options: awstest.Options{OnEndpoint: func(e awstest.Endpoint) (string, int) { return e.Instance + "x.db.eu-new-1.aws.example", 3306 }},
			check: func(t *testing.T, h *host) {
				b, err := os.ReadFile(h.file)
				if err != nil || !strings.Contains(string(b), "x.db.eu-new-1.aws.example") {
					t.Errorf("%s, %v", b, err)
				}
			}},
		{row: "whether a cluster takes another parameter group", options: awstest.Options{ParametersInWindow: true}, file: wish(anyCased(modifyMode), ""), exit: ExitFailed,
			words: []string{"tried 3 times to give the cluster orders the parameter group", "--apply-immediately, which also makes every change"},
			check: func(t *testing.T, h *host) { h.unjoined(t) }},
		{row: "whether the join takes longer", options: awstest.Options{JoinTakes: 2 * time.Hour}, exit: ExitWaiting, words: []string{"join the directory", "run it again"},
			after: func(h *host) { h.cloud.Advance(2 * time.Hour) }},
		{row: "whether a trust with selective authentication", file: wish(modifyMode, strings.Replace(withTrust, "direction:", "selective_auth: true, direction:", 1)), exit: ExitFailed,
			words: []string{"policy-denied"}, seed: func(c *awstest.Cloud, h *host) {
				c.OtherSide("onprem.local", trustPassword)
				h.verdict = diagnose.Report{Verdict: diagnose.VerdictFailed, Findings: []diagnose.Finding{{Code: "policy-denied", Title: "the domain's policy denies the login"}}}
			}, check: func(t *testing.T, h *host) {
				if !slices.ContainsFunc(h.told(EventNote), func(e Event) bool { return strings.Contains(e.Text, "Allowed to authenticate") }) {
					t.Error("what the trust needs was not said")
				}
			}},
	}
}

// Every guess of docs/first-contact.md has a safe end where it is wrong: nothing is
// made twice, nothing is widened or enabled, and the person is told what to do.
func TestGuessesThatAreWrong(t *testing.T) {
	t.Parallel()
	rows := firstContact(t)
	for _, g := range guesses() {
		n := len(rows)
		rows = slices.DeleteFunc(rows, func(row string) bool { return strings.HasPrefix(row, g.row) })
		if len(rows) != n-1 {
			t.Errorf("%q begins %d rows of docs/first-contact.md", g.row, n-len(rows))
		}
		if g.test != "" {
			if !testExists(t, g.test) {
				t.Errorf("%s: there is no %s", g.row, g.test)
			}
			continue
		}
		t.Run(g.row, func(t *testing.T) {
			t.Parallel()
			g.wrong(t)
		})
	}
	for _, row := range rows {
		t.Errorf("no test makes this guess wrong: %s", row)
	}
}

// wrong runs a bootstrap where the guess is wrong, and once more where it can go on.
func (g guess) wrong(t *testing.T) {
	cloud := newCloud(t, g.options)
	s := scenarios()[0]
	if g.file != "" {
		s.file = g.file
	}
	if strings.Contains(s.file, "mode: modify") {
		s.seed(cloud)
	}
	h := newHost(t, cloud, s.file)
	if g.seed != nil {
		g.seed(cloud, h)
	}
	if g.exit == ExitDone {
		h.done()
	} else {
		h.noSecretsIn(Report{Error: h.fails(g.exit, g.words...)})
	}
	if g.check != nil {
		g.check(t, h)
	}
	if g.after != nil {
		g.after(h)
		h.done()
		h.right(s)
	}
	for _, made := range []string{"CreateMicrosoftAD", "CreateRole", "CreateTrust", "CreateDBCluster"} {
		if n := h.effects(made); n > 1 {
			t.Errorf("%s was made %d times", made, n)
		}
	}
}

// effects counts the calls of an action that did something.
func (h *host) effects(action string) (n int) {
	for _, c := range h.cloud.Calls() {
		if c.Action == action && c.Effect {
			n++
		}
	}
	return n
}

// unjoined holds a cluster to be as it was.
func (h *host) unjoined(t *testing.T) {
	t.Helper()
	if c := h.cloud.Clusters()[0]; c.Member != "" || h.cloud.Instances()[1].Reboots > 0 {
		t.Errorf("the cluster is %q", c.Member)
	}
}

// firstContact returns the rows about bootstrap of docs/first-contact.md. Each has
// four cells, and none of them is empty.
func firstContact(t *testing.T) (rows []string) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "docs", "first-contact.md"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	part := ""
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "## ") {
			part = line
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		if part != "## bootstrap" || !strings.HasPrefix(line, "|") || cells[0] == "what" || strings.HasPrefix(cells[0], "---") {
			continue
		}
		if len(cells) != 4 || slices.Contains(cells, "") {
			t.Errorf("not four cells: %s", line)
		}
		rows = append(rows, cells[0])
	}
	if err := lines.Err(); err != nil || len(rows) < 25 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	return rows
}

// testExists reports whether this package has a test of that name.
func testExists(t *testing.T, name string) bool {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		b, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(b), "\nfunc "+name+"(t *testing.T)")
	})
}
