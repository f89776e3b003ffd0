package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
)

// What init writes about a realm that is there is a good configuration, with
// what DNS says of it.
func TestConfigInit(t *testing.T) {
	w, err := rehearsal.Start(context.Background(), rehearsal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	corp := w.Config().Realms[0]
	file := filepath.Join(t.TempDir(), "kerbagent.yaml")
	o := configInit{realm: strings.ToLower(corp.Name), file: file}
	for _, s := range corp.DNSServers {
		o.dns = append(o.dns, s.String())
	}
	var out, errOut bytes.Buffer
	if err := o.run(context.Background(), streams{in: os.Stdin, out: &out, err: &errOut}, w.Dialer()); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	r := cfg.Realms[0]
	if r.Name != corp.Name || r.Kind != config.ActiveDirectory || len(r.DNSServers) != len(corp.DNSServers) || len(r.KDCs) > 0 {
		t.Errorf("%+v\n%s", r, text)
	}
	for _, want := range []string{"# kdcs: found by SRV each time: dc1.corp.example.com:", "dc2.corp.example.com:", "# kpasswd_servers: found by SRV each time: dc1."} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
	if errOut.Len() > 0 {
		t.Errorf("it says %q", errOut.String())
	}
	// With what is in comments filled in, it is good too.
	rest := string(text)[strings.Index(string(text), "# databases:"):]
	filled := strings.ReplaceAll("\n"+strings.ReplaceAll(rest, "# An account", "# # An account"), "\n# ", "\n")
	if _, err := config.Parse("k.yaml", []byte("realms: {CORP.EXAMPLE.COM: {}}\n"+filled)); err != nil {
		t.Error(err)
	}
}

// Before the first bootstrap a file has its part alone. That was called wrong,
// and what is wrong in the part was not said.
func TestConfigCheckBeforeTheBootstrap(t *testing.T) {
	part := "bootstrap:\n  region: eu-central-1\n  directory: {id: d-1234567890, name: corp.example.com}\n  cluster: {mode: modify, identifier: orders}\n"
	for name, tt := range map[string]struct{ text, want string }{
		"alone":             {part, "is valid for kerbagent bootstrap"},
		"wrong":             {strings.Replace(part, "identifier: orders", "identifier: [orders]", 1), "bootstrap.cluster.identifier"},
		"with a wrong rest": {part + "probes: {interval: often}\n", "probes.interval"},
		"not there":         {"probes: {interval: 1m}\n", "name at least one realm"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "kerbagent.yaml")
			if err := os.WriteFile(path, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			var said bytes.Buffer
			exit := run(t.Context(), []string{"config", "check", "--config", path}, os.Stdin, &said, &said)
			if exit != 3 || !strings.Contains(said.String(), tt.want) {
				t.Errorf("exit %d without %q:\n%s", exit, tt.want, said.String())
			}
		})
	}
}
