package agent

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/kerbagent/kerbagent/config"
)

// tlsConfig makes what a database's tls part asks for; nil where TLS is off.
func tlsConfig(db config.Database) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: db.Host, MinVersion: tls.VersionTLS12}
	if db.TLS.CAFile != "" {
		pem, err := os.ReadFile(db.TLS.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading the CA bundle: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading the CA bundle: %s holds no certificate in PEM form", db.TLS.CAFile)
		}
	}
	switch db.TLS.Mode {
	case config.TLSOff:
		return nil, nil
	case config.Require:
		cfg.InsecureSkipVerify = true
	case config.VerifyCA:
		cfg.InsecureSkipVerify = true // of the name; the chain is verified here
		cfg.VerifyConnection = func(s tls.ConnectionState) error { return verifyChain(cfg.RootCAs, s) }
	}
	return cfg, nil
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
