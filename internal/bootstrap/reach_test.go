package bootstrap

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// A plan says of every API that it cannot reach why: the first one used to end it,
// and the others were found one by one.
func TestAPIsThatCannotBeReached(t *testing.T) {
	t.Parallel()
	to := func(err error) error { return &url.Error{Op: "Post", URL: "https://api.example.com/", Err: err} }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"DNS":     {to(&net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "api.example.com", IsNotFound: true}}), "(api.example.com) is not reachable from this host: DNS: no such host"},
		"TCP":     {to(&net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}), "TCP: dial tcp: connection refused"},
		"TLS":     {to(x509.UnknownAuthorityError{}), "TLS: "},
		"proxy":   {to(&net.OpError{Op: "proxyconnect", Net: "tcp", Err: errors.New("connection refused")}), "proxy: connection refused"},
		"silence": {to(context.DeadlineExceeded), "no answer in time"},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			h.cutOff = map[string]error{"ds": c.err, "rds": c.err}
			rep, err := Plan(t.Context(), h.options())
			if err == nil {
				t.Error("it planned without Directory Service")
			}
			var said []string
			for _, n := range rep.Notes {
				if strings.Contains(n, "not reachable") {
					said = append(said, n)
				}
			}
			if len(said) != 2 || !strings.Contains(said[0], "AWS Directory Service") || !strings.Contains(said[1], "Amazon RDS") || !strings.Contains(said[0], c.want) {
				t.Errorf("said %q", said)
			}
		})
	}
	cloud := newCloud(t, awstest.Options{})
	h := newHost(t, cloud, wish(createMode, ""))
	h.as(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
	if rep, _ := Plan(t.Context(), h.options()); slices.ContainsFunc(rep.Notes, func(n string) bool { return strings.Contains(n, "not reachable") }) {
		t.Errorf("a refusal is taken for silence: %q", rep.Notes)
	}
}
