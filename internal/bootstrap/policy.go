package bootstrap

import (
	"slices"

	"github.com/kerbagent/kerbagent/config"
)

// Purpose is what a policy is for.
type Purpose string

// The purposes.
const (
	ForApply  Purpose = "apply"  // from nothing to a login
	ForStatus Purpose = "status" // of a watcher, which looks and never changes
	ForRotate Purpose = "rotate"
	ForClient Purpose = "client" // of a further host
)

// Policy returns the IAM policy for what is configured. account may be empty: then
// the policy is for any.
func Policy(cfg *config.Bootstrap, region, account string, purpose Purpose) string {
	if account == "" {
		account = "*"
	}
	w := &world{Options: Options{Config: cfg}, account: account, region: region, partition: partitionOf(region)}
	steps := w.steps()
	all := w.onSecret(lockName, "CreateSecret", "TagResource", "GetSecretValue", "DeleteSecret")
	switch purpose {
	case ForRotate:
		steps = w.rotatable()
	case ForClient:
		steps, all = w.clientSteps(), nil
		for _, l := range (&clientStep{world: w}).logins() {
			all = append(all, vault{world: w}.needs(l.password, false)...)
		}
	default:
		all = append(all, watch("iam:ListAccountAliases", "*"))
	}
	for _, s := range steps {
		all = append(all, s.needs()...)
	}
	if purpose == ForStatus {
		all = slices.DeleteFunc(all, func(p permission) bool { return !p.reads })
		for _, ref := range w.managedSecrets() { // for export and destroy --plan: tags, and no values
			all = append(all, w.onSecret(ref.Manager, "DescribeSecret")...)
		}
	}
	return policyText(compile(all))
}

// ReadPolicy returns the IAM policy for actions that only read.
func ReadPolicy(actions []string) string {
	var all []permission
	for _, a := range actions {
		all = append(all, watch(a, "*"))
	}
	return policyText(compile(all))
}

// PolicyWarnings returns what whoever grants the policy should know: how its
// holder could get more than it is for.
func PolicyWarnings(cfg *config.Bootstrap) []string {
	var out []string
	r := cfg.Role
	if r.Manage && r.Inline && r.Boundary == "" {
		out = append(out, "its holder may write any policy into the role "+r.Name+" (iam:PutRolePolicy), and so get any permission in "+
			"the account. "+
			"Write role.permissions_boundary, or use policy: managed, or have an administrator make the role and write role.manage: false")
	}
	if r.Manage && r.RepairTrust {
		out = append(out, "its holder may take the role "+r.Name+" with all that it may do (iam:UpdateAssumeRolePolicy, for role.repair_trust). "+
			"Grant it only where that role has no other use, and leave role.repair_trust out afterwards")
	}
	return out
}
