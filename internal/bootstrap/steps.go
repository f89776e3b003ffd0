package bootstrap

import (
	"github.com/kerbagent/kerbagent/config"
)

// steps are the guide's, in its order.
func (w *world) steps() []step {
	vault := vault{w.AWS.secrets, w}
	steps := []step{&directoryStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault}}
	if w.Config.Trust != nil {
		steps = append(steps, &trustStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault})
	}
	steps = append(steps, &roleStep{world: w, iam: w.AWS.iam, rds: w.AWS.rds})
	if len(w.Config.Users) > 0 {
		steps = append(steps, &usersStep{world: w, vault: vault})
	}
	steps = append(steps, &clusterStep{world: w, rds: w.AWS.rds, ec2: w.AWS.ec2, vault: vault})
	if w.Config.Cluster.Mode == config.ClusterModify {
		steps = append(steps, &readersStep{world: w, rds: w.AWS.rds})
	}
	if len(w.Config.DatabaseUsers) > 0 {
		steps = append(steps, &databaseStep{world: w, vault: vault})
	}
	return append(steps, &clientStep{world: w, vault: vault})
}
