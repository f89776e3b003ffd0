package config

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// Notes says, one line each, what a good configuration does that its writer
// may not expect.
func (c *Config) Notes() []string {
	var notes []string
	switch {
	case len(c.Databases) == 0:
		notes = append(notes, "no databases configured: only the realms are checked")
	case len(c.Logins) == 0:
		notes = append(notes, "no logins configured: network path checks only")
	}
	anHour := map[string]float64{}
	var users []string
	for _, l := range c.Logins {
		if l.SecretKind == CCache { // nothing of the account's is tried
			continue
		}
		if !slices.Contains(users, l.Principal()) {
			users = append(users, l.Principal())
		}
		anHour[l.Principal()] += float64(time.Hour) / float64(l.Interval)
	}
	for _, u := range users {
		if anHour[u] > MaxLoginsAnHour {
			notes = append(notes, fmt.Sprintf("logins of %s: the intervals make %.0f an hour; paced to %d an hour", u, math.Round(anHour[u]),
				MaxLoginsAnHour))
		}
	}
	for _, d := range c.Databases {
		if strings.Contains(d.Host, ".cluster-custom-") {
			notes = append(notes,
				fmt.Sprintf("database %s: %s is a custom endpoint, which Windows clients of an on-premises Active Directory cannot use (Aurora user guide)", d.Name, d.Host))
		}
		if d.TLS.Mode == TLSOff || d.TLS.Mode == Require {
			notes = append(notes, fmt.Sprintf("database %s: with tls.mode %s its certificate is not checked", d.Name, d.TLS.Mode))
		}
	}
	if every := c.ObserveInterval(); c.AWS.Observe && every > DefaultObserveInterval {
		notes = append(notes, fmt.Sprintf("aws.observe: %d hosts share the account's API limits, so each asks AWS only every %s; "+
			"set it on a few hosts alone", c.Fleet.Hosts, short(every)))
	}
	if f := c.Fleet; f.Stretch > 0 {
		found := c.Probes.Interval + 2*c.Probes.Timeout
		notes = append(notes,
			fmt.Sprintf("fleet: all intervals are %.1f times as long, so that %d hosts stay below %g requests a second at every server: probes.interval is %s, and a fault at a KDC or DNS server is found within %s",
				f.Stretch, f.Hosts, f.Requests, short(c.Probes.Interval), short(found)))
	}
	return notes
}
