package agent

import (
	"context"
	"os"
	"reflect"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// krb5Key is the key of the job that looks at the krb5.conf.
const krb5Key = "krb5conf"

// krb5Task looks at the configured krb5.conf, and has it kept where that is
// asked for.
func (d *daemon) krb5Task(s *setup) *task {
	f, err := krb5file.Find(krb5file.Wish{Config: s.cfg, KRB5Config: os.Getenv("KRB5_CONFIG")})
	path := f.Main()
	if err != nil {
		path = s.cfg.Krb5Conf.Path
	}
	return &task{key: krb5Key, every: s.cfg.Probes.Interval, limit: s.cfg.Probes.Interval, asks: []probe.Target{{ID: krb5conf.Probe{Path: path}.ID()}},
		run: func(ctx context.Context, t *task) { d.lookAtKrb5Conf(ctx, s, f, err, t.asks[0].ID) }}
}

func (d *daemon) lookAtKrb5Conf(ctx context.Context, s *setup, f krb5file.File, err error, id probe.ID) {
	var issues []probe.Result
	var p krb5conf.Probe
	if err == nil {
		p, err = f.Probe(krb5file.HostWorld, func(r probe.Result) { issues = append(issues, r) }, d.o.Now)
	}
	res := probe.Result{}
	if err != nil {
		res = probe.Begin(id, d.o.Now).Fail(probe.ReasonInternal, err)
	} else {
		res = probe.Safely(ctx, p)
	}
	d.mu.Lock()
	if d.plan.asked[id] == nil {
		d.mu.Unlock()
		return // given up meanwhile
	}
	clear(d.issues)
	for _, r := range issues {
		d.issues[r.ID] = true
	}
	d.retain() // what is mended is an issue no more
	d.mu.Unlock()
	for _, r := range append([]probe.Result{res}, issues...) {
		d.put(ctx, r, s.cfg.Probes.Interval)
	}
	st, err := s.keeper.Beat(ctx) // of none: the zero state
	d.mu.Lock()
	d.krb5Note = st.Note
	if err != nil {
		d.krb5Note = "the krb5.conf cannot be kept: " + err.Error()
	}
	d.mu.Unlock()
	if s.keeper == nil {
		d.metrics.Krb5ConfNotKept()
		return
	}
	d.metrics.Krb5Conf(st.InSync)
	if st.Changed {
		d.metrics.Krb5ConfChanged()
		d.o.Log.Info("the krb5.conf was changed, as was asked for", "file", f.Path(), "at", d.o.Now().UTC().Format(time.RFC3339))
	}
}

// sameKrb5 says that two configurations want the same of the krb5.conf.
func sameKrb5(a, b *config.Config) bool {
	return reflect.DeepEqual(a.Krb5Conf, b.Krb5Conf) && reflect.DeepEqual(krb5file.SiteOf(a), krb5file.SiteOf(b)) && a.Probes == b.Probes
}
