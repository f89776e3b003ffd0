package lint

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// lifetimes reports lifetimes that MIT cannot read: every request for a first
// ticket fails then, before it is sent.
func lifetimes(l *linter) {
	for _, name := range []string{"ticket_lifetime", "renew_lifetime"} {
		s := l.mit().Profile.Text("libdefaults", name)
		if l.mit().Err != nil || s.From.IsZero() || isLifetime(s.Value) {
			continue
		}
		l.add(krb5conf.Issue{Code: CodeUnparsable, Severity: krb5conf.SeverityError, Readers: []reader.Reader{reader.MIT}, At: s.From,
			Cause: fmt.Sprintf("MIT cannot read %q as a time, so no ticket can be requested: kinit ends with "+
				"\"Invalid format of Kerberos lifetime or clock skew string\".", s.Value),
			Remedy: "Write " + name + " as a number with its unit directly behind it, for example 24h or 7d"})
	}
}

// isLifetime reports whether libkrb5 reads a text as a length of time: units from
// d to s, each directly behind its number and in that order (1d 2h), seconds
// without a unit, D-H:M:S, H:M:S or H:M, within 31 bits. It stops reading at the first
// sign that has no meaning here, so that 24hours is 24h. (krb5_string_to_deltat of
// MIT 1.20; kinit was asked of some 140 drawn texts, TestLifetimesAgainstMIT.)
func isLifetime(text string) bool {
	text = strings.Trim(text, " \t")
	if i := strings.IndexFunc(text, func(r rune) bool { return !strings.ContainsRune("0123456789dhms:- \t", r) }); i >= 0 {
		text = text[:i]
	}
	const units = `^(?:(-?\d+)d)?(?:\s*(-?\d+)h)?(?:\s*(-?\d+)m)?(?:\s*(-?\d+)s)?\s*$`
	// What follows a dash or a colon has two digits at most (MIT krb5, lib/krb5/krb/deltat.y).
	const clock = `^(?:(-?\d+)-(\d{1,2}):(\d{1,2}):(\d{1,2})|(-?\d+)(?::(\d{1,2})(?::(\d{1,2}))?)?)$`
	if m := regexp.MustCompile(units).FindStringSubmatch(text); m != nil && strings.ContainsAny(text, "dhms") {
		return fits(m[1:], []float64{86400, 3600, 60, 1})
	}
	m := regexp.MustCompile(clock).FindStringSubmatch(text)
	switch {
	case m == nil:
		return false
	case m[1] != "":
		return fits(m[1:5], []float64{86400, 3600, 60, 1})
	case m[6] == "":
		return fits(m[5:6], []float64{1})
	}
	return fits(m[5:], []float64{3600, 60, 1})
}

// fits reports whether a time has room in libkrb5's 32 bits.
func fits(numbers []string, seconds []float64) bool {
	sum := 0.0
	for i, n := range numbers {
		if n == "" {
			continue
		}
		v, err := strconv.ParseFloat(n, 64)
		if err != nil || math.Abs(v) > math.MaxInt32 {
			return false
		}
		sum += v * seconds[i]
	}
	return math.Abs(sum) <= math.MaxInt32
}
