// Package krb5conf judges the krb5.conf of this host: whether the libraries
// that read it take it, what is wrong with it, and whether it still is what
// kerbagent would write. It reads files and asks no server.
//
// It imports the vocabulary in probe and krb5/conf, and nothing else of
// kerbagent: what judges the file is handed in (Probe.Judge).
package krb5conf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
)

// The stages of the probe.
const (
	StageRead = "read" // the file and all that it includes
	StageLint = "lint"
)

// IssueTicket is the word for a ticket in the credential cache. Every ticket is
// reported: how soon is too soon, the diagnosis decides.
const IssueTicket = "ticket-expiring"

// Severity of an issue, in the words of a finding.
type Severity string

// The severities.
const (
	SeverityError   Severity = "error"   // MIT's library, or a configured login, is broken by it
	SeverityWarning Severity = "warning" // it will or does hurt; or some library is broken by it
	SeverityInfo    Severity = "info"
)

// Issue is one thing that is wrong with a file.
type Issue struct {
	Code     string
	Severity Severity
	Readers  []reader.Reader // the libraries that it concerns; nil for all
	At       conf.Pos        // zero where it is about what is not there
	Also     []conf.Pos      // further places
	Excerpt  string          // the line, made printable
	Cause    string          // what is wrong, and what comes of it
	Remedy   string          // what to write or do
}

// Probe is one look at the file. Its own result is of the file as a whole;
// each issue is a result apart, given to OnIssue.
type Probe struct {
	Path   string      // the file that programs read
	Roots  []string    // the files that are read in place of Path, where KRB5_CONFIG is a list; nil for Path
	Source conf.Source // nil for the disk
	Realm  string      // the default realm that the logins need; empty where nothing is known
	// Judge returns what is wrong with the files, the worst first, and the ticket
	// of the credential cache in which programs log in; nil for none.
	Judge func(*conf.Set) ([]Issue, *Ticket)
	// OnIssue takes the result of each issue.
	OnIssue func(probe.Result)
	Now     func() time.Time
}

// Ticket is what a credential cache holds for its user.
type Ticket struct {
	Cache     string // the name of the credential cache
	User      string // user@REALM
	End       time.Time
	RenewTill time.Time // zero where it cannot be renewed
}

// ID names the file.
func (p Probe) ID() probe.ID { return probe.ID{Kind: probe.Krb5Conf, Target: p.Path} }

// Run reads and judges the file once. It fails where an issue does, with the
// reason of the worst.
func (p Probe) Run(context.Context) probe.Result {
	rec := probe.Begin(p.ID(), p.Now)
	var set *conf.Set
	_ = rec.Stage(StageRead, func() error {
		set = conf.Load(p.source(), p.roots()...)
		return nil // what is wrong with a file is an issue
	})
	var issues []Issue
	var ticket *Ticket
	_ = rec.Stage(StageLint, func() error {
		issues, ticket = p.Judge(set)
		return nil
	})
	var worst *Issue
	seen := map[probe.ID]int{}
	for i, issue := range issues {
		res := p.issue(issue)
		seen[res.ID]++
		if n := seen[res.ID]; n > 1 { // two libraries may trip over one line
			res.ID.Variant += fmt.Sprintf("#%d", n)
		}
		p.give(res)
		if issue.Severity != SeverityInfo && worst == nil {
			worst = &issues[i]
		}
	}
	if ticket != nil {
		p.give(p.ticket(*ticket))
	}
	if worst != nil {
		return rec.Fail(probe.Reason(worst.Code), errors.New(worst.Cause))
	}
	return rec.OK()
}

func (p Probe) source() conf.Source {
	if p.Source != nil {
		return p.Source
	}
	return conf.Disk{}
}

func (p Probe) roots() []string {
	if p.Roots != nil {
		return p.Roots
	}
	return []string{p.Path}
}

func (p Probe) give(r probe.Result) {
	if p.OnIssue != nil {
		p.OnIssue(r)
	}
}

// issue makes a result of an issue.
func (p Probe) issue(i Issue) probe.Result {
	id := p.ID()
	id.Variant = i.Code
	if i.At.Line > 0 {
		id.Variant += fmt.Sprintf(":%d", i.At.Line)
	}
	rec := probe.Begin(id, p.Now)
	place := i.At.String()
	if i.At.IsZero() {
		place = p.Path
	}
	var readers []string
	for _, r := range i.Readers {
		readers = append(readers, string(r))
	}
	rec.Facts(probe.Facts{
		probe.FactIssue: i.Code, probe.FactSeverity: string(i.Severity), probe.FactPlace: place, probe.FactLine: i.Excerpt,
		probe.FactReaders: strings.Join(readers, " "), probe.FactCause: i.Cause, probe.FactFix: i.Remedy, probe.FactRealm: p.Realm,
	})
	if i.Severity == SeverityInfo {
		return rec.OK()
	}
	return rec.Fail(probe.Reason(i.Code), errors.New(i.Cause))
}

// ticket reports what the environment's cache holds.
func (p Probe) ticket(t Ticket) probe.Result {
	id := p.ID()
	id.Variant = IssueTicket
	rec := probe.Begin(id, p.Now)
	rec.Facts(probe.Facts{probe.FactIssue: IssueTicket, probe.FactUser: t.User, probe.FactPlace: t.Cache})
	rec.Sample(probe.SampleTicketEnd, float64(t.End.Unix()))
	if !t.RenewTill.IsZero() {
		rec.Fact(probe.FactRenewTill, t.RenewTill.UTC().Format(time.RFC3339))
	}
	return rec.OK()
}
