package login_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/login"
)

// isInstance is a stand-in for config.IsInstanceName, which a probe gets from above.
func isInstance(s string) bool {
	return s != "" && len(s) <= 63 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// clusterRig is a rig whose database is an instance of an Aurora cluster.
func clusterRig(t *testing.T, rows ...mysqltest.Instance) *rig {
	t.Helper()
	r := newRig(t)
	r.db.Close()
	cluster := &mysqltest.Cluster{}
	cluster.Set(rows...)
	var err error
	r.db, err = mysqltest.New(mysqltest.Config{Names: []string{"db.corp.example.com"}, SPN: spn + "@" + realmName, Realm: realmName,
		Users: map[string]mysqltest.User{"alice": {}}, Acceptor: r.realm.Acceptor(spn), Cluster: cluster, Instance: "orders-1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.db.Close() })
	return r
}

// asking returns the rig's login, and where what it hears of the cluster goes.
func asking(r *rig) (login.Probe, *[]probe.Topology) {
	var heard []probe.Topology
	p := r.probe("alice", password)
	p.OnInstances = func(t probe.Topology) { heard = append(heard, t) }
	p.IsInstance = isInstance
	return p, &heard
}

// A login that worked asks for the cluster's instances on the same connection.
func TestALoginAsksForTheInstances(t *testing.T) {
	r := clusterRig(t, mysqltest.Instance{Name: "orders-2", Lag: 1500 * time.Millisecond, Age: time.Second},
		mysqltest.Instance{Name: "orders-1", Writer: true, Age: time.Second}, mysqltest.Instance{Name: "orders-3", Age: 302 * time.Second})
	p, heard := asking(r)
	res := p.Run(t.Context())
	if res.Outcome != probe.OK || len(*heard) != 1 || r.db.Stats().Connections != 1 {
		t.Fatalf("%s %v; heard %v over %d connections", res.Outcome, res.Err, *heard, r.db.Stats().Connections)
	}
	got := (*heard)[0]
	want := []probe.Instance{{ID: "orders-1", Writer: true, Lags: true}, {ID: "orders-2", Lag: 1500 * time.Millisecond, Lags: true}} // the row of orders-3 is too old
	if got.Server != "orders-1" || got.Version == "" || got.LeftOut != 0 || !slices.Equal(got.Instances, want) {
		t.Errorf("%+v, want %v", got, want)
	}
	if _, lags := res.Samples[probe.SampleReplicaLag]; res.Facts[probe.FactServer] != "orders-1" || lags {
		t.Errorf("%v %v", res.Facts, res.Samples)
	}
	// The session's time zone may be another than that of the timestamps.
	rows := []mysqltest.Instance{{Name: "orders-1", Writer: true, Age: 3 * time.Hour}, {Name: "orders-2", Age: 3*time.Hour + time.Minute}}
	r = clusterRig(t, rows...)
	p, heard = asking(r)
	if p.Run(t.Context()); len((*heard)[0].Instances) != 2 {
		t.Errorf("in another time zone: %+v", (*heard)[0])
	}
}

// A login at a reader has its lag, in the one question that every login ends with.
func TestALoginAtAReaderHasItsLag(t *testing.T) {
	r := clusterRig(t, mysqltest.Instance{Name: "orders-2", Writer: true}, mysqltest.Instance{Name: "orders-1", Lag: 1500 * time.Millisecond},
		mysqltest.Instance{Name: "orders-3", Lag: time.Hour})
	p, _ := asking(r)
	res := p.Run(t.Context())
	if lag, ok := res.Samples[probe.SampleReplicaLag]; res.Outcome != probe.OK || !ok || lag != 1.5 || len(r.db.Statements()) != 1 {
		t.Errorf("%s %v; %v; %q", res.Outcome, res.Err, res.Samples, r.db.Statements())
	}
}

// A reader whose lag is NULL has none that is known: 0 would be a lag.
func TestALagThatIsNull(t *testing.T) {
	r := clusterRig(t, mysqltest.Instance{Name: "orders-2", Writer: true}, mysqltest.Instance{Name: "orders-1", NoLag: true})
	p, _ := asking(r)
	res := p.Run(t.Context())
	if lag, ok := res.Samples[probe.SampleReplicaLag]; res.Outcome != probe.OK || ok {
		t.Errorf("%s %v; a lag of %v", res.Outcome, res.Err, lag)
	}
}

// A cluster whose table is empty still says who was let in.
func TestAnEmptyTableOfInstances(t *testing.T) {
	p, heard := asking(clusterRig(t))
	res := p.Run(t.Context())
	if res.Outcome != probe.OK || res.Facts[probe.FactCurrentUser] != "alice@%" || len(*heard) != 1 ||
		len((*heard)[0].Instances) != 0 || (*heard)[0].LeftOut != 0 || (*heard)[0].Server != "orders-1" {
		t.Errorf("%s %v; %v; heard %+v", res.Outcome, res.Err, res.Facts, *heard)
	}
}

// What a server says of its cluster is hostile text: it is bounded in number and form.
func TestRowsOfAHostileServer(t *testing.T) {
	rows := []mysqltest.Instance{{Name: "orders-1", Writer: true}, {Name: "evil.example.com"}, {Name: "a\x1b[2Jb"}, {Name: ""}, {Name: strings.Repeat("x", 200)}}
	for i := range 10_000 {
		rows = append(rows, mysqltest.Instance{Name: fmt.Sprintf("orders-%d", i+2)})
	}
	p, heard := asking(clusterRig(t, rows...))
	res := p.Run(t.Context())
	if res.Outcome != probe.OK || len(*heard) != 1 {
		t.Fatalf("%s %v, heard %d", res.Outcome, res.Err, len(*heard))
	}
	got := (*heard)[0]
	if len(got.Instances) == 0 || len(got.Instances) > 30 || got.LeftOut == 0 {
		t.Errorf("%d instances, %d left out", len(got.Instances), got.LeftOut)
	}
	for _, i := range got.Instances {
		if !isInstance(i.ID) {
			t.Errorf("%q was taken", i.ID)
		}
	}
}

// A server that has no such table, or does not show it, lets the user in all the same.
func TestATopologyThatIsHiddenIsNoFailure(t *testing.T) {
	hidden := clusterRig(t, mysqltest.Instance{Name: "orders-1", Writer: true})
	if err := hidden.db.SetFaults(mysqltest.Faults{HideTopology: true}); err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]*rig{"no Aurora": newRig(t), "hidden": hidden} {
		p, heard := asking(r)
		res := p.Run(t.Context())
		if res.Outcome != probe.OK || len(*heard) != 1 || (*heard)[0].Err == nil || len((*heard)[0].Instances) != 0 ||
			(*heard)[0].NotAurora != (name == "no Aurora") {
			t.Errorf("%s: %s %v, heard %+v", name, res.Outcome, res.Err, *heard)
		}
	}
}

// Logins that share a ticket cost the account one attempt, and the KDC one service
// ticket for each service.
func TestLoginsThatShareATicket(t *testing.T) {
	r := newRig(t)
	var shared *client.Shared
	p := r.probe("alice", password)
	p.OnTicket = func(s *client.Shared) { shared = s }
	if res := p.Run(t.Context()); res.Outcome != probe.OK || shared == nil {
		t.Fatal(res.Err, shared)
	}
	p.Material = func() (login.Material, error) { return login.Material{Kind: "password", Shared: shared}, nil }
	p.OnTicket = nil
	for range 5 {
		if res := p.Run(t.Context()); res.Outcome != probe.OK || res.Facts[probe.FactProven] != "true" {
			t.Fatal(res.Outcome, res.Err)
		}
	}
	n := r.kdc.Requests()
	if r.account.attempts != 1 || n.Preauth["alice"] != 1 || n.TGS != 1 {
		t.Errorf("%d attempts were recorded; the KDC saw %+v", r.account.attempts, n)
	}
	// A service that only this instance announces is asked for before it does; what is there is not.
	own := "mysql/orders-3.corp.example.com"
	r.realm.AddService(own)
	for i, guess := range []string{spn, own} {
		again := r.probe("alice", password)
		again.Material, again.Services, again.Timeout = p.Material, &memory{guess: guess + "@" + realmName}, 300*time.Millisecond
		if err := r.db.SetFaults(mysqltest.Faults{StallAt: mysqltest.AtGreeting}); err != nil {
			t.Fatal(err)
		}
		again.Run(t.Context())
		if n := r.kdc.Requests(); n.TGS != i+1 {
			t.Errorf("with %s, %d tickets for services were asked for, want %d: %v", guess, n.TGS, i+1, n.Services)
		}
		if err := r.db.SetFaults(mysqltest.Faults{}); err != nil {
			t.Fatal(err)
		}
	}
	// A login that got no ticket says so.
	p = r.probe("alice", "wrong")
	p.OnTicket = func(s *client.Shared) { shared = s }
	if p.Run(t.Context()); shared != nil {
		t.Error("the ticket of before is still handed on")
	}
}
