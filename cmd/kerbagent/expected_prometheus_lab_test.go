//go:build lab && prometheus

package main

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/dashboards/dashboardstest"
)

// look is how a query is to look when all is well, and how in trouble.
type look string

const (
	shows look = "shows something when all is well"
	quiet look = "shows nothing or 0 when all is well, and more than 0 in trouble"
	turns look = "shows 1 when all is well, and 0 in trouble"
	falls look = "shows something when all is well, and less in trouble"
	rises look = "shows little when all is well, and a minute more in trouble, either way"
)

// expectation is what a query is to show, and in which of the lab's states the trouble is.
type expectation struct {
	look  look
	state string
}

// expected returns the expectation of each panel, or of a single query where the
// query's letter follows the panel's title.
// None of them stays empty.
func expected() map[string]expectation {
	all := map[string]expectation{
		"auth-health: variable job":                                     {shows, ""},
		"auth-health: variable code":                                    {quiet, "database"},
		"auth-health: Hosts":                                            {shows, ""},
		"auth-health: Silent agents":                                    {quiet, "gone"},
		"auth-health: Hosts where a login fails":                        {quiet, "database"},
		"auth-health: Hosts that cannot use a realm":                    {quiet, "realm"},
		"auth-health: Worst clock":                                      {rises, "names"},
		"auth-health: Next expiry A":                                    {falls, "controller"},
		"auth-health: Next expiry B":                                    {quiet, "controller"},
		"auth-health: Findings now: root causes":                        {quiet, "database"},
		"auth-health: Hosts with each finding":                          {quiet, "controller"},
		"auth-health: Hosts with findings":                              {quiet, "database"},
		"auth-health: Hosts where a login fails, by user and database":  {quiet, "database"},
		"auth-health: Clocks: KDC minus host, the worst on either side": {rises, "names"},
		"auth-health: KDCs that the worst-placed host can use":          {falls, "realm"},
		"auth-health: krb5.conf and KDC order A":                        {quiet, "controller"},
		"auth-health: krb5.conf and KDC order B":                        {quiet, "mended"},
		"auth-health: Failed probes a minute, by what was seen":         {quiet, "database"},
		"auth-health: Versions":                                         {shows, ""},
		"auth-health: Paused for safety, or not up to date A":           {quiet, "controller"},
		"auth-health: Paused for safety, or not up to date B":           {quiet, "names"},
		"auth-health: Paused for safety, or not up to date C":           {quiet, "database"},

		"auth-health: Hosts that fail alike: by first finding": {quiet, "database"},
		"auth-health: annotation Findings":                     {quiet, "database"},

		"clusters: variable job":            {shows, ""},
		"clusters: variable database":       {shows, ""},
		"clusters: annotation Failovers":    {quiet, "controller"},
		"clusters: Role of each instance":   {shows, ""},
		"clusters: Logins at each instance": {turns, "controller"},
		"clusters: Replica lag":             {shows, ""},

		"controllers-and-dns: annotation Findings": {quiet, "database"},
		"host-ladder: annotation Findings":         {quiet, "database"},
		"login-latency: annotation Findings":       {quiet, "database"},

		"controllers-and-dns: variable job":                                         {shows, ""},
		"controllers-and-dns: variable server":                                      {shows, ""},
		"controllers-and-dns: KDCs, port 88 A":                                      {quiet, "controller"},
		"controllers-and-dns: KDCs, port 88 B":                                      {shows, ""},
		"controllers-and-dns: DNS servers, port 53 A":                               {quiet, "names"},
		"controllers-and-dns: DNS servers, port 53 B":                               {shows, ""},
		"controllers-and-dns: Hosts that a server fails":                            {quiet, "controller"},
		"controllers-and-dns: Hosts that a DNS server fails":                        {quiet, "controller"},
		"controllers-and-dns: Who sees it fail":                                     {quiet, "realm"},
		"controllers-and-dns: DNS questions that fail":                              {quiet, "names"},
		"controllers-and-dns: Password change, port 464 A":                          {quiet, "controller"},
		"controllers-and-dns: Password change, port 464 B":                          {shows, ""},
		"controllers-and-dns: KDCs that hosts can use, by realm":                    {falls, "realm"},
		"controllers-and-dns: Time to an answer":                                    {shows, ""},
		"controllers-and-dns: Failures a minute, by what was seen":                  {quiet, "realm"},
		"controllers-and-dns: Clock of each KDC, by the host that is nearest to it": {rises, "names"},

		"host-ladder: variable job":                                 {shows, ""},
		"host-ladder: variable instance":                            {shows, ""},
		"host-ladder: Logins":                                       {turns, "database"},
		"host-ladder: Findings now":                                 {quiet, "database"},
		"host-ladder: This agent A":                                 {turns, "gone"},
		"host-ladder: This agent B":                                 {turns, "database"},
		"host-ladder: This agent C":                                 {turns, "controller"},
		"host-ladder: The ladder, rung by rung A":                   {turns, "names"},
		"host-ladder: The ladder, rung by rung B":                   {turns, "realm"},
		"host-ladder: The ladder, rung by rung C":                   {turns, "controller"},
		"host-ladder: The ladder, rung by rung D":                   {turns, "database"},
		"host-ladder: The ladder, rung by rung E":                   {turns, "database"},
		"host-ladder: The ladder, rung by rung F":                   {turns, "controller"},
		"host-ladder: What failed in this time, address by address": {turns, "realm"},
		"host-ladder: Login: time of each stage":                    {shows, ""},
		"host-ladder: Probes: mean time by rung":                    {shows, ""},
		"host-ladder: Failures by what was seen":                    {quiet, "database"},
		"host-ladder: Clock: KDC minus this host":                   {rises, "names"},
		"host-ladder: What ends when":                               {falls, "controller"},
		"host-ladder: Age of what is shown":                         {shows, ""},
		"host-ladder: Paused for safety":                            {quiet, "controller"},
	}
	for _, panel := range []string{"variable job", "variable login", "Login time, median", "Login time, p99", "Logins a minute", "Slowest stage",
		"How long logins take", "Logins by how long they take", "Stages: 95th percentile", "Stages: mean", "By login", "Slowest hosts"} {
		all["login-latency: "+panel] = expectation{shows, ""}
	}
	return all
}

// asked asks a query over the whole time, and at the end of each state where
// its panel shows one moment, and says where it does not look as it should.
func (w *watched) asked(name string, q dashboardstest.Query, want expectation, over span) {
	w.t.Helper()
	query := w.fill(q, over, "", "")
	points := w.points(query, over)
	if len(points) == 0 {
		w.t.Errorf("%s: nothing in all of the time: %s", name, query)
		return
	}
	during := func(state string, last time.Duration) []float64 {
		s, ok := w.spans[state]
		if !ok {
			w.t.Fatalf("%s: there is no state %q", name, state)
		}
		if from := s.to.Add(-last); from.After(s.from) {
			s.from = from
		}
		values := in(points, s)
		if q.Instant {
			now := w.now(query, s.to)
			if strings.HasPrefix(query, "sort(") && !slices.IsSorted(now) {
				w.t.Errorf("%s: not in order: %v", name, now)
			}
			values = append(values, now...)
		}
		return values
	}
	calm := during("healthy", 4*time.Second)
	ok := len(calm) > 0 || want.look == quiet
	if want.look != shows {
		trouble := during(want.state, time.Hour)
		if ok = ok && len(trouble) > 0; ok {
			switch want.look {
			case quiet:
				ok = !slices.ContainsFunc(calm, func(v float64) bool { return v != 0 }) && slices.Max(trouble) > 0
			case turns:
				ok = slices.Min(calm) == 1 && slices.Max(calm) == 1 && slices.Contains(trouble, 0)
			case falls:
				ok = slices.Min(trouble) < slices.Min(calm)-0.5
			case rises:
				ok = max(slices.Max(trouble), -slices.Min(trouble)) > max(slices.Max(calm), -slices.Min(calm))+60
			}
		}
	}
	if !ok {
		w.t.Errorf("%s: does not do what it should (%s; %s): well %v, then %v: %s", name, want.look, want.state, calm, during(cmp.Or(want.state, "gone"), time.Hour), query)
	}
}
