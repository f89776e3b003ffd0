package bootstrap

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// rotated is an account that was set up, whose readers are watched: whoever reads
// a secret must never get a password that the directory does not have yet.
func rotated(t *testing.T, lag time.Duration) *host {
	t.Helper()
	var h *host
	cloud := newCloud(t, awstest.Options{ReadLag: lag, Slowest: 45 * time.Second, OnCurrent: func(name, value string) {
		var object struct{ Password string }
		if json.Unmarshal([]byte(value), &object) == nil {
			value = object.Password
		}
		switch name {
		case "kerbagent/corp/admin":
			if h.logins == 0 {
				t.Error("the Admin's new password was given out before a login with it")
			}
		case "kerbagent/corp/bob":
			if h.people.passwords["bob"] != value || h.logins == 0 {
				t.Error("bob's new password was given out before the directory had it")
			}
		}
	}})
	const oldAdmin, oldBob = "Old-Secret-4711", "Bob-Secret-4711"
	cloud.AddSecret("kerbagent/corp/bob", `{"password": "`+oldBob+`", "note": "stays"}`)
	cloud.AddSecret("kerbagent/corp/admin", oldAdmin)
	cloud.AddDirectory(awstest.Directory{Name: "corp.example.com", ShortName: "CORP", VPC: "vpc-00000001", Subnets: []string{"subnet-0000000a", "subnet-0000000b"},
		Password: oldAdmin, Tags: map[string]string{ourTag: "corp.example.com"}})
	addOrders(cloud)
	cloud.Advance(time.Minute)
	h = newHost(t, cloud, strings.Replace(wish(modifyMode, ""), "kerbagent/corp/bob", "kerbagent/corp/bob#password", 1))
	h.people.passwords = map[string]string{"alice": alicePassword, "bob": oldBob}
	for name := range h.people.passwords {
		h.people.accounts[name] = &Account{Name: name, HasPassword: true}
	}
	return h
}

func secretOf(c *awstest.Cloud, name string) awstest.Secret {
	for _, s := range c.Secrets() {
		if s.Name == name {
			return s
		}
	}
	return awstest.Secret{}
}

// in says whether the directory has what the secrets say, and something new.
func (h *host) rotatedBoth(admin, bob string) {
	h.t.Helper()
	now := secretOf(h.cloud, "kerbagent/corp/admin")
	if v := now.Values[now.Current]; v == admin || v != h.cloud.Directories()[0].Password {
		h.t.Errorf("the Admin's secret is not the directory's new password (is the old one: %v)", v == admin)
	}
	now = secretOf(h.cloud, "kerbagent/corp/bob")
	var object map[string]string
	if err := json.Unmarshal([]byte(now.Values[now.Current]), &object); err != nil || object["password"] == bob || object["password"] != h.people.passwords["bob"] || object["note"] != "stays" {
		h.t.Errorf("bob's secret is not the directory's new password: %v", err)
	}
}

func TestRotate(t *testing.T) {
	t.Parallel()
	h := rotated(t, 0)
	admin, bob := h.cloud.Directories()[0].Password, h.people.passwords["bob"]
	h.as(h.policy(ForRotate))
	rep, err, _ := h.rotate("Admin", "bob")
	if err != nil {
		t.Fatal(err)
	}
	h.rotatedBoth(admin, bob)
	h.noSecretsIn(rep)
	if notes := strings.Join(rep.Steps[0].Notes, ""); h.logins != 2 || !strings.Contains(notes, "tries it once") {
		t.Errorf("%d logins; said %q", h.logins, notes)
	}
	// And once more, with another value.
	admin, bob = h.cloud.Directories()[0].Password, h.people.passwords["bob"]
	if _, err, _ := h.rotate("bob", "Admin"); err != nil {
		t.Fatal(err)
	}
	h.rotatedBoth(admin, bob)
	// What it does is done: a bootstrap works with the new passwords.
	h.as(awstest.Everything)
	h.done()
}

// Killed at any call, before it is sent or before its answer is read, and run
// again: one rotation comes of it, with one pending version.
func TestRotateKilledAtEveryCall(t *testing.T) {
	t.Parallel()
	whole := rotated(t, 0)
	before := len(whole.cloud.Calls())
	if _, err, _ := whole.rotate("Admin", "bob"); err != nil {
		t.Fatal(err)
	}
	calls := whole.cloud.Calls()[before:]
	draw := drawn(t)
	for i, call := range calls {
		for _, after := range []bool{false, true} {
			// A read has no effect: after it is before the next call. Of reads in a
			// row, the first stands for all.
			if after && !call.Mutating || !call.Mutating && i > 0 && !calls[i-1].Mutating || !call.Mutating && !wholeMatrix && draw.IntN(2) > 0 {
				continue
			}
			h := rotated(t, 20*time.Second)
			h.cloud.Advance(time.Minute)
			admin, bob := h.cloud.Directories()[0].Password, h.people.passwords["bob"]
			versions := len(secretOf(h.cloud, "kerbagent/corp/bob").Values)
			h.killAt, h.killAfter = i+1, after
			if _, err, killed := h.rotate("Admin", "bob"); !killed {
				t.Logf("call %d: ended by itself: %v", i+1, err) // reads lag: it may take other calls
			}
			h.killAt = 0
			if _, err, _ := h.rotate("Admin", "bob"); err != nil {
				t.Fatalf("killed at call %d, %s (after its effect: %v): %v", i+1, call.Action, after, err)
			}
			h.rotatedBoth(admin, bob)
			if n := len(secretOf(h.cloud, "kerbagent/corp/bob").Values); n > versions+2 {
				t.Errorf("killed at call %d: %d versions", i+1, n)
			}
			h.noSecretsIn(Report{})
			h.cloud.Close()
		}
	}
}

// A login with the new password that fails leaves the old one current, and is
// not repeated: each try counts. The next run goes on with it.
func TestRotateProvesBeforeItGivesOut(t *testing.T) {
	t.Parallel()
	h := rotated(t, 0)
	bob := secretOf(h.cloud, "kerbagent/corp/bob")
	h.unproved = errors.New("not known here yet")
	_, err, _ := h.rotate("bob")
	if p := problem("", err); p.Exit != ExitFailed || !strings.Contains(p.Text, "not known here yet") || !strings.Contains(p.Next, "AWSPENDING") || h.logins != 1 {
		t.Errorf("exit %d after %d logins: %s; %s", p.Exit, h.logins, p.Text, p.Next)
	}
	if now := secretOf(h.cloud, "kerbagent/corp/bob"); now.Current != bob.Current || now.Pending == "" {
		t.Errorf("stages %+v", now.Current)
	}
	set := h.people.passwords["bob"]
	h.unproved = nil
	if _, err, _ := h.rotate("bob"); err != nil || h.people.passwords["bob"] != set {
		t.Errorf("the second run: %v; set again: %v", err, h.people.passwords["bob"] != set)
	}
}

func TestWhatIsNotRotated(t *testing.T) {
	t.Parallel()
	h := rotated(t, 0)
	for name, c := range map[string]struct {
		exit  Exit
		words string
	}{"alice": {ExitUsage, "only one in Secrets Manager"}, "carol": {ExitUsage, "not a user of the configuration"}} {
		_, err, _ := h.rotate(name)
		if p := problem("", err); p.Exit != c.exit || !strings.Contains(p.Text, c.words) {
			t.Errorf("%s: exit %d, %s", name, p.Exit, p.Text)
		}
	}
	h.people.accounts["bob"].Disabled = true
	if _, err, _ := h.rotate("bob"); !strings.Contains(problem("", err).Text, "bob is disabled") {
		t.Errorf("a disabled user: %v", err)
	}
	h.people.accounts["bob"].Disabled = false
	// Somebody else's rotation is under way.
	other := newHost(t, h.cloud, h.file0)
	other.people, other.database = h.people, h.database
	if _, err, _ := other.rotate("bob"); !strings.Contains(problem("", err).Text, "somebody else is rotating") {
		t.Errorf("two rotations: %v", err)
	}
}

// When passwords end is said before they are made and while they last, and a user
// whose password never ends is an explicit choice.
func TestWhenPasswordsEnd(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	file := strings.Replace(wish(modifyMode, ""), `{name: alice, `, `{name: alice, password_never_expires: true, `, 1)
	h := newHost(t, cloud, file)
	rep, err := Plan(t.Context(), h.options())
	if err != nil || !strings.Contains(strings.Join(rep.Steps[2].Notes, ""), "42 days") {
		t.Errorf("planned %v, %v", rep.Steps[2].Notes, err)
	}
	h.done()
	if a := h.people.accounts["alice"]; !a.NeverExpires || h.people.accounts["bob"].NeverExpires {
		t.Errorf("made %+v", a)
	}
	h.people.accounts["Admin"] = &Account{Name: "Admin", HasPassword: true, Expires: cloud.Now().Add(10*24*time.Hour + time.Hour)}
	h.people.accounts["bob"].Expires = cloud.Now().Add(-time.Hour)
	h.people.accounts["alice"].NeverExpires = false
	rep, err = Plan(t.Context(), h.options())
	notes := strings.Join(rep.Steps[2].Notes, "\n")
	if err != nil || !strings.Contains(notes, "Admin expires on") || !strings.Contains(notes, "in 10 days") || !strings.Contains(notes, "bob expires on") || !strings.Contains(notes, "it has expired") ||
		len(rep.Steps[2].Missing) != 1 || rep.Steps[2].Missing[0] != "set the password of alice to never expire" {
		t.Errorf("status says %q, missing %q, %v", notes, rep.Steps[2].Missing, err)
	}
}

// Windows Server 2025 answers a change that it has made with a KRB-ERROR of code 0:
// only the login with the new password decides.
func TestUnconfirmedPasswordIsProvedByALogin(t *testing.T) {
	t.Parallel()
	h := rotated(t, 0)
	h.people.unsure = true
	before := h.people.passwords["bob"]
	if _, err, _ := h.rotate("bob"); err != nil || h.logins != 1 || h.people.passwords["bob"] == before {
		t.Errorf("%v after %d logins", err, h.logins)
	}
	h.people.unsure, h.people.refused = false, fmt.Errorf("%w: KRB-ERROR 0", ErrUnconfirmed) // says so, and sets nothing
	if _, err, _ := h.rotate("bob"); !strings.Contains(problem("", err).Text, "KDC error 24") || h.logins != 2 {
		t.Errorf("%v after %d logins", err, h.logins)
	}
	h.people.refused = nil // a run more sets it, and does not only try it again
	if _, err, _ := h.rotate("bob"); err != nil || h.logins != 3 {
		t.Errorf("%v after %d logins", err, h.logins)
	}
}
