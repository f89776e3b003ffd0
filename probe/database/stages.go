package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/kerberos"
	"github.com/kerbagent/kerbagent/probe"
)

// The stages that a probe of the database and a login share, in wire order.
const (
	StageConnect  = "db-connect"
	StageGreeting = "db-greeting"
	StageTLS      = "db-tls"
	StageSwitch   = "db-switch" // the login packet, until the server has said how to authenticate
	StageGoodbye  = "db-goodbye"
)

// Server is one database at one address.
type Server struct {
	Address netip.AddrPort
	TLS     *tls.Config // nil: no TLS
	// Others are further addresses, which a login goes to where one does not connect.
	Others []netip.AddrPort
	Turned bool // Address is not the one that programs try first
	// Patience is how long an address has to connect; 0: until ctx ends.
	Patience time.Duration
}

// Failure reports the stage at which the conversation ended, and why.
type Failure struct {
	Stage  string // one of the Stage words
	Reason probe.Reason
	Err    error
}

// Error is the cause's text.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// WhyFailed returns the reason of a failure of Open.
func WhyFailed(err error) probe.Reason {
	var f *Failure
	if errors.As(err, &f) {
		return f.Reason
	}
	return ReasonOf(err)
}

// goodbye is how long a server may take to end a conversation that we give up;
// an unfinished one counts against this host, so it is tried even when ctx is done.
const goodbye = time.Second

// moment is how long after the end of its time a connect may still be noticed.
const moment = 50 * time.Millisecond

// Open goes as far as the server's auth switch for user, recording each stage.
// The connection that it returns must be ended by a login or by Leave; on a
// failure it has been ended already. finished says whether the server has
// nothing to count against this host.
func Open(ctx context.Context, rec *probe.Recorder, d probe.Dialer, s Server, user string) (
	conn *mysql.Conn, sw *mysql.Switch, finished bool, err error) {
	fail := func(stage string, r probe.Reason, err error) (*mysql.Conn, *mysql.Switch, bool, error) {
		if r == probe.ReasonClosed && stage != StageConnect {
			r = probe.ReasonDBCut
		}
		rec.Fact(probe.FactDBStage, stage)
		return nil, nil, finished, &Failure{Stage: stage, Reason: r, Err: err}
	}
	finished = true
	if err := rec.Stage(StageConnect, func() error {
		within := ctx
		if s.Patience > 0 {
			var cancel context.CancelFunc
			within, cancel = context.WithTimeout(ctx, s.Patience)
			defer cancel()
		}
		nc, err := dial(within, d, s.Address)
		if err != nil {
			return fmt.Errorf("connecting: %w", err)
		}
		conn = mysql.NewConn(nc)
		return nil
	}); errors.Is(err, syscall.ECONNRESET) {
		// It was connected, and reset before connect(2) returned: a SYN is refused otherwise. The server may count that.
		finished = false
		return fail(StageGreeting, probe.ReasonClosed, err)
	} else if err != nil {
		return fail(StageConnect, probe.ReasonOf(err, probe.ReasonConnectTimeout), err)
	}
	var greeting *mysql.Greeting
	if err := rec.Stage(StageGreeting, func() (err error) {
		greeting, err = conn.Greeting(ctx)
		return err
	}); err != nil {
		if greeting != nil {
			rec.Fact(probe.FactVersion, greeting.Version)
		}
		finished = Leave(ctx, rec, conn, nil)
		return fail(StageGreeting, ReasonOf(err), err)
	}
	rec.Fact(probe.FactVersion, greeting.Version)
	if s.TLS != nil {
		if err := rec.Stage(StageTLS, func() error { return startTLS(ctx, rec, conn, s.TLS) }); err != nil {
			finished = Leave(ctx, rec, conn, nil)
			return fail(StageTLS, tlsReason(err), err)
		}
	}
	if err := rec.Stage(StageSwitch, func() (err error) {
		sw, err = conn.Respond(ctx, user, attributes())
		return err
	}); err != nil {
		finished = Leave(ctx, rec, conn, nil)
		return fail(StageSwitch, ReasonOf(err), err)
	}
	rec.Fact(probe.FactPlugin, sw.Plugin)
	return conn, sw, false, nil
}

// dial connects. When ctx ends, the kernel may have connected already: to give
// up then is a bare connect, which counts, and which nobody would know of. So a
// dial has a moment longer than ctx, and a connection that comes of it is left
// as any other.
func dial(ctx context.Context, d probe.Dialer, to netip.AddrPort) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-time.After(moment): // from now: a host that was frozen wakes up with all its timers due
			cancel()
		case <-longer.Done():
		}
	})()
	nc, err := d.DialContext(longer, "tcp", to.String())
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return nc, err
}

// attributes are what performance_schema.session_connect_attrs shows of us, so
// that a DBA who finds these connections knows whose they are.
func attributes() map[string]string { return map[string]string{"program_name": "kerbagent"} }

// Leave ends a conversation that shall not become a login, so that the server
// does not count it; it says whether that worked.
func Leave(ctx context.Context, rec *probe.Recorder, conn *mysql.Conn, sw *mysql.Switch) (finished bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	rec.Stage(StageGoodbye, func() error {
		conn.Greeting(ctx)    // where its time ended before that was read; nothing otherwise
		conn.Abandon(ctx, sw) // how it ended is in Finished
		return nil
	})
	return conn.Finished()
}

func startTLS(ctx context.Context, rec *probe.Recorder, conn *mysql.Conn, cfg *tls.Config) error {
	state, err := conn.StartTLS(ctx, cfg)
	if certs := state.PeerCertificates; len(certs) > 0 {
		rec.Fact(probe.FactCertNotAfter, certs[0].NotAfter.UTC().Format(time.RFC3339))
		rec.Sample(probe.SampleCertExpiry, float64(certs[0].NotAfter.Unix()))
	}
	if err == nil {
		rec.Fact(probe.FactTLSVersion, tls.VersionName(state.Version))
		return nil
	}
	var unverified *tls.CertificateVerificationError
	if errors.As(err, &unverified) {
		rec.Fact(probe.FactTLSProblem, problems(err, unverified.UnverifiedCertificates, cfg))
	}
	return err
}

// BundleError is a CA bundle that cannot be used, so that no certificate verifies.
type BundleError struct{ Err error }

// Error is what is wrong with the bundle.
func (e *BundleError) Error() string { return e.Err.Error() }

// Unwrap returns the error of reading it.
func (e *BundleError) Unwrap() error { return e.Err }

// problems reports in words everything that a certificate fails by: crypto/x509
// stops at the first, and whoever mends that one should not meet the next.
func problems(err error, certs []*x509.Certificate, cfg *tls.Config) string {
	if bundle := (*BundleError)(nil); errors.As(err, &bundle) {
		return "bundle"
	}
	if len(certs) == 0 {
		return "other"
	}
	leaf, now := certs[0], time.Now()
	if cfg.Time != nil {
		now = cfg.Time()
	}
	var ca x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	var all []string
	chain := x509.VerifyOptions{Roots: cfg.RootCAs, Intermediates: x509.NewCertPool(), CurrentTime: leaf.NotAfter}
	for _, c := range certs[1:] {
		chain.Intermediates.AddCert(c)
	}
	if _, broken := leaf.Verify(chain); errors.As(err, &ca) || errors.As(broken, &ca) {
		all = append(all, "ca")
	}
	// With InsecureSkipVerify (verify-ca) the name is nobody's business.
	if !cfg.InsecureSkipVerify && (errors.As(err, &name) || leaf.VerifyHostname(cfg.ServerName) != nil) {
		all = append(all, "name")
	}
	if now.Before(leaf.NotBefore) || now.After(leaf.NotAfter) || errors.As(err, &invalid) && invalid.Reason == x509.Expired {
		all = append(all, "date")
	}
	if len(all) == 0 {
		return "other"
	}
	return strings.Join(all, " ")
}

func tlsReason(err error) probe.Reason {
	var unverified *tls.CertificateVerificationError
	switch r := ReasonOf(err); {
	case errors.As(err, &unverified):
		return probe.ReasonDBTLSUntrusted
	case errors.Is(err, mysql.ErrNoTLS):
		return probe.ReasonDBTLSMissing
	case r == probe.ReasonDBNotMySQL || r == probe.ReasonMalformed:
		return probe.ReasonDBTLSFailed
	default:
		return r
	}
}

// ReasonOf turns what ended a step of the connection phase into a reason. An
// ERR packet that nobody has a word for is db-error.
func ReasonOf(err error) probe.Reason {
	var (
		server *mysql.ServerError
		other  *kerberos.NotKerberosError
		realm  *kerberos.RealmError
		spn    *kerberos.SPNError
	)
	switch {
	case errors.As(err, &server):
		return ofNumber(server.Number)
	case errors.As(err, &other), errors.Is(err, mysql.ErrNoSwitch), errors.Is(err, mysql.ErrOpenAccount):
		return probe.ReasonDBOtherPlugin
	case errors.As(err, &realm):
		return probe.ReasonDBRealmMismatch
	case errors.As(err, &spn):
		return probe.ReasonDBSPNUnexpected
	case errors.Is(err, mysql.ErrTooOld):
		return probe.ReasonDBTooOld
	case errors.Is(err, mysql.ErrNotMySQL) && !errors.Is(err, io.EOF):
		return probe.ReasonDBNotMySQL
	}
	return probe.ReasonOf(err, probe.ReasonTCPSilent)
}

// ofNumber: numbers of the MySQL error message reference, and of MariaDB's
// where it differs (4150, 4151).
func ofNumber(n uint16) probe.Reason {
	switch n {
	case 1129:
		return probe.ReasonDBBlocked
	case 1130:
		return probe.ReasonDBHostDenied
	case 1040, 1203, 1226:
		return probe.ReasonDBTooMany
	case 1524:
		return probe.ReasonDBPluginMissing
	case 3159:
		return probe.ReasonDBTLSRequired
	case 3118, 4150, 4151:
		return probe.ReasonDBAccountLocked
	}
	return probe.ReasonDBError
}

// RecordServerError keeps what an ERR packet said.
func RecordServerError(rec *probe.Recorder, err error) {
	var server *mysql.ServerError
	if errors.As(err, &server) {
		rec.Fact(probe.FactErrNumber, fmt.Sprint(server.Number))
		rec.Fact(probe.FactErrText, server.Message)
	}
}
