package login

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
)

// patience is how long a ticket must have taken for the end of the connection, which
// came before the token was sent, to be the server's connect_timeout: two seconds at the
// least (MySQL) and ten by default. A server that restarts or is cut off ends it at any moment.
const patience = 500 * time.Millisecond

// leastTimeout is the least connect_timeout of a server (MySQL 8.4 reference manual, connect_timeout).
const leastTimeout = 2 * time.Second

// cutOr: a conversation that had begun and was ended by the server's side was cut.
func cutOr(r probe.Reason) probe.Reason {
	if r == probe.ReasonClosed {
		return probe.ReasonDBCut
	}
	return r
}

// kernelGivesUp is how long a program without a limit of its own waits for an
// address that does not answer: Linux sends a SYN seven times (tcp_syn_retries, tcp(7)).
const kernelGivesUp = 127 * time.Second

// pass takes note of an address of the database that did not connect.
func (a *attempt) pass(server database.Server, err error) {
	a.passed, a.passedAt = append(a.passed, fmt.Sprintf("database %s: %v", server.Address, err)), append(a.passedAt, server.Address)
	if database.WhyFailed(err) == probe.ReasonConnectTimeout && !server.Turned {
		a.waited += kernelGivesUp
	}
}

// connectFailed says that a server was not reached at all: a program then goes to the next address.
func connectFailed(err error) bool {
	var f *database.Failure
	return errors.As(err, &f) && f.Stage == database.StageConnect
}

// connectPatience is how long one address has to connect while there are others: a
// program would wait until the kernel gives up.
const connectPatience = 2 * time.Second

// half returns how long each half of the database's part may take, and sets how long a connect may. A program waits for
// each answer anew, so a login as programs do it takes longer with a slow database, and as long as ever with a silent one.
func (a *attempt) half(server *database.Server) time.Duration {
	server.Patience = a.p.Timeout
	if len(server.Others) > 0 {
		server.Patience = connectPatience
	}
	if a.dialer = a.p.Dialer; a.p.Trail == nil {
		return a.p.Timeout
	}
	a.dialer = patient{a.p.Dialer, exchangePatience * a.p.Timeout}
	return stepsPatience * a.p.Timeout
}

// stepsPatience is for the greeting, TLS and the switch, each of which may take two timeouts.
const stepsPatience = 7

// patient dials connections of which each read has its own time, within the deadline of the connection.
type patient struct {
	probe.Dialer
	each time.Duration
}

// DialContext dials as Dialer does.
func (p patient) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := p.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: conn, each: p.each}, nil
}

type patientConn struct {
	net.Conn
	each     time.Duration
	mu       sync.Mutex
	deadline time.Time
}

// SetDeadline sets the deadline of the connection, as net.Conn has it.
func (c *patientConn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	return c.Conn.SetDeadline(t)
}

// Read reads, and waits no longer for this one answer.
func (c *patientConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	if mine := time.Now().Add(c.each); c.deadline.IsZero() || mine.Before(c.deadline) {
		_ = c.Conn.SetReadDeadline(mine) // a connection that was closed says so when it is read
	}
	c.mu.Unlock()
	return c.Conn.Read(b)
}

// open runs the database's stages and reports them as a result of their own.
func (a *attempt) open(ctx context.Context, server database.Server) (*mysql.Conn, *mysql.Switch, bool, error) {
	id := database.Probe{Host: a.p.Host, Server: server}.ID()
	rec := probe.Begin(id, a.p.Now)
	rec.Facts(a.p.Facts)
	if len(server.Others) > 0 {
		rec.Fact(probe.FactDBAddress, server.Address.String())
	}
	conn, sw, finished, err := database.Open(ctx, rec, a.dialer, server, a.p.User.Name)
	database.RecordServerError(rec, err)
	var res probe.Result
	if err != nil {
		res = rec.Fail(database.WhyFailed(err), err)
	} else {
		if announced, err := kerberos.ParseSwitch(sw.Plugin, sw.Data); err != nil {
			res = rec.Fail(database.ReasonOf(err), err)
		} else {
			rec.Fact(probe.FactSPN, announced.Raw)
			rec.Fact(probe.FactSPNRealm, announced.UserRealm)
			res = rec.OK()
		}
	}
	a.rec.Adopt(res)
	if a.p.OnDatabase != nil && len(a.passed) == 0 && !a.again { // the others are asked by probes of their own
		a.p.OnDatabase(res)
	}
	return conn, sw, finished, err
}

// authenticate sends the token and sees to it that the server says OK.
func (a *attempt) authenticate(ctx context.Context, conn *mysql.Conn, auth *kerberos.Authenticator, token []byte) *failure {
	err := a.rec.Stage(StageToken, func() error {
		for {
			r, err := conn.Answer(ctx, token)
			if err != nil {
				return err
			}
			switch r.Kind {
			case mysql.OK:
				return nil
			case mysql.Another:
				return fmt.Errorf("%w: %q", mysql.ErrSecondSwitch, r.Switch.Plugin)
			}
			if token, err = auth.Next(ctx, r.Data); err != nil {
				return err
			}
		}
	})
	a.rec.Fact(probe.FactProven, fmt.Sprint(auth.Proven))
	if err == nil {
		return nil
	}
	return &failure{at: probe.AtDatabase, stage: StageToken, reason: tokenReason(err, auth.Proven), err: err}
}

// tokenReason reports what an end in the middle of the authentication means: it
// depends on whether the server had proved itself by then.
func tokenReason(err error, proven bool) probe.Reason {
	r := cutOr(database.ReasonOf(err))
	switch {
	case errors.Is(err, client.ErrUnproven):
		return probe.ReasonDBUnproven
	case r == probe.ReasonDBError && proven:
		return probe.ReasonDBAccessDenied
	case r == probe.ReasonDBError && mentionsName(err):
		return probe.ReasonDBAccessDenied
	case r == probe.ReasonDBError:
		return probe.ReasonDBTicketRejected
	}
	return r
}

// mentionsName: MariaDB compares names after it has accepted the ticket, and
// says so in its own 1045, which comes before any AP-REP when no proof was due.
func mentionsName(err error) bool {
	var server *mysql.ServerError
	return errors.As(err, &server) && server.Number == 1045 && strings.Contains(server.Message, "GSSAPI name mismatch")
}

func (a *attempt) recordTicket(auth *kerberos.Authenticator) {
	a.rec.Fact(probe.FactSPN, auth.Announcement.Raw)
	a.rec.Fact(probe.FactSPNRealm, auth.Announcement.UserRealm)
	if t := auth.Ticket; t != nil {
		a.service = auth.Service
		a.rec.Fact(probe.FactTicketType, fmt.Sprint(t.EType))
		a.rec.Fact(probe.FactTicketKVNO, fmt.Sprint(t.KVNO))
		a.rec.Sample(probe.SampleTicketEnd, float64(t.EndTime.Unix()))
	}
	var realms []string
	for _, h := range auth.Hops {
		realms = append(realms, h.Realm)
	}
	a.rec.Fact(probe.FactHops, strings.Join(realms, " "))
}
