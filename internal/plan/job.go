package plan

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/discover"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/database"
	"github.com/kerbagent/kerbagent/probe/dns"
	"github.com/kerbagent/kerbagent/probe/kdc"
	"github.com/kerbagent/kerbagent/probe/kpasswd"
	"github.com/kerbagent/kerbagent/probe/login"
)

// Deliberate is the time between two questions at one place that are meant to
// fail: a login that is none, a user that is none.
const Deliberate = 5 * time.Minute

// Job is one question, with what is known of it before it is asked.
//
// It is one probe, or several of which each is asked once the one before it is
// answered. A large message that is lost means something only after a small one
// was answered; and Samba's KDC, whose processes share a socket, now and then
// cuts a large datagram short that comes together with a small one, so that the
// two side by side would show a fault that is none. At a port that only an SRV
// record names, one request over TCP goes first: DNS alone must not decide where
// more than that is sent.
type Job struct {
	Key     string // unique, and the same in every plan
	Probes  []probe.Probe
	Targets []probe.Target // the targets of Probes
	Beat    time.Duration  // between two runs
	Leads   bool           // it shows whether its way to a server is open, which others that are asked less often go too
	Every   time.Duration  // between two questions: Beat, or longer where a guard leaves runs out
	Limit   time.Duration  // how long one run may take
	Prompt  bool           // run out of turn when something changes about the realm or database: it harms nobody
	Gone    bool           // DNS has let go of its address
	OddPort bool           // only an SRV record names the port
	Aside   bool           // it is about no rung: the first round does not wait for it

	Login    config.Login    // the login that is tried; zero for none
	Instance string          // the instance of the database's cluster that is asked; empty: the endpoint
	Database config.Database // the database that a handshake is begun with; zero for none
	Tells    bool            // the login's connection tells of the database itself
	After    string          // key of the login that asks what this asks, without a failure; empty for none
	First    bool            // whether this is the address that the login tries first

	timeout time.Duration // how long one probe may take
	rare    time.Duration // between two large messages
}

// About returns the realm and the database that a job is about.
func (j Job) About() (names []string) {
	for _, k := range []probe.Fact{probe.FactRealm, probe.FactDatabase} {
		if name := j.Targets[0].Facts[k]; name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Ask asks one probe after the other. Each result goes to keep, what is not
// asked among them; before hears of each probe that is; it may be nil. due reports
// whether a probe but the first is asked this time; nil: all are.
func (j Job) Ask(ctx context.Context, now func() time.Time, due func(i int) bool, before func(probe.ID), keep func(probe.Result)) {
	var last probe.Result
	for i, p := range j.Probes {
		if i > 0 && last.Outcome == probe.OK && due != nil && !due(i) {
			continue
		}
		if i > 0 && last.Outcome != probe.OK {
			rec := probe.Begin(p.ID(), now)
			rec.Fact(probe.FactRealm, last.Facts[probe.FactRealm])
			last = rec.Skip(probe.ReasonNotAsked, errors.New("the exchange before it was not answered"))
		} else {
			if before != nil {
				before(p.ID())
			}
			last = j.ask(ctx, p)
		}
		keep(last)
	}
}

// ask runs a probe, and samples it where its question is harmless. A port that
// only DNS names gets one request.
func (j Job) ask(ctx context.Context, p probe.Probe) probe.Result {
	if j.OddPort {
		return probe.Safely(ctx, p)
	}
	return probe.Ask(ctx, p, j.timeout)
}

// maker makes jobs: what those about realms, about databases and about nothing of the kind share.
type maker struct {
	cfg   *config.Config
	world World
}

// ways returns m for what a search has found. Where this host has a way to none of
// the addresses, all are asked: that they cannot be reached is what has to be said.
func (m maker) ways(found discover.Servers) maker {
	spots := discover.Spots(slices.Concat(found.Now, found.Lost))
	if !slices.ContainsFunc(spots, func(s discover.Spot) bool { return m.world.Routable(s.Addr) }) {
		m.world.Routable = func(netip.Addr) bool { return true }
	}
	return m
}

// routable leaves out the addresses that this host has no way to.
func (m maker) routable(addrs []netip.Addr) []netip.Addr {
	return slices.DeleteFunc(slices.Clone(addrs), func(a netip.Addr) bool { return !m.world.Routable(a) })
}

// AskAgain asks one of the job's questions again, by itself, and waits half as long: whoever waits for a
// check waits for both.
func (j Job) AskAgain(ctx context.Context, id probe.ID) probe.Result {
	i := slices.IndexFunc(j.Probes, func(p probe.Probe) bool { return p.ID() == id })
	j.timeout /= 2
	half, cancel := context.WithTimeout(ctx, j.timeout)
	defer cancel()
	r := j.ask(half, j.Probes[i])
	if r.Reason == probe.ReasonCanceled && ctx.Err() == nil {
		r.Outcome, r.Reason = probe.Failed, probe.ReasonTCPSilent
		if id.Transport == probe.UDP {
			r.Reason = probe.ReasonUDPSilent
		}
	}
	return r
}

// job makes a job of probes.
func (m maker) job(probes ...probe.Probe) Job {
	beat := m.cfg.Probes.Interval
	j := Job{Key: probes[0].ID().String(), Probes: probes, Beat: beat, Every: beat,
		Limit: time.Duration(len(probes))*m.cfg.Probes.Timeout + time.Second, Prompt: true,
		timeout: m.cfg.Probes.Timeout, rare: m.cfg.Probes.Rare()}
	for _, one := range probes {
		j.Targets = append(j.Targets, probe.Target{ID: one.ID(), Facts: factsOf(one)})
	}
	j.OddPort = j.Targets[0].Facts[probe.FactOddPort] != ""
	switch one := probes[0].(type) {
	case database.Probe: // its guard sees to it that it is not asked at each beat
		j.Every, j.Prompt = max(beat, Deliberate), false
	case kdc.Probe:
		if one.User.Name == probe.Stranger {
			j.Every, j.Prompt = max(beat, Deliberate), false
		}
	}
	if k := j.Targets[0].ID.Kind; k == probe.Krb5Conf || k == probe.Application { // files of this host
		j.Limit, j.Prompt = beat, false
	}
	return j
}

// apart makes a job of each probe.
func (m maker) apart(probes []probe.Probe) (jobs []Job) {
	for _, one := range probes {
		jobs = append(jobs, m.job(one))
	}
	return jobs
}

// factsOf returns the facts that the plan gave to a probe.
func factsOf(p probe.Probe) probe.Facts {
	switch p := p.(type) {
	case dns.Probe:
		return p.Facts
	case kdc.Probe:
		return p.Facts
	case kpasswd.Probe:
		return p.Facts
	case database.Probe:
		return p.Facts
	case login.Probe:
		return p.Facts
	case lacking:
		return p.facts
	case limits:
		return p.facts
	case members:
		return p.facts
	}
	return nil
}

// lacking is a name that nobody can be asked at: it fails whenever it is asked.
type lacking struct {
	id    probe.ID
	facts probe.Facts
	err   error
	now   func() time.Time
}

func (m maker) lack(kind probe.Kind, target string, facts probe.Facts, err error) lacking {
	return lacking{id: probe.ID{Kind: kind, Target: target}, facts: facts, err: err, now: m.world.Now}
}

// ID has no address.
func (l lacking) ID() probe.ID { return l.id }

// Run reports that there is no address.
func (l lacking) Run(context.Context) probe.Result {
	rec := probe.Begin(l.id, l.now)
	rec.Facts(l.facts)
	return rec.Fail(probe.WhyUnresolved(l.err), l.err)
}

// limits is the question that is not asked: it reports what was left out.
type limits struct {
	id    probe.ID
	facts probe.Facts
	now   func() time.Time
}

// variantLimits tells the report of what was left out from a name without an address.
const variantLimits = "limits"

// aboutLimits reports what was left out with servers, if anything.
func (m maker) aboutLimits(kind probe.Kind, target string, facts probe.Facts, servers []discover.Server) []Job {
	left := discover.LeftOutOf(servers)
	if left == (discover.LeftOut{}) {
		return nil
	}
	what := ""
	if left.Addresses > 0 {
		what = fmt.Sprintf("%d addresses", left.Addresses)
	}
	if left.Hosts > 0 {
		what = fmt.Sprintf("%d hosts%s%s", left.Hosts, map[bool]string{true: " and "}[what != ""], what)
	}
	id := probe.ID{Kind: kind, Target: target, Variant: variantLimits}
	return []Job{m.job(limits{id: id, facts: facts.With(probe.FactLeftOut, what), now: m.world.Now})}
}

// ID has no address.
func (l limits) ID() probe.ID { return l.id }

// Run asks nobody.
func (l limits) Run(context.Context) probe.Result {
	rec := probe.Begin(l.id, l.now)
	rec.Facts(l.facts)
	return rec.Skip(probe.ReasonNotAsked, fmt.Errorf("DNS names more than is asked: %s are left out", l.facts[probe.FactLeftOut]))
}

// variantInstances tells what is known of a cluster from the questions to its database.
const variantInstances = "instances"

// members is what is known of a database's cluster, as a result among the others. It asks nobody.
type members struct {
	id    probe.ID
	facts probe.Facts
	now   func() time.Time
}

// observeLimit is how long AWS may take for a whole reading.
const observeLimit = 30 * time.Second

// aboutAWS reads what AWS reports, on a beat of its own that nothing waits for.
func (m maker) aboutAWS() Job {
	j := m.job(m.world.AWS)
	j.Beat = max(j.Beat, m.cfg.ObserveInterval())
	j.Every, j.Limit, j.Prompt, j.Aside = j.Beat, min(observeLimit, j.Beat), false, true
	return j
}

// AsksNobody reports whether a job tells what is known of a cluster.
func (j Job) AsksNobody() bool { _, is := j.Probes[0].(members); return is }

// ID has no address.
func (m members) ID() probe.ID { return m.id }

// Run asks nobody.
func (m members) Run(context.Context) probe.Result {
	rec := probe.Begin(m.id, m.now)
	rec.Facts(m.facts)
	return rec.OK()
}
