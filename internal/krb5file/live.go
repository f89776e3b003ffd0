package krb5file

import (
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf/reader"
	"github.com/kerbagent/kerbagent/probe"
)

// Beside sets what a login saw beside what each library would do.
func (t *Trace) Beside(res probe.Result) {
	t.Live = &res
	hops := res.Facts.List(probe.FactHops)
	service := "" // the realm that gave the ticket for the database
	if len(hops) > 0 && res.Facts[probe.FactTicketType] != "" {
		service = hops[len(hops)-1]
	}
	saw := map[string]string{
		"KDCs of " + t.Realm:          res.Facts[probe.FactKDC],
		"realm of the database":       service,
		"hops":                        strings.Join(hops, " → "),
		"service":                     res.Facts[probe.FactSPN],
		"types of the service ticket": etypeOf(res.Facts[probe.FactTicketType]),
	}
	for i, r := range t.Readers {
		t.Readers[i].Steps = slices.Clone(r.Steps)
		for j := range r.Steps {
			t.Readers[i].Steps[j].Saw = saw[r.Steps[j].What]
		}
	}
}

func etypeOf(number string) string {
	id, err := strconv.ParseInt(number, 10, 32)
	if err != nil {
		return ""
	}
	if name := reader.ETypeName(int32(id)); name != "" {
		return name
	}
	return number
}
