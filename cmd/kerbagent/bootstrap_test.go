package main

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/internal/bootstrap"
)

// The JSON of a report, as scripts read it: names stay, and steps is a list even
// where no step was reached (it was null).
func TestBootstrapJSON(t *testing.T) {
	for _, c := range []struct {
		rep  bootstrap.Report
		want string
	}{
		{bootstrap.Report{Schema: 1, Error: &bootstrap.Error{Exit: bootstrap.ExitCredentials, Step: "start", Text: "ExpiredToken: <it has ended>", Next: "log in", Err: errors.New("not shown")}}, `{
  "schema": 1,
  "account": "",
  "region": "",
  "steps": [],
  "error": {
    "exit": 4,
    "step": "start",
    "text": "ExpiredToken: <it has ended>",
    "next": "log in"
  }
}
`},
		{bootstrap.Report{Schema: 1, Account: "123456789012", Region: "us-east-1", Steps: []bootstrap.StepReport{
			{Step: "directory", Done: true, Is: "d-1 is Active"},
			{Step: "trust", Is: "there is none", Missing: []string{"verify the trust"}, Waiting: "the other side", Notes: []string{"a note"}}},
			Error: &bootstrap.Error{Exit: bootstrap.ExitPermission, Step: "trust", Text: "denied", Policy: "{}"}}, `{
  "schema": 1,
  "account": "123456789012",
  "region": "us-east-1",
  "steps": [
    {
      "step": "directory",
      "done": true,
      "is": "d-1 is Active"
    },
    {
      "step": "trust",
      "done": false,
      "is": "there is none",
      "missing": [
        "verify the trust"
      ],
      "waiting": "the other side",
      "notes": [
        "a note"
      ]
    }
  ],
  "error": {
    "exit": 5,
    "step": "trust",
    "text": "denied",
    "policy": "{}"
  }
}
`},
	} {
		var out strings.Builder
		if err := printBootstrapJSON(&out, c.rep); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, out.String()); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}
