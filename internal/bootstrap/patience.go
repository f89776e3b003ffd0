package bootstrap

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// patience is one step's: how long it has waited, and how often it has tried.
type patience struct {
	*world
	lock    *lock
	step    string
	told    string // what there was when it was last told
	waiting string
	since   time.Time // of waiting
	trouble time.Time // of the first error of a row; zero: none
	tries   map[string]int
	last    error  // of what was tried last; nil: it was taken
	doing   string // what was told to be done last
}

// found tells what there is, once.
func (p *patience) found(v view) {
	if v.is != p.told {
		p.told = v.is
		p.tell(Event{Step: p.step, Kind: EventFound, Text: v.is})
		for _, n := range v.notes {
			p.tell(Event{Step: p.step, Kind: EventNote, Text: n})
		}
	}
}

func (p *patience) wait(ctx context.Context, w Wait) error {
	p.trouble = time.Time{}
	now := p.Now()
	if w.For != p.waiting {
		// A new stage of the same wait has what the old one left of the budget.
		if p.waiting == "" {
			p.since = now
		}
		p.waiting = w.For
	}
	waited := now.Sub(p.since)
	if waited >= w.Budget {
		return &tiredError{wait: w, after: waited}
	}
	p.tell(Event{Step: p.step, Kind: EventWaiting, Text: w.For, For: waited, Wait: &w})
	return p.Sleep(ctx, w.Every)
}

// do asks for a change, once: the request is written down first, and while AWS
// may still show its effect it is looked for and not sent again.
func (p *patience) do(ctx context.Context, c change) error {
	if c.act == nil {
		return advise(goOn, "what comes before it is done, and it is still not known how to %s", c.what)
	}
	p.waiting = ""
	key := p.step + "/" + c.key
	if c.settle == 0 {
		c.settle = usualSettle
	}
	if sent, ok := p.state.Sent[key]; ok && c.key != "" {
		if left := c.settle - p.Now().Sub(sent); left > 0 {
			p.trouble = time.Time{}
			w := &Wait{For: "AWS to show what it was asked: to " + c.what, Usual: "some seconds", Every: min(settleEvery, left), Budget: c.settle}
			p.tell(Event{Step: p.step, Kind: EventWaiting, Text: w.For, For: p.Now().Sub(sent), Wait: w})
			return p.Sleep(ctx, w.Every)
		}
	}
	if p.lock != nil { // else it is this host that is changed
		if err := p.lock.still(ctx); err != nil {
			return p.excuse(ctx, err)
		}
	}
	if p.doing != c.what {
		p.doing = c.what
		p.tell(Event{Step: p.step, Kind: EventDoing, Text: c.what})
	}
	if p.tries[c.what]++; p.tries[c.what] > mostTries {
		why := "the request was taken each time"
		if p.last != nil {
			why = "the last time: " + awsapi.Text(p.last)
		}
		return advise(cmp.Or(c.next, goOn), "tried %d times to %s, without success (%s)", mostTries, c.what, why)
	}
	if c.key != "" {
		if err := p.state.note(key, p.Now()); err != nil {
			return err
		}
	}
	err := c.act(ctx)
	if p.last = err; err == nil {
		p.trouble = time.Time{}
		return nil
	}
	if refused(err) {
		p.tries[c.what]--
		if clear := p.state.forget(key); clear != nil {
			return errors.Join(err, clear)
		}
	}
	return p.excuse(ctx, err)
}

// excuse waits out an error that passes, and returns any other.
func (p *patience) excuse(ctx context.Context, err error) error {
	var notYet *notYetError
	budget := outageBudget
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &notYet):
		budget = notYet.budget
	case !passes(err):
		return err
	}
	if p.trouble.IsZero() {
		p.trouble = p.Now()
	}
	if p.Now().Sub(p.trouble) >= budget {
		return err
	}
	p.tell(Event{Step: p.step, Kind: EventAgain, Text: awsapi.Text(err)})
	return p.Sleep(ctx, outageEvery)
}
