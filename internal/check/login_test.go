package check

import (
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/probe"
)

// liveWorld is a rehearsal, and a krb5.conf that its configuration calls for.
func liveWorld(t *testing.T, fault diagnose.Code) (krb5file.File, *rehearsal.World, Env) {
	t.Helper()
	w, err := rehearsal.Start(t.Context(), rehearsal.Options{Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	env := Env{Dialer: w.Dialer(), Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}}
	if env.Ledger, err = ledger.Open(w.StateDir(), ledger.Options{}); err != nil {
		t.Fatal(err)
	}
	f, err := krb5file.Find(krb5file.Wish{Config: w.Config(), Path: filepath.Join(t.TempDir(), "krb5.conf")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := f.Text()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path(), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return f, w, env
}

// What a login saw stands beside the step that it is about, of every library.
func TestLiveBesideTrace(t *testing.T) {
	f, w, env := liveWorld(t, "")
	login := w.Config().Logins[0]
	trace, err := f.Trace(w.Config(), login.Principal(), login.Database)
	if err != nil {
		t.Fatal(err)
	}
	res, err := Login(t.Context(), w.Config(), env, login.Principal(), login.Database)
	if err != nil || res.Outcome != probe.OK {
		t.Fatalf("%v %v %v", res.Outcome, res.Err, err)
	}
	trace.Beside(res)
	for _, r := range trace.Readers {
		for what, want := range map[string]string{
			"KDCs of " + login.Realm: res.Facts[probe.FactKDC], "realm of the database": login.Realm,
			"service": res.Facts[probe.FactSPN], "types of the service ticket": "aes256-cts-hmac-sha1-96",
		} {
			i := slices.IndexFunc(r.Steps, func(s krb5file.TraceStep) bool { return s.What == what })
			if i < 0 || want == "" || r.Steps[i].Saw != want {
				t.Errorf("%s: %s: %+v, want %q", r.Reader, what, r.Steps, want)
			}
		}
	}
	for name, args := range map[string][2]string{"user": {"nobody@" + login.Realm, login.Database}, "database": {login.Principal(), "none"}} {
		if _, err := Login(t.Context(), w.Config(), env, args[0], args[1]); err == nil || !strings.Contains(err.Error(), "is no login of the configuration; those are: "+login.Principal()) {
			t.Errorf("unknown %s: %v", name, err)
		}
	}
}

// A secret that was refused is not tried again by trace either.
func TestLiveHeedsTheLedger(t *testing.T) {
	_, w, env := liveWorld(t, "password-wrong")
	login := w.Config().Logins[0]
	for i := range 3 {
		res, err := Login(t.Context(), w.Config(), env, login.Principal(), login.Database)
		if err != nil || res.Reason != probe.ReasonKRBPreauthFailed {
			t.Errorf("try %d: %s %v %v", i+1, res.Reason, res.Err, err)
		}
		if again := res.Facts[probe.FactRefusedAt] == ""; again != (i == 0) {
			t.Errorf("try %d was made: %v", i+1, again)
		}
	}
}
