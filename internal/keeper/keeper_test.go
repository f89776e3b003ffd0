package keeper

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/krb5file"
	"github.com/kerbagent/kerbagent/krb5/conf/apply"
	"github.com/kerbagent/kerbagent/krb5/conf/site"
	"github.com/kerbagent/kerbagent/probe"
)

// keeping is a Keeper and the one-shot that its order file starts.
type keeping struct {
	*Keeper
	t    *testing.T
	now  time.Time
	cfg  *config.Config
	path string // of the krb5.conf
	o    Options
}

func newKeeping(t *testing.T, style string) *keeping {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	k := &keeping{t: t, now: worldBegin, path: filepath.Join(dir, "krb5.conf")}
	yaml := filepath.Join(dir, "kerbagent.yaml")
	const realms = "realms:\n  A.TEST: {kdcs: [dc1.a.test, dc2.a.test]}\n  B.TEST: {}\nkrb5_conf: {mode: maintain, style: "
	if err := os.WriteFile(yaml, []byte(realms+style+", path: krb5.conf}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var err error
	if k.cfg, err = config.Load(yaml); err != nil {
		t.Fatal(err)
	}
	k.o = Options{Host: "app2", OrderFile: filepath.Join(dir, "run", "kdc-order"), Now: func() time.Time { return k.now }}
	k.restart()
	return k
}

func (k *keeping) restart() { k.Keeper = New(k.cfg, k.o) }

// beat passes an interval and looks.
func (k *keeping) beat() State {
	k.t.Helper()
	k.now = k.now.Add(k.cfg.Probes.Interval)
	st, err := k.Beat(k.t.Context())
	if err != nil {
		k.t.Fatal(err)
	}
	return st
}

// asked takes the order file away, as a path unit would see it come.
func (k *keeping) asked() bool {
	k.t.Helper()
	err := os.Remove(k.o.OrderFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		k.t.Fatal(err)
	}
	return err == nil
}

// oneShot is kerbagent-krb5conf.service.
func (k *keeping) oneShot() {
	k.t.Helper()
	o, err := apply.ReadOrder(k.o.OrderFile)
	if err != nil {
		k.t.Fatal(err)
	}
	f, err := krb5file.Find(krb5file.Wish{Config: k.cfg, KRB5Config: os.Getenv("KRB5_CONFIG")})
	if err != nil {
		k.t.Fatal(err)
	}
	if f, err = f.Ordered(o); err != nil {
		k.t.Fatal(err)
	}
	if _, err := f.Apply(k.t.Context()); err != nil {
		k.t.Fatal(err)
	}
}

// probes plays a round of probes of the two KDCs.
func (k *keeping) probes(alive ...bool) (moved bool) {
	for i, ok := range alive {
		host := []string{"dc1.a.test", "dc2.a.test"}[i]
		res := probe.Result{ID: probe.ID{Kind: probe.KDC, Target: host, Transport: probe.TCP, Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 88)},
			Outcome: probe.OK, Started: k.now, Duration: time.Millisecond, Facts: probe.Facts{probe.FactRealm: "A.TEST"}}
		if !ok {
			res.Outcome, res.Reason = probe.Failed, probe.ReasonConnectTimeout
		}
		moved = k.Observe(res) || moved
	}
	return moved
}

func (k *keeping) text() string {
	k.t.Helper()
	b, err := os.ReadFile(k.path)
	if err != nil {
		k.t.Fatal(err)
	}
	return string(b)
}

func (k *keeping) write(text string) {
	k.t.Helper()
	if err := os.WriteFile(k.path, []byte(text), 0o644); err != nil {
		k.t.Fatal(err)
	}
}

// kdcsIn returns the order of the kdc lines.
func kdcsIn(text string) string {
	var out []string
	for line := range strings.Lines(text) {
		if kdc, ok := strings.CutPrefix(strings.TrimSpace(line), "kdc = dc"); ok {
			out = append(out, kdc[:1])
		}
	}
	return strings.Join(out, " ")
}

// A host's life: its own order to begin with, a dead KDC behind, the daemon
// started again, drift mended, and nothing asked for where nothing is to do.
func TestKeeper(t *testing.T) {
	k := newKeeping(t, "file")
	own := k.beat()
	if own.InSync || own.Changed || !k.asked() {
		t.Fatalf("without a file: %+v", own)
	}
	first := own.Order["A.TEST"][0][2:3]
	k.restart()
	k.beat()
	k.oneShot()
	if st := k.beat(); !st.InSync || !st.Changed || st.Note != "" || kdcsIn(k.text())[:1] != first {
		t.Fatalf("%+v\n%s", st, k.text())
	}
	k.asked()
	for range 10 {
		k.probes(true, true)
		if st := k.beat(); !st.InSync || st.Changed || k.asked() {
			t.Fatalf("nothing is to do, and yet: %+v", st)
		}
	}

	alive := []bool{first != "1", first != "2"} // the first one dies
	moved := k.probes(alive...)
	if again := k.probes(alive...); !moved && !again {
		t.Fatal("Observe says nothing of another order")
	}
	if st := k.beat(); !st.InSync || st.Changed { // a permutation is no drift
		t.Fatalf("%+v", st)
	}
	k.oneShot()
	if st := k.beat(); !st.InSync || !st.Changed || kdcsIn(k.text())[:1] == first {
		t.Fatalf("%+v\n%s", st, k.text())
	}
	k.asked()

	k.restart()
	if st := k.beat(); !st.InSync || k.asked() || st.Order["A.TEST"][0][2:3] == first {
		t.Fatalf("a new start forgets what is dead: %+v", st)
	}

	was := k.text()
	k.write(was + "[plugins]\n")
	if st := k.beat(); st.InSync {
		t.Fatalf("drift is not seen: %+v", st)
	}
	k.oneShot()
	if st := k.beat(); !st.InSync || !st.Changed || k.text() != was {
		t.Fatalf("drift is not mended: %+v\n%s", st, k.text())
	}
}

// Where nobody takes the order, it is asked for again, ever more seldom, and said.
func TestKeeperAsksAgain(t *testing.T) {
	k := newKeeping(t, "file")
	asks, noted := 0, false
	for range time.Hour / k.cfg.Probes.Interval {
		st := k.beat()
		if k.asked() {
			asks++
		}
		noted = strings.Contains(st.Note, "systemctl status kerbagent-krb5conf.path")
	}
	if asks < 8 || asks > 12 || !noted {
		t.Errorf("asked %d times in an hour, noted %v", asks, noted)
	}
}

// What is not kerbagent's is left alone, and said once.
func TestKeeperLeavesOthersPart(t *testing.T) {
	k := newKeeping(t, "block")
	k.write("[logging]\n    default = SYSLOG\n")
	k.beat()
	k.oneShot()
	k.beat()
	k.asked()
	k.write(k.text() + "# by hand\n")
	if st := k.beat(); !st.InSync || !strings.Contains(st.Note, "changed outside of what kerbagent keeps") || k.asked() {
		t.Errorf("%+v", st)
	}
	if st := k.beat(); st.Note != "" || !strings.Contains(k.text(), "# by hand\n") {
		t.Errorf("%+v", st)
	}
	// What cannot be mended is said.
	k.write("# END kerbagent\n")
	k.now = k.now.Add(time.Minute)
	if st, err := k.Beat(t.Context()); !errors.Is(err, site.ErrMarkers) || st.InSync {
		t.Errorf("%+v %v", st, err)
	}
}

func TestKeeperSnippet(t *testing.T) {
	k := newKeeping(t, "snippet")
	dir := filepath.Dir(k.path)
	main := filepath.Join(dir, "main.conf")
	t.Setenv("KRB5_CONFIG", main)
	k.path = filepath.Join(dir, "krb5.conf.d", "kerbagent")
	k.cfg.Krb5Conf.Path = k.path
	if err := os.Mkdir(filepath.Dir(k.path), 0o755); err != nil {
		t.Fatal(err)
	}
	k.restart()
	if _, err := k.Beat(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a main file: %v", err)
	}
	include := "includedir " + filepath.Dir(k.path) + "\n"
	if err := os.WriteFile(main, []byte(include), 0o644); err != nil {
		t.Fatal(err)
	}
	k.beat()
	k.oneShot()
	if st := k.beat(); !st.InSync || !st.Changed {
		t.Errorf("%+v", st)
	}
	if err := os.WriteFile(main, []byte(include+"# by hand\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if st := k.beat(); !st.InSync || !strings.Contains(st.Note, "main.conf was changed outside") {
		t.Errorf("%+v", st)
	}
}

// What is not a KDC's word over TCP moves nothing.
func TestKeeperHearsOnlyKDCs(t *testing.T) {
	k := newKeeping(t, "file")
	for range 5 {
		k.now = k.now.Add(k.cfg.Probes.Interval)
		k.probes(true, true)
	}
	dead := probe.Result{ID: probe.ID{Kind: probe.KDC, Target: "dc1.a.test", Transport: probe.TCP, Address: netip.MustParseAddrPort("10.0.0.0:88")},
		Outcome: probe.Failed, Reason: probe.ReasonRefused, Facts: probe.Facts{probe.FactRealm: "A.TEST"}}
	for name, change := range map[string]func(*probe.Result){
		"UDP":           func(r *probe.Result) { r.ID.Transport = probe.UDP },
		"canceled":      func(r *probe.Result) { r.Reason = probe.ReasonCanceled },
		"a bug of ours": func(r *probe.Result) { r.Reason = probe.ReasonInternal },
		"skipped":       func(r *probe.Result) { r.Outcome = probe.Skipped },
		"kpasswd":       func(r *probe.Result) { r.ID.Kind = probe.Kpasswd },
		"another realm": func(r *probe.Result) { r.Facts = probe.Facts{probe.FactRealm: "B.TEST"} },
		"another host":  func(r *probe.Result) { r.ID.Target = "dc9.a.test" },
		"another port":  func(r *probe.Result) { r.ID.Address = netip.MustParseAddrPort("10.0.0.0:89") },
	} {
		for _, host := range []string{"dc1.a.test", "dc2.a.test"} {
			res := dead
			res.ID.Target, res.Started = host, k.now
			change(&res)
			k.Observe(res)
			if k.troubled() {
				t.Errorf("%s counts", name)
			}
		}
	}
	for _, more := range []string{"krb5_conf: {path: /x}\n", ""} {
		cfg, err := config.Parse("/etc/kerbagent/kerbagent.yaml", []byte("realms: {A.TEST: {kdcs: [dc1.a.test]}}\n"+more))
		if err != nil {
			t.Fatal(err)
		}
		if New(cfg, Options{}) != nil {
			t.Error("a Keeper where nothing is to be kept")
		}
	}
	var none *Keeper
	if st, err := none.Beat(t.Context()); err != nil || st.Order != nil || none.Observe(dead) {
		t.Errorf("%+v %v", st, err)
	}
}

// troubled reports whether any KDC has moved or is about to.
func (k *keeping) troubled() bool {
	for _, r := range k.realms {
		for _, h := range r.kdcs {
			if h.standing != kdcGood || !h.worseSince.IsZero() {
				return true
			}
		}
	}
	return false
}
