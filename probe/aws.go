package probe

// AWS is the kind of a result that says what AWS's own API reports: no packet was
// sent to what it is about, and none of it is the opinion of a probe.
const AWS Kind = "aws"

// Variants of the ID of such a result. The reading itself, of one Region, has none.
const (
	AWSCluster   = "cluster"
	AWSInstance  = "instance"
	AWSDirectory = "directory"
	AWSWay       = "way" // whether security groups admit this host
)

// What AWS reports. The texts are AWS's, bounded, and escaped by each output.
const (
	FactRegion      Fact = "region"          // of AWS
	FactCluster     Fact = "cluster"         // identifier of a database's cluster
	FactAsked       Fact = "requested"       // "true": somebody asked for the reading, who is to hear that it was not made
	FactNotSeen     Fact = "not-seen"        // what could not be read, and why
	FactState       Fact = "state"           // AWS's word: available, Active, joined; of a way one of the Way values
	FactStateWhy    Fact = "state-reason"    // AWS's text for it
	FactDirectory   Fact = "directory"       // id of the directory that a cluster is joined to
	FactMembership  Fact = "membership"      // AWS's word for the state of that
	FactCreated     Fact = "created"         // RFC 3339
	FactRestarted   Fact = "restarted"       // RFC 3339: the last restart that AWS's events tell of
	FactJoinedAt    Fact = "joined-at"       // RFC 3339: the last event of the cluster that tells of the join
	FactEvents      Fact = "events"          // how far back its events were read: "14 days"
	FactPending     Fact = "pending"         // what waits for a reboot, or for the maintenance window
	FactControllers Fact = "controllers"     // of a directory: "10.0.1.10 Active", comma-separated
	FactGroups      Fact = "security-groups" // identifiers
	FactFrom        Fact = "from"            // this host's address
	FactLacks       Fact = "lacks"           // what no rule admits: "tcp 3306"
)

// Values of FactState of a way.
const (
	WayAdmitted = "admitted"
	WayRefused  = "not admitted"
	WayUnknown  = "cannot tell"
)
