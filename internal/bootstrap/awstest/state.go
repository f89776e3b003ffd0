package awstest

import (
	"encoding/json"
	"time"
)

// state is all that an account holds. It is plain data, so that older versions
// can be kept for reads that lag. The maps go by the resource's id or, where AWS
// has none, by its name.
type state struct {
	Directories     map[string]*Directory
	Trusts          map[string]*Trust
	Roles           map[string]*Role
	Policies        map[string]string // customer managed: documents by ARN
	LinkedRole      bool              // RDS's service-linked role exists
	Clusters        map[string]*Cluster
	Gone            map[string]*Cluster // deleted, with automated backups kept; by resource id
	Instances       map[string]*Instance
	Snapshots       map[string]*Snapshot
	SubnetGroups    map[string]*SubnetGroup
	ParameterGroups map[string]*ParameterGroup // of clusters, without AWS's own
	GlobalMembers   map[string][]string        // ARNs of clusters by global cluster
	Versions        map[string]*EngineVersion
	Events          []Event
	Secrets         map[string]*Secret
	VPCs            map[string]*VPC
	Subnets         map[string]*Subnet
	Groups          map[string]*SecurityGroup
	RouteTables     map[string]*RouteTable
	Peerings        map[string]*Peering
	Interfaces      map[string]*Interface
	OtherSides      map[string]*otherSide
}

func newState() *state {
	st := &state{
		Directories: map[string]*Directory{}, Trusts: map[string]*Trust{}, Roles: map[string]*Role{}, Policies: map[string]string{},
		Gone: map[string]*Cluster{}, Clusters: map[string]*Cluster{}, Instances: map[string]*Instance{}, Snapshots: map[string]*Snapshot{},
		SubnetGroups: map[string]*SubnetGroup{}, GlobalMembers: map[string][]string{}, Versions: map[string]*EngineVersion{},
		ParameterGroups: map[string]*ParameterGroup{},
		Secrets:         map[string]*Secret{}, VPCs: map[string]*VPC{}, Subnets: map[string]*Subnet{}, Groups: map[string]*SecurityGroup{},
		RouteTables: map[string]*RouteTable{}, Peerings: map[string]*Peering{}, Interfaces: map[string]*Interface{},
		OtherSides: map[string]*otherSide{},
	}
	for _, v := range engineVersions() {
		st.Versions[v.Version] = &v
	}
	return st
}

// copyOf returns a deep copy of plain data.
func copyOf[T any](v T) T {
	var w T
	b, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(b, &w)
	}
	if err != nil {
		panic("awstest: the state is not plain data: " + err.Error())
	}
	return w
}

func (st *state) clone() *state { return copyOf(st) }

// Directory of Directory Service.
type Directory struct {
	ID, Name, ShortName, Description, Edition string
	Type                                      string // MicrosoftAD, SharedMicrosoftAD, SimpleAD, ADConnector
	Stage, StageReason                        string
	Password                                  string // of Admin
	VPC                                       string
	Subnets                                   []string
	SecurityGroup                             string
	DNS                                       []string // of its domain controllers, once they exist
	Controllers                               []Controller
	Forwarders                                map[string][]string // DNS addresses by remote domain
	Routes                                    map[string]string   // state by CIDR
	Tags                                      map[string]string
	Launched, Updated                         time.Time
	OwnerAccount, OwnerDirectory              string // of a shared one
	FailReason                                string // it is going to fail, and why
}

// Controller is a domain controller.
type Controller struct{ ID, IP, Subnet, Zone, Status string }

// Trust of a directory with another forest.
type Trust struct {
	ID, Directory, Domain     string
	Direction, Type           string
	Selective                 string // Enabled or Disabled
	State, Reason             string
	Password                  string
	Created, Updated, Changed time.Time // Changed: of State
	Verifications             int       // how often it was verified, at its creation too
}

// otherSide is the half of a trust that somebody made in the other forest.
type otherSide struct{ Password string }

// Role of IAM.
type Role struct {
	Name, ID, Path, Description string
	Trust                       string            // policy document
	Boundary                    string            // ARN of a managed policy; empty: none
	Attached                    []string          // ARNs of managed policies
	Inline                      map[string]string // documents by name
	Tags                        map[string]string
	Created                     time.Time
	Changed                     time.Time // zero: long ago, RDS sees it
}

// Cluster of RDS.
type Cluster struct {
	ID, ResourceID, Engine, Version, Status string
	SubnetGroup                             string
	Groups                                  []string // VPC security groups
	Master, MasterPassword                  string
	MasterSecret, MasterSecretStatus        string // ARN, where RDS keeps the password
	Database, ParameterGroup                string
	Capacity                                string // of serverless instances: "0.5-16"; empty: none
	ExtendedSupport                         bool
	Encrypted, DeletionProtection, IAMAuth  bool
	KMSKey                                  string
	Backup                                  int // days
	Domain, DomainRole, DomainFQDN, Member  string
	PluginLater                             bool // Kerberos came by a modification: what exists needs a reboot
	FailReason                              string
	Writer                                  string
	Members                                 []string
	Tags                                    map[string]string
	Created                                 time.Time
	RestoredFrom                            string
}

// Instance of RDS in a cluster.
type Instance struct {
	ID, ResourceID, Cluster, Class, Version, Status, Zone string
	Host                                                  string
	Port                                                  int
	Public                                                bool
	Plugin                                                bool // authentication_kerberos is active
	Reboots                                               int
	PendingReboot                                         bool // its own parameter group was changed
	ClusterPendingReboot                                  bool // the cluster's was
	Tags                                                  map[string]string
	Created                                               time.Time
}

// Event of RDS about an instance, or about a cluster.
type Event struct {
	Instance, Message string
	At                time.Time
	Cluster           string
}

// Interface of EC2: a network interface with the private address of a host.
type Interface struct {
	ID, VPC, Address string
	Groups           []string
}

// Snapshot of a cluster.
type Snapshot struct {
	ID, Cluster, Engine, Version, Status, Master string
	ParameterGroup                               string // of its cluster; RDS does not tell
	Encrypted                                    bool
	Created                                      time.Time
}

// SubnetGroup of RDS.
type SubnetGroup struct {
	Name, VPC string
	Subnets   []string
}

// EngineVersion is a version of an engine that can be ordered.
type EngineVersion struct {
	Engine, Version string
	Kerberos        bool
	Classes         []string
	Deprecated      bool // it runs, and cannot be ordered any more
}

// Secret of Secrets Manager.
type Secret struct {
	Name, ARN, Description, KMSKey string
	Values                         map[string]string // by version id
	Current, Previous, Pending     string            // version ids
	Tags                           map[string]string
	Created, Changed               time.Time
	Deleted                        bool
}

// VPC of EC2.
type VPC struct {
	ID, CIDR string
	Tenancy  string // "": default
	Tags     map[string]string
}

// Subnet of EC2.
type Subnet struct {
	ID, VPC, CIDR, Zone, ZoneID string
	Tags                        map[string]string
}

// SecurityGroup of EC2.
type SecurityGroup struct {
	ID, Name, Description, VPC string
	Rules                      []Rule
	Tags                       map[string]string
}

// Rule of a security group. Exactly one of CIDR, Group and PrefixList is set.
type Rule struct {
	ID          string
	Egress      bool
	Protocol    string // tcp, udp, icmp, or -1 for all
	From, To    int    // -1 where the protocol is -1
	CIDR        string
	Group       string
	PrefixList  string
	Description string
	Tags        map[string]string
}

// RouteTable of EC2.
type RouteTable struct {
	ID, VPC string
	Main    bool
	Subnets []string
	Routes  []Route
}

// Route of a route table, to a peering or to a transit or internet gateway.
type Route struct{ CIDR, Peering, Gateway, TransitGateway string }

// Peering of two VPCs.
type Peering struct{ ID, Requester, Accepter, Status string }
