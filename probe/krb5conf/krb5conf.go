// Package krb5conf judges the krb5.conf of this host: whether the libraries
// that read it take it, what is wrong with it, and whether it still is what
// kerbagent would write. It reads files and asks no server.
//
// It imports the vocabulary in probe and krb5/conf, and nothing else of
// kerbagent.
package krb5conf

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/probe"
)

// The stages of the probe.
const (
	StageRead = "read" // the file and all that it includes
	StageLint = "lint"
)

// Words for issues that krb5/conf does not make.
const (
	IssueRealmCase = "krb5conf-realm-case" // there it is realm-case, which is a finding about a KDC's answer as well
	IssueTicket    = "ticket-expiring"     // on every ticket: how soon is too soon, a reader decides
)

// Probe is one look at the file. Its own result is of the file as a whole;
// each issue is a result apart, given to OnIssue.
type Probe struct {
	Path    string      // the file that programs read
	Roots   []string    // what is read in its place, where KRB5_CONFIG is a list; nil for Path
	Source  conf.Source // nil for the disk
	Site    conf.Site   // what the logins need; the zero value where nothing is known
	Want    string      // what kerbagent would generate; empty where it does not keep the file
	Style   conf.Style  // with Want
	Snippet string      // with conf.Snippet: the file that is kerbagent's
	Orders  bool        // kerbagent keeps the KDCs in the order of their health
	// World gives the environment in which programs log in, and the ticket of
	// its credential cache; nil for neither. It is asked at every run.
	World func(*conf.Set) (conf.Env, *Ticket)
	// OnIssue takes the result of each issue.
	OnIssue func(probe.Result)
	Now     func() time.Time
}

// Ticket is what a credential cache holds for its user.
type Ticket struct {
	Cache     string // where it is
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
	var issues []conf.Issue
	var ticket *Ticket
	_ = rec.Stage(StageLint, func() error {
		in := conf.LintInput{Set: set, Path: p.Path, Site: p.Site, Want: p.Want, Style: p.Style, Snippet: p.Snippet, Orders: p.Orders}
		if p.World != nil {
			in.Env, ticket = p.World(set)
		}
		issues = conf.Lint(in)
		return nil
	})
	var worst *conf.Issue
	seen := map[probe.ID]int{}
	for i, issue := range issues {
		res := p.issue(issue)
		seen[res.ID]++
		if n := seen[res.ID]; n > 1 { // two libraries may trip over one line
			res.ID.Variant += fmt.Sprintf("#%d", n)
		}
		p.give(res)
		if issue.Severity != conf.SeverityInfo && worst == nil {
			worst = &issues[i]
		}
	}
	if ticket != nil {
		p.give(p.ticket(*ticket))
	}
	if worst != nil {
		return rec.Fail(probe.Reason(word(*worst)), errors.New(worst.Cause))
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

func word(i conf.Issue) string {
	if i.Code == conf.CodeRealmCase {
		return IssueRealmCase
	}
	return i.Code
}

// issue makes a result of an issue.
func (p Probe) issue(i conf.Issue) probe.Result {
	id := p.ID()
	id.Variant = word(i)
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
		probe.FactIssue: word(i), probe.FactSeverity: string(i.Severity), probe.FactPlace: place, probe.FactLine: i.Excerpt,
		probe.FactReaders: strings.Join(readers, " "), probe.FactCause: i.Cause, probe.FactFix: i.Remedy, probe.FactRealm: p.Site.Default(),
	})
	if i.Severity == conf.SeverityInfo {
		return rec.OK()
	}
	return rec.Fail(probe.Reason(word(i)), errors.New(i.Cause))
}

// ticket says what the environment's cache holds.
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
