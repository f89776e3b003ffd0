package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/plan"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/internal/schedule"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// lookUpTimeout is how long `config check --load` waits for names.
const lookUpTimeout = 15 * time.Second

// printLoad prints what `run` costs each server with a configuration.
func printLoad(ctx context.Context, w io.Writer, cfg *config.Config) error {
	env := check.Env{Dialer: exchange.HostDialer(), Now: time.Now, Resolver: cfg.Resolver, LedgerErr: ledger.ErrNoRecord}
	if len(env.Resolver) == 0 {
		var err error
		if env.Resolver, err = discover.HostResolver("/etc/resolv.conf"); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpTimeout)
	defer cancel()
	servers, databases := check.Load(ctx, cfg, env)
	if len(servers) == 0 {
		return errors.New("no KDC and no DNS server is known, so there is no load to show: see kerbagent check")
	}
	_, err := io.WriteString(w, loadTable(cfg, servers, databases))
	return err
}

// loadTable shows requests a second by server, and connections a day by database.
func loadTable(cfg *config.Config, servers []plan.Load, databases []plan.DatabaseLoad) string {
	var b strings.Builder
	hosts := max(cfg.Fleet.Hosts, 1)
	fleet := fmt.Sprintf("requests/s from %d hosts", hosts)
	t := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	fmt.Fprintf(t, "\nserver\tname\trequests/s from this host\t%s\tprobes\tnames\tlogins\n", fleet)
	for _, l := range servers {
		fmt.Fprintf(t, "%s\t%s\t%.3f\t%.1f\t%.3f\t%.3f\t%.3f\n", l.Addr, report.Terminal(strings.Join(l.Hosts, " ")), l.Sum(),
			l.Sum()*float64(hosts), l.Probes, l.Names, l.Logins)
	}
	if len(databases) > 0 {
		fmt.Fprintf(t, "\ndatabase\tconnections a day from this host\tlogins a day\tconnections a day from %d hosts\n", hosts)
	}
	for _, d := range databases {
		fmt.Fprintf(t, "%s\t%.0f\t%.0f\t%.0f\n", report.Terminal(d.Name), d.Connections, d.Logins, d.Connections*float64(hosts))
	}
	_ = t.Flush() // a strings.Builder takes everything
	p := cfg.Probes
	fmt.Fprintf(&b, `
What bounds each:
  probes       probes.interval (%s): KDCs over UDP and TCP and DNS over UDP every interval, DNS over TCP and kpasswd every %s,
               each name and large message every %s; at most %.3f requests a second at an address
  names        looked up every %s
  logins       the logins' intervals, at most %d an hour an account; they are counted at each KDC, as if it were always the first
  connections  a login is one; an address that no login has just been to gets one handshake in 5 minutes; all stop at a quarter of max_connect_errors
  a fault at a KDC or DNS server is found within %s
`, schedule.Brief(p.Interval), schedule.Brief(p.Seldom()), schedule.Brief(p.Rare()), config.RequestsAnInterval/2./p.Interval.Seconds(), schedule.Brief(p.Rare()),
		config.MaxLoginsAnHour, schedule.Brief(p.Interval+2*p.Timeout))
	return b.String()
}
