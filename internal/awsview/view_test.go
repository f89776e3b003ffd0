package awsview

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

const (
	key, secret = "AKIATEST", "the observer's secret key"
	here        = "10.0.3.7"
)

// account is what a test has of AWS: a cluster of three in a directory.
type account struct {
	*awstest.Cloud
	t         *testing.T
	directory string
	config    string
	host      []netip.Addr
}

// policy allows actions, and nothing else.
func policy(actions []string) string {
	b, _ := json.Marshal(map[string]any{"Version": "2012-10-17",
		"Statement": []any{map[string]any{"Effect": "Allow", "Action": actions, "Resource": []string{"*"}}}})
	return string(b)
}

const orders = "realms: {CORP.EXAMPLE.COM: {kind: aws-managed-ad}}\n" +
	"databases: {orders: {endpoint: orders.cluster-abc123def456.us-east-1.rds.amazonaws.com, realm: CORP.EXAMPLE.COM}}\n"

func newAccount(t *testing.T, o awstest.Options, rules ...awstest.Rule) *account {
	t.Helper()
	c := awstest.New(o)
	c.AddVPC("vpc-00000001", "10.0.0.0/16")
	c.AddSubnet("subnet-0000000a", "vpc-00000001", "10.0.1.0/24", "us-east-1a", "use1-az1")
	c.AddSubnet("subnet-0000000b", "vpc-00000001", "10.0.2.0/24", "us-east-1b", "use1-az2")
	c.AddSecurityGroup("sg-00000001", "vpc-00000001", append(rules, awstest.AllEgress())...)
	c.AddSubnetGroup("databases", "subnet-0000000a", "subnet-0000000b")
	d := c.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"}})
	c.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Domain: d},
		"orders-1", "orders-2", "orders-3")
	if err := c.AddUser("observer", key, secret, policy(Actions())); err != nil {
		t.Fatal(err)
	}
	c.Start(t)
	return &account{Cloud: c, t: t, directory: d, config: orders, host: []netip.Addr{netip.MustParseAddr("172.17.0.1"), netip.MustParseAddr(here)}}
}

func (a *account) parsed() *config.Config {
	a.t.Helper()
	cfg, err := config.Parse("kerbagent.yaml", []byte(a.config))
	if err != nil {
		a.t.Fatal(err)
	}
	return cfg
}

func (a *account) reader() Reader {
	return Reader{Config: a.parsed(), Now: time.Now, Addresses: func() []netip.Addr { return a.host },
		Load: func(_ context.Context, region, _ string) (aws.Config, error) {
			return aws.Config{Region: region, BaseEndpoint: aws.String(a.URL()), Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}, nil
		}}
}

// read reads once, and checks that nothing was changed.
func (a *account) read() View {
	a.t.Helper()
	views := a.reader().Read(a.t.Context())
	if len(views) != 1 {
		a.t.Fatalf("%d views", len(views))
	}
	if n := len(a.Mutations()); n > 0 {
		a.t.Errorf("reading has made %d changes", n)
	}
	return views[0]
}

func tcp(cidr, group, list string) awstest.Rule {
	return awstest.Rule{Protocol: "tcp", From: 3306, To: 3306, CIDR: cidr, Group: group, PrefixList: list}
}

func TestWhatAWSReports(t *testing.T) {
	a := newAccount(t, awstest.Options{PageSize: 1}, tcp("10.0.0.0/8", "", ""))
	a.SetInstance("orders-3", "rebooting", true)
	a.SetController(a.directory, 1, "Impaired")
	v := a.read()
	if v.Refused != "" || len(v.Notes) > 0 || v.Partial {
		t.Fatalf("refused %q, notes %q", v.Refused, v.Notes)
	}
	c := v.Clusters[0]
	if c.Database != "orders" || c.Status != "available" || c.Directory != a.directory || c.Membership != "kerberos-enabled" {
		t.Errorf("cluster %+v", c)
	}
	var names []string
	for _, i := range c.Instances {
		names = append(names, fmt.Sprint(i.ID, " ", i.Status, " ", i.Writer, " ", len(i.Pending)))
	}
	if got := strings.Join(names, ", "); got != "orders-1 available true 0, orders-2 available false 0, orders-3 rebooting false 1" {
		t.Errorf("instances %s", got)
	}
	if c.Way.State != probe.WayAdmitted || c.Way.From.String() != here {
		t.Errorf("way to the database %+v", c.Way)
	}
	d := v.Directories[0]
	if d.Realm != "CORP.EXAMPLE.COM" || d.Stage != "Active" || len(d.Controllers) != 2 || d.Controllers[1].Status != "Impaired" ||
		d.Way.State != probe.WayAdmitted {
		t.Errorf("directory %+v", d)
	}
}

// A security group is judged by this host's address where it is in the VPC, by this
// host's own groups where a rule names groups, and else not at all.
func TestSecurityGroups(t *testing.T) {
	const own = "sg-000000aa"
	for name, c := range map[string]struct {
		rules []awstest.Rule
		host  string
		eni   bool
		want  string
		lacks string
	}{
		"a network":                {[]awstest.Rule{tcp("10.0.3.0/24", "", "")}, here, false, probe.WayAdmitted, ""},
		"another network":          {[]awstest.Rule{tcp("10.0.4.0/24", "", "")}, here, false, probe.WayRefused, "tcp 3306"},
		"no rule":                  {nil, here, false, probe.WayRefused, "tcp 3306"},
		"another port":             {[]awstest.Rule{{Protocol: "tcp", From: 3307, To: 3307, CIDR: "0.0.0.0/0"}}, here, false, probe.WayRefused, "tcp 3306"},
		"another protocol":         {[]awstest.Rule{{Protocol: "udp", From: 0, To: 65535, CIDR: "0.0.0.0/0"}}, here, false, probe.WayRefused, "tcp 3306"},
		"everything":               {[]awstest.Rule{{Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"}}, here, false, probe.WayAdmitted, ""},
		"egress is no ingress":     {[]awstest.Rule{{Egress: true, Protocol: "-1", From: -1, To: -1, CIDR: "0.0.0.0/0"}}, here, false, probe.WayRefused, "tcp 3306"},
		"this host's group":        {[]awstest.Rule{tcp("", own, "")}, here, true, probe.WayAdmitted, ""},
		"a group of others":        {[]awstest.Rule{tcp("", "sg-000000bb", "")}, here, true, probe.WayRefused, "tcp 3306"},
		"a group, and no ENI seen": {[]awstest.Rule{tcp("", own, "")}, here, false, probe.WayUnknown, ""},
		"a prefix list":            {[]awstest.Rule{tcp("", "", "pl-00000001")}, here, true, probe.WayUnknown, ""},
		"outside the VPC":          {[]awstest.Rule{tcp("0.0.0.0/0", "", "")}, "192.168.1.7", false, probe.WayUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, awstest.Options{}, c.rules...)
			a.AddSecurityGroup(own, "vpc-00000001")
			a.host = []netip.Addr{netip.MustParseAddr(c.host)}
			if c.eni {
				a.AddInterface("vpc-00000001", c.host, own)
			}
			w := a.read().Clusters[0].Way
			if w.State != c.want || strings.Join(w.Lacks, ",") != c.lacks || (w.State == probe.WayUnknown) != (w.Why != "") {
				t.Errorf("%+v, want %s, lacking %q", w, c.want, c.lacks)
			}
		})
	}
}

// A container's network may overlap the VPC's: what is judged is an address that AWS has
// never seen, so it is shown with the sentence, and AWS's word alone is no failure.
func TestAnAddressThatAWSDoesNotKnowIsShown(t *testing.T) {
	a := newAccount(t, awstest.Options{}, tcp("10.0.3.0/24", "", ""))
	const container = "10.0.99.7" // in the VPC's range, of no interface
	a.host = []netip.Addr{netip.MustParseAddr(container)}
	if w := a.read().Clusters[0].Way; w.State != probe.WayRefused || w.From.String() != container {
		t.Errorf("%+v, want refused from %s", w, container)
	}
}

// The printed policy is enough (newAccount's user has no other), and without one of its
// actions that action is named and the rest is read.
func TestEachPermissionThatIsMissingIsNamed(t *testing.T) {
	for _, missing := range Actions() {
		t.Run(missing, func(t *testing.T) {
			a := newAccount(t, awstest.Options{}, tcp("", "sg-00000001", ""))
			rest := slices.DeleteFunc(Actions(), func(s string) bool { return s == missing })
			if err := a.SetPolicies(key, policy(rest)); err != nil {
				t.Fatal(err)
			}
			v := a.read()
			if !slices.Equal(v.Notes, []string{"the permission " + missing + " is missing"}) {
				t.Errorf("notes %q", v.Notes)
			}
			if v.Refused != "" || len(v.Directories)+len(v.Clusters) == 0 || !v.Partial {
				t.Errorf("nothing else was read: %+v", v)
			}
		})
	}
}

// Trouble with AWS is one sentence, costs few calls, and ends in time.
func TestTrouble(t *testing.T) {
	for name, c := range map[string]struct {
		fault awstest.Fault
		want  string
		most  int // calls
	}{
		"expired":       {awstest.Expired(), "the AWS credentials have expired", 1},
		"throttled":     {awstest.Throttle(), "AWS refuses for the number of requests", 3},
		"unavailable":   {awstest.Unavailable(), "ServiceUnavailable", 12},
		"internal":      {awstest.InternalBefore(), "nternal", 12},
		"not reachable": {awstest.DropBefore(), "is not reachable from this host", 1},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, awstest.Options{})
			a.Fault(awstest.Match{}, c.fault)
			v := a.read()
			if !strings.Contains(v.Refused, c.want) {
				t.Errorf("refused %q, want %q", v.Refused, c.want)
			}
			if n := len(a.Calls()); n > c.most {
				t.Errorf("%d calls, want %d at most", n, c.most)
			}
		})
	}
}

// An AWS that never answers, or a metadata service that does not, costs the time that it
// is given, and no more.
func TestASlowAWS(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // the kernel takes connections, nobody answers
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	slow := func(ctx context.Context, region, _ string) (aws.Config, error) {
		return aws.Config{Region: region, BaseEndpoint: aws.String("http://" + l.Addr().String()),
			Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}, nil
	}
	metadata := func(ctx context.Context, region, _ string) (aws.Config, error) {
		return aws.Config{Region: region, Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			<-ctx.Done()
			return aws.Credentials{}, ctx.Err()
		})}, nil
	}
	a := newAccount(t, awstest.Options{})
	for want, load := range map[string]func(context.Context, string, string) (aws.Config, error){
		"AWS did not answer within the time": slow, "no AWS credentials were found within the time": metadata,
	} {
		r := a.reader()
		r.Load = load
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		began := time.Now()
		v := r.Read(ctx)[0]
		cancel()
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(v.Refused, want) {
			t.Errorf("refused %q, want %q", v.Refused, want)
		}
	}
}

// What a name does not tell is said, and a cluster of the same name that is another
// account's is not taken for the database's.
func TestClustersThatAreNotKnown(t *testing.T) {
	for name, c := range map[string]struct{ endpoint, more, want string }{
		"a name of one's own": {"db.example.com", "aws: {region: us-east-1}\n", "does not have the form of a cluster's name"},
		"no Region":           {"db.example.com", "", "no AWS Region is known"},
		"a proxy":             {"p.proxy-abc123def456.us-east-1.rds.amazonaws.com", "", "does not have the form of a cluster's name"},
		"another account":     {"orders.cluster-zzz999zzz999.us-east-1.rds.amazonaws.com", "", "these credentials are of another account"},
		"no such cluster":     {"none.cluster-abc123def456.us-east-1.rds.amazonaws.com", "", "does not list the cluster none"},
		"no such instance":    {"none.abc123def456.us-east-1.rds.amazonaws.com", "", "lists no instance none"},
		"a custom endpoint":   {"x.cluster-custom-abc123def456.us-east-1.rds.amazonaws.com", "", "does not list the endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAccount(t, awstest.Options{})
			a.config = strings.Replace(orders, "orders.cluster-abc123def456.us-east-1.rds.amazonaws.com", c.endpoint, 1) + c.more
			v := a.read()
			if len(v.Clusters) > 0 || !strings.Contains(v.Refused+strings.Join(v.Notes, "\n"), c.want) {
				t.Errorf("%+v, want %q", v, c.want)
			}
		})
	}
	a := newAccount(t, awstest.Options{})
	a.config = strings.Replace(orders, "orders.cluster-abc", "orders-2.abc", 1)
	if v := a.read(); len(v.Clusters) != 1 || v.Clusters[0].ID != "orders" {
		t.Errorf("by an instance's name: %+v", v)
	}
}

// The daemon's and a check's reading are kept for a while: AWS is asked once.
func TestReadingsAreKept(t *testing.T) {
	a := newAccount(t, awstest.Options{})
	now := time.Now()
	clock := func() time.Time { return now }
	p := Probe{Reader: a.reader(), Cache: CacheIn(t.TempDir(), clock)}
	p.Reader.Now = clock
	first := p.Views(t.Context())
	n := len(a.Calls())
	now = now.Add(Fresh - time.Second)
	if again := p.Views(t.Context()); len(a.Calls()) != n || !again[0].Read.Equal(first[0].Read) {
		t.Errorf("asked again within %v", Fresh)
	}
	now = now.Add(time.Minute)
	if p.Views(t.Context()); len(a.Calls()) == n {
		t.Error("not asked again later")
	}
	n = len(a.Calls())
	a.config = strings.Replace(orders, "orders.cluster-abc", "orders-2.abc", 1)
	p.Reader.Config = a.parsed()
	if p.Views(t.Context()); len(a.Calls()) == n {
		t.Error("another configuration got the reading of the one before")
	}
	for _, c := range []struct {
		name  string
		spoil func() error
	}{
		{"no JSON", func() error { return os.WriteFile(p.Cache.Path, []byte("{"), 0o600) }},
		{"a link", func() error { os.Remove(p.Cache.Path); return os.Symlink("/dev/zero", p.Cache.Path) }},
		{"a future", func() error { now = now.Add(-time.Hour); return nil }},
		{"no folder", func() error { p.Cache.Path = filepath.Join(p.Cache.Path, "x"); return nil }}, // last: it stays
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		n = len(a.Calls())
		if v := p.Views(t.Context()); len(v) != 1 || v[0].Refused != "" || len(a.Calls()) == n {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}

// A reading that lacks something is not kept: once the permission is there, the next
// one sees more.
func TestAPartialReadingIsNotKept(t *testing.T) {
	a := newAccount(t, awstest.Options{})
	if err := a.SetPolicies(key, policy([]string{"rds:DescribeDBClusters"})); err != nil {
		t.Fatal(err)
	}
	p := Probe{Reader: a.reader(), Cache: CacheIn(t.TempDir(), time.Now)}
	p.Views(t.Context())
	if err := a.SetPolicies(key, policy(Actions())); err != nil {
		t.Fatal(err)
	}
	if v := p.Views(t.Context())[0]; len(v.Notes) > 0 {
		t.Errorf("still %q", v.Notes)
	}
}

// Whatever answers in AWS's place, what is kept of it is bounded.
func TestHostileAnswers(t *testing.T) {
	bad := strings.Repeat("\u009b31m\u202e\n", 10_000)
	instance := func(i int) string {
		return fmt.Sprintf("<DBInstance><DBInstanceIdentifier>i-%d</DBInstanceIdentifier><DBInstanceStatus>%s</DBInstanceStatus></DBInstance>", i, "x\u202e")
	}
	var many strings.Builder
	for i := range 6_000 { // more than are read of any list
		many.WriteString(instance(i))
	}
	calls := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		body, _ := io.ReadAll(r.Body) // whole, as AWS does
		form, _ := url.ParseQuery(string(body))
		action := form.Get("Action")
		if action == "" {
			fmt.Fprintf(w, `{"DirectoryDescriptions":[{"DirectoryId":"d-1","Name":"corp.example.com","Type":"MicrosoftAD","Stage":%s,"StageReason":%s}],"NextToken":"again"}`,
				quoted("Impaired\n"), quoted(bad))
			return
		}
		answer := ""
		switch action {
		case "DescribeDBClusters":
			answer = "<DBClusters><DBCluster><DBClusterIdentifier>orders</DBClusterIdentifier><Status>" + text(bad) +
				"</Status><DomainMemberships><DomainMembership><Domain>d-1</Domain><Status>x</Status></DomainMembership></DomainMemberships></DBCluster></DBClusters>"
		case "DescribeDBInstances":
			answer = "<DBInstances>" + many.String() + "</DBInstances><Marker>again</Marker>"
		case "DescribeEvents":
			answer = "<Events></Events><Marker>again</Marker>"
		}
		fmt.Fprintf(w, "<%[1]sResponse><%[1]sResult>%s</%[1]sResult></%[1]sResponse>", action, answer)
	}))
	defer s.Close()
	a := newAccount(t, awstest.Options{})
	r := a.reader()
	r.Load = func(_ context.Context, region, _ string) (aws.Config, error) {
		return aws.Config{Region: region, BaseEndpoint: aws.String(s.URL), Credentials: credentials.NewStaticCredentialsProvider(key, secret, "")}, nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	v := r.Read(ctx)[0]
	b, err := json.Marshal(v)
	if err != nil || len(b) > 64<<10 {
		t.Errorf("%d bytes are kept: %v", len(b), err)
	}
	if strings.ContainsAny(string(b), "\u009b\n") || strings.Contains(string(b), `\n`) || strings.Contains(string(b), "\u202e") {
		t.Error("control characters are kept")
	}
	if calls > maxRequests {
		t.Errorf("%d requests", calls)
	}
	if n := len(v.Clusters[0].Instances); n != maxInstances {
		t.Errorf("%d instances", n)
	}
	t.Logf("%d requests, %d bytes kept, notes %q", calls, len(b), v.Notes)
}

// The SDK closes a request's body once an answer begins, and net/http may be reading it
// still: what it is given stays whole, or a good answer would be lost now and then.
func TestARequestStaysWholeUntilItsAnswerIsRead(t *testing.T) {
	sent, closed := io.Pipe()
	go func() { io.WriteString(closed, "Action=DescribeDBClusters"); closed.Close() }()
	req := httptest.NewRequest("POST", "/", sent)
	inner := &keeping{}
	if _, err := (&limited{HTTPClient: inner}).Do(req); err != nil {
		t.Fatal(err)
	}
	req.Body.Close()
	if b, err := io.ReadAll(inner.req.Body); err != nil || string(b) != "Action=DescribeDBClusters" {
		t.Errorf("%q, %v", b, err)
	}
}

// keeping is an HTTP client that answers before it has read the request.
type keeping struct{ req *http.Request }

func (k *keeping) Do(req *http.Request) (*http.Response, error) {
	k.req = req
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

func quoted(s string) []byte {
	b, _ := json.Marshal(s)
	return b
}

func text(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s))
	return b.String()
}

// The cause of a missing plugin says what AWS knows of the instance's restarts.
func TestCausesAreSharpened(t *testing.T) {
	missing := func(instance string) probe.Result {
		return probe.Result{ID: probe.ID{Kind: probe.Database, Target: instance + ".abc123def456.us-east-1.rds.amazonaws.com"}, Outcome: probe.Failed,
			Reason: probe.ReasonDBPluginMissing, Started: time.Now(), Facts: probe.Facts{probe.FactDatabase: "orders", probe.FactInstance: instance,
				probe.FactDBRole: probe.RoleReader, probe.FactRealm: "CORP.EXAMPLE.COM"}}
	}
	a := newAccount(t, awstest.Options{})
	a.Advance(24 * time.Hour)
	a.AddEvent(awstest.Event{Cluster: "orders", Message: "Kerberos authentication was enabled"})
	a.Advance(time.Hour)
	a.AddEvent(awstest.Event{Instance: "orders-2", Message: "DB instance restarted"})
	a.AddInstance("orders-4", "orders")
	cfg := a.parsed()
	results := Results(cfg, []View{a.read()}, false)
	for instance, want := range map[string]string{
		"orders-2": "so a missing reboot does not explain it",
		"orders-3": "before the cluster joined the directory",
		"orders-4": "was made ",
	} {
		rep := diagnose.Explain(diagnose.Snapshot{Results: append(slices.Clone(results), missing(instance)), Now: time.Now()})
		f := rep.Findings[0]
		if f.Code != "db-plugin-missing" || !strings.Contains(f.Cause, "AWS's own view, read ") || !strings.Contains(f.Cause, "instance "+instance) ||
			!strings.Contains(f.Cause, want) {
			t.Errorf("%s: %s: %s", instance, f.Code, f.Cause)
		}
	}
}

// What is guessed of AWS (docs/first-contact.md), made wrong: no sentence claims more
// than AWS said.
func TestGuessesThatAreWrong(t *testing.T) {
	cfg, made := newAccount(t, awstest.Options{}).parsed(), time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	missing := probe.Result{ID: probe.ID{Kind: probe.Database, Target: "orders-2.abc"}, Outcome: probe.Failed, Reason: probe.ReasonDBPluginMissing,
		Started: made, Facts: probe.Facts{probe.FactDatabase: "orders", probe.FactInstance: "orders-2", probe.FactDBRole: probe.RoleReader}}
	view := func(c Cluster) []View {
		c.Database, c.ID, c.Directory = "orders", "orders", "d-9067000001"
		return []View{{Region: "us-east-1", Read: made, Clusters: []Cluster{c}}}
	}
	for name, c := range map[string]struct {
		cluster    Cluster
		want, code string
		none       string
	}{
		"no event of the join": {Cluster{Membership: "kerberos-enabled", Events: true, Instances: []Instance{{ID: "orders-2", Created: made}}},
			"its events of the last 14 days tell of no restart; if the cluster joined the directory after that, a reboot loads the plugin", "", "before the cluster joined"},
		"events that were not read": {Cluster{Membership: "kerberos-enabled", Instances: []Instance{{ID: "orders-2", Created: made}}},
			"is kerberos-enabled", "", "tell of no restart"},
		"a restart, and no event of the join": {Cluster{Membership: "kerberos-enabled", Events: true,
			Instances: []Instance{{ID: "orders-2", Created: made, Restarted: made.Add(time.Hour)}}}, "restarted last 2026-03-02 09:00 UTC", "", "does not explain it"},
		"a creation time after the join": {Cluster{Membership: "kerberos-enabled", Events: true, Joined: made.Add(-time.Hour),
			Instances: []Instance{{ID: "orders-2", Created: made}}}, "so a missing reboot does not explain it", "", ""},
		"an instance's own membership": {Cluster{Membership: "joined", Instances: []Instance{{ID: "orders-2", Membership: "failed"}}}, "", "aws-membership", ""},
		"another word":                 {Cluster{Membership: "kerberized"}, "", "aws-membership", ""},
		"no membership":                {Cluster{}, "is joined to no directory", "aws-membership", ""},
	} {
		rep := diagnose.Explain(diagnose.Snapshot{Results: append(Results(cfg, view(c.cluster), false), missing), Now: made})
		cause, codes := rep.Findings[0].Cause, ""
		for _, f := range rep.Findings {
			codes += string(f.Code) + " "
		}
		if rep.Findings[0].Code != "db-plugin-missing" || !strings.Contains(rep.Findings[0].Remedy, "reboot") {
			t.Errorf("%s: the packets' finding is not first: %s", name, codes)
		}
		if !strings.Contains(cause, c.want) || !strings.Contains(codes, c.code) || c.none != "" && strings.Contains(cause, c.none) {
			t.Errorf("%s: %s\n%s", name, codes, cause)
		}
	}
}

// However bad what AWS reports is, the verdict does not fail by it.
func TestAWSNeverMakesTheVerdictFail(t *testing.T) {
	a := newAccount(t, awstest.Options{})
	a.SetMember("orders", "enable-kerberos-failed")
	a.SetStage(a.directory, "Inoperable", "gone")
	a.SetInstance("orders-1", "storage-full", true)
	a.SetController(a.directory, 1, "Impaired")
	login := probe.Result{ID: probe.ID{Kind: probe.Login, Target: "alice@CORP.EXAMPLE.COM@orders"}, Outcome: probe.OK, Started: time.Now(),
		Facts: probe.Facts{probe.FactUser: "alice@CORP.EXAMPLE.COM", probe.FactDatabase: "orders"}}
	for _, results := range [][]probe.Result{{login}, nil} {
		rep := diagnose.Explain(diagnose.Snapshot{Results: append(results, Results(a.parsed(), []View{a.read()}, true)...), Now: time.Now()})
		if rep.Verdict != diagnose.VerdictDegraded || len(rep.Findings) < 3 {
			t.Errorf("%s with %d findings", rep.Verdict, len(rep.Findings))
		}
		for _, f := range rep.Findings {
			if strings.ContainsAny(f.Title+f.Cause, "<>{}") {
				t.Errorf("a word is missing: %s: %s", f.Title, f.Cause)
			}
		}
	}
}

// No sentence about AWS lacks a word, whichever part of it is bad.
func TestNoWordIsMissing(t *testing.T) {
	cfg := newAccount(t, awstest.Options{}).parsed()
	refused := Way{State: probe.WayRefused, From: netip.MustParseAddr(here), Groups: []string{"sg-1"}, Lacks: []string{"tcp 88"}}
	for name, v := range map[string]View{
		"stage":              {Directories: []Directory{{ID: "d-1", Stage: "Impaired"}}},
		"stage with reason":  {Directories: []Directory{{ID: "d-1", Stage: "Failed", Reason: "no subnet."}}},
		"controller":         {Directories: []Directory{{ID: "d-1", Stage: "Active", Controllers: []Controller{{netip.MustParseAddr(here), "Failed"}}}}},
		"way to a directory": {Directories: []Directory{{ID: "d-1", Stage: "Active", Way: refused}}},
		"way to a database":  {Clusters: []Cluster{{Database: "orders", ID: "orders", Membership: "joined", Way: refused}}},
		"membership":         {Clusters: []Cluster{{Database: "orders", ID: "orders"}}},
		"of an instance":     {Clusters: []Cluster{{Database: "orders", ID: "orders", Membership: "joined", Instances: []Instance{{ID: "i", Membership: "failed"}}}}},
		"notes":              {Notes: []string{"x"}},
		"refused":            {Refused: "x"},
	} {
		v.Region, v.Read = "us-east-1", time.Now()
		rep := diagnose.Explain(diagnose.Snapshot{Results: Results(cfg, []View{v}, false), Now: time.Now()})
		if len(rep.Findings) != 1 || strings.ContainsAny(rep.Findings[0].Title+rep.Findings[0].Cause, "<>{}") {
			t.Errorf("%s: %+v", name, rep.Findings)
		}
	}
	v := View{Read: time.Now(), Refused: "no AWS Region is known"} // of no Region
	rep := diagnose.Explain(diagnose.Snapshot{Results: Results(cfg, []View{v}, true), Now: time.Now()})
	if rep.Verdict != diagnose.VerdictUnknown || len(rep.Findings) != 1 {
		t.Errorf("without a Region: %s, %+v", rep.Verdict, rep.Findings)
	}
}
