package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/kerbagent/kerbagent/config"
)

// ask gets JSON from the daemon. Its error says what to do.
func (o *bundleOptions) ask(ctx context.Context, path string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, bundleTimeout)
	defer cancel()
	secure, err := o.tls()
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(o.url, "/")+path, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	// No proxy of the environment stands between this host and itself, and a redirect leads to nobody else.
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: secure, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	var unverified *tls.CertificateVerificationError
	switch {
	case errors.As(err, &unverified):
		return nil, fmt.Errorf("asking the daemon: %w; give --url with a name of its certificate, and --url-ca with its CA", err)
	case err != nil:
		return nil, fmt.Errorf("asking the daemon: %w; start the daemon, give its --url, or give --check", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		return nil, fmt.Errorf("asking the daemon: %s says %s: it wants a user and a password, which support-bundle has not; give --check for a fresh report", o.url+path, res.Status)
	case res.StatusCode == http.StatusBadRequest && strings.Contains(string(text), "HTTPS server"): // in the words of Go's server
		return nil, fmt.Errorf("asking the daemon: %s has TLS; give --url https://NAME:PORT, and --url-ca with its CA", o.url)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("asking the daemon: %s says %s; give its --url, or give --check", o.url+path, res.Status)
	case err == nil && (len(text) > maxAnswer || !json.Valid(text)):
		err = errors.New("the answer is not JSON of some MiB; give the daemon's --url")
	}
	if err != nil {
		return nil, fmt.Errorf("asking the daemon: %w", err)
	}
	return text, nil
}

// tls is what the daemon's certificate is verified by.
func (o *bundleOptions) tls() (*tls.Config, error) {
	if o.urlCA == "" {
		return &tls.Config{}, nil
	}
	text, err := config.ReadFile(o.urlCA)
	if err != nil {
		return nil, fmt.Errorf("reading the CA of the daemon's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the CA of the daemon's certificate: no certificate in %s", o.urlCA)
	}
	return &tls.Config{RootCAs: pool}, nil
}
