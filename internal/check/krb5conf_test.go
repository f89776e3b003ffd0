package check

import (
	"context"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// check looks at the file only where the configuration names it.
func TestCheckLooksAtTheConfiguredFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "krb5.conf")
	if err := os.WriteFile(path, []byte("[libdefaults\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for more, want := range map[string]string{"": "", "krb5_conf: {path: " + path + "}\n": "krb5conf-unparsable"} {
		cfg, err := config.Parse("/etc/kerbagent/kerbagent.yaml", []byte("realms: {CORP.EXAMPLE.COM: {kdcs: [dc1.corp.example.com]}}\n"+more))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Realms, cfg.Databases, cfg.Logins = cfg.Realms[:1], nil, nil
		cfg.Realms[0].DNSServers, cfg.Realms[0].Kind = nil, config.MIT
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody is to be asked
		results := Run(ctx, cfg, Env{Dialer: exchange.HostDialer(), Now: time.Now, Resolver: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:1")}})
		got := ""
		for _, r := range results {
			if r.ID.Kind == probe.Krb5Conf && r.ID.Variant == "" {
				got = string(r.Reason)
			}
		}
		if got != want {
			t.Errorf("with %q: %q, want %q", more, got, want)
		}
	}
}
