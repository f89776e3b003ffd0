package audit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// errAbsent is why nothing is known of an application.
var errAbsent = errors.New("it is not running")

// Results returns what an audit saw in the vocabulary of probes: one result
// for each application, and one for each of its issues, whose Variant begins
// with the issue's code. An application that does not run is skipped.
func Results(r Report, now func() time.Time) []probe.Result {
	var out []probe.Result
	taken := map[string]int{}
	for _, a := range r.Applications {
		target := printable(a.Name)
		if taken[target]++; taken[target] > 1 {
			target = fmt.Sprintf("%s-%d", target, taken[target])
		}
		out = append(out, a.results(probe.ID{Kind: probe.Application, Target: target}, now)...)
	}
	for _, name := range r.Absent {
		rec := probe.Begin(probe.ID{Kind: probe.Application, Target: printable(name)}, now)
		rec.Fact(probe.FactApplication, printable(name))
		out = append(out, rec.Skip(probe.ReasonNotAsked, errAbsent))
	}
	return out
}

// printable makes a target of a name: a program chooses its own name freely.
func printable(name string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '/' {
			return '_'
		}
		return c
	}, name)
}

func (a Application) results(id probe.ID, now func() time.Time) []probe.Result {
	whole := probe.Begin(id, now)
	whole.Facts(a.facts())
	if end, err := time.Parse(time.RFC3339, a.Facts.CacheEnds); err == nil && !a.Facts.Refills {
		whole.Sample(probe.SampleTicketEnd, float64(end.Unix()))
	}
	var out []probe.Result
	var worst *Issue
	seen := map[string]int{}
	for i, issue := range a.Issues {
		one := id
		one.Variant = issue.Code
		if seen[issue.Code]++; seen[issue.Code] > 1 {
			one.Variant += fmt.Sprintf("#%d", seen[issue.Code])
		}
		rec := probe.Begin(one, now)
		rec.Facts(probe.Facts{probe.FactApplication: printable(a.Name), probe.FactIssue: issue.Code, probe.FactSeverity: string(issue.Severity),
			probe.FactPlace: issue.Place,
			probe.FactCause: issue.Cause, probe.FactFix: issue.Fix,
			probe.FactDatabase: a.Database, probe.FactUser: a.Facts.CacheUser, probe.FactUID: a.Facts.UID})
		if issue.Severity == Info {
			out = append(out, rec.OK())
			continue
		}
		out = append(out, rec.Fail(probe.Reason(issue.Code), errors.New(issue.Cause)))
		if worst == nil || issue.Severity == Error && worst.Severity != Error {
			worst = &a.Issues[i]
		}
	}
	if worst != nil {
		return append([]probe.Result{whole.Fail(probe.Reason(worst.Code), errors.New(worst.Cause))}, out...)
	}
	return append([]probe.Result{whole.OK()}, out...)
}

func (a Application) facts() probe.Facts {
	f := probe.Facts{}
	for k, v := range map[probe.Fact]string{
		probe.FactApplication: printable(a.Name), probe.FactPIDs: strings.Trim(fmt.Sprint(a.PIDs),
			"[]"), probe.FactUID: a.Facts.UID, probe.FactReader: a.Facts.Reader,
		probe.FactClient: a.Facts.Client, probe.FactKrb5Conf: a.Facts.Krb5Conf, probe.FactRealm: a.Facts.Realm, probe.FactCache: a.Facts.Cache,
		probe.FactUser: a.Facts.CacheUser, probe.FactKeytab: a.Facts.Keytab, probe.FactRenewTill: a.Facts.RenewUntil,
		probe.FactNamespaces: a.Facts.Apart, probe.FactDatabase: a.Database, probe.FactUnread: strings.Join(a.Unread, "; "),
	} {
		if v != "" {
			f[k] = v
		}
	}
	return f
}
