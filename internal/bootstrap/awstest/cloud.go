package awstest

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Options of a cloud. The zero value is an account of us-east-1 at AWS's typical
// speed, with reads that are up to date.
type Options struct {
	// Now is the clock that Advance adds to: state machines, expiry of sessions.
	// nil: the time of New, standing still.
	Now func() time.Time
	// Wall is the clock that signatures are checked against, as clients sign by
	// their host's clock. nil: time.Now.
	Wall func() time.Time

	Region    string // "": us-east-1
	Partition string // "": aws
	Account   string // "": 123456789012

	// ReadLag is how far behind every Describe, Get and List is, on the fake clock.
	ReadLag time.Duration
	// Slowest is the longest that anything takes which AWS begins and ends by itself:
	// a directory, a restore, a join. 0: as long as it typically takes at AWS.
	Slowest time.Duration
	// RoleDelay is how long after a change of a role RDS still does not see it. 0:
	// 10 s; below 0: none.
	RoleDelay time.Duration
	// PassedToService is the service that RDS passes the domain's role to, as
	// iam:PassRole's condition sees it; unverified which one it is. "": rds.amazonaws.com.
	PassedToService string
	// RolePrincipal is the service that the domain's role must trust. It depends on
	// the Region. "": directoryservice.rds.amazonaws.com.
	RolePrincipal string
	// NoLinkedRole: RDS was never used in the account, so the first cluster needs
	// iam:CreateServiceLinkedRole.
	NoLinkedRole bool
	// DefaultKeyAsks: RDS does with its own default key what it does with a customer's, in the
	// caller's name, and that key's policy lets nobody in by itself; unverified.
	DefaultKeyAsks bool
	// KeyDelay is how long no service finds a customer's KMS key, from the first request
	// that needs one. KMS shows a new key everywhere within seconds, sometimes minutes (AWS KMS
	// Developer Guide, "AWS KMS eventual consistency").
	KeyDelay time.Duration
	// TagLag is how long after it was made a directory or cluster is described
	// without its tags.
	TagLag time.Duration
	// NoSource: RDS sends no aws:SourceAccount and aws:SourceArn when it takes a
	// role; unverified whether it does.
	NoSource bool
	// NoDomainAtCreation: what makes a cluster ignores the domain that it is given;
	// unverified what RDS makes of it before there is an instance.
	NoDomainAtCreation bool
	// ParametersInWindow: another parameter group waits for the maintenance window where
	// it is not asked for immediately; unverified, RDS's API reference says at once.
	ParametersInWindow bool
	// WriterNeedsReboot: a modification loads the plugin on no instance, the writer
	// included; unverified, the guide has only the readers rebooted.
	WriterNeedsReboot bool
	// JoinTakes is how long a join takes. 0: four minutes.
	JoinTakes time.Duration
	// MemberWords are other words for the states of a membership than the Aurora user
	// guide has, by the guide's.
	MemberWords map[string]string
	// RebootEvents are the two events of a reboot. Empty: as RDS-EVENT-0004 and 0006.
	RebootEvents [2]string
	// MFACode that AssumeRole wants. "": none.
	MFACode string
	// Alias of the account. "": it has none.
	Alias string
	// LenientSecrets: who may read a secret of some name is told where there is
	// none. Else that is AccessDeniedException, unless all secrets may be read;
	// unverified how far AWS's policy evaluation goes there.
	LenientSecrets bool
	// PageSize is how many items a page has at most. 0: 100.
	PageSize int
	// DirectoryLimit is the quota of directories. 0: 10.
	DirectoryLimit int

	// OnDirectoryActive is asked when a directory gets Active: the addresses of its
	// domain controllers, where something real stands behind it. nil: addresses out
	// of its subnets. Hooks are called with the cloud locked and must not call it.
	OnDirectoryActive func(Directory) (dnsIPs []string)
	// OnVerifyTrust is asked for what the other domain says. nil: Cloud.OtherSide.
	OnVerifyTrust func(Trust) error
	// OnEndpoint returns the address of an instance or of a cluster's endpoint where
	// something real stands behind it. nil: names as RDS makes them, port 3306.
	OnEndpoint func(Endpoint) (host string, port int)
	// OnCurrent is told of every secret whose AWSCURRENT was moved, with its value.
	OnCurrent func(name, value string)
	// OnReboot is told of every reboot of an instance when it begins.
	OnReboot func(instance string)
	// OnCall is told of every call before it has an effect and after that, before
	// the answer leaves, with the cloud unlocked: the place to kill the caller.
	OnCall func(c Call, after bool)
}

// Endpoint is what OnEndpoint is asked for.
type Endpoint struct {
	Cluster  string // its identifier
	Instance string // "" for an endpoint of the cluster
	Reader   bool   // of the cluster: the reader endpoint
}

// Cloud is one account in one Region. It is safe for concurrent use.
type Cloud struct {
	options Options
	start   time.Time
	server  *httptest.Server
	actions map[string]map[string]action // by service, by name

	mu      sync.Mutex
	offset  time.Duration
	state   *state
	history []version
	events  []event
	serial  int // makes ids
	people  map[string]*principal
	faults  []*armed
	calls   []Call

	keyAsked time.Time // when a customer's KMS key was needed first; zero: never
}

// New makes a cloud that holds nothing but a VPC-less account without users.
func New(o Options) *Cloud {
	if o.Wall == nil {
		o.Wall = time.Now
	}
	for _, d := range []struct {
		field *string
		value string
	}{
		{&o.Region, "us-east-1"},
		{&o.Partition, "aws"},
		{&o.Account, "123456789012"},
		{&o.PassedToService, "rds.amazonaws.com"},
		{&o.RolePrincipal, "directoryservice.rds.amazonaws.com"},
		{&o.RebootEvents[0], "DB instance shutdown"},
		{&o.RebootEvents[1], "DB instance restarted"},
	} {
		if *d.field == "" {
			*d.field = d.value
		}
	}
	if o.RoleDelay == 0 {
		o.RoleDelay = 10 * time.Second
	}
	if o.JoinTakes == 0 {
		o.JoinTakes = joinEnabling
	}
	if o.PageSize == 0 {
		o.PageSize = 100
	}
	if o.DirectoryLimit == 0 {
		o.DirectoryLimit = 10
	}
	c := &Cloud{options: o, people: map[string]*principal{}, state: newState()}
	if o.Now == nil {
		c.start = time.Now().UTC().Truncate(time.Second)
	}
	c.actions = map[string]map[string]action{
		"ds":             directoryActions(),
		"ec2":            ec2Actions(),
		"iam":            iamActions(),
		"rds":            rdsActions(),
		"secretsmanager": secretActions(),
		"sts":            stsActions(),
	}
	c.state.LinkedRole = !o.NoLinkedRole
	c.remember()
	return c
}

// Start listens on a free port of loopback until Close, or until the test ends
// where one is given.
func (c *Cloud) Start(t testing.TB) {
	c.server = httptest.NewServer(c.Handler())
	if t != nil {
		t.Cleanup(c.Close)
	}
}

// URL is the endpoint of every service. It is empty before Start.
func (c *Cloud) URL() string {
	if c.server == nil {
		return ""
	}
	return c.server.URL
}

// Close ends what Start began.
func (c *Cloud) Close() {
	if c.server != nil {
		c.server.CloseClientConnections()
		c.server.Close()
	}
}

// Handler is the cloud as an HTTP handler.
func (c *Cloud) Handler() http.Handler { return http.HandlerFunc(c.serve) }
