package daemon

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
)

// Manager is who started the daemon, and wants to hear how it does. The zero
// Manager is nobody.
type Manager struct {
	Notify   func(state string) // sd_notify(3)
	Watchdog time.Duration      // how often it wants to hear that the daemon lives; 0: never
}

// Systemd is the service manager, where this process is its service.
func Systemd() Manager {
	every, err := systemd.SdWatchdogEnabled(false)
	if err != nil { // not for this process
		every = 0
	}
	return Manager{Notify: func(state string) {
		// Where it cannot be told, it will say so itself, by a timeout.
		_, _ = systemd.SdNotify(false, state)
	}, Watchdog: every}
}

// status is what the service manager was told.
type status struct {
	manager Manager
	log     *slog.Logger

	mu        sync.Mutex
	announced bool
	headline  string
}

func (s *status) notify(state ...string) {
	if s.manager.Notify != nil {
		s.manager.Notify(strings.Join(state, "\n"))
	}
}

// show shows the verdict in `systemctl status`, and says when the first round is
// over.
func (s *status) show(headline string) {
	first, news := s.take(headline)
	if !news {
		return
	}
	state := []string{"STATUS=" + headline}
	if first {
		state = append(state, systemd.SdNotifyReady)
		s.log.Info("the first round is over", "verdict", headline)
	}
	s.notify(state...)
}

func (s *status) take(headline string) (first, news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first = !s.announced
	news = first || headline != s.headline
	s.announced, s.headline = true, headline
	return first, news
}

// watch tells the watchdog that the daemon lives, as long as its jobs run.
func (d *Daemon) watch(ctx context.Context) {
	if d.o.Manager.Watchdog <= 0 {
		return
	}
	tick := time.NewTicker(d.o.Manager.Watchdog / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := d.Healthy(); err != nil {
			d.o.Log.Error("the watchdog is not fed", "error", err)
			continue
		}
		d.status.notify(systemd.SdNotifyWatchdog)
	}
}
