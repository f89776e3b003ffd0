package login_test

import (
	"context"
	"net"
	"os"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

// A database that restarts, or whatever stands before it, ends the connection at any
// step: the reason says so, with the step, and the handshake is known as unfinished.
func TestConnectionCut(t *testing.T) {
	for _, c := range []struct {
		name   string
		faults mysqltest.Faults
		reason probe.Reason
		stage  string
	}{
		{"before the greeting", mysqltest.Faults{CutAt: mysqltest.AtGreeting}, probe.ReasonDBCut, "db-greeting"},
		{"in the TLS handshake", mysqltest.Faults{CutAt: mysqltest.AtTLS}, probe.ReasonDBCut, "db-tls"},
		{"before the switch", mysqltest.Faults{CutAt: mysqltest.AtSwitch}, probe.ReasonDBCut, "db-switch"},
		{"at the token", mysqltest.Faults{CutAt: mysqltest.AtToken}, probe.ReasonDBCut, "db-token"},
		{"no greeting comes", mysqltest.Faults{StallAt: mysqltest.AtGreeting}, probe.ReasonTCPSilent, "db-greeting"},
		{"the TLS flight is lost", mysqltest.Faults{StallAt: mysqltest.AtTLS}, probe.ReasonTCPSilent, "db-tls"},
		{"the answer to the token is lost", mysqltest.Faults{StallAt: mysqltest.AtToken}, probe.ReasonTCPSilent, "db-token"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if err := r.db.SetFaults(c.faults); err != nil {
				t.Fatal(err)
			}
			p := r.probe("alice", password)
			if c.faults.StallAt != mysqltest.NoStep {
				p.Timeout = 300 * time.Millisecond
			}
			res := p.Run(t.Context())
			if res.Reason != c.reason || res.Facts[probe.FactDBStage] != c.stage || res.Facts[probe.FactFailedAt] != probe.AtDatabase {
				t.Errorf("%s at %q (%s): %v", res.Reason, res.Facts[probe.FactDBStage], res.Facts[probe.FactFailedAt], res.Err)
			}
			if r.shakes.unfinished != 1 {
				t.Errorf("%d handshakes are known to be unfinished", r.shakes.unfinished)
			}
		})
	}
}

// A request that is given up with its login had its answer on the way: that KDC is not said to be silent.
func TestAKDCThatNobodyWaitedForWasNotSilent(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindASPreauth: time.Minute}})
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	ended := make(chan probe.Result)
	go func() { ended <- r.probe("alice", password).Run(ctx) }()
	for r.kdc.Requests().Preauth["alice"] == 0 {
		runtime.Gosched()
	}
	giveUp()
	if res := <-ended; res.Outcome == probe.OK || res.Facts[probe.FactUnanswered] != "" {
		t.Errorf("%s %v; %q is said to be silent", res.Outcome, res.Err, res.Facts[probe.FactUnanswered])
	}
}

// A server that does not wait as long as a slow KDC takes is asked again with the ticket in hand: a program whose cache
// has the ticket logs in.
func TestConnectionEndedWhileTheKDCIsSlow(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: 700 * time.Millisecond}})
	if err := r.db.SetFaults(mysqltest.Faults{ConnectTimeout: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	res := r.probe("alice", password).Run(t.Context())
	if res.Outcome != probe.OK || res.Facts[probe.FactHungUp] != "true" || res.Facts[probe.FactDBStage] != "" {
		t.Errorf("%s: %v, %v", res.Reason, res.Err, res.Facts)
	}
	asked := slices.DeleteFunc(res.Stages, func(s probe.Stage) bool { return s.Name != client.StepTGS })
	if len(asked) != 1 || r.shakes.unfinished != 1 || len(r.results) != 1 {
		t.Errorf("%d tickets were asked for, %d handshakes are unfinished, %d results", len(asked), r.shakes.unfinished, len(r.results))
	}
}

// Where the guard of handshakes has had enough, nothing is tried a second time.
func TestConnectionEndedWhileTheKDCIsSlowAndNoHandshakeIsLeft(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: 700 * time.Millisecond}})
	if err := r.db.SetFaults(mysqltest.Faults{ConnectTimeout: 200 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	r.shakes.most = 1
	if res := r.probe("alice", password).Run(t.Context()); res.Reason != probe.ReasonDBAuthTimeout || res.Facts[probe.FactDBStage] != "db-token" {
		t.Errorf("%s at %q: %v", res.Reason, res.Facts[probe.FactDBStage], res.Err)
	}
}

// A server that waits for the ticket, however long that takes, and cuts the connection
// when it has the token, has not run out of patience.
func TestConnectionCutAfterALateToken(t *testing.T) {
	r := newRig(t)
	r.faults.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: 700 * time.Millisecond}})
	if err := r.db.SetFaults(mysqltest.Faults{CutAt: mysqltest.AtToken}); err != nil {
		t.Fatal(err)
	}
	if res := r.probe("alice", password).Run(t.Context()); res.Reason != probe.ReasonDBCut {
		t.Errorf("%s: %v", res.Reason, res.Err)
	}
}

// A reset that comes before connect(2) returns is one of a connection: the server may
// have counted it. It was a refusal, and not counted, now and then.
func TestAResetWhileConnectingCounts(t *testing.T) {
	r := newRig(t)
	p := r.probe("alice", password)
	p.Dialer = resetting{r.db.Addr().String()}
	res := p.Run(t.Context())
	if res.Reason != probe.ReasonDBCut || res.Facts[probe.FactDBStage] != "db-greeting" || r.shakes.unfinished != 1 {
		t.Errorf("%s at %q: %v; %d unfinished", res.Reason, res.Facts[probe.FactDBStage], res.Err, r.shakes.unfinished)
	}
}

type resetting struct{ at string }

func (r resetting) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if address == r.at {
		return nil, &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNRESET)}
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}
