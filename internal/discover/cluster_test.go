package discover

import (
	"errors"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
)

// A name that looks like a cluster's may lead to a server that is none, which is no
// news unless the configuration says that there is a cluster.
func TestAServerThatIsNotAuroraHidesNothing(t *testing.T) {
	said := probe.Topology{NotAurora: true, Err: errors.New("ERROR 1193: unknown system variable")}
	for mode, hidden := range map[config.InstancesMode]bool{config.InstancesDefault: false, config.InstancesDiscover: true} {
		var m Memory
		db := config.Database{Name: "orders", Host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", Instances: mode}
		if m.LearnCluster(db, said, time.Now()) != hidden || (m.Known(nil).Clusters["orders"].Hidden != "") != hidden {
			t.Errorf("instances %q: %+v", mode, m.Known(nil).Clusters)
		}
	}
}
