package bootstrap

import (
	"errors"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// Nothing is changed, and nothing but the account asked for, where the file names
// no account or another one: the credentials used to decide whose account it is.
func TestOnlyTheAccountOfTheFileIsChanged(t *testing.T) {
	t.Parallel()
	const line = `account: "123456789012"`
	for name, c := range map[string]struct {
		file  string
		words []string
		plan  Exit
	}{
		"no account":      {strings.Replace(wish(modifyMode, ""), "  "+line+"\n", "", 1), []string{"names no AWS account", "lead to 123456789012", line}, ExitDone},
		"another account": {strings.Replace(wish(modifyMode, ""), line, `account: "210987654321"`, 1), []string{"bootstrap.account is 210987654321", "the AWS account 123456789012", line}, ExitUsage},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{Alias: "prod"})
			addOrders(cloud)
			h := newHost(t, cloud, c.file)
			before := len(h.files())
			h.takeLock = true
			e := h.fails(ExitUsage, c.words...)
			if strings.Contains(e.Text, "\n") || len(h.files()) != before {
				t.Errorf("said %q; %d files, were %d", e.Text, len(h.files()), before)
			}
			for _, call := range cloud.Calls() {
				if call.Action != "GetCallerIdentity" {
					t.Errorf("called %s", call.Action)
				}
			}
			rep, err := Plan(t.Context(), h.options())
			var ended *Error
			if errors.As(err, &ended); c.plan == ExitDone && (err != nil || !strings.Contains(strings.Join(rep.Notes, ""), line)) || c.plan != ExitDone && (ended == nil || ended.Exit != c.plan) {
				t.Errorf("planned %+v, %v", rep.Notes, err)
			}
			if c.plan == ExitDone && (rep.Alias != "prod" || len(rep.Steps[0].Billed) != 1 || !strings.Contains(rep.Steps[0].Billed[0], "Standard edition")) {
				t.Errorf("planned %q, %+v", rep.Alias, rep.Steps[0])
			}
		})
	}
}
