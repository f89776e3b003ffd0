package config

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

// Fleet is how many hosts run kerbagent with this configuration, and what they
// may cost a server together.
type Fleet struct {
	Hosts    int     // 0: not said; this host is planned as if it were alone
	Requests float64 // a second at one server from all hosts together; 0: no limit
	Stretch  float64 // by how much every interval was lengthened for that; 0: not at all
}

// What one host asks of one server at most. internal/plan holds itself to the
// first figure: 5.5 requests an interval at an address, and a controller has an
// IPv4 and an IPv6 address.
const (
	RequestsAnInterval = 11
	// RequestsALogin are two AS exchanges, a TGS exchange, and the names that the login looks up.
	RequestsALogin = 7
)

// Load returns how many requests a second a controller gets from one host at
// most: where all logins go to it, at both its addresses.
func (c *Config) Load() float64 {
	sum := RequestsAnInterval / c.Probes.Interval.Seconds()
	for _, l := range c.Logins {
		sum += RequestsALogin / l.Interval.Seconds()
	}
	return sum
}

func (d *document) fleet(v value) Fleet {
	if !v.set() {
		return Fleet{}
	}
	f := v.fields(fleetKeys()...)
	out := Fleet{
		Hosts:    readOr(f["hosts"], 0, parseHosts),
		Requests: readOr(f["requests_per_second"], 0, parseRate),
	}
	if f["requests_per_second"].set() && !f["hosts"].set() {
		v.problem("requests_per_second needs hosts: how many hosts share these requests")
	}
	return out
}

func parseHosts(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n < 1 || n > maxHosts {
		return 0, fmt.Errorf("%q is not a number of hosts from 1 to %d", s, maxHosts)
	}
	return int(n), nil
}

func parseRate(s string) (float64, error) {
	r, err := strconv.ParseFloat(s, 64)
	if err != nil || !(r > 0) || math.IsInf(r, 0) {
		return 0, fmt.Errorf("%q is not a number of requests a second above 0", s)
	}
	return r, nil
}

// share lengthens all intervals alike until the fleet stays below its limit at
// every server.
func (d *document) share(c *Config, v value) {
	if c.Fleet.Hosts == 0 || c.Fleet.Requests == 0 {
		return
	}
	factor := float64(c.Fleet.Hosts) * c.Load() / c.Fleet.Requests
	if factor <= 1 {
		return
	}
	longest := c.Probes.Interval
	for _, l := range c.Logins {
		longest = max(longest, l.Interval)
	}
	if factor*longest.Seconds() > maxInterval.Seconds() {
		v.problem("%d hosts stay below %g requests a second only with an interval longer than %s; allow more requests", c.Fleet.Hosts,
			c.Fleet.Requests, short(maxInterval))
		return
	}
	c.Fleet.Stretch = factor
	stretched := func(t time.Duration) time.Duration {
		return time.Duration(math.Ceil(t.Seconds()*factor)) * time.Second
	}
	c.Probes.Interval = stretched(c.Probes.Interval)
	for i := range c.Logins {
		c.Logins[i].Interval = stretched(c.Logins[i].Interval)
	}
}
