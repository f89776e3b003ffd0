package discover

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/dns"
)

// askTCP is how long the servers have over UDP before they are asked over TCP
// as well: far beyond any honest round trip, far below a resolver's patience.
const askTCP = 400 * time.Millisecond

// secondThoughts is how long the other servers have to know better, once one
// has said that there is nothing: a server that is down must not hold up every
// question about a name that does not exist.
const secondThoughts = 200 * time.Millisecond

// ask puts one question to all servers at once and takes the first answer that
// has something in it, or, when all have spoken or had their time, any answer.
// A server that stays silent over UDP, or cuts its answer short, is asked over
// TCP too.
func (d *Finder) ask(ctx context.Context, at []netip.AddrPort, q dns.Question) (_ *dns.Answer, err error) {
	defer rescue(&err)
	if len(at) == 0 {
		return nil, errors.New("no DNS server is known: name one with --dns-server, or in /etc/resolv.conf")
	}
	ctx, cancel := probe.Limit(ctx, d.timeout)
	var asking sync.WaitGroup
	defer asking.Wait() // nothing of a question outlives it
	defer cancel()
	type reply struct {
		answer *dns.Answer
		err    error
	}
	replies := make(chan reply, len(at))
	for _, server := range at {
		asking.Go(func() {
			a, err := d.askOne(ctx, server, q)
			replies <- reply{a, err}
		})
	}
	var last reply
	var enough <-chan time.Time
	for range at {
		select {
		case r := <-replies:
			if r.answer != nil && r.answer.Reason() == "" {
				return r.answer, nil
			}
			if last.answer == nil {
				last = r
			}
			if r.answer != nil && enough == nil {
				enough = time.After(secondThoughts)
			}
		case <-enough:
			return last.answer, last.err
		}
	}
	return last.answer, last.err
}

// exchange asks one server over one transport.
func (d *Finder) exchange(ctx context.Context, t probe.Transport, server netip.AddrPort, q dns.Question) (_ *dns.Answer, err error) {
	defer rescue(&err)
	return dns.Ask(ctx, d.dialer, t, server, q)
}

func (d *Finder) askOne(ctx context.Context, server netip.AddrPort, q dns.Question) (_ *dns.Answer, err error) {
	defer rescue(&err)
	ctx, cancel := context.WithCancel(ctx)
	var asking sync.WaitGroup
	defer asking.Wait()
	defer cancel()
	type reply struct {
		answer *dns.Answer
		err    error
	}
	udp, tcp := make(chan reply, 1), make(chan reply, 1)
	asking.Go(func() {
		a, err := d.exchange(ctx, probe.UDP, server, q)
		udp <- reply{a, err}
	})
	overTCP := func() {
		a, err := d.exchange(ctx, probe.TCP, server, q)
		tcp <- reply{a, err}
	}
	patience := time.NewTimer(askTCP)
	defer patience.Stop()
	select {
	case r := <-udp:
		if r.err == nil && !r.answer.Truncated {
			return r.answer, nil
		}
		overTCP()
		r = <-tcp
		return r.answer, r.err
	case <-patience.C:
		asking.Go(overTCP)
	}
	select {
	case r := <-udp:
		if r.err == nil && !r.answer.Truncated {
			return r.answer, nil
		}
		r = <-tcp
		return r.answer, r.err
	case r := <-tcp:
		if r.err != nil { // a slow answer over UDP is better than none
			r = <-udp
		}
		return r.answer, r.err
	}
}

// rescue makes an error of a panic: reading what strangers send must not end the process.
func rescue(err *error) {
	if v := recover(); v != nil {
		*err = fmt.Errorf("looking up names: a bug of kerbagent: %v", v)
	}
}
