package report

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/probe"
)

func TestHideUsers(t *testing.T) {
	users := []string{"bob@A.TEST", "svc/host.a.test@A.TEST", "al@B.TEST"}
	for text, want := range map[string]string{
		"bob@A.TEST logs in to orders": "user-1 logs in to orders",
		"BOB, bobby and bob's":         "user-1, bobby and user-1's",
		"salt A.TESTbob":               "salt user-1",
		"salt A.TESTsvchost.a.test":    "salt user-2",
		`"user":"svc/host.a.test"`:     `"user":"user-2"`,
		"al/also al@C.TEST":            "user-3/also user-3@C.TEST",
		"/etc/kerbagent/bob.pw":        "/etc/kerbagent/user-1.pw",
		"nobody":                       "nobody",
	} {
		if got := HideUsers(text, users); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
	if got := HideUsers("bob", nil); got != "bob" {
		t.Errorf("without users: %q", got)
	}
}

// One result alone has the tokens of the configured users, and hides its own too.
func TestResultHidesUsers(t *testing.T) {
	rec := probe.Begin(probe.ID{Kind: probe.Login, Target: "carol@A.TEST@orders"}, nil)
	rec.Fact(probe.FactSalt, "A.TESTcarol")
	res := rec.Fail(probe.ReasonKRBPreauthFailed, errors.New("carol is not bob"))
	b, err := Result(res, true, []string{"bob@A.TEST"})
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Target, Error string }
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	if got.Target != "user-2@orders" || got.Error != "user-2 is not user-1" || strings.Contains(string(b), "carol") {
		t.Errorf("%s", b)
	}
	b, err = Result(res, false, nil)
	if err != nil || !strings.Contains(string(b), `"target":"carol@A.TEST@orders"`) || strings.Contains(string(b), "\n") {
		t.Errorf("%s, %v", b, err)
	}
}

// The configured users have the numbers of their places, whatever the results
// are about; others come after them; an invented one is nobody.
func TestNumbersAreThoseOfTheConfiguration(t *testing.T) {
	about := func(kind probe.Kind, user string) probe.Result {
		return probe.Result{ID: probe.ID{Kind: kind, Target: "x"}, Facts: probe.Facts{probe.FactUser: user}}
	}
	in := Input{HideUsers: true, Users: []string{"zoe@A.TEST", "bob@A.TEST"}, Results: []probe.Result{
		about(probe.Krb5Conf, "al@A.TEST"), about(probe.Database, "bob@A.TEST"), about(probe.KDC, probe.Stranger+"@A.TEST")}}
	var got []string
	for _, r := range hidden(in).Results {
		got = append(got, r.Facts[probe.FactUser])
	}
	if want := "user-3 user-2 kerbagent-probe@A.TEST"; strings.Join(got, " ") != want {
		t.Errorf("got %q, want %s", got, want)
	}
}
