package locate

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
)

// Host is a host as its programs see it.
type Host struct {
	Root     string // whose files are read; empty for "/"
	Dialer   probe.Dialer
	Resolver []netip.AddrPort // the host's name servers, as they are configured or in resolv.conf
	// Krb5 is a krb5.conf as another program's library reads it; nil for that of the host, as MIT's reads it.
	Krb5 *reader.Reading
}

// Programs returns what finds servers as programs on the host do.
func (h Host) Programs(cfg *config.Config, other Names, usable func(netip.Addr) bool) *Programs {
	paths := conf.PathsOf(config.DefaultKrb5ConfPath)
	if h.Root != "" {
		paths = []string{filepath.Join(h.Root, config.DefaultKrb5ConfPath)}
	} else if env := os.Getenv("KRB5_CONFIG"); env != "" {
		paths = conf.PathsOf(env)
	}
	if k := cfg.Krb5Conf; k != nil && k.Path != "" && k.Style != config.Krb5Snippet {
		paths = []string{k.Path}
	}
	krb5 := func() *reader.Reading { return read(paths) }
	if h.Krb5 != nil {
		krb5 = func() *reader.Reading { return h.Krb5 }
	}
	return &Programs{
		Root: h.root(), Other: other, Usable: usable, Host: h.read,
		Krb5: krb5,
	}
}

func (h Host) root() string { return cmp.Or(h.Root, "/") }

func (h Host) read() (*host.Resolver, error) {
	r, err := host.Read(h.root(), h.Dialer)
	if err == nil {
		r.Ask(h.Resolver)
	}
	return r, err
}

// Addresses finds a name's addresses as the host resolves it.
func (h Host) Addresses(ctx context.Context, name string) ([]netip.Addr, error) {
	r, err := h.read()
	if err != nil {
		return nil, err
	}
	a := r.LookUp(ctx, name)
	return a.Addrs, a.Err
}

// read reads a krb5.conf as MIT's library does. Without any file its defaults hold.
func read(roots []string) *reader.Reading {
	set := conf.Load(conf.Disk{}, roots...)
	if !slices.ContainsFunc(set.Roots, func(d *conf.Doc) bool { return !errors.Is(d.Err, fs.ErrNotExist) }) {
		set = conf.Load(conf.Disk{})
	}
	return reader.Read(reader.MIT, set)
}
