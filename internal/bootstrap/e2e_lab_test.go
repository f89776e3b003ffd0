//go:build lab

package bootstrap

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
	"github.com/kerbagent/kerbagent/internal/bootstrap/mysqlfront"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// The accounts of these tests. The primary user is MariaDB's; the directory's
// user, and both users of the database, are made by the bootstrap.
const (
	labPrimary = "boot_primary"
	labUser    = "kerb.boot"
)

// The file that these tests begin with. Every password but the primary user's is
// made on the way and kept in Secrets Manager.
const labSetup = `bootstrap:
  account: "123456789012"
  region: us-east-1
  directory: {name: corp.example.com, short_name: CORP, vpc: vpc-00000001, subnets: [subnet-0000000a, subnet-0000000b], admin_password: "secretsmanager:kerbagent/corp/admin"}
  users: [{name: kerb.boot, password: "secretsmanager:kerbagent/corp/kerb.boot"}]
  cluster: {identifier: orders, CLUSTER, primary_user: boot_primary, primary_password: "file:primary.password", ca_file: CA}
  client: {krb5_conf: krb5.conf}
  database_users:
    - {user: kerb.boot, grants: ["SELECT ON orders.*"]}
`

// From an empty account to a login, in each of the ways that a cluster comes to
// be: AWS is the fake; the directory, the other forest and the login are the lab's.
// What answers as Aurora is MariaDB behind mysqlfront. The check asks the domain
// controller that has not heard of the new user first, and is made again when it has.
func TestLabApplyEndsInALogin(t *testing.T) {
	labtest.Up(t)
	const fresh = "instance_class: db.r6g.large, instances: 2, subnet_group: databases, security_groups: [sg-00000001]"
	for _, s := range []struct {
		name, cluster, more string
		seed                func(*awstest.Cloud)
		users               []string // that log in
	}{
		{"create", "mode: create, engine_version: 8.0.mysql_aurora.3.04.0, " + fresh, "", func(*awstest.Cloud) {}, []string{"kerb.boot@CORP.EXAMPLE.COM"}},
		{"restore a snapshot", "mode: restore-snapshot, snapshot: yesterday, " + fresh, "", func(c *awstest.Cloud) {
			c.AddCluster(awstest.Cluster{ID: "shop", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: labPrimary}, "shop-1")
			c.AddSnapshot(awstest.Snapshot{ID: "yesterday", Cluster: "shop", Master: labPrimary})
		}, []string{"kerb.boot@CORP.EXAMPLE.COM"}},
		{"restore a moment", "mode: restore-time, source: shop, restore_to: latest, " + fresh, "", func(c *awstest.Cloud) {
			c.AddCluster(awstest.Cluster{ID: "shop", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: labPrimary}, "shop-1")
		}, []string{"kerb.boot@CORP.EXAMPLE.COM"}},
		{"modify with two readers and a one-way trust", "mode: modify", `    - {user: carol@ONPREM.LOCAL, host: "` + labtest.Client + `", keytab: "` + labtest.Keytab("carol") + `"}
  trust: {domain: onprem.local, dns_servers: [` + labtest.OnPrem + `], password: "secretsmanager:kerbagent/corp/trust"}
`, func(c *awstest.Cloud) {
			c.AddCluster(awstest.Cluster{ID: "orders", SubnetGroup: "databases", Groups: []string{"sg-00000001"}, Master: labPrimary}, "orders-1", "orders-2", "orders-3")
		}, []string{"kerb.boot@CORP.EXAMPLE.COM", "carol@ONPREM.LOCAL"}},
	} {
		t.Run(s.name, func(t *testing.T) {
			l := newLabHost(t, strings.NewReplacer("CLUSTER", s.cluster, "CA}", labtest.CA()+"}").Replace(labSetup)+s.more)
			s.seed(l.cloud)
			l.endsInALogin(t, s.users)
			if !l.waitedFor("every domain controller to know " + labUser + "@CORP.EXAMPLE.COM") {
				t.Error("the user was known everywhere at once, which the lab had prevented")
			}
			l.oneOfEach(t)
			before := len(l.cloud.Mutations())
			l.endsInALogin(t, s.users)
			for _, call := range l.cloud.Mutations()[before:] {
				if !strings.Contains(string(call.Request), lockName) {
					t.Errorf("a second run made %s", call.Action)
				}
			}
			if n := len(l.front.Statements()); n != 1+len(s.users) {
				t.Errorf("the database was changed by %q", l.front.Statements())
			}
			l.noSecretsIn(Report{})
		})
	}
}

// labHost is a host before the lab: the fake's state machines, and behind them
// the directory and the database that are real.
type labHost struct {
	*host
	front  *mysqlfront.Front
	dns    netip.AddrPort
	logins []string // of the last check: who was logged in, and as whom the database knows them
}

func newLabHost(t *testing.T, yaml string) *labHost {
	l := &labHost{front: newFront(t)}
	l.dns = serveDNS(t)
	cloud := newCloud(t, awstest.Options{
		// The directory that gets Active is CORP: its Admin has the password that
		// it was asked for with, and rights below its own OU only.
		OnDirectoryActive: func(d awstest.Directory) []string {
			labtest.Run(t, "user", "delegated", "Admin", d.Password)
			return []string{labtest.DC1, labtest.DC2}
		},
		OnEndpoint: func(awstest.Endpoint) (string, int) { return labtest.Endpoint, l.front.Addr().Port },
		// The lab's forests trust each other already; that they do, the login shows.
		OnVerifyTrust: func(awstest.Trust) error { return nil },
	})
	l.host = newHost(t, cloud, yaml)
	clean := func() {
		labtest.Run(t, "user", "delete", labUser)
		labtest.Run(t, "user", "spread")
		asRoot(t, "DROP USER IF EXISTS '"+labUser+"'@'%', 'carol'@'"+labtest.Client+"', '"+labPrimary+"'@'%'")
	}
	clean()
	t.Cleanup(clean)
	labtest.Fault(t, "user", "apart")
	asRoot(t, "CREATE USER '"+labPrimary+"'@'%' IDENTIFIED BY '"+primaryPassword+"'; GRANT ALL ON *.* TO '"+labPrimary+"'@'%' WITH GRANT OPTION")
	// The names of this test are the database client's too.
	was := net.DefaultResolver
	t.Cleanup(func() { net.DefaultResolver = was })
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, l.dns.String())
	}}
	return l
}

// endsInALogin runs a bootstrap whose last word has to be that these users are
// logged in. That a loaded lab is slow or loses a datagram may be said after it.
func (l *labHost) endsInALogin(t *testing.T, users []string) {
	t.Helper()
	is, want := l.apply(t).Is, "logged in: "+strings.Join(users, ", ")
	if is != want && !strings.HasPrefix(is, want+" (degraded: ") {
		t.Errorf("ended with %q, want %q", is, want)
	}
	var logins []string
	for _, u := range users {
		name, _, _ := strings.Cut(u, "@")
		logins = append(logins, u+" as "+name)
	}
	slices.Sort(logins)
	if !slices.Equal(l.logins, logins) {
		t.Errorf("the database says that %q logged in, want %q", l.logins, logins)
	}
}

// waitedFor reports whether the last run has waited for this.
func (l *labHost) waitedFor(what string) bool {
	return slices.ContainsFunc(l.events, func(e Event) bool { return e.Kind == EventWaiting && strings.HasPrefix(e.Text, what) })
}

// apply runs a bootstrap as cmd/kerbagent does, but for the clock, and gives
// its last step.
func (l *labHost) apply(t *testing.T) StepReport {
	t.Helper()
	o := l.options()
	o.Accounts, o.SQL = OpenDirectory, OpenDatabase
	o.Krb5Conf = func(cfg *config.Config, path string) (bool, func() error, error) {
		f, err := krb5file.Find(krb5file.Wish{Config: cfg, Path: path})
		if err != nil {
			return false, nil, err
		}
		change, err := f.Change()
		return err == nil && change.Needed(), func() error { _, err := f.Apply(t.Context()); return err }, err
	}
	o.Verify = func(ctx context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result, diagnose.Report, error) {
		// This host asks the domain controller first that did not make the users.
		cfg.Realms = slices.Clone(cfg.Realms)
		cfg.Realms[0].KDCs = []config.HostPort{{Host: labtest.DC2, Port: config.PortKDC}, {Host: labtest.DC1, Port: config.PortKDC}}
		env := check.Env{Dialer: exchange.HostDialer(), Now: time.Now, Resolver: []netip.AddrPort{l.dns}, Prompted: prompted}
		if env.Ledger, env.LedgerErr = ledger.Open(o.StateDir, ledger.Options{}); env.LedgerErr != nil {
			return nil, diagnose.Report{}, env.LedgerErr
		}
		results := check.Run(ctx, cfg, env)
		l.logins = nil
		for _, r := range results {
			if r.ID.Kind == probe.Login && r.Outcome == probe.OK {
				name, _, _ := strings.Cut(r.Facts[probe.FactCurrentUser], "@")
				l.logins = append(l.logins, r.Facts[probe.FactUser]+" as "+name)
			}
		}
		slices.Sort(l.logins)
		return results, check.Explain(cfg, results, env.Now()), nil
	}
	l.onSleep = func() {
		if n := len(l.events); n > 0 && l.events[n-1].Step == "client" { // the domain controllers have all of this wait, and not a moment more
			labtest.Run(t, "user", "spread")
		}
	}
	l.events = nil
	rep, err := Apply(t.Context(), o)
	if err != nil {
		for _, e := range l.events {
			t.Logf("%s %s: %s", e.Step, e.Kind, e.Text)
		}
		t.Fatal(err)
	}
	if rep.Changes() {
		t.Errorf("something is left to be done: %+v", rep.Steps)
	}
	return rep.Steps[len(rep.Steps)-1]
}

// oneOfEach holds the account to what a bootstrap leaves.
func (l *labHost) oneOfEach(t *testing.T) {
	t.Helper()
	if d, r := len(l.cloud.Directories()), len(l.cloud.Roles()); d != 1 || r != 1 {
		t.Errorf("%d directories, %d roles", d, r)
	}
	if !slices.ContainsFunc(l.cloud.Clusters(), func(c awstest.Cluster) bool { return c.ID == "orders" && c.Member == "kerberos-enabled" }) {
		t.Errorf("clusters: %+v", l.cloud.Clusters())
	}
	for _, i := range l.cloud.Instances() {
		want := 0
		if slices.Contains([]string{"orders-2", "orders-3"}, i.ID) && strings.Contains(l.file0, "mode: modify") {
			want = 1
		}
		if i.Reboots != want {
			t.Errorf("%s was rebooted %d times, want %d", i.ID, i.Reboots, want)
		}
	}
	if twin := asRoot(t, "SELECT plugin, authentication_string FROM mysql.user WHERE User = '"+labUser+"'"); strings.TrimSpace(twin) != "gssapi\t"+labUser+"@CORP.EXAMPLE.COM" {
		t.Errorf("MariaDB has %q", twin)
	}
}

func newFront(t *testing.T) *mysqlfront.Front {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(labtest.State("db", "tls", "srv.pem"), labtest.State("db", "tls", "srv.key"))
	if err != nil {
		t.Fatal(err)
	}
	front, err := mysqlfront.New(certificate, func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", labtest.Database+":3306")
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := front.Close(); err != nil {
			t.Error(err)
		}
	})
	return front
}

// serveDNS is the VPC's resolver, but the cluster's name leads to the front.
func serveDNS(t *testing.T) netip.AddrPort {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	at := tcp.Addr().(*net.TCPAddr).AddrPort()
	udp, err := net.ListenPacket("udp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		answer := new(dns.Msg).SetReply(q)
		if name := q.Question[0].Name; strings.EqualFold(name, labtest.Endpoint+".") {
			if q.Question[0].Qtype == dns.TypeA {
				answer.Answer = []dns.RR{&dns.A{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 5}, A: net.IPv4(127, 0, 0, 1)}}
			}
		} else {
			client := dns.Client{Net: w.LocalAddr().Network(), Timeout: 2 * time.Second}
			if got, _, err := client.Exchange(q, labtest.Resolver+":53"); err == nil {
				answer = got
			} else {
				answer.Rcode = dns.RcodeServerFailure
			}
		}
		_ = w.WriteMsg(answer) // who asked sees that nothing comes
	})
	for _, s := range []*dns.Server{{Listener: tcp, Handler: h}, {PacketConn: udp, Handler: h}} {
		up, down := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(up) }
		go func() { down <- s.ActivateAndServe() }()
		<-up
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			<-down
		})
	}
	return at
}

// asRoot runs statements on MariaDB itself.
func asRoot(t *testing.T, statements string) string {
	t.Helper()
	cmd := exec.Command("mariadb", "--no-defaults", "-N", "-S", labtest.State("db", "run", "sock"), "-uroot")
	cmd.Stdin, cmd.Stderr = strings.NewReader(statements), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
