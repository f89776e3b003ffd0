package agent

import (
	"context"
	"errors"
	"hash/maphash"
	"math"
	"slices"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// put keeps a result, tells its readers, and sees whether anything is new.
func (d *daemon) put(ctx context.Context, res probe.Result, interval time.Duration) {
	if errors.Is(res.Err, errNotYet) || res.Reason == probe.ReasonCanceled && ctx.Err() != nil {
		return // not asked, or cut short by us: that says nothing
	}
	d.mu.Lock()
	if d.plan.asked[res.ID] == nil && !d.issues[res.ID] {
		d.mu.Unlock()
		return // given up meanwhile
	}
	print, known := d.prints[res.ID]
	now := fingerprint(d.seed, res)
	d.prints[res.ID] = now
	changed := d.table.Put(res, interval)
	if res.Outcome == probe.Failed && res.Facts[probe.FactRefusedAt] == "" || now != print {
		d.unrecorded = append(d.unrecorded, res)
	}
	d.mu.Unlock()
	d.metrics.Observe(res)
	if now != print {
		d.explainSoon()
	}
	if known && now != print && res.ID.Kind == probe.DNS {
		d.lookAgain(res)
	}
	if changed && known {
		d.pull(res)
	}
}

// fingerprint changes when a result says something else: not with its times,
// nor with a clock that drifts by less than a second.
func fingerprint(seed maphash.Seed, res probe.Result) uint64 {
	all := maphash.String(seed, string(res.Outcome)+" "+string(res.Reason))
	for k, v := range res.Facts { // in any order
		all += maphash.String(seed, string(k)+"="+v)
	}
	if skew, ok := res.Samples[probe.SampleSkew]; ok {
		all += maphash.Comparable(seed, math.Round(skew))
	}
	return all
}

// pull runs the jobs of a realm or database soon, since something changed
// there: so that what is found is not made of old and new. Logins and what is
// meant to fail are left at their beat.
func (d *daemon) pull(res probe.Result) {
	names := about(res.Facts)
	d.mu.Lock()
	s, plan := d.setup, d.plan
	names = slices.DeleteFunc(names, func(name string) bool { return !d.seldom(name, s.cfg.Probes.Interval) })
	d.mu.Unlock()
	if len(names) == 0 {
		return
	}
	for _, t := range plan.order {
		if slices.ContainsFunc(t.about, func(n string) bool { return slices.Contains(names, n) }) {
			d.sched.Soon(t.key)
		}
	}
}

// lookAgain finds a realm's servers or a database's addresses anew, since DNS
// says something else of them than before, and their TTL may be long.
func (d *daemon) lookAgain(res probe.Result) {
	d.mu.Lock()
	s := d.setup
	realm, db := res.Facts[probe.FactRealm], res.Facts[probe.FactDatabase]
	job := realmNamesKey(realm)
	if db != "" {
		job = databaseNamesKey(db)
	}
	again := d.seldom(job, s.cfg.Probes.Timeout)
	d.mu.Unlock()
	if !again {
		return
	}
	if db != "" {
		of, _ := s.cfg.Database(db)
		s.found.expire("", of.Host)
	} else {
		s.found.expire(realm, realm)
	}
	d.sched.Soon(job)
}

// seldom says whether something is to be done that is not done more often than
// every so often; under d.mu.
func (d *daemon) seldom(what string, every time.Duration) bool {
	if t, ok := d.pulled[what]; ok && time.Since(t) < every {
		return false
	}
	d.pulled[what] = time.Now()
	return true
}

// ended takes note that a job has run.
func (d *daemon) ended(t *task) {
	d.mu.Lock()
	defer d.mu.Unlock()
	first := t.state.ran.IsZero()
	t.state.ran = time.Now()
	if first {
		d.toRun--
	}
	if d.toRun == 0 {
		d.becomeReady()
	}
}

// learn takes in which servers there are.
func (d *daemon) learn(name string, servers []server, err error, most int) (changed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	k := d.known(name)
	first := !k.asked
	k.asked, k.most = true, most
	return k.update(servers, err, time.Now()) || first
}

// known gives what is remembered under a name; under d.mu.
func (d *daemon) known(name string) *known {
	k := d.names[name]
	if k == nil {
		k = &known{}
		d.names[name] = k
	}
	return k
}

// replan plans anew: the addresses or the configuration are others.
func (d *daemon) replan() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.replanLocked()
}

func (d *daemon) replanLocked() {
	old := d.plan
	d.plan = d.tasks(d.setup)
	d.toRun = 0
	for _, t := range d.plan.order {
		if was := old.byKey[t.key]; was != nil {
			t.state = was.state
		} else {
			t.state = &taskState{since: time.Now()}
		}
		if t.state.ran.IsZero() {
			d.toRun++
		}
	}
	if d.plan.byKey[krb5Key] == nil { // nobody would take back what it has said
		clear(d.issues)
		d.krb5Note = ""
		d.metrics.Krb5ConfNotKept()
	}
	d.retain()
	d.metrics.Track(d.plan.targets())
	d.sched.Set(d.plan.jobs(d))
	for _, t := range d.plan.order {
		if len(t.asks) == 0 && t.state.ran.IsZero() {
			d.sched.Soon(t.key) // what the others wait for: who is to be asked
		}
	}
	d.startLogins(old)
	d.explainSoon()
}

// retain forgets the results of what is not asked; under d.mu.
func (d *daemon) retain() {
	stays := func(id probe.ID) bool { return d.plan.asked[id] != nil || d.issues[id] }
	d.table.Retain(stays)
	for id := range d.prints {
		if !stays(id) {
			delete(d.prints, id)
		}
	}
}
