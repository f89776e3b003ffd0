package config

import (
	"fmt"
	"strings"
	"time"
)

// AWS is whether AWS is asked what it says of the databases' clusters, and as whom.
type AWS struct {
	Observe bool   // the daemon asks; without it only `kerbagent check --aws` does
	Region  string // for names that tell none; empty: only those that do
	Profile string // of the AWS configuration; empty: the default credentials
}

// DefaultObserveInterval is the time between two readings of AWS on one host.
const DefaultObserveInterval = 15 * time.Minute

// observeGap is the time between two readings of AWS by a whole fleet: the account's
// API limits are everybody's, and a reading of a cluster of 15 is some 25 calls.
const observeGap = 15 * time.Second

func awsKeys() []string { return []string{"observe", "region", "profile"} }

func (d *document) aws(v value) AWS {
	if !v.set() {
		return AWS{}
	}
	f := v.fields(awsKeys()...)
	return AWS{
		Observe: readOr(f["observe"], false, parseBool),
		Region:  readOr(f["region"], "", parseAWSRegion),
		Profile: readOr(f["profile"], "", func(s string) (string, error) {
			if s == "" || len(s) > 128 || strings.ContainsAny(s, "\n\r[]") {
				return "", fmt.Errorf("%q is not the name of a profile", s)
			}
			return s, nil
		}),
	}
}

// ObserveInterval returns the time between two readings of AWS on this host: longer in
// a fleet, whose hosts share the account's API limits.
func (c *Config) ObserveInterval() time.Duration {
	return max(DefaultObserveInterval, time.Duration(c.Fleet.Hosts)*observeGap)
}

// RDSName returns what a name that RDS gives to an endpoint tells: its first label,
// which names the cluster, the instance or the custom endpoint, and its Region. ok is
// false for other names. In the classic form "rds" stands behind the Region, in China
// and the newer partitions before it.
func (d Database) RDSName() (first, region string, ok bool) {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(d.Host, ".")), ".")
	if len(labels) < 6 {
		return "", "", false
	}
	switch {
	case labels[3] == "rds":
		region = labels[2]
	case labels[2] == "rds":
		region = labels[3]
	default:
		return "", "", false
	}
	if _, err := parseAWSRegion(region); err != nil { // of a global database: its writer's Region changes
		region = ""
	}
	return labels[0], region, true
}
