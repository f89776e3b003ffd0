package client

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// leastGrace is how long an answer over UDP may come after a TCP connection at least:
// a KDC takes a few milliseconds to look up a user, its kernel none to accept.
const leastGrace = 5 * time.Millisecond

// datagrams is an AS-REQ without credentials that goes over UDP beside the connects over
// TCP, and what came of it. All but done is set when that is closed.
type datagrams struct {
	done   chan struct{}
	won    attempt
	err    error
	usable bool // the answer asks for a proof that the secret can make
}

// ask asks the addresses over UDP until udp ends. Its steps are told by whoever uses the answer.
func (d *datagrams) ask(udp, outer context.Context, w *ascent) {
	defer func() {
		if v := recover(); v != nil { // it is on a goroutine of its own, beyond the recover of whoever logs in
			d.won.close()
			d.err = w.fail(StepAS, netip.AddrPort{}, fmt.Errorf("panic: %v", v))
		}
	}()
	quiet := *w.c
	quiet.Observe = nil
	if d.won, d.err = quiet.race(udp, outer, w.question(kdcwire.UDP), w.addrs); d.err != nil {
		return
	}
	if required := d.required(); required != nil {
		_, err := HintsOf(required).choose(w.secret, w.as.user, w.as.o)
		d.usable = err == nil
	}
}

// required returns the answer that asks for preauthentication; nil where it is another.
func (d *datagrams) required() *kdcwire.KRBError {
	_, err := parseReply(d.won.reply, msgASRep)
	var krb *kdcwire.KRBError
	if errors.As(err, &krb) && krb.Code == codePreauthRequired {
		return krb
	}
	return nil
}

// decides reports whether libkrb5 ends with this answer: an error about the user, or
// what is no Kerberos at all.
func (d *datagrams) decides() bool {
	if d.err != nil {
		return false
	}
	_, err := parseReply(d.won.reply, msgASRep)
	return err != nil && d.required() == nil
}

// wait returns the answer over UDP of the address that was just connected to, and its
// step, where that answer can be gone on with. connect is how long the connection took:
// half of that more is waited for an answer that is on its way, and 5 ms at least.
func (d *datagrams) wait(ctx context.Context, addr netip.AddrPort, connect time.Duration) ([]byte, Step, bool) {
	if d == nil {
		return nil, Step{}, false
	}
	late := time.NewTimer(min(max(connect/2, leastGrace), hedge/2))
	defer late.Stop()
	select {
	case <-d.done:
	case <-late.C:
		return nil, Step{}, false
	case <-ctx.Done():
		return nil, Step{}, false
	}
	if d.err != nil || !d.usable || d.won.conn.Addr() != addr {
		return nil, Step{}, false
	}
	return d.won.reply, d.won.steps[len(d.won.steps)-1], true
}
