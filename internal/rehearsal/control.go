package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// controlName is the socket's name in the served folder.
const controlName = "control"

// patience is how long one side of the socket waits for the other.
const patience = 10 * time.Second

// request is what one connection to the socket asks: one of these.
type request struct {
	Play      *diagnose.Code // play this finding's fault
	To        netip.AddrPort // what does the path do to packets for this address
	Transport string
	Watch     bool // send an answer after each fault that was played
}

// answer is one line of the socket's.
type answer struct {
	Error  string
	To     netip.AddrPort // where the packets go
	Effect *Effect        // nil: none
}

// control answers on the socket of a served folder.
type control struct {
	world *World
	dir   string
	wg    sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when a fault was played
}

// Control lets other processes of this user change the fault and dial over the
// path, by a socket in a folder that WriteClientFiles wrote, until ctx ends.
func (w *World) Control(ctx context.Context, dir string) (wait func(), err error) {
	// It is made in a folder that is closed to others: a socket's mode cannot
	// be set before it listens. In dir itself, as the world's own folder may be on
	// another file system, where /tmp is one; with short names, as a socket's path has 107 bytes.
	closed, err := os.MkdirTemp(dir, "s")
	if err != nil {
		return nil, fmt.Errorf("making the control socket: %w", err)
	}
	defer os.RemoveAll(closed)
	made := filepath.Join(closed, "s")
	l, err := new(net.ListenConfig).Listen(ctx, "unix", made)
	if err != nil {
		return nil, fmt.Errorf("making the control socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	path := filepath.Join(dir, controlName)
	if err := errors.Join(os.Chmod(made, 0o600), os.Rename(made, path)); err != nil {
		return nil, errors.Join(fmt.Errorf("making the control socket: %w", err), l.Close())
	}
	c := &control{world: w, dir: dir, changed: make(chan struct{})}
	c.wg.Go(func() {
		<-ctx.Done()
		_ = errors.Join(l.Close(), os.Remove(path)) // the process ends: nobody to tell
	})
	c.wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.wg.Go(func() { c.answer(ctx, conn) })
		}
	})
	return c.wg.Wait, nil
}

// answer serves one connection.
func (c *control) answer(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	_ = conn.SetReadDeadline(time.Now().Add(patience)) // on a socket that is open it cannot fail
	var q request
	if json.NewDecoder(conn).Decode(&q) != nil {
		return
	}
	out := json.NewEncoder(conn)
	switch {
	case q.Watch:
		c.watch(ctx, out)
	case q.Play != nil:
		_ = out.Encode(c.play(*q.Play)) // whoever asked is gone: nobody to tell, as below
	default:
		to, rule := c.world.path.find(q.Transport, q.To)
		a := answer{To: to}
		if rule != nil {
			a.Effect = &rule.Effect
		}
		_ = out.Encode(a)
	}
}

// play changes the fault and the served files, and tells those who watch.
func (c *control) play(code diagnose.Code) answer {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.world.Play(code)
	if err == nil {
		_, err = c.world.WriteClientFiles(c.dir)
	}
	if err != nil {
		return answer{Error: err.Error()}
	}
	close(c.changed)
	c.changed = make(chan struct{})
	return answer{}
}

func (c *control) watch(ctx context.Context, out *json.Encoder) {
	for {
		c.mu.Lock()
		changed := c.changed
		c.mu.Unlock()
		if out.Encode(answer{}) != nil {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}
