package config

import (
	"testing"
	"time"
)

// The Region follows from a name in every partition's order of labels.
func TestRDSName(t *testing.T) {
	for host, want := range map[string][3]string{
		"orders.cluster-abc123.us-east-1.rds.amazonaws.com":        {"orders", "us-east-1", "true"},
		"orders.cluster-ro-abc123.us-gov-west-1.rds.amazonaws.com": {"orders", "us-gov-west-1", "true"},
		"orders.cluster-abc123.rds.us-gov-west-1.amazonaws.com":    {"orders", "us-gov-west-1", "true"},
		"orders.cluster-abc123.rds.cn-north-1.amazonaws.com.cn":    {"orders", "cn-north-1", "true"},
		"orders.cluster-abc123.cn-north-1.rds.amazonaws.com.cn":    {"orders", "cn-north-1", "true"},
		"orders.cluster-abc123.rds.us-iso-east-1.c2s.ic.gov":       {"orders", "us-iso-east-1", "true"},
		"Orders-1.ABC123.eu-west-1.RDS.amazonaws.com":              {"orders-1", "eu-west-1", "true"},
		"orders.global-abc123.global.rds.amazonaws.com":            {"orders", "", "true"},
		"db.example.com":         {"", "", "false"},
		"10.0.0.1":               {"", "", "false"},
		"a.b.c.d.rds.example.eu": {"", "", "false"},
	} {
		first, region, ok := Database{Host: host}.RDSName()
		if first != want[0] || region != want[1] || ok != (want[2] == "true") {
			t.Errorf("%s: %q %q %v, want %q", host, first, region, ok, want)
		}
	}
}

// A fleet shares the account's API limits.
func TestObserveInterval(t *testing.T) {
	for hosts, want := range map[int]time.Duration{0: 15 * time.Minute, 60: 15 * time.Minute, 2000: 500 * time.Minute} {
		if got := (&Config{Fleet: Fleet{Hosts: hosts}}).ObserveInterval(); got != want {
			t.Errorf("%d hosts: %v, want %v", hosts, got, want)
		}
	}
}
