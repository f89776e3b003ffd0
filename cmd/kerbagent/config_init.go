package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// surveyTimeout is enough for DNS over UDP and then TCP, twice in a row.
const surveyTimeout = 20 * time.Second

// resolvConf names this host's DNS servers.
const resolvConf = "/etc/resolv.conf"

// configInit are the flags of `config init`.
type configInit struct {
	realm string
	dns   []string
	file  string
}

func newConfigInit(s streams) *cobra.Command {
	var o configInit
	c := &cobra.Command{
		Use:   "init",
		Short: "Write a first kerbagent.yaml from what DNS says",
		Long: `init asks DNS about a realm and writes a first configuration to standard output or
to a new file. Comments in it say what was found and what was not. It asks only DNS
servers.

  kerbagent config init --realm CORP.EXAMPLE.COM
  kerbagent config init -o /etc/kerbagent/kerbagent.yaml   # finds the realm by this host's search domain

EXIT STATUS
  0  written
  3  not written: the file exists already, or no realm was found`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return o.run(c.Context(), s, exchange.HostDialer()) },
	}
	f := c.Flags()
	f.StringVar(&o.realm, "realm", "", "Kerberos `realm` (default: found by this host's search domains)")
	f.StringArrayVar(&o.dns, "dns-server", nil, "DNS server `address` of the realm; may be repeated (default: this host's)")
	f.StringVarP(&o.file, "output", "o", "", "`file` to write; it must not exist yet (default: standard output)")
	return c
}

func (o *configInit) run(ctx context.Context, s streams, dialer probe.Dialer) error {
	if o.file != "" { // before anybody is asked
		if _, err := os.Lstat(o.file); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s is there already, and is left as it is: name another file with -o", o.file)
		}
	}
	found, at, err := o.survey(ctx, dialer)
	if err != nil {
		return err
	}
	text := firstConfig(found, at)
	if _, err := config.Parse("kerbagent.yaml", []byte(text)); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	if err := o.write(s.out, text); err != nil {
		return err
	}
	if len(found.KDCs) == 0 {
		fmt.Fprintf(s.err, "kerbagent: no KDC of %s was found; see the comments in the file\n", found.Realm)
	}
	return nil
}

// survey asks about the realm that was given, or about those that the search
// domains would be; of these one counts that has SRV records.
func (o *configInit) survey(ctx context.Context, dialer probe.Dialer) (discover.Survey, []netip.AddrPort, error) {
	ctx, cancel := context.WithTimeout(ctx, surveyTimeout)
	defer cancel()
	realms := []string{o.realm}
	if o.realm == "" {
		domains, err := discover.HostDomains(resolvConf)
		if err != nil {
			return discover.Survey{}, nil, fmt.Errorf("%w; give --realm", err)
		}
		if len(domains) == 0 {
			return discover.Survey{}, nil, fmt.Errorf("%s has no search domain that could be a realm's: give --realm", resolvConf)
		}
		realms = nil
		for _, d := range domains {
			realms = append(realms, strings.ToUpper(d))
		}
	}
	for _, realm := range realms {
		cfg, err := config.FromFlags(config.Flags{Realms: []string{realm}, DNSServers: o.dns})
		if err != nil {
			return discover.Survey{}, nil, err
		}
		at, theirs := cfg.Realms[0].DNSServers, true
		if len(at) == 0 {
			theirs = false
			if at, err = discover.HostResolver(resolvConf); err != nil {
				return discover.Survey{}, nil, fmt.Errorf("%w; or give --dns-server", err)
			}
		}
		found := discover.SurveyRealm(ctx, realm, at, theirs, dialer)
		if o.realm != "" || found.Source == probe.SourceSRV {
			return found, at, nil
		}
	}
	return discover.Survey{}, nil, fmt.Errorf("no search domain of this host has a realm (asked: %s): give --realm",
		strings.Join(realms, ", "))
}

// write makes the file, or prints the text. A file that is there stays.
func (o *configInit) write(out io.Writer, text string) error {
	if o.file == "" {
		_, err := io.WriteString(out, text)
		return err
	}
	f, err := os.OpenFile(o.file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	_, err = io.WriteString(f, text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing a configuration: %w", err)
	}
	_, err = fmt.Fprintf(out, "wrote %s\n  next: add the database and a login, then kerbagent config check --config %s\n",
		report.Terminal(o.file), report.Terminal(o.file))
	return err
}

// firstConfig is the file. What DNS said stands in it as checked names alone.
func firstConfig(found discover.Survey, at []netip.AddrPort) string {
	var b strings.Builder
	realm, kind := found.Realm, "# DNS has an Active Directory there; one that AWS manages is aws-managed-ad"
	switch {
	case found.Kind == config.ActiveDirectory:
		realm = strings.ToUpper(realm) // a directory's realm is its domain in capitals
	case len(found.KDCs) == 0:
		found.Kind, kind = config.ActiveDirectory, "# not known, as DNS said nothing: aws-managed-ad, active-directory, mit or heimdal"
	default:
		kind = "# DNS has no Active Directory there; mit or heimdal"
	}
	fmt.Fprintf(&b, "# Written by `kerbagent config init` from what DNS said. Asked: %s.\n# `kerbagent config check` says whether the file is good.\n\n", addresses(at, false))
	fmt.Fprintf(&b, "realms:\n  %s:\n    kind: %s  %s\n", realm, found.Kind, kind)
	if len(found.DNSServers) > 0 {
		fmt.Fprintf(&b, "    dns_servers: [%s]  # they speak for %s themselves\n", addresses(found.DNSServers, true), strings.ToLower(realm))
	} else {
		fmt.Fprintf(&b, "    # dns_servers: none was found that speaks for %s itself; those of this host are asked\n", strings.ToLower(realm))
	}
	switch {
	case found.Source == probe.SourceSRV:
		fmt.Fprintf(&b, "    # kdcs: found by SRV each time: %s\n", strings.Join(found.KDCs, ", "))
	case len(found.KDCs) > 0:
		fmt.Fprintf(&b, "    # kdcs: there is no SRV record; the addresses of the domain are taken: %s\n", strings.Join(found.KDCs, ", "))
	default:
		fmt.Fprintf(&b,
			"    # kdcs: NOT FOUND (%s).\n    # Name the realm's DNS servers above, or its KDCs here: kdcs: [dc1.corp.example.com]\n", oneLine(found.Err))
	}
	if len(found.Kpasswd) > 0 {
		fmt.Fprintf(&b, "    # kpasswd_servers: found by SRV each time: %s\n", strings.Join(found.Kpasswd, ", "))
	} else {
		b.WriteString("    # kpasswd_servers: there is no SRV record\n")
	}
	b.WriteString(strings.ReplaceAll(`
# DNS knows nothing of databases and users. Without them DNS, KDCs and kpasswd
# servers are probed. Take away the # and fill in:

# databases:
#   orders:
#     endpoint: orders.cluster-abc123.us-east-1.rds.amazonaws.com:3306
#     tls: {mode: verify-full, ca_file: /etc/kerbagent/rds-global-bundle.pem}

# An account of its own: a wrong password counts against the account.
# logins:
#   - {user: probe@REALM, database: orders, password_file: "credential:probe"}

# krb5_conf: {path: /etc/krb5.conf, mode: check}
`, "REALM", realm))
	return b.String()
}

func oneLine(err error) string {
	if err == nil {
		return "no answer names one"
	}
	return report.Terminal(err.Error())
}

// addresses lists servers, without the port that a DNS server has anyway.
func addresses(servers []netip.AddrPort, quoted bool) string {
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s.String()
		if s.Port() == config.PortDNS {
			out[i] = s.Addr().String()
		}
		if quoted {
			out[i] = `"` + out[i] + `"`
		}
	}
	return strings.Join(out, ", ")
}
