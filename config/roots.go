package config

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// ErrNoCertificate is wrapped by the error of a CA bundle that holds none.
var ErrNoCertificate = errors.New("holds no certificate in PEM form")

// Roots reads the CA bundle; nil for the system's.
func (t TLS) Roots() (*x509.CertPool, error) {
	if t.CAFile == "" {
		return nil, nil
	}
	pem, err := ReadFile(t.CAFile)
	if err != nil {
		return nil, fmt.Errorf("reading the CA bundle: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading the CA bundle: %s %w", t.CAFile, ErrNoCertificate)
	}
	return roots, nil
}
