package probe

import "time"

// Topology is what an instance of an Aurora cluster said of its cluster.
type Topology struct {
	Server    string     // identifier of the instance that answered; empty where it says none that can be one
	Version   string     // of Aurora; empty where it says none
	Instances []Instance // the writer first
	LeftOut   int        // rows that were not taken: too many, or with a name that is none
	NotAurora bool       // the server knows neither the table nor the variables
	Err       error      // why nothing is known; it may hold what the peer said
}

// Instance is one instance of a cluster.
type Instance struct {
	ID     string // its identifier
	Writer bool
	Lag    time.Duration // of replication; the writer has none
	Lags   bool          // the server says how large Lag is
}
