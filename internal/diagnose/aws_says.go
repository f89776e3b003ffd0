package diagnose

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// mostAWSSays is how many sentences of AWS's view a cause gets at most.
const mostAWSSays = 3

// awsSays returns what AWS reports of the place that a finding is about, to be put
// behind its cause. The cause is what packets showed, and stays; empty: AWS was not
// asked, or knows nothing of the place.
func (v *view) awsSays(f *found) string {
	if len(v.aws) == 0 || f.rule.Remark {
		return ""
	}
	var said []string
	say := func(text string) {
		if text != "" && !slices.Contains(said, text) && len(said) < mostAWSSays {
			said = append(said, text)
		}
	}
	var read *probe.Result
	for _, r := range f.results {
		if r.Outcome != probe.Failed {
			continue
		}
		for _, a := range v.aws {
			switch {
			case atDatabase(r) && a.Facts[probe.FactDatabase] == r.Facts[probe.FactDatabase]:
				say(v.awsOfDatabase(f.rule.Code, r, a))
			case onPath(r) && ofRealm(r) && a.Facts[probe.FactRealm] == r.Facts[probe.FactRealm] && a.Facts[probe.FactDirectory] != "":
				say(awsOfDirectory(r, a))
			default:
				continue
			}
			read = a
		}
	}
	if len(said) == 0 {
		return ""
	}
	return fmt.Sprintf(" AWS's own view, read %s ago: %s.", v.age(read), strings.Join(said, "; "))
}

// atDatabase reports whether a result failed at its database.
func atDatabase(r *probe.Result) bool {
	return r.ID.Kind == probe.Database || r.ID.Kind == probe.Login && r.Facts[probe.FactFailedAt] == probe.AtDatabase
}

// ofRealm reports whether a result is of one of a realm's own servers.
func ofRealm(r *probe.Result) bool {
	return r.ID.Kind == probe.KDC || r.ID.Kind == probe.Kpasswd || r.ID.Kind == probe.DNS && r.Facts[probe.FactRole] == probe.RoleRealm
}

// awsOfDatabase returns what one thing that AWS reports means for a trouble at a
// database, or "".
func (v *view) awsOfDatabase(code Code, r, a *probe.Result) string {
	switch instance := r.Facts[probe.FactInstance]; a.ID.Variant {
	case probe.AWSInstance:
		switch {
		case instance != "" && instance != a.Facts[probe.FactInstance]:
		case slices.Contains([]Code{"db-plugin-missing", codeReader}, code):
			return aboutReboot(a, instance != "")
		case instance != "" || a.Facts[probe.FactState] != "available":
			return "the instance " + a.Facts[probe.FactInstance] + " is " + a.Facts[probe.FactState]
		}
	case probe.AWSCluster:
		switch state := a.Facts[probe.FactMembership]; {
		case onPath(r):
			return "the cluster " + a.Facts[probe.FactCluster] + " is " + a.Facts[probe.FactState]
		case state == "":
			return "the cluster " + a.Facts[probe.FactCluster] + " is joined to no directory"
		default:
			return "the membership of the cluster " + a.Facts[probe.FactCluster] + " in " + a.Facts[probe.FactDirectory] + " is " + state
		}
	case probe.AWSWay:
		if onPath(r) {
			return wayText(a)
		}
	}
	return ""
}

// aboutReboot says what an instance's times tell of a plugin that it has not loaded:
// one that was there before the join loads it when it restarts. named: the finding is
// about this instance; of others only those that lack a restart are worth a word.
func aboutReboot(a *probe.Result, named bool) string {
	at := func(f probe.Fact) time.Time {
		t, _ := time.Parse(time.RFC3339, a.Facts[f]) // zero where AWS says nothing
		return t
	}
	created, restarted, join := at(probe.FactCreated), at(probe.FactRestarted), at(probe.FactJoinedAt)
	name, events := "the instance "+a.Facts[probe.FactInstance], a.Facts[probe.FactEvents]
	switch {
	case created.IsZero() || events == "":
		return ""
	case join.IsZero() && restarted.IsZero():
		return fmt.Sprintf("%s was made %s, and its events of the last %s tell of no restart; if the cluster joined the directory "+
			"after that, a reboot loads the plugin", name, clock(created), events)
	case join.IsZero():
		return fmt.Sprintf("%s was made %s and restarted last %s; if the cluster joined the directory after that, a reboot loads the plugin",
			name, clock(created), clock(restarted))
	case created.Before(join) && restarted.Before(join):
		return fmt.Sprintf("%s was made %s, before the cluster joined the directory (%s), and was not restarted since, as its events say",
			name, clock(created), clock(join))
	case !named:
		return ""
	case created.Before(join):
		return fmt.Sprintf("%s was restarted %s, after the cluster joined the directory (%s), so a missing reboot does not explain it",
			name, clock(restarted), clock(join))
	}
	return fmt.Sprintf("%s was made %s, after the cluster joined the directory (%s), so a missing reboot does not explain it",
		name, clock(created), clock(join))
}

func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// awsOfDirectory returns what one thing that AWS reports means for a server of a realm
// that does not answer, or "".
func awsOfDirectory(r, a *probe.Result) string {
	switch a.ID.Variant {
	case probe.AWSDirectory:
		text := "the directory " + a.ID.Target + " is " + a.Facts[probe.FactState]
		for c := range strings.SplitSeq(a.Facts[probe.FactControllers], ", ") {
			if address, state, _ := strings.Cut(c, " "); address == r.ID.Address.Addr().Unmap().String() {
				text += ", its domain controller " + address + " is " + state
			}
		}
		return text
	case probe.AWSWay:
		return wayText(a)
	}
	return ""
}

// wayText says whether security groups admit this host.
func wayText(a *probe.Result) string {
	switch a.Facts[probe.FactState] {
	case probe.WayRefused:
		return fmt.Sprintf("no rule of %s admits %s to %s", a.Facts[probe.FactGroups], a.Facts[probe.FactFrom], a.Facts[probe.FactLacks])
	case probe.WayAdmitted:
		return fmt.Sprintf("%s admit this host's address %s", a.Facts[probe.FactGroups], a.Facts[probe.FactFrom])
	}
	return "whether security groups admit this host cannot be told: " + a.Facts[probe.FactStateWhy]
}
