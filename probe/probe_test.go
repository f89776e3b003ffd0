package probe_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/probe"
)

func TestID(t *testing.T) {
	v4, v6 := netip.MustParseAddrPort("10.77.0.10:88"), netip.MustParseAddrPort("[fd77::10]:88")
	for _, tt := range []struct {
		id     probe.ID
		text   string
		family string
	}{
		{probe.ID{Kind: probe.KDC, Target: "dc1.example.com", Address: v4, Transport: probe.UDP}, "kdc/dc1.example.com/10.77.0.10:88/udp", "ipv4"},
		{probe.ID{Kind: probe.KDC, Target: "dc1.example.com", Address: v6, Transport: probe.TCP, Variant: "large"}, "kdc/dc1.example.com/[fd77::10]:88/tcp/large", "ipv6"},
		{probe.ID{Kind: probe.Login, Target: "alice@EXAMPLE.COM@db"}, "login/alice@EXAMPLE.COM@db", ""},
		{probe.ID{Kind: probe.Kpasswd, Target: "dc1.example.com", Transport: probe.UDP}, "kpasswd/dc1.example.com/udp", ""},
		{probe.ID{Kind: probe.DNS, Target: "A:db", Address: netip.MustParseAddrPort("[::ffff:10.0.0.1]:53")}, "dns/A:db/[::ffff:10.0.0.1]:53", "ipv4"},
	} {
		if got := tt.id.String(); got != tt.text {
			t.Errorf("got %s, want %s", got, tt.text)
		}
		if got := tt.id.Family(); got != tt.family {
			t.Errorf("family of %s is %q", tt.text, got)
		}
	}
}

// clock returns a time that moves on by a second each time it is asked for.
func clock() func() time.Time {
	now := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	return func() time.Time {
		now = now.Add(time.Second)
		return now
	}
}

func TestRecorder(t *testing.T) {
	id := probe.ID{Kind: probe.KDC, Target: "dc1.example.com"}
	broken := errors.New("broken")
	rec := probe.Begin(id, clock())
	rec.Stage("connect", func() error { return nil })
	if err := rec.Stage("as", func() error { return broken }); err != broken {
		t.Error("Stage returned", err)
	}
	rec.Fact(probe.FactRealm, "EXAMPLE.COM")
	rec.Fact(probe.FactSalt, "")
	rec.Sample(probe.SampleSkew, 1.5)
	got := rec.Fail(probe.ReasonTCPSilent, broken)
	want := probe.Result{
		ID: id, Outcome: probe.Failed, Reason: probe.ReasonTCPSilent, Err: broken,
		Started: time.Date(2026, 11, 22, 15, 0, 1, 0, time.UTC), Duration: 5 * time.Second,
		Stages: []probe.Stage{
			{Name: "connect", Offset: time.Second, Duration: time.Second},
			{Name: "as", Offset: 3 * time.Second, Duration: time.Second, Err: broken},
		},
		Facts:   probe.Facts{probe.FactRealm: "EXAMPLE.COM"},
		Samples: probe.Samples{probe.SampleSkew: 1.5},
	}
	same := cmp.Options{cmp.Comparer(func(x, y error) bool { return x == y }), cmp.Comparer(func(x, y probe.ID) bool { return x == y })}
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Error(diff)
	}
}

func TestRecorderEnds(t *testing.T) {
	why := errors.New("why")
	for _, tt := range []struct {
		got     probe.Result
		outcome probe.Outcome
		reason  probe.Reason
		err     error
	}{
		{probe.Begin(probe.ID{}, nil).OK(), probe.OK, "", nil},
		{probe.Begin(probe.ID{}, nil).Fail(probe.ReasonRefused, why), probe.Failed, probe.ReasonRefused, why},
		{probe.Begin(probe.ID{}, nil).Skip(probe.ReasonPaused, why), probe.Skipped, probe.ReasonPaused, why},
	} {
		if tt.got.Outcome != tt.outcome || tt.got.Reason != tt.reason || tt.got.Err != tt.err || tt.got.Started.IsZero() {
			t.Errorf("got %+v", tt.got)
		}
	}
}

// A login gets its ticket beside the dial.
func TestRecorderFromSeveralGoroutines(t *testing.T) {
	rec := probe.Begin(probe.ID{}, nil)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 100 {
				rec.Stage(fmt.Sprint(i), func() error { return nil })
				rec.Fact(probe.Fact(fmt.Sprint(i)), "x")
				rec.Sample(probe.Sample(fmt.Sprint(i)), 1)
			}
		})
	}
	wg.Wait()
	if res := rec.OK(); len(res.Stages) != 800 || len(res.Facts) != 8 || len(res.Samples) != 8 {
		t.Errorf("%d stages, %d facts, %d samples", len(res.Stages), len(res.Facts), len(res.Samples))
	}
}

type one struct{ run func() probe.Result }

func (p one) ID() probe.ID                         { return probe.ID{Kind: probe.KDC, Target: "dc1"} }
func (p one) Run(ctx context.Context) probe.Result { return p.run() }

func TestSafely(t *testing.T) {
	res := probe.Safely(context.Background(), one{func() probe.Result { panic("index out of range") }})
	if res.ID.Target != "dc1" || res.Outcome != probe.Failed || res.Reason != probe.ReasonInternal || res.Err == nil || res.Started.IsZero() || res.Facts == nil || res.Samples == nil {
		t.Errorf("after a panic: %+v", res)
	}
	res = probe.Safely(context.Background(), one{func() probe.Result { return probe.Result{Reason: probe.ReasonRefused} }})
	if res.Reason != probe.ReasonRefused {
		t.Errorf("without a panic: %+v", res)
	}
}

func TestFactsList(t *testing.T) {
	f := probe.Facts{probe.FactETypes: "18 17"}
	if diff := cmp.Diff([]string{"18", "17"}, f.List(probe.FactETypes)); diff != "" {
		t.Error(diff)
	}
	if got := f.List(probe.FactAnswer); len(got) != 0 {
		t.Error(got)
	}
}

func TestReasonOf(t *testing.T) {
	const silent = probe.ReasonUDPSilent
	dial := func(err error) error {
		return fmt.Errorf("connecting: %w", &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", err)})
	}
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	_, whileCanceled := new(net.Dialer).DialContext(canceled, "tcp", "127.0.0.1:9")
	_, unresolved := (&net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, syscall.ECONNREFUSED
	}}).LookupHost(context.Background(), "no-such-host.invalid")
	for _, tt := range []struct {
		name string
		err  error
		want probe.Reason
	}{
		{"none", nil, ""},
		{"canceled", fmt.Errorf("asking: %w", context.Canceled), probe.ReasonCanceled},
		{"canceled while dialling", whileCanceled, probe.ReasonCanceled},
		{"canceled, seen as a deadline of the socket", fmt.Errorf("%w (%w)", os.ErrDeadlineExceeded, context.Canceled), probe.ReasonCanceled},
		{"deadline of the context", context.DeadlineExceeded, silent},
		{"deadline of the socket", readPast(t), silent},
		{"the kernel gave up", dial(syscall.ETIMEDOUT), silent},
		{"too big for the path", dial(syscall.EMSGSIZE), silent},
		{"refused", refused(t), probe.ReasonRefused},
		{"no route to the host", dial(syscall.EHOSTUNREACH), probe.ReasonUnreachable},
		{"no route to the network", dial(syscall.ENETUNREACH), probe.ReasonUnreachable},
		{"the host is down", dial(syscall.EHOSTDOWN), probe.ReasonUnreachable},
		{"protocol unreachable, by ICMP", dial(syscall.ENOPROTOOPT), probe.ReasonUnreachable},
		{"parameter problem, by ICMP", dial(syscall.EPROTO), probe.ReasonUnreachable},
		{"the network is down", dial(syscall.ENETDOWN), probe.ReasonUnreachable},
		{"no address of that family", dial(syscall.EADDRNOTAVAIL), probe.ReasonUnreachable},
		{"not permitted", dial(syscall.EPERM), probe.ReasonForbidden},
		{"no access", dial(syscall.EACCES), probe.ReasonForbidden},
		{"no such name", &net.DNSError{Name: "dc9.example.com", IsNotFound: true}, probe.ReasonUnresolvable},
		{"a name server that cannot be asked", unresolved, probe.ReasonUnresolvable},
		{"end", io.EOF, probe.ReasonClosed},
		{"end in the middle", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), probe.ReasonClosed},
		{"reset", reset(t), probe.ReasonClosed},
		{"broken pipe", dial(syscall.EPIPE), probe.ReasonClosed},
		{"closed by us", net.ErrClosed, probe.ReasonClosed},
		{"not of the path", errors.New("not a Kerberos message"), probe.ReasonMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := probe.ReasonOf(tt.err, silent); got != tt.want {
				t.Errorf("%v: got %q, want %q", tt.err, got, tt.want)
			}
		})
	}
}

// accept is both ends of a connection over loopback.
func accept(t *testing.T) (ours, theirs *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// refused is what a port without a listener returns.
func refused(t *testing.T) error {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, err = net.Dial("tcp", l.Addr().String())
	return err
}

// reset is what a read returns after an RST.
func reset(t *testing.T) error {
	t.Helper()
	ours, theirs := accept(t)
	theirs.SetLinger(0)
	theirs.Close()
	_, err := ours.Read(make([]byte, 1))
	return err
}

// readPast is what a read returns when its deadline is over.
func readPast(t *testing.T) error {
	t.Helper()
	ours, _ := accept(t)
	ours.SetReadDeadline(time.Unix(1, 0))
	_, err := ours.Read(make([]byte, 1))
	return err
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		name  string
		run   time.Duration // until the whole run ends; zero: never
		limit time.Duration
		want  error
		after time.Duration
	}{
		{"the probe's own time is over", 0, time.Second, context.DeadlineExceeded, time.Second},
		{"its own time is over first", 5 * time.Second, time.Second, context.DeadlineExceeded, time.Second},
		{"the run's time is over first", time.Second, 5 * time.Second, context.Canceled, time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				outer, stop := context.WithCancel(context.Background())
				if tt.run != 0 {
					outer, stop = context.WithTimeout(context.Background(), tt.run)
				}
				defer stop()
				start := time.Now()
				ctx, cancel := probe.Limit(outer, tt.limit)
				defer cancel()
				<-ctx.Done()
				if ctx.Err() != tt.want || time.Since(start) != tt.after {
					t.Errorf("%v after %v", ctx.Err(), time.Since(start))
				}
			})
		})
	}
	ended, stop := context.WithCancel(context.Background())
	stop()
	ctx, cancel := probe.Limit(ended, time.Hour)
	defer cancel()
	if <-ctx.Done(); ctx.Err() != context.Canceled {
		t.Error("a run that has ended:", ctx.Err())
	}
	ctx, cancel = probe.Limit(context.Background(), time.Hour)
	if cancel(); ctx.Err() != context.Canceled {
		t.Error("its own end:", ctx.Err())
	}
}

func TestSkew(t *testing.T) {
	ours := time.Date(2026, 11, 22, 15, 0, 0, 250_000_000, time.UTC)
	for _, tt := range []struct {
		name   string
		theirs time.Time
		want   time.Duration
	}{
		{"to the microsecond", ours.Add(1500 * time.Microsecond), 1500 * time.Microsecond},
		{"behind", ours.Add(-time.Minute), -time.Minute},
		{"in whole seconds", ours.Truncate(time.Second), 250 * time.Millisecond},
	} {
		if got := probe.Skew(tt.theirs, ours); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}
