package diagnose

import (
	"slices"
	"strings"
	"sync"

	"github.com/kerbagent/kerbagent/probe"
)

// Rule is one row of the catalogue: a code, when it is so, what it depends
// on, and what is said of it. Title, Cause and Remedy are templates: a word in
// braces stands for a value of the match, and is shown as <word> where the
// catalogue itself is printed.
type Rule struct {
	Code     Code
	Severity Severity // the worst that it can be
	Title    string
	Means    string // for `kerbagent explain`: what the code says, whatever the case
	Cause    string // may hold what was seen, peers' words among it
	Remedy   string // holds only words of safeWords: from configuration, or syntax-checked

	// DependsOn are the deeper causes. Where findings of these codes account
	// for every result that a match would affect, the match is a consequence
	// and is folded under them.
	DependsOn []Code

	// Single: all places make one finding, which is the same one when they change.
	Single bool

	// Remark: worth saying, and never why a login fails, though it may be said of one that does.
	Remark bool

	match func(*view) []match

	// remedyOf returns the remedy for what a result shows, or "" for Remedy.
	remedyOf func(*probe.Result) string
}

// match is one place where a rule holds.
type match struct {
	affects  []*probe.Result // results that show it
	explains []*probe.Result // further results that it accounts for
	words    words
	evidence map[string]string
	spare    bool     // another way to do the same works: an error is shown as a warning
	says     string   // what a deeper cause says of it in its own cause
	unheard  bool     // a look-up had no answer at all; nobody said that there is no such name
	noTicket bool     // programs fail by it before they turn to the database, though this login did not
	severity Severity // where this match is less than the worst that the code can be
}

// words are the values of a template.
type words map[string]string

// fill puts values into a template; a word without a value stays as <word>.
func fill(template string, w words) string {
	var b strings.Builder
	for {
		open := strings.IndexByte(template, '{')
		if open < 0 {
			break
		}
		end := strings.IndexByte(template[open:], '}')
		if end < 0 {
			break
		}
		name := template[open+1 : open+end]
		b.WriteString(template[:open])
		if v := w[name]; v != "" {
			b.WriteString(v)
		} else {
			b.WriteString("<" + name + ">")
		}
		template = template[open+end+1:]
	}
	b.WriteString(template)
	return b.String()
}

// Catalogue returns every rule, deepest cause first: the order in which
// Explain asks them.
func Catalogue() []Rule { return slices.Clone(rules()) }

// rules makes the catalogue once, since a daemon explains several times a second. Nobody
// changes it.
var rules = sync.OnceValue(func() []Rule {
	return slices.Concat(hostRules(), serverRules(), dnsRules(), kdcRules(), clockRules(), kpasswdRules(),
		databaseRules(), secretRules(), accountRules(), proofRules(), databaseAccountRules(), clusterRules(), serviceRules(), acceptRules(),
		loginRules(),
		fileRules(), krb5confKDCRules(), applicationRules(), awsRules(), lastRules())
})

// Lookup finds a rule by its code.
func Lookup(c Code) (Rule, bool) {
	for _, r := range rules() {
		if r.Code == c {
			return r, true
		}
	}
	return Rule{}, false
}

// Print returns the rule's texts as the catalogue shows them, with <words> in place of values.
func (r Rule) Print() (title, means, cause, remedy string) {
	return fill(r.Title, nil), fill(r.Means, nil), fill(r.Cause, nil), fill(r.Remedy, nil)
}
