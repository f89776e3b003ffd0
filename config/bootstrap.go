package config

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"
)

// Defaults of what the bootstrap part leaves out.
const (
	DefaultRoleName   = "rds-directoryservice-kerberos-access-role" // the one that the AWS console makes
	DefaultEdition    = "Standard"                                  // AWS's own default is Enterprise, which costs more
	DefaultRestoreFor = 3 * time.Hour                               // how long a restore is waited for in one run
)

// Bootstrap is what `kerbagent bootstrap` is to make of an AWS account, checked
// as far as a file alone can be.
type Bootstrap struct {
	File          string            // the file that it was read from, absolute
	Account       string            // the AWS account, twelve digits; nothing is changed in another one, or while it is empty
	Region        string            // empty: the flag's, or the AWS configuration's
	Tags          map[string]string // tags of every resource that bootstrap creates
	SecretsKey    string            // KMS key of the secrets that bootstrap creates: id, ARN or alias/NAME; empty: Secrets Manager's own
	Directory     BootstrapDirectory
	Trust         *BootstrapTrust // nil: none
	Role          BootstrapRole
	Users         []BootstrapUser
	Cluster       BootstrapCluster
	DatabaseUsers []BootstrapDatabaseUser
	Client        BootstrapClient
}

// BootstrapSecret is the place of a secret: on this host, or in AWS Secrets
// Manager. It never holds the secret, so it may be printed.
type BootstrapSecret struct {
	Local   SecretRef
	Manager string // name or ARN in Secrets Manager; empty where Local is set
	Key     string // member of the JSON object that the secret is; empty: the secret is the text itself
}

// IsZero reports whether the reference is to nothing.
func (s BootstrapSecret) IsZero() bool { return s == BootstrapSecret{} }

// String is the reference as a file writes it.
func (s BootstrapSecret) String() string {
	switch {
	case s.Manager != "" && s.Key != "":
		return "secretsmanager:" + s.Manager + "#" + s.Key
	case s.Manager != "":
		return "secretsmanager:" + s.Manager
	}
	return s.Local.String()
}

// BootstrapDirectory is step 1: an AWS Managed Microsoft AD.
type BootstrapDirectory struct {
	ID            string // d-…: exactly this one, which may be shared with this account; then nothing is made
	Name          string // DNS name, lower case; below 62 characters, which is Aurora's limit
	ShortName     string // NetBIOS name, upper case
	Description   string
	Edition       string // Standard or Enterprise
	VPC           string
	Subnets       []string // two, or none where ID is set
	SecurityGroup string   // of its domain controllers, where it is not the one that AWS made for it; sg-…
	AdminPassword BootstrapSecret
	Adopt         bool // take a directory of that name in that VPC that we did not make
}

// Realm is the directory's Kerberos realm.
func (d BootstrapDirectory) Realm() string { return strings.ToUpper(d.Name) }

// BootstrapTrust is step 2: the forest trust with a directory elsewhere.
type BootstrapTrust struct {
	Domain        string // DNS name, lower case
	ShortName     string // NetBIOS name, upper case
	TwoWay        bool   // else the managed directory trusts the other, and not the other way
	SelectiveAuth bool
	DNSServers    []netip.Addr   // the other directory's DNS servers, one to four
	Networks      []netip.Prefix // the networks that the domain controllers must be able to reach
	Password      BootstrapSecret
}

// Realm is the other directory's Kerberos realm.
func (t BootstrapTrust) Realm() string { return strings.ToUpper(t.Domain) }

// BootstrapRole is step 3: the IAM role by which Aurora reaches the directory.
type BootstrapRole struct {
	Name        string
	Path        string   // the IAM path of a role that bootstrap creates; /
	Manage      bool     // false: the role is somebody else's; it is read and passed, and never made or changed
	Inline      bool     // the guide's role policy in place of the managed one
	Boundary    string   // ARN of the permissions boundary of a role that is made; empty: none
	Principals  []string // service principals to trust; empty: those that AWS documents for the Region
	Repair      bool     // give a role that we did not make the access to the directory that it lacks
	RepairTrust bool     // let a service into a role's trust policy that is not in it yet
}

// BootstrapUser is one of step 4: a user of the directory.
type BootstrapUser struct {
	Name         string // sAMAccountName, case kept
	Password     BootstrapSecret
	NeverExpires bool // its password does not end by the domain's policy
}

// ClusterMode is how the cluster is obtained: made, restored or modified.
type ClusterMode string

// The four ways of the guide's step 5.
const (
	ClusterCreate          ClusterMode = "create"
	ClusterModify          ClusterMode = "modify"
	ClusterRestoreSnapshot ClusterMode = "restore-snapshot"
	ClusterRestoreTime     ClusterMode = "restore-time"
)

// BootstrapCluster is step 5: an Aurora MySQL cluster.
type BootstrapCluster struct {
	Mode            ClusterMode
	Identifier      string // lower case
	EngineVersion   string // create and restore-snapshot; empty: the snapshot's
	InstanceClass   string
	Instances       int // 1 to 16, the writer among them
	SubnetGroup     string
	SecurityGroups  []string
	PrimaryUser     string
	PrimaryPassword BootstrapSecret // zero: made and kept by RDS where the cluster is created
	Snapshot        string          // restore-snapshot
	Source          string          // restore-time: the cluster to copy; empty where SourceResource is set
	SourceResource  string          // restore-time: the resource id of a cluster that was deleted
	RestoreTo       time.Time       // restore-time; zero: the latest moment
	CAFile          string          // PEM bundle for the database's certificate; empty for the system's
	Wait            time.Duration   // how long one run waits for a restore

	ParameterGroup     string // DB cluster parameter group of a new cluster; empty: the source's, or the engine's default
	AnyCase            bool   // database users match the directory's in any case: a cluster parameter
	DeletionProtection bool   // whether a new cluster has deletion protection
	BackupRetention    int    // days, of a cluster that is created; 0: AWS's default, one
	NoExtendedSupport  bool   // a new cluster leaves RDS Extended Support, which is billed after the version's standard support
	KMSKey             string // the key that encrypts a new cluster; empty: the account's default for RDS
	CapacityLeast      string // the minimum of db.serverless instances, in capacity units; empty: none
	CapacityMost       string
	DirectoryPorts     []string // protocol/port that the cluster needs to the directory; empty: those that are believed
}

// Fresh reports whether a cluster is made, and not there already.
func (c BootstrapCluster) Fresh() bool { return c.Mode != ClusterModify }

// BootstrapDatabaseUser is one of step 6: who may log in to the database.
type BootstrapDatabaseUser struct {
	User       string // case as the directory has it
	Realm      string
	Host       string // "%", an address or a pattern
	Grants     []Grant
	Revoke     bool // take away what is not in Grants
	Convert    bool // make a Kerberos account of one that has a password: its applications are cut off
	SecretKind SecretKind
	Secret     SecretRef // for the last check of a user who is not among Users; zero: that user is not checked
}

// Principal is user@REALM.
func (u BootstrapDatabaseUser) Principal() string { return u.User + "@" + u.Realm }

// BootstrapClient is step 7: the files of this host.
type BootstrapClient struct {
	Config   string // kerbagent.yaml; the file that the bootstrap part stands in unless said otherwise
	Krb5Conf string
}

// LoadBootstrap reads the bootstrap part of a file. What is wrong in it is an
// *Errors. The rest of the file is not looked into: before the first bootstrap
// there may be none.
func LoadBootstrap(path string) (*Bootstrap, error) {
	b, err := ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("reading configuration: %w", err)
	}
	return ParseBootstrap(abs, b)
}

// ParseBootstrap is LoadBootstrap for a file in memory. name is its path, and
// relative paths in it begin in its folder.
func ParseBootstrap(name string, b []byte) (*Bootstrap, error) {
	d := &document{lines: strings.Split(string(b), "\n")}
	root := d.syntax(b)
	if root == nil {
		return nil, d.errors(name)
	}
	var part value
	for _, e := range (value{doc: d, node: root}).entries("a configuration") {
		if e.key == "bootstrap" {
			part = e.value
		}
	}
	if !part.set() && len(d.problems) == 0 {
		d.add(nil, "bootstrap", "is missing; see `kerbagent bootstrap --help` for a first one")
	}
	var out *Bootstrap
	if part.set() {
		out = d.bootstrap(part, filepath.Dir(name))
		out.File = name
		if out.Client.Config == "" {
			out.Client.Config = name
		}
	}
	if len(d.problems) > 0 {
		return nil, d.errors(name)
	}
	return out, nil
}
