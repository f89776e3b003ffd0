package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// Served is a world of another process, by the folder that it serves. It is a
// probe.Dialer: what a fault does on the path is seen through it.
type Served struct{ dir string }

// Find takes the folder of a rehearsal that is running.
func Find(ctx context.Context, dir string) (*Served, error) {
	s := &Served{dir: dir}
	conn, err := s.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("no rehearsal is running in %s (%w); start one: kerbagent rehearse --serve %[1]s", dir, err)
	}
	return s, conn.Close()
}

// Config is the path of its kerbagent.yaml.
func (s *Served) Config() string { return filepath.Join(s.dir, "kerbagent.yaml") }

// StateDir is where the agent that runs against it keeps its state.
func (s *Served) StateDir() string { return filepath.Join(s.dir, "state") }

// Play changes its fault; no code makes it healthy.
func (s *Served) Play(ctx context.Context, code diagnose.Code) error {
	_, err := s.ask(ctx, request{Play: &code})
	return err
}

// DialContext connects over its path.
func (s *Served) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	return dial(ctx, network, address, func(transport string, to netip.AddrPort) (netip.AddrPort, *Rule, error) {
		a, err := s.ask(ctx, request{To: to, Transport: transport})
		if err != nil || a.Effect == nil {
			return a.To, nil, err
		}
		return a.To, &Rule{Effect: *a.Effect}, nil
	})
}

// Watch calls changed after each fault that is played, until ctx or the
// rehearsal ends.
func (s *Served) Watch(ctx context.Context, changed func()) error {
	conn, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if err := json.NewEncoder(conn).Encode(request{Watch: true}); err != nil {
		return err
	}
	lines := json.NewDecoder(conn)
	for first := true; ; first = false { // the first line says that it watches
		var a answer
		if err := lines.Decode(&a); err != nil {
			return err
		}
		if !first {
			changed()
		}
	}
}

func (s *Served) connect(ctx context.Context) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(s.dir, controlName))
}

func (s *Served) ask(ctx context.Context, q request) (answer, error) {
	conn, err := s.connect(ctx)
	if err != nil {
		return answer{}, fmt.Errorf("asking the rehearsal: %w", err)
	}
	defer conn.Close()
	var a answer
	err = errors.Join(conn.SetDeadline(time.Now().Add(patience)), json.NewEncoder(conn).Encode(q), json.NewDecoder(conn).Decode(&a))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("asking the rehearsal: %w", err)
	case a.Error != "":
		return answer{}, errors.New(a.Error)
	}
	return a, nil
}
