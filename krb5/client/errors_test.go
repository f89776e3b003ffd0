package client

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// What several KDCs said is one line: a line end in an error is shown as \n.
func TestErrorOfSeveralKDCsIsOneLine(t *testing.T) {
	for name, n := range map[string]*network{
		"all refuse":                        {},
		"one says that it is not available": {servers: map[string]behaviour{second: once(krbError(t, 29))}},
	} {
		t.Run(name, func(t *testing.T) {
			c, secret := loginWith(t, n, loadTranscript(t, "samba-password"), addresses(first, second))
			_, err := c.TGT(t.Context(), Principal{"alice", "CORP.EXAMPLE.COM"}, secret)
			if err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), first) || !strings.Contains(err.Error(), second) {
				t.Errorf("error %q", err)
			}
			var krb *kdcwire.KRBError
			if !errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &krb) != (len(n.servers) > 0) {
				t.Errorf("error %v has lost its causes", err)
			}
		})
	}
}
