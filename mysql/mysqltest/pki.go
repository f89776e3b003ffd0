package mysqltest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// Certificate selects the certificate that the server presents.
type Certificate int

// The certificates.
const (
	Good       Certificate = iota // a year left
	WrongName                     // made for another host
	Expired                       // ended yesterday
	SoonExpire                    // ends in ten days
	OtherCA                       // of a CA that nobody trusts
)

// authority is a CA.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// pki holds a CA and what it signed.
type pki struct {
	ca    authority
	certs map[Certificate]tls.Certificate
}

const day = 24 * time.Hour

// newPKI makes all certificates, for names, as of now.
func newPKI(names []string, now time.Time) (*pki, error) {
	ca, err := newAuthority("mysqltest CA", now)
	if err != nil {
		return nil, err
	}
	other, err := newAuthority("another CA", now)
	if err != nil {
		return nil, err
	}
	p := &pki{ca: ca, certs: map[Certificate]tls.Certificate{}}
	for kind, c := range map[Certificate]struct {
		by    authority
		names []string
		until time.Time
	}{
		Good:       {ca, names, now.Add(365 * day)},
		WrongName:  {ca, []string{"elsewhere.mysqltest.example"}, now.Add(365 * day)},
		Expired:    {ca, names, now.Add(-day)},
		SoonExpire: {ca, names, now.Add(10 * day)},
		OtherCA:    {other, names, now.Add(365 * day)},
	} {
		if p.certs[kind], err = c.by.issue(c.names, kind != WrongName, now, c.until); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func newAuthority(name string, now time.Time) (authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-30 * day), NotAfter: now.Add(3650 * day),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(der)
	return authority{cert, key}, err
}

// issue signs a server certificate; loopback adds the addresses a test dials.
func (a authority) issue(names []string, loopback bool, now, until time.Time) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: now.Add(-20 * day), NotAfter: until,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if loopback {
		template.DNSNames = append(template.DNSNames[:len(names):len(names)], "localhost")
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
