// Package recorder is the flight recorder: the last failures, on disk across
// restarts, bounded in number and bytes. A record is what the report says of a
// result, and so holds no secret, key or ticket.
//
// It reads results and decides nothing about them; it imports neither
// configuration nor a protocol, and does not log.
package recorder

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/probe"
)

// Bounds of a recorder.
const (
	maxRecords = 200
	maxLive    = 768 << 10 // of all records; what is left up to maxFile takes the lines that only count
	maxResult  = 32 << 10  // of one result: a hostile peer must not push all others out
	maxRows    = 1 << 15   // of failures that go on, whether or not they have a record

	// Of one kind of probe so many failures a minute get a record: what flaps,
	// or a site that is gone, must neither wear out the disk nor push out all
	// that came before it.
	maxAMinute = 30

	// A failure that goes on is counted on disk at 2, 4, 8 and so on, and so often.
	countEvery = time.Minute
)

// Record is one failure, or several alike in a row.
type Record struct {
	At       time.Time       `json:"at"`
	Last     time.Time       `json:"last"`               // the latest in the row
	Count    int             `json:"count"`              // how many in the row, from 1
	LastGood time.Time       `json:"last_good,omitzero"` // the probe's last success before; zero: unknown
	Changed  []string        `json:"changed,omitempty"`  // what is another since the last success, in words
	Findings []string        `json:"findings"`           // codes that accounted for it
	Result   json.RawMessage `json:"result"`             // the first of the row, in the shape of the report's results[]
}

// Options of Open.
type Options struct {
	// HideUsers replaces user names. Records that were written with names are
	// left out then, and go from the disk with the next failure.
	HideUsers bool
	Users     []string         // the users to hide, as in report.Input
	Now       func() time.Time // nil: time.Now
}

// Recorder keeps failures. Several goroutines may use it, and one process.
type Recorder struct {
	o Options

	mu      sync.Mutex
	entries []*entry // the records, in the order of their latest failure
	rows    map[string]*row
	good    map[string]time.Time // last success of each probe, by its ID
	changed map[string][]string  // what is another since then
	minutes map[probe.Kind]*minute
	missed  int
	file    file
}

// entry is a record with what only the recorder needs.
type entry struct {
	Record
	number uint64 // the number of the record in the file's lines
	id     string // the probe's ID; empty where it was hidden
	reason string
	hidden bool // user names in it are replaced
	ended  bool // the probe has succeeded since, or fails otherwise
	saved  time.Time
}

// row is a probe that fails, by its ID, and why.
type row struct {
	reason string
	entry  *entry // nil where it has no record: there were too many
}

// minute counts the new records of one kind.
type minute struct {
	since time.Time
	n     int
}

// Open reads what was recorded in the state directory dir before. It writes
// nothing. Beside an error there is a Recorder too, which begins empty: it
// works in memory, and on disk as soon as it can.
func Open(dir string, o Options) (*Recorder, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Recorder{o: o, rows: map[string]*row{}, good: map[string]time.Time{},
		changed: map[string][]string{}, minutes: map[probe.Kind]*minute{}, file: file{path: filepath.Join(dir, FileName)}}
	entries, err := r.file.read()
	for _, e := range entries {
		if o.HideUsers && !e.hidden {
			r.file.stale = true
			continue
		}
		r.entries = append(r.entries, e)
		if !e.ended && e.id != "" {
			r.rows[e.id] = &row{e.reason, e}
			r.good[e.id] = e.LastGood
		}
	}
	r.bound()
	return r, err
}

// Add takes the result of one run, with the codes of the findings that account
// for it. A failure is recorded; the same one again, with the same reason, is
// counted; a success ends the row; what was skipped says nothing. An error is
// of the disk, be it that an earlier record is not there yet: it is in memory
// all the same, and is written later.
func (r *Recorder) Add(res probe.Result, codes []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, now := res.ID.String(), r.o.Now()
	known := r.rows[id]
	switch {
	case res.Outcome == probe.Skipped:
		return r.file.retry(r.entries, now)
	case res.Outcome == probe.OK:
		delete(r.rows, id)
		delete(r.changed, id)
		if len(r.good) >= maxRows {
			clear(r.good)
		}
		r.good[id] = now
		return r.end(known, now)
	case known != nil && known.reason == string(res.Reason):
		return r.again(known.entry, codes, now)
	}
	if known != nil && known.entry != nil {
		known.entry.ended = true // a later record of the same probe says so on disk
	}
	if len(r.rows) >= maxRows {
		clear(r.rows)
	}
	fails := &row{reason: string(res.Reason)}
	r.rows[id] = fails
	if !r.mayRecord(res.ID.Kind, now) {
		r.missed++
		return r.file.retry(r.entries, now)
	}
	result, err := r.encode(res)
	if err != nil {
		return err
	}
	fails.entry = &entry{
		Record: Record{At: now, Last: now, Count: 1, LastGood: r.good[id], Changed: r.changed[id], Findings: slices.Clone(codes), Result: result},
		id:     id, reason: fails.reason, hidden: r.o.HideUsers,
	}
	r.entries = append(r.entries, fails.entry)
	r.bound()
	return r.save(fails.entry, true, now)
}

// Before takes note of a probe's last success, and of what is another since then,
// before its failure is added.
func (r *Recorder) Before(probed probe.ID, good time.Time, changed []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if id := probed.String(); r.rows[id] == nil { // else it fails already
		if len(r.changed) >= maxRows {
			clear(r.changed)
		}
		r.good[id], r.changed[id] = good, changed
	}
}

// SetUsers sets whom to hide from now on. What was recorded before keeps the
// numbers that users had then.
func (r *Recorder) SetUsers(users []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.o.Users = users
}

// Records returns the records, the one with the latest failure first.
func (r *Recorder) Records() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]Record, 0, len(r.entries))
	for _, e := range slices.Backward(r.entries) {
		rec := e.Record
		rec.Findings = append([]string{}, rec.Findings...)
		out = append(out, rec)
	}
	return out
}

// Missed is how many failures since Open have no record, because there were
// more than 30 new ones of their kind in a minute.
func (r *Recorder) Missed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.missed
}

func (r *Recorder) end(fails *row, now time.Time) error {
	if fails == nil || fails.entry == nil {
		return r.file.retry(r.entries, now)
	}
	fails.entry.ended = true
	return r.save(fails.entry, false, now)
}

func (r *Recorder) again(e *entry, codes []string, now time.Time) error {
	if e == nil {
		return r.file.retry(r.entries, now)
	}
	e.Count++
	e.Last = now
	if len(codes) > 0 {
		e.Findings = slices.Clone(codes)
	}
	at := slices.Index(r.entries, e)
	r.entries = append(slices.Delete(r.entries, at, at+1), e)
	if since := now.Sub(e.saved); e.Count&(e.Count-1) != 0 && since >= 0 && since < countEvery {
		return r.file.retry(r.entries, now)
	}
	return r.save(e, false, now)
}

// mayRecord counts a new record of a kind.
func (r *Recorder) mayRecord(kind probe.Kind, now time.Time) bool {
	m := r.minutes[kind]
	if m == nil || now.Sub(m.since) >= time.Minute || now.Before(m.since) {
		m = &minute{since: now}
		r.minutes[kind] = m
	}
	m.n++
	return m.n <= maxAMinute
}

// encode returns the result as the report has it. One that is too large loses
// what peers filled it with.
func (r *Recorder) encode(res probe.Result) (json.RawMessage, error) {
	b, err := report.Result(res, r.o.HideUsers, r.o.Users)
	if err != nil || len(b) <= maxResult {
		return b, err
	}
	res.Facts = nil
	res.Stages = nil
	if b, err = report.Result(res, r.o.HideUsers, r.o.Users); err == nil && len(b) > maxResult {
		return nil, fmt.Errorf("recording a failure: the result is too large (%d bytes)", len(b))
	}
	return b, err
}

// bound drops the records with the oldest last failure until all fit.
func (r *Recorder) bound() {
	live := 0
	for _, e := range r.entries {
		live += lineSize(e)
	}
	for len(r.entries) > maxRecords || live > maxLive {
		e := r.entries[0]
		live -= lineSize(e)
		if fails := r.rows[e.id]; fails != nil && fails.entry == e {
			fails.entry = nil
		}
		r.entries = r.entries[1:]
	}
}

// save writes a record, or only what changes in it.
func (r *Recorder) save(e *entry, whole bool, now time.Time) error {
	e.saved = now
	return r.file.save(e, whole, r.entries, now)
}
