package mysql_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// counted counts writes.
type counted struct {
	net.Conn
	writes atomic.Int32
}

func (c *counted) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

// A write of its own for the SSLRequest would cost a round trip where the
// network stack waits for its ACK, so there must be two writes in all: request
// with ClientHello, and the client's Finished.
func TestStartTLSInOneFlight(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	wire := &counted{Conn: dial(t, s)}
	c := mysql.NewConn(wire)
	if _, err := c.Greeting(within(t)); err != nil {
		t.Fatal(err)
	}
	state, err := c.StartTLS(within(t), trust(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if got := wire.writes.Load(); got != 2 {
		t.Errorf("%d writes, want 2", got)
	}
	if state.Version != tls.VersionTLS13 || len(state.VerifiedChains) == 0 {
		t.Errorf("version %x, %d verified chains", state.Version, len(state.VerifiedChains))
	}
	serverError(t, c.Abandon(within(t), nil), 1045)
}

func TestCertificates(t *testing.T) {
	var ca x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	for label, c := range map[string]struct {
		shown mysqltest.Certificate
		want  any // for errors.As; nil: it verifies
	}{
		"good":        {mysqltest.Good, nil},
		"soon expire": {mysqltest.SoonExpire, nil},
		"other CA":    {mysqltest.OtherCA, &ca},
		"wrong name":  {mysqltest.WrongName, &name},
		"expired":     {mysqltest.Expired, &invalid},
	} {
		t.Run(label, func(t *testing.T) {
			s := serve(t, mysqltest.Config{})
			fault(t, s, mysqltest.Faults{Certificate: c.shown})
			conn := greeted(t, s)
			state, err := conn.StartTLS(within(t), trust(t, s))
			if len(state.PeerCertificates) == 0 {
				t.Error("the certificate cannot be looked at")
			}
			if c.want == nil {
				if err != nil {
					t.Error(err)
				}
			} else {
				var verification *tls.CertificateVerificationError
				if !errors.As(err, &verification) || !errors.As(err, c.want) {
					t.Errorf("got %v", err)
				}
				if _, err := conn.Respond(within(t), "alice", nil); err == nil {
					t.Error("went on with a certificate that does not verify")
				}
			}
			serverError(t, conn.Abandon(within(t), nil), 1045)
			harmless(t, s)
		})
	}
}

func TestVerifyHooks(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	no := errors.New("not this one")
	for label, set := range map[string]func(*tls.Config){
		"VerifyPeerCertificate": func(c *tls.Config) {
			c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) == 0 || len(chains) == 0 {
					t.Error("called without the certificates")
				}
				return no
			}
		},
		"VerifyConnection": func(c *tls.Config) {
			c.VerifyConnection = func(tls.ConnectionState) error { return no }
		},
		"VerifyConnection, verify-ca": func(c *tls.Config) {
			c.InsecureSkipVerify = true
			c.VerifyConnection = func(tls.ConnectionState) error { return no }
		},
	} {
		t.Run(label, func(t *testing.T) {
			cfg := trust(t, s)
			set(cfg)
			c := greeted(t, s)
			if _, err := c.StartTLS(within(t), cfg); !errors.Is(err, no) {
				t.Errorf("got %v", err)
			}
			c.Abandon(within(t), nil)
		})
	}
	harmless(t, s)
}

func TestNoTLS(t *testing.T) {
	s := serve(t, mysqltest.Config{})
	cfg := trust(t, s)
	fault(t, s, mysqltest.Faults{NoTLS: true})
	c := greeted(t, s)
	if _, err := c.StartTLS(within(t), cfg); !errors.Is(err, mysql.ErrNoTLS) {
		t.Errorf("got %v", err)
	}
	serverError(t, c.Abandon(within(t), nil), 1045)
	harmless(t, s)
}
