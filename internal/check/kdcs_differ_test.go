package check

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/probe"
	"github.com/kerbagent/kerbagent/probe/exchange"
)

var pairs = flag.Uint64("pairs", 1, "seed of the drawn pairs of krb5.conf and kerbagent.yaml")

// twoFiles is what the two files name of a realm's KDCs. Nobody listens at any of them.
type twoFiles struct{ yaml, krb5 []string }

// hostsOfPairs is /etc/hosts: d is another name of a, and e has two addresses, of which one is b's.
func hostsOfPairs() map[string][]string {
	return map[string][]string{"a.r.test": {"127.91.0.1"}, "b.r.test": {"127.91.0.2"}, "c.r.test": {"127.91.0.3"}, "d.r.test": {"127.91.0.1"},
		"e.r.test": {"127.91.0.5", "127.91.0.2"}, "gone.r.test": nil}
}

// differ makes a check of a host with the two files and returns the finding about them. Where
// works is set, the login is taken for one that worked.
func (f twoFiles) differ(t *testing.T, text string, works bool, more string) (diagnose.Finding, bool) {
	t.Helper()
	root := t.TempDir()
	hosts := "127.91.0.9 db.r.test\n"
	for name, addrs := range hostsOfPairs() {
		for _, a := range addrs {
			hosts += a + " " + name + "\n"
		}
	}
	for name, text := range map[string]string{"etc/hosts": hosts, "etc/nsswitch.conf": "hosts: files\n", "etc/resolv.conf": "nameserver 127.91.0.10\noptions timeout:1 attempts:1\n",
		"etc/host.conf": "multi on\n", "etc/krb5.conf": text, "secret": "x"} {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	kdcs := ""
	if len(f.yaml) > 0 {
		kdcs = "kdcs: ['" + strings.Join(f.yaml, "', '") + "']"
	}
	yaml := fmt.Sprintf("realms: {R.TEST: {kind: mit, %s}}\ndatabases: {orders: {endpoint: 'db.r.test:3306', realm: R.TEST, tls: {mode: 'off'}}}\nlogins: [{user: u@R.TEST, database: orders, password_file: '%s'}]\n%s",
		kdcs, filepath.Join(root, "secret"), more)
	cfg, err := config.Parse(filepath.Join(root, "kerbagent.yaml"), []byte(yaml))
	if err != nil {
		t.Fatal(err)
	}
	book, err := ledger.Open(filepath.Join(root, "state"), ledger.Options{})
	if err != nil {
		t.Fatal(err)
	}
	results := Run(t.Context(), cfg, Env{Dialer: exchange.HostDialer(), Now: time.Now, Root: root, Ledger: book, Resolver: []netip.AddrPort{netip.MustParseAddrPort("127.91.0.10:53")}})
	for i, r := range results {
		if r.ID.Kind == probe.Login && works {
			results[i].Outcome, results[i].Reason, results[i].Err = probe.OK, "", nil
		}
	}
	for _, found := range Explain(cfg, results, time.Now()).Findings {
		if found.Code == "krb5conf-kdcs-differ" {
			return found, true
		}
	}
	return diagnose.Finding{}, false
}

// A table of the kinds: what is said, and what is not.
func TestKDCsOfTheTwoFiles(t *testing.T) {
	realm := func(kdcs ...string) string {
		return "[realms]\n R.TEST = {\n  kdc = " + strings.Join(kdcs, "\n  kdc = ") + "\n }\n"
	}
	for name, c := range map[string]struct {
		yaml []string
		text string
		want []string // of the cause; nil for no finding
	}{
		"the same in another order":        {[]string{"a.r.test", "b.r.test"}, realm("b.r.test", "a.r.test:88"), nil},
		"another name, the same address":   {[]string{"a.r.test"}, realm("d.r.test"), nil},
		"one of two addresses is the same": {[]string{"b.r.test"}, realm("e.r.test"), nil},
		"an address in place of a name":    {[]string{"127.91.0.3"}, realm("C.r.test."), nil},
		"kerbagent.yaml says nothing":      {nil, realm("a.r.test"), nil},
		"krb5.conf says nothing":           {[]string{"a.r.test"}, "[libdefaults]\n default_realm = R.TEST\n", nil},
		"of another realm":                 {[]string{"a.r.test"}, strings.Replace(realm("b.r.test"), "R.TEST", "S.TEST", 1) + strings.Replace(realm("a.r.test"), "[realms]\n", "", 1), nil},
		"a name without an address":        {[]string{"gone.r.test", "a.r.test"}, realm("a.r.test", "b.r.test"), nil},
		"one more in krb5.conf":            {[]string{"a.r.test"}, realm("a.r.test", "b.r.test"), []string{"Only the krb5.conf names b.r.test:88 (", "etc/krb5.conf:4:"}},
		"one more in kerbagent.yaml":       {[]string{"a.r.test", "c.r.test"}, realm("a.r.test"), []string{"Only kerbagent.yaml names c.r.test:88."}},
		"another port":                     {[]string{"a.r.test"}, realm("a.r.test:8888"), []string{"names a.r.test:8888 (", "only kerbagent.yaml names a.r.test:88"}},
		"others altogether":                {[]string{"a.r.test"}, realm("b.r.test", "c.r.test"), []string{"names b.r.test:88 (", "c.r.test:88 (", "(kdcs of realm R.TEST)"}},
	} {
		t.Run(name, func(t *testing.T) {
			f, is := twoFiles{yaml: c.yaml}.differ(t, c.text, true, "")
			if is != (c.want != nil) {
				t.Fatalf("%+v", f)
			}
			for _, want := range c.want {
				if !strings.Contains(f.Cause, want) {
					t.Errorf("%q lacks %q", f.Cause, want)
				}
			}
			if is && f.Severity != diagnose.Warning {
				t.Errorf("%s beside a login that works", f.Severity)
			}
		})
	}
}

// A login that fails at KDCs that only the krb5.conf names fails by that.
func TestALoginFailsByKDCsOfTheKrb5Conf(t *testing.T) {
	f, is := twoFiles{yaml: []string{"a.r.test"}}.differ(t, "[realms]\n R.TEST = {\n  kdc = b.r.test\n }\n", false, "")
	if !is || f.Severity != diagnose.Error || len(f.Affects) != 1 || f.Affects[0].Kind != probe.Login {
		t.Errorf("%v %+v", is, f)
	}
}

// Where the krb5.conf is kerbagent's to keep and was changed, that is the finding.
func TestAKeptFileThatDriftedIsOneFinding(t *testing.T) {
	path := filepath.Join(t.TempDir(), "krb5.conf")
	text := "[realms]\n R.TEST = {\n  kdc = b.r.test\n }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, want := range map[string]bool{"maintain": false, "check": true} {
		if f, is := (twoFiles{yaml: []string{"a.r.test"}}).differ(t, text, true, "krb5_conf: {path: "+path+", mode: "+mode+"}\n"); is != want {
			t.Errorf("%s: %+v", mode, f)
		}
	}
}

// Drawn pairs of files: a finding exactly where an independent reading of both says that
// they name different KDCs.
func TestDrawnPairsOfKrb5ConfAndConfiguration(t *testing.T) {
	rng := rand.New(rand.NewPCG(*pairs, 0))
	differ := 0
	for i := range 60 {
		f := twoFiles{yaml: drawnKDCs(rng), krb5: drawnKDCs(rng)}
		if rng.IntN(2) == 0 { // most pairs of these are near each other
			f.krb5 = slices.Clone(f.yaml)
			rng.Shuffle(len(f.krb5), func(i, j int) { f.krb5[i], f.krb5[j] = f.krb5[j], f.krb5[i] })
			if rng.IntN(2) == 0 {
				f.krb5 = f.krb5[rng.IntN(len(f.krb5)):]
			}
		}
		text := f.text(rng)
		want := pairDiffers(f.yaml, kdcLinesOf(text))
		if got, is := f.differ(t, text, true, ""); is != want {
			t.Errorf("-pairs %d, pair %d: kerbagent.yaml %v, krb5.conf:\n%s\nfinding: %v, want %v: %s", *pairs, i, f.yaml, text, is, want, got.Cause)
		}
		if want {
			differ++
		}
	}
	if differ < 15 || differ > 45 {
		t.Errorf("%d of 60 pairs differ: too few of one kind", differ)
	}
}

func drawnKDCs(rng *rand.Rand) []string {
	names := []string{"a.r.test", "b.r.test", "c.r.test", "d.r.test", "e.r.test", "127.91.0.1", "127.91.0.3", "gone.r.test"}
	if rng.IntN(3) > 0 {
		names = names[:7]
	}
	rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	out := names[:1+rng.IntN(3)]
	for i := range out {
		out[i] += []string{"", "", ":88", ":8888"}[rng.IntN(4)]
	}
	return out
}

// text writes a krb5.conf: in one block or two, with comments and another realm.
func (f twoFiles) text(rng *rand.Rand) string {
	var b strings.Builder
	b.WriteString("[libdefaults]\n\tdefault_realm = R.TEST\n\n[realms]\n")
	if rng.IntN(2) == 0 {
		b.WriteString("  S.TEST = {\n    kdc = c.r.test\n  }\n")
	}
	b.WriteString("  R.TEST = {\n")
	for i, k := range f.krb5 {
		if i > 0 && rng.IntN(3) == 0 {
			b.WriteString("  }\n\n  R.TEST = {\n")
		}
		if rng.IntN(3) == 0 {
			b.WriteString("#   kdc = c.r.test\n")
		}
		if rng.IntN(3) == 0 {
			k = strings.ToUpper(k)
		}
		b.WriteString([]string{"    kdc = ", "\tkdc=", "kdc =   "}[rng.IntN(3)] + k + "\n")
	}
	b.WriteString("    admin_server = c.r.test\n  }\n")
	return b.String()
}

// kdcLinesOf is MIT's order of a realm's KDCs: its kdc lines, those of all of its blocks one after another.
func kdcLinesOf(text string) (out []string) {
	in := ""
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		switch {
		case value == "{":
			in = key
		case in == "R.TEST" && key == "kdc":
			out = append(out, value)
		}
	}
	return out
}

// pairDiffers compares servers by name and by address. What has no address may be any.
func pairDiffers(yaml, krb5 []string) bool {
	type server struct {
		name string
		at   []string
	}
	servers := func(words []string) (out []server, unknown bool) {
		for _, w := range words {
			host, port, found := strings.Cut(strings.ToLower(w), ":")
			if !found {
				port = "88"
			}
			addrs := []string{host}
			if !strings.HasPrefix(host, "127.") {
				addrs = hostsOfPairs()[host]
			}
			s := server{name: host + ":" + port}
			for _, a := range addrs {
				s.at = append(s.at, a+":"+port)
			}
			out, unknown = append(out, s), unknown || len(addrs) == 0
		}
		return out, unknown
	}
	have := func(s server, in []server) bool {
		for _, o := range in {
			if s.name == o.name {
				return true
			}
			for _, a := range s.at {
				if slices.Contains(o.at, a) {
					return true
				}
			}
		}
		return false
	}
	a, aUnknown := servers(yaml)
	b, bUnknown := servers(krb5)
	for _, s := range a {
		if !bUnknown && len(s.at) > 0 && !have(s, b) {
			return true
		}
	}
	for _, s := range b {
		if !aUnknown && len(s.at) > 0 && !have(s, a) {
			return true
		}
	}
	return false
}
