//go:build lab

package daemon

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/lab/labtest"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

// sent counts what may harm among what is sent.
type sent struct {
	probe.Dialer
	passwords, databases atomic.Int64
}

func (s *sent) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if strings.HasSuffix(address, ":3306") {
		s.databases.Add(1)
	}
	c, err := s.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return sentConn{c, s}, nil
}

type sentConn struct {
	net.Conn
	*sent
}

// encTimestamp is the head of a PA-DATA of type PA-ENC-TIMESTAMP, as it stands
// in an AS-REQ that tries a password (RFC 4120 §5.2.7).
var encTimestamp = []byte{0xa1, 3, 2, 1, 2, 0xa2}

func (c sentConn) Write(b []byte) (int, error) {
	if bytes.Contains(b, encTimestamp) {
		c.passwords.Add(1)
	}
	return c.Conn.Write(b)
}

// A disk that is full ends whatever needs a record, and nothing else: that is
// said, and once there is room again logins go on.
func TestLabRunFullDisk(t *testing.T) {
	labtest.Up(t)
	state := t.TempDir()
	// In the mount namespace that `ip netns exec` has made for this test.
	if err := syscall.Mount("tmpfs", state, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(state, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := &sent{Dialer: exchange.HostDialer()}
	cfg := labConfig(t, "", labtest.Break(t, "none"))
	cfg.Probes.Interval, cfg.Probes.Timeout, cfg.Logins[0].Interval = labTimeout, labTimeout/2, 2*labTimeout
	l := startInLab(t, cfg, func(o *Options) { o.Dialer, o.StateDir = s, filepath.Join(state, "kerbagent") })
	well := func() bool {
		return l.Ready() == nil && l.State().Report.Verdict == diagnose.VerdictOK && s.passwords.Load() > 0
	}
	l.until("well", labPatience, well)

	filler := filepath.Join(state, "filler")
	f, err := os.Create(filler)
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if f.Close(); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	l.until("in /metrics", labPatience, func() bool { return l.shows("login-record-impossible") })
	asked := func() (runs int) {
		for _, e := range l.State().Entries {
			if e.Result.ID.Kind == probe.KDC {
				runs += len(e.History)
			}
		}
		return runs
	}
	passwords, databases, begun := s.passwords.Load(), s.databases.Load(), asked()
	l.until("asking KDCs all the same", labPatience, func() bool { return asked() > begun+40 })
	if p, d := s.passwords.Load(), s.databases.Load(); p != passwords || d != databases {
		t.Errorf("without a record, a password was tried %d times, and the database was asked %d times", p-passwords, d-databases)
	}
	if err := l.Healthy(); err != nil {
		t.Error(err)
	}
	if notes := l.State().Notes; !slices.ContainsFunc(notes, func(n string) bool {
		return strings.Contains(n, "no space left") && strings.Contains(n, "was not tried")
	}) {
		t.Errorf("notes %q", notes)
	}
	t.Logf("notes while it is full: %q", l.State().Notes)

	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	passwords = s.passwords.Load()
	l.until("well again, after a login", labPatience, func() bool { return well() && s.passwords.Load() > passwords })
}
