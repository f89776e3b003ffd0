// Package keeper keeps the krb5.conf of a host: from the health of the KDCs it
// decides their order, and asks for the change of the file. It writes nothing
// but the order.
package keeper

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/krb5/conf/apply"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe"
)

// DefaultOrderFile is where the daemon leaves the order of the KDCs for the
// process that may write the krb5.conf.
const DefaultOrderFile = "/run/kerbagent/kdc-order"

// askAgainAtMost is the longest wait between two times that the same change is
// asked for: what is in the way may take a person some time.
const askAgainAtMost = 10 * time.Minute

// Options is what a Keeper needs beside the configuration.
type Options struct {
	Host      string           // name of this host: it chooses the KDC that the host begins at
	OrderFile string           // empty: DefaultOrderFile
	Now       func() time.Time // nil: time.Now
}

// State is how the krb5.conf stands after a Beat.
type State struct {
	InSync  bool                // it is what kerbagent would write, the order of KDCs apart
	Changed bool                // it has become so since the Beat before, as it was asked for
	Order   map[string][]string // for each realm with several KDCs: the order that it should have
	File    string              // the krb5.conf that is maintained
	Note    string              // what a person should know, in one line; empty for nothing
}

// Keeper keeps the krb5.conf of a host whose configuration has mode maintain.
// It has no right to write the file, and does not try: it leaves the order of
// the KDCs in a file of its own, at which the one-shot of the root user starts
// (kerbagent krb5conf apply --order). All methods of a nil Keeper do nothing.
type Keeper struct {
	file krb5file.File
	err  error // why there is no such file
	o    Options
	beat time.Duration

	mu     sync.Mutex
	realms map[string]*realmHealth

	outside  *string    // the text that is not kerbagent's, at the previous Beat; nil: not yet seen
	asked    site.Order // the order that was requested and the krb5.conf does not have yet; nil: none
	since    time.Time  // when asked was first requested
	askAgain time.Time
	times    int // how often asked was requested
}

// New returns the Keeper of a configuration; nil where the krb5.conf is not
// to be kept.
func New(cfg *config.Config, o Options) *Keeper {
	if cfg.Krb5Conf == nil || cfg.Krb5Conf.Mode != config.Krb5Maintain {
		return nil
	}
	if o.OrderFile == "" {
		o.OrderFile = DefaultOrderFile
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	k := &Keeper{o: o, beat: cfg.Probes.Interval, realms: map[string]*realmHealth{}}
	k.file, k.err = krb5file.Find(krb5file.Wish{Config: cfg, KRB5Config: os.Getenv("KRB5_CONFIG")})
	inFile := k.file.OrderNow()
	site := k.file.Site()
	for realm, kdcs := range site.Rotated(o.Host) {
		k.realms[realm] = newRealmHealth(kdcs, inFile[realm], k.beat)
	}
	return k
}

// Observe takes in the result of any probe; those of KDCs over TCP, which is
// what programs use, tell their health. It reports whether the order of KDCs
// is another one by it: then the next Beat should not be waited for.
func (k *Keeper) Observe(res probe.Result) bool {
	if k == nil || res.ID.Kind != probe.KDC || res.Outcome == probe.Skipped ||
		res.Reason == probe.ReasonCanceled || res.Reason == probe.ReasonInternal {
		return false
	}
	if res.ID.Transport != probe.TCP && res.Reason != probe.ReasonUnresolvable {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	r := k.realms[res.Facts[probe.FactRealm]]
	return r != nil && r.observe(res)
}

// Beat looks at the krb5.conf and asks for what is to be changed in it, by
// writing the order file. An error says why nothing can be asked for.
func (k *Keeper) Beat(context.Context) (State, error) {
	if k == nil {
		return State{}, nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return State{}, k.err
	}
	order := site.Order{}
	for realm, r := range k.realms {
		order[realm] = r.order()
	}
	st := State{Order: order, File: k.file.Path()}
	wanted, err := k.file.Ordered(order)
	if err != nil {
		return st, err
	}
	c, err := wanted.Change()
	if err != nil {
		return st, err
	}
	var notes []string
	if k.edited(c.Old) {
		notes = append(notes, k.file.Main()+" was changed outside of what kerbagent keeps; that is left as it is")
	}
	if c.Needed() {
		asIs, err := k.file.Change()
		if err != nil {
			return st, err
		}
		st.InSync = !asIs.Needed()
		if err := k.ask(order); err != nil {
			return st, err
		}
		if k.times > 1 {
			notes = append(notes, fmt.Sprintf("%s was asked for %d times since %s and is not written: systemctl status kerbagent-krb5conf.path kerbagent-krb5conf.service",
				k.file.Path(), k.times, k.since.UTC().Format(time.RFC3339)))
		}
	} else {
		st.InSync, st.Changed = true, k.asked != nil
		k.asked = nil
	}
	st.Note = strings.Join(notes, "; ")
	return st, nil
}

// ask writes the order file, which starts the one-shot: at once where the order
// is new, and then again after ever longer waits, as what is in the way of it
// may need a person.
func (k *Keeper) ask(order site.Order) error {
	now := k.o.Now()
	if k.asked == nil || !k.asked.Equal(order) {
		k.asked, k.since, k.times = order, now, 0
	} else if now.Before(k.askAgain) {
		return nil
	}
	k.times++
	k.askAgain = now.Add(min(k.beat<<min(k.times, 16), askAgainAtMost))
	return apply.WriteOrder(k.o.OrderFile, order)
}

// edited reports whether what is not kerbagent's has changed since the Beat
// before.
func (k *Keeper) edited(text string) bool {
	outside := k.file.Outside(text)
	changed := k.outside != nil && *k.outside != outside
	k.outside = &outside
	return changed
}
