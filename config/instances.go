package config

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// InstancesMode says where the instances of a database's cluster are known from.
type InstancesMode string

// The modes. InstancesDefault is what a file that says nothing means: discover for the
// names that RDS gives to clusters, and for all others none.
const (
	InstancesDefault  InstancesMode = ""
	InstancesDiscover InstancesMode = "discover"
	InstancesNone     InstancesMode = "none"
	InstancesNamed    InstancesMode = "named" // a list of names
)

// EndpointKind says which instances of a cluster a name leads to.
type EndpointKind string

// The kinds. OtherEndpoint is no name that RDS gives to a cluster: a custom domain,
// an address, an instance, a proxy.
const (
	OtherEndpoint  EndpointKind = ""
	WriterEndpoint EndpointKind = "writer" // NAME.cluster-ID…
	ReaderEndpoint EndpointKind = "reader" // NAME.cluster-ro-ID…
	CustomEndpoint EndpointKind = "custom" // NAME.cluster-custom-ID…
)

// rdsClusterName takes a cluster's name apart: its kind, and what follows the first
// label of the names of its instances. In the classic form "rds" stands behind the
// Region, in China and the newer partitions before it; what follows is each
// partition's own.
func rdsClusterName(host string) (kind EndpointKind, suffix string) {
	labels := strings.Split(strings.ToLower(host), ".")
	if len(labels) < 6 || labels[2] != "rds" && labels[3] != "rds" {
		return OtherEndpoint, ""
	}
	for _, k := range []struct {
		prefix string
		kind   EndpointKind
	}{{"cluster-ro-", ReaderEndpoint}, {"cluster-custom-", CustomEndpoint}, {"cluster-", WriterEndpoint}} {
		if id, ok := strings.CutPrefix(labels[1], k.prefix); ok && id != "" {
			return k.kind, "." + strings.Join(append([]string{id}, labels[2:]...), ".")
		}
	}
	return OtherEndpoint, ""
}

// Kind returns which of its cluster's instances the database's name leads to.
func (d Database) Kind() EndpointKind {
	kind, _ := rdsClusterName(d.Host)
	return kind
}

// DiscoversInstances reports whether a login to the database asks for the cluster's instances.
func (d Database) DiscoversInstances() bool {
	return d.Instances == InstancesDiscover || d.Instances == InstancesDefault && d.Kind() != OtherEndpoint
}

// InstanceHost returns the host name of an instance of the database's cluster. ok is
// false where the name is none that RDS gives to an instance, or where nothing says
// how the names of this cluster's instances are made: a name that a server reports
// leads nowhere but under the cluster's own suffix.
func (d Database) InstanceHost(instance string) (host string, ok bool) {
	if !IsInstanceName(instance) {
		return "", false
	}
	host = strings.Replace(d.InstancePattern, "?", instance, 1)
	if d.InstancePattern == "" {
		_, suffix := rdsClusterName(d.Host)
		if suffix == "" {
			return "", false
		}
		host = instance + suffix
	}
	return host, checkHost(host) == nil
}

// IsInstanceName reports whether s may be the identifier of a DB instance: 1 to 63
// letters, digits and hyphens, first a letter, kept in lower case (RDS API reference,
// CreateDBInstance).
func IsInstanceName(s string) bool {
	if s == "" || len(s) > 63 || s[0] < 'a' || s[0] > 'z' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// instances reads what a database says of its cluster's instances into db.
func (d *document) instances(v, pattern value, db *Database) {
	db.InstancePattern, _ = read(pattern, parseInstancePattern)
	switch {
	case !v.set():
	case resolved(v.node).Kind == yaml.SequenceNode:
		db.Instances = InstancesNamed
		db.InstanceNames = readAll(v, "orders-1", func(s string) (string, error) {
			s = strings.ToLower(s)
			if strings.Contains(s, ".") {
				return s, checkHost(s)
			}
			if _, ok := db.InstanceHost(s); !ok {
				return "", fmt.Errorf("%q leads to no host name here; write the instance's whole endpoint, or instance_pattern", s)
			}
			return s, nil
		})
	default:
		db.Instances, _ = read(v, func(s string) (InstancesMode, error) {
			return parseWord(s, InstancesDiscover, InstancesNone)
		})
		if _, suffix := rdsClusterName(db.Host); db.Instances == InstancesDiscover && suffix == "" && !pattern.set() {
			v.problem("needs instance_pattern here, e.g. ?.abc123.us-east-1.rds.amazonaws.com: the names of instances do not follow from %s",
				db.Host)
		}
	}
}

// parseInstancePattern reads a host name with one ? in the place of an instance's name.
func parseInstancePattern(s string) (string, error) {
	s = strings.ToLower(s)
	label, rest, _ := strings.Cut(s, ".")
	if strings.Count(s, "?") != 1 || !strings.Contains(label, "?") || !strings.Contains(rest, ".") ||
		checkHost(strings.Replace(s, "?", "a", 1)) != nil {
		return "", fmt.Errorf("%q is no pattern; write the endpoint of an instance with ? for its name, e.g. ?.abc123.us-east-1.rds.amazonaws.com", s)
	}
	return s, nil
}
