package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// Progress is one line on a terminal that says how far a run is: how many
// probes have ended, for how long, and what is being waited for. It draws five
// times a second, so a run that ends sooner shows nothing, and erases itself
// at the end. It is for terminals only. Its methods may be called from several
// goroutines.
type Progress struct {
	w       io.Writer
	width   int
	hide    bool
	started time.Time
	stop    chan struct{}
	stopped sync.WaitGroup

	mu      sync.Mutex
	total   int
	ended   int
	waiting []probe.ID // the probes under way, in the order of their start
	drawn   bool
}

// progressBeat is fast enough to look alive and slow enough to read.
const progressBeat = 200 * time.Millisecond

// NewProgress begins to draw on w, a terminal of width columns. total is how
// many probes are planned; it grows where more are started.
func NewProgress(w io.Writer, width, total int, hideUsers bool) *Progress {
	p := &Progress{w: w, width: width, total: total, hide: hideUsers, started: time.Now(), stop: make(chan struct{})}
	p.stopped.Go(func() {
		beat := time.NewTicker(progressBeat)
		defer beat.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-beat.C:
				p.draw()
			}
		}
	})
	return p
}

// Started reports that a probe runs now.
func (p *Progress) Started(id probe.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = append(p.waiting, id)
	p.total = max(p.total, p.ended+len(p.waiting))
}

// Finished reports that it has ended.
func (p *Progress) Finished(id probe.ID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, w := range p.waiting {
		if w == id {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			p.ended++
			return
		}
	}
}

// Close stops drawing and erases the line. It is called once.
func (p *Progress) Close() {
	close(p.stop)
	p.stopped.Wait()
	if p.drawn {
		io.WriteString(p.w, "\r\x1b[K") // a terminal that is gone needs no erasing
	}
}

func (p *Progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drawn = true
	io.WriteString(p.w, "\r\x1b[K"+p.text())
}

// text is never as wide as the terminal: a line that wraps cannot be erased.
func (p *Progress) text() string {
	s := fmt.Sprintf("%d of %d probes, %.1f s", p.ended, p.total, time.Since(p.started).Seconds())
	if len(p.waiting) > 0 {
		id := p.waiting[0]
		what := id.String()
		if p.hide && id.Kind == probe.Login {
			what = string(probe.Login)
		}
		s += ", waiting for " + what
		if more := len(p.waiting) - 1; more > 0 {
			s += fmt.Sprintf(" and %d more", more)
		}
	}
	r := []rune(Terminal(s))
	if most := max(p.width-1, 0); len(r) > most {
		r = r[:most]
	}
	return strings.TrimRight(string(r), " ")
}
