package bootstrap

import (
	"slices"

	"github.com/kerbagent/kerbagent/config"
)

// Policy is the least IAM policy for what is configured, from nothing to a
// login; readOnly: for a watcher, which looks and never changes. account may be
// empty: then the policy is for any.
func Policy(cfg *config.Bootstrap, region, account string, readOnly bool) string {
	if account == "" {
		account = "*"
	}
	w := &world{Options: Options{Config: cfg}, account: account, region: region, partition: partitionOf(region)}
	var all []permission
	for _, s := range w.steps() {
		all = append(all, s.needs()...)
	}
	all = append(all, w.onSecret(lockName, "CreateSecret", "GetSecretValue", "DeleteSecret")...)
	if readOnly {
		all = slices.DeleteFunc(all, func(p permission) bool { return !p.reads })
	}
	return policyText(compile(all))
}
