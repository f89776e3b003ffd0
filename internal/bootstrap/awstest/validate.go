package awstest

import (
	"bytes"
	"context"
	_ "embed" // the checker
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
)

//go:embed testdata/validate.py
var validator string

// Validate holds calls against AWS's API models, with the checker in Python that
// reads them out of the botocore of this host. It gives what is wrong with the
// requests and answers, a line each; an error where the checker does not run.
func Validate(ctx context.Context, calls []Call) ([]string, error) {
	var in, stderr bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, k := range calls {
		if k.Code == "InvalidAction" { // it was told already
			continue
		}
		if err := enc.Encode(map[string]any{"service": k.Service, "action": k.Action, "request": k.Request, "response": k.Response,
			"status": k.Status, "code": k.Code}); err != nil {
			return nil, fmt.Errorf("writing calls: %w", err)
		}
	}
	cmd := exec.CommandContext(ctx, "python3", "-c", validator)
	cmd.Stdin, cmd.Stderr = &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running the checker (it needs python3 with botocore): %w: %s", err, stderr.String())
	}
	return strings.FieldsFunc(string(out), func(r rune) bool { return r == '\n' }), nil
}
