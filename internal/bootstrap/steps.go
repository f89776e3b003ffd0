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
	if w.Config.Cluster.AnyCase {
		steps = append(steps, &parametersStep{world: w, rds: w.AWS.rds,
			clusters: &clusterStep{world: w, rds: w.AWS.rds, ec2: w.AWS.ec2, vault: vault}})
	}
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
	return append(steps, w.hostSteps()...)
}

// clientSteps are those of a further host: it reads what the first one made.
func (w *world) clientSteps() []step {
	vault := vault{w.AWS.secrets, w}
	observe := &observeStep{&directoryStep{world: w, ds: w.AWS.directory, ec2: w.AWS.ec2, vault: vault},
		&clusterStep{world: w, rds: w.AWS.rds, ec2: w.AWS.ec2, vault: vault}}
	return append([]step{observe}, w.hostSteps()...)
}

// hostSteps are about the files and the daemon of this host.
func (w *world) hostSteps() []step {
	vault := vault{w.AWS.secrets, w}
	client := &clientStep{world: w, vault: vault}
	if w.Service == nil {
		return []step{client}
	}
	return []step{client, &serviceStep{world: w, vault: vault, logins: client.logins()}}
}
