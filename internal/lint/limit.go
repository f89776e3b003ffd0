package lint

import (
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// maxPlaces is how many places of one code are shown one by one. The rest are
// counted, and the next few are named.
const maxPlaces = 10

// kept is what is known of the issues of one code and severity.
type kept struct {
	issues []krb5conf.Issue // the first maxPlaces
	more   int
	at     []conf.Pos // of the next ones
	next   krb5conf.Issue
}

type kind struct {
	code     string
	severity krb5conf.Severity
}

// spoken reports whether a line has a warning or an error already: what else
// could be said of it mostly comes of the same.
func (l *linter) spoken(at conf.Pos) bool { return l.said[place{at.File, at.Line}] }

type place struct {
	file string
	line int
}

// keep takes in an issue, or only counts it: a file of 1 MiB can have a hundred
// thousand of one kind.
func (l *linter) keep(i krb5conf.Issue) {
	if i.Severity != krb5conf.SeverityInfo {
		l.said[place{i.At.File, i.At.Line}] = true
	}
	k := l.kept[kind{i.Code, i.Severity}]
	if k == nil {
		k = &kept{}
		l.kept[kind{i.Code, i.Severity}] = k
	}
	switch {
	case len(k.issues) < maxPlaces:
		if i.Excerpt == "" {
			i.Excerpt = l.excerpt(i.At)
		}
		k.issues = append(k.issues, i)
	default:
		if k.more == 0 {
			k.next = i
		}
		if k.more < maxPlaces {
			k.at = append(k.at, i.At)
		}
		k.more++
	}
}

// limited returns the issues, the worst first, with one in the place of those of
// a kind that are too many.
func (l *linter) limited() []krb5conf.Issue {
	var out []krb5conf.Issue
	for _, k := range l.kept {
		out = append(out, k.issues...)
		if k.more == 0 {
			continue
		}
		i := k.next
		i.Also = k.at[1:]
		if i.Excerpt == "" {
			i.Excerpt = l.excerpt(i.At)
		}
		var lines []string
		for _, at := range k.at {
			if at.Line > 0 {
				lines = append(lines, fmt.Sprint(at.Line))
			}
		}
		where := ""
		if lines != nil {
			where = ", on lines " + strings.Join(lines, ", ")
			if k.more > len(k.at) {
				where += " …"
			}
		}
		i.Cause = fmt.Sprintf("%d more of this kind%s. The next one: %s", k.more, where, i.Cause)
		out = append(out, i)
	}
	sortIssues(out)
	return out
}
