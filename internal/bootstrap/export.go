package bootstrap

import (
	"context"
)

// Format is a language that what bootstrap created is exported in.
type Format string

// The formats.
const (
	Terraform      Format = "terraform"
	CloudFormation Format = "cloudformation"
)

// Export returns what the configuration's bootstrap has created, as code for another
// tool, with what it needs to take over (import) the existing resources. It only reads.
// No password is in the text.
func Export(ctx context.Context, o Options, format Format) (string, error) {
	e, err := start(ctx, o, false)
	if err != nil {
		return "", err
	}
	b := &belongings{world: e.world}
	for _, part := range []struct {
		step string
		read func(context.Context) error
	}{{"directory", b.readDirectory}, {"role", b.readRole}, {"cluster", b.readCluster}, {"secrets", b.readSecrets}} {
		if err := part.read(ctx); err != nil {
			return "", e.world.problem(part.step, err)
		}
	}
	if b.directory == nil && b.role == nil && b.cluster == nil && len(b.secrets) == 0 {
		return "", &Error{Exit: ExitFailed, Step: "export", Text: "nothing in this account was created by kerbagent bootstrap with this file",
			Next: "run kerbagent bootstrap apply first"}
	}
	if format == CloudFormation {
		return b.cloudFormation()
	}
	return b.terraform()
}
