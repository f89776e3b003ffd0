package config

import (
	"slices"
	"strings"
	"testing"
)

// The names of instances follow from the cluster's in each partition's form, and no
// name that a server reports leads anywhere else.
func TestInstanceHost(t *testing.T) {
	for _, c := range []struct {
		host, pattern, instance, want string
		kind                          EndpointKind
		discovers                     bool
	}{
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: "orders-2", want: "orders-2.abc123.us-east-1.rds.amazonaws.com", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com", instance: "orders-2", want: "orders-2.abc123.us-east-1.rds.amazonaws.com", kind: ReaderEndpoint, discovers: true},
		{host: "bi.cluster-custom-abc123.us-gov-west-1.rds.amazonaws.com", instance: "r", want: "r.abc123.us-gov-west-1.rds.amazonaws.com", kind: CustomEndpoint, discovers: true},
		{host: "orders.cluster-abc123.rds.cn-north-1.amazonaws.com.cn", instance: "orders-2", want: "orders-2.abc123.rds.cn-north-1.amazonaws.com.cn", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.cn-north-1.rds.amazonaws.com.cn", instance: "orders-2", want: "orders-2.abc123.cn-north-1.rds.amazonaws.com.cn", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.rds.us-iso-east-1.c2s.ic.gov", instance: "orders-2", want: "orders-2.abc123.rds.us-iso-east-1.c2s.ic.gov", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.rds.eusc-de-east-1.amazonaws.eu", instance: "orders-2", want: "orders-2.abc123.rds.eusc-de-east-1.amazonaws.eu", kind: WriterEndpoint, discovers: true},
		{host: "orders-1.abc123.us-east-1.rds.amazonaws.com", instance: "orders-2"},
		{host: "orders.proxy-abc123.us-east-1.rds.amazonaws.com", instance: "orders-2"},
		{host: "g.global-abc123.global.rds.amazonaws.com", instance: "orders-2"},
		{host: "db.corp.example.com", instance: "orders-2"},
		{host: "10.0.0.1", instance: "orders-2"},
		{host: "db.corp.example.com", pattern: "?.abc123.us-east-1.rds.amazonaws.com", instance: "orders-2", want: "orders-2.abc123.us-east-1.rds.amazonaws.com"},
		{host: "db.corp.example.com", pattern: "db-?.corp.example.com", instance: "orders-2", want: "db-orders-2.corp.example.com"},
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: "evil.example.com", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: "Orders", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: "-x", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: "a\x1b[2J", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: "", kind: WriterEndpoint, discovers: true},
		{host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com", instance: strings.Repeat("a", 64), kind: WriterEndpoint, discovers: true},
	} {
		db := Database{Host: c.host, InstancePattern: c.pattern}
		host, ok := db.InstanceHost(c.instance)
		if host = map[bool]string{true: host}[ok]; host != c.want || db.Kind() != c.kind || db.DiscoversInstances() != c.discovers {
			t.Errorf("%s, %q: %q, a name of kind %q, discovers: %v", c.host, c.instance, host, db.Kind(), db.DiscoversInstances())
		}
	}
}

func TestInstancesInTheFile(t *testing.T) {
	const head = "realms: {CORP.EXAMPLE.COM: }\ndatabases: {orders: {endpoint: "
	const cluster = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
	for _, c := range []struct {
		yaml, problem string
		want          InstancesMode
		names         []string
		pattern       string
	}{
		{yaml: cluster},
		{yaml: cluster + ", instances: none", want: InstancesNone},
		{yaml: cluster + ", instances: discover", want: InstancesDiscover},
		{yaml: cluster + ", instances: [orders-1, Orders-2.abc123.us-east-1.rds.amazonaws.com]", want: InstancesNamed, names: []string{"orders-1", "orders-2.abc123.us-east-1.rds.amazonaws.com"}},
		{yaml: "db.corp.example.com, instances: discover, instance_pattern: '?.corp.example.com'", want: InstancesDiscover, pattern: "?.corp.example.com"},
		{yaml: "db.corp.example.com, instances: discover", problem: "needs instance_pattern"},
		{yaml: "db.corp.example.com, instances: [db-1]", problem: "whole endpoint"},
		{yaml: cluster + ", instances: discovr", problem: `did you mean "discover"`},
		{yaml: cluster + ", instance_pattern: 'x.corp.example.com'", problem: "is no pattern"},
		{yaml: cluster + ", instance_pattern: 'x.?.example.com'", problem: "is no pattern"},
	} {
		cfg, err := Parse("f.yaml", []byte(head+c.yaml+"}}\n"))
		if c.problem != "" {
			if err == nil || !strings.Contains(err.Error(), c.problem) {
				t.Errorf("%s: %v", c.yaml, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.yaml, err)
			continue
		}
		if db := cfg.Databases[0]; db.Instances != c.want || !slices.Equal(db.InstanceNames, c.names) || db.InstancePattern != c.pattern {
			t.Errorf("%s: %q %q %q", c.yaml, db.Instances, db.InstanceNames, db.InstancePattern)
		}
	}
}
