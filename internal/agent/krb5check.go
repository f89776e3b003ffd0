package agent

import (
	"context"
	"os"

	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// krb5Conf looks at the configured krb5.conf.
func (r *round) krb5Conf(ctx context.Context) {
	f, err := krb5file.Find(krb5file.Wish{Config: r.cfg, KRB5Config: os.Getenv("KRB5_CONFIG")})
	var p krb5conf.Probe
	if err == nil {
		p, err = f.Probe(krb5file.HostWorld, r.add, r.env.Now)
	}
	if err != nil {
		r.add(probe.Begin(probe.ID{Kind: probe.Krb5Conf, Target: r.cfg.Krb5Conf.Path}, r.env.Now).Fail(probe.ReasonInternal, err))
		return
	}
	r.put(ctx, question{p})
}
