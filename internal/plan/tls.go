package plan

import (
	"crypto/tls"
	"crypto/x509"
	"errors"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe/database"
)

// tlsConfig returns what a database's tls part asks for; nil where TLS is off.
// Where the CA bundle is no use, no certificate verifies: that is this
// database's trouble and nobody else's.
func tlsConfig(db config.Database) *tls.Config {
	cfg := &tls.Config{ServerName: db.Host, MinVersion: tls.VersionTLS12}
	roots, err := db.TLS.Roots()
	cfg.RootCAs = roots
	switch {
	case db.TLS.Mode == config.TLSOff:
		return nil
	case db.TLS.Mode == config.Require:
		cfg.InsecureSkipVerify = true
	case err != nil:
		cfg.InsecureSkipVerify = true // the next line refuses them all
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: &database.BundleError{Err: err}}
		}
	case db.TLS.Mode == config.VerifyCA:
		cfg.InsecureSkipVerify = true // of the name; the chain is verified here
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(cfg.RootCAs, s) }
	}
	return cfg
}

func verifyChain(roots *x509.CertPool, s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 {
		return errors.New("the server showed no certificate")
	}
	intermediates := x509.NewCertPool()
	for _, c := range s.PeerCertificates[1:] {
		intermediates.AddCert(c)
	}
	if _, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: intermediates}); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: s.PeerCertificates, Err: err}
	}
	return nil
}
