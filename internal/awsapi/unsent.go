package awsapi

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/url"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Unsent reports why a request did not reach a service, and where it was to go; empty:
// it did, or was not sent for another reason.
func Unsent(err error) (where, why string) {
	var sending *smithyhttp.RequestSendError
	if !errors.As(err, &sending) {
		return "", ""
	}
	var to *url.Error
	if errors.As(err, &to) {
		if u, err := url.Parse(to.URL); err == nil {
			where = u.Host
		}
	}
	var dns *net.DNSError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var record tls.RecordHeaderError
	var dial *net.OpError
	var network net.Error
	switch {
	case errors.As(err, &dial) && dial.Op == "proxyconnect":
		return where, "proxy: " + dial.Err.Error()
	case errors.As(err, &dns):
		return dns.Name, "DNS: " + dns.Err
	case errors.As(err, &unknown), errors.As(err, &name), errors.As(err, &record):
		return where, "TLS: something answers that is not AWS, or a proxy that opens TLS, whose CA this host does not trust " +
			"(AWS_CA_BUNDLE): " + errors.Unwrap(sending).Error()
	case errors.As(err, &dial) && dial.Op == "dial":
		return where, "TCP: " + dial.Error()
	case errors.As(err, &network) && network.Timeout():
		return where, "no answer in time"
	}
	return where, Text(err)
}
