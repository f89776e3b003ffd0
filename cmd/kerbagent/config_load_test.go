package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What a fleet costs each server, by the figures of docs/fleet.md: two ways to a KDC
// every 50 s, two to kpasswd every 5 minutes, two large messages every 10, and the
// login's three exchanges every 5.
func TestConfigCheckLoad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kerbagent.yaml")
	text := `realms: {R.TEST: {kind: mit, kdcs: [10.0.0.1, "10.0.0.2:1088"]}}
databases: {orders: {endpoint: "10.0.0.3:3306", realm: R.TEST}}
logins: [{user: alice@R.TEST, database: orders, keytab: /k}]
resolver: [10.0.0.4]
`
	load := func(fleet string) string {
		t.Helper()
		if err := os.WriteFile(path, []byte(text+fleet), 0o600); err != nil {
			t.Fatal(err)
		}
		var said strings.Builder
		if exit := run(t.Context(), []string{"config", "check", "--config", path, "--load"}, os.Stdin, &said, &said); exit != 0 {
			t.Fatalf("exit %d\n%s", exit, said.String())
		}
		return said.String()
	}
	has := func(text, want string) {
		t.Helper()
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no %s in\n%s", want, text)
		}
	}
	one := load("")
	has(one, `(?m)^10\.0\.0\.1 +10\.0\.0\.1 +0\.060 +0\.1 +0\.050 +0\.000 +0\.010$`)
	has(one, `(?m)^orders +\d+ +288 +\d+$`)
	has(one, `found within 1m`)
	many := load("fleet: {hosts: 2000}\n")
	has(many, `(?m)^10\.0\.0\.1 +10\.0\.0\.1 +0\.060 +120\.0 `)
	has(many, `from 2000 hosts`)
	limited := load("fleet: {hosts: 2000, requests_per_second: 100}\n")
	has(limited, `all intervals are 4\.9 times as long, so that 2000 hosts stay below 100 requests a second`)
	has(limited, `(?m)^10\.0\.0\.1 +10\.0\.0\.1 +0\.012 +24\.\d `)
}
