package mysql

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// StartTLS asks for TLS and does the handshake. The request and the ClientHello
// leave in one write, which saves a round trip. A server without TLS is
// ErrNoTLS, and nothing has been sent.
//
// The certificate is verified as crypto/tls would with the same cfg, but once
// the handshake has ended: a *tls.CertificateVerificationError leaves a
// connection that can be abandoned in a way that the server does not count, and
// on which nothing else is possible. The state is returned with it, so that the
// caller can look at the certificate. A client certificate has been shown to
// the server by then.
func (c *Conn) StartTLS(ctx context.Context, cfg *tls.Config) (tls.ConnectionState, error) {
	var state tls.ConnectionState
	err := c.step(ctx, DoingTLS, func() error {
		if c.stage != greeted || c.tls {
			return errOrder
		}
		if !c.greeting.Capabilities.Has(SSL) {
			return ErrNoTLS
		}
		if cfg.ServerName == "" && !cfg.InsecureSkipVerify {
			return errors.New("no server name to verify the certificate against")
		}
		c.caps |= SSL
		request := AppendPacket(nil, c.seq, loginHead(c.caps))
		c.seq++
		client := tls.Client(&firstFlight{Conn: c.raw, ahead: request}, verifyLater(cfg))
		if err := client.Handshake(); err != nil {
			c.broken = err
			return err
		}
		c.stream, c.tls = client, true
		state = client.ConnectionState()
		if err := verify(cfg, &state); err != nil {
			c.stage = untrusted
			return err
		}
		if len(state.VerifiedChains) > 0 {
			c.certificate = state.PeerCertificates[0]
		}
		return nil
	})
	return state, err
}

// firstFlight puts bytes before the first write.
type firstFlight struct {
	net.Conn
	ahead []byte
}

func (f *firstFlight) Write(b []byte) (int, error) {
	if f.ahead == nil {
		return f.Conn.Write(b)
	}
	both := append(f.ahead, b...)
	n, err := f.Conn.Write(both)
	n = max(0, n-len(f.ahead))
	f.ahead = nil
	return n, err
}

// verifyLater is cfg without its verification, which verify does.
func verifyLater(cfg *tls.Config) *tls.Config {
	later := cfg.Clone()
	later.InsecureSkipVerify = true
	later.VerifyPeerCertificate = nil
	later.VerifyConnection = nil
	return later
}

// verify does what crypto/tls would have done with cfg in the handshake.
func verify(cfg *tls.Config, state *tls.ConnectionState) error {
	certs := state.PeerCertificates
	if len(certs) == 0 {
		return errors.New("the server showed no certificate")
	}
	if !cfg.InsecureSkipVerify {
		now := time.Now
		if cfg.Time != nil {
			now = cfg.Time
		}
		intermediates := x509.NewCertPool()
		for _, cert := range certs[1:] {
			intermediates.AddCert(cert)
		}
		chains, err := certs[0].Verify(x509.VerifyOptions{
			Roots:         cfg.RootCAs,
			Intermediates: intermediates,
			DNSName:       cfg.ServerName,
			CurrentTime:   now(),
		})
		if err != nil {
			return &tls.CertificateVerificationError{UnverifiedCertificates: certs, Err: err}
		}
		state.VerifiedChains = chains
	}
	if cfg.VerifyPeerCertificate != nil {
		raw := make([][]byte, len(certs))
		for i, cert := range certs {
			raw[i] = cert.Raw
		}
		if err := cfg.VerifyPeerCertificate(raw, state.VerifiedChains); err != nil {
			return fmt.Errorf("verifying the certificate: %w", err)
		}
	}
	if cfg.VerifyConnection != nil {
		if err := cfg.VerifyConnection(*state); err != nil {
			return fmt.Errorf("verifying the connection: %w", err)
		}
	}
	return nil
}
