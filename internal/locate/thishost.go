package locate

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
)

// ThisHost returns what finds servers as programs on this host do. resolver is
// the host's name servers, as they are configured or in resolv.conf.
func ThisHost(cfg *config.Config, d probe.Dialer, resolver []netip.AddrPort, other Names, usable func(netip.Addr) bool) *Programs {
	roots := conf.PathsOf(cmp.Or(os.Getenv("KRB5_CONFIG"), config.DefaultKrb5ConfPath))
	if k := cfg.Krb5Conf; k != nil && k.Path != "" && k.Style != config.Krb5Snippet {
		roots = []string{k.Path}
	}
	return &Programs{
		Root: "/", Other: other, Usable: usable,
		Host: func() (*host.Resolver, error) { return hostResolver(d, resolver) },
		Krb5: func() *reader.Reading { return read(roots) },
	}
}

func hostResolver(d probe.Dialer, resolver []netip.AddrPort) (*host.Resolver, error) {
	r, err := host.Read("/", d)
	if err == nil {
		r.Ask(resolver)
	}
	return r, err
}

// Addresses returns what finds a name's addresses as this host resolves it.
func Addresses(d probe.Dialer, resolver []netip.AddrPort) func(context.Context, string) ([]netip.Addr, error) {
	return func(ctx context.Context, name string) ([]netip.Addr, error) {
		r, err := hostResolver(d, resolver)
		if err != nil {
			return nil, err
		}
		a := r.LookUp(ctx, name)
		return a.Addrs, a.Err
	}
}

// read reads a krb5.conf as MIT's library does. Without any file its defaults hold.
func read(roots []string) *reader.Reading {
	set := conf.Load(conf.Disk{}, roots...)
	if !slices.ContainsFunc(set.Roots, func(d *conf.Doc) bool { return !errors.Is(d.Err, fs.ErrNotExist) }) {
		set = conf.Load(conf.Disk{})
	}
	return reader.Read(reader.MIT, set)
}
