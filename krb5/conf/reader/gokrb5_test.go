package reader

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/config"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// gokrb5View is what both the model and the library can be asked.
type gokrb5View struct {
	Refused, Panics           bool
	DefaultRealm              string
	Ticket, Service, Permit   []int32
	UDP                       int
	LookupKDC, LookupRealm    bool
	RDNS, Canonicalize, Canon bool
	Hosts                     map[string]string
	KDCs, Kpasswd             map[string][]string
}

// askGokrb5 asks the library itself.
func askGokrb5(text string, hosts []string) (v gokrb5View) {
	defer func() {
		if recover() != nil {
			v = gokrb5View{Refused: true, Panics: true}
		}
	}()
	c, err := config.NewFromString(text)
	if err != nil {
		return gokrb5View{Refused: true}
	}
	l := c.LibDefaults
	v = gokrb5View{
		DefaultRealm: l.DefaultRealm, Ticket: l.DefaultTktEnctypeIDs, Service: l.DefaultTGSEnctypeIDs, Permit: l.PermittedEnctypeIDs,
		UDP: l.UDPPreferenceLimit, LookupKDC: l.DNSLookupKDC, LookupRealm: l.DNSLookupRealm,
		RDNS: l.RDNS, Canonicalize: l.Canonicalize, Canon: l.DNSCanonicalizeHostname,
		Hosts: map[string]string{}, KDCs: map[string][]string{}, Kpasswd: map[string][]string{},
	}
	for _, h := range hosts {
		v.Hosts[h] = c.ResolveRealm(h)
	}
	for _, r := range c.Realms {
		v.KDCs[r.Realm] = r.KDC // GetKDCs takes the last of a name
		v.Kpasswd[r.Realm] = r.KPasswdServer
	}
	return v
}

func modelGokrb5(text string, hosts []string) gokrb5View {
	r := Read(Gokrb5, conf.Load(conf.Texts{Files: map[string]string{"f": text}}, "f"))
	if r.Err != nil {
		return gokrb5View{Refused: true, Panics: strings.Contains(r.Err.Error(), ErrPanics.Error())}
	}
	v := gokrb5View{
		DefaultRealm: r.DefaultRealm.Value, Ticket: r.TicketETypes.IDs, Service: r.ServiceETypes.IDs, Permit: r.PermittedETypes.IDs,
		UDP: r.UDPLimit.Value, LookupKDC: r.DNSLookupKDC.Value, LookupRealm: r.DNSLookupRealm.Value,
		RDNS: r.RDNS.Value, Canonicalize: r.Canonicalize.Value, Canon: r.CanonicalizeHost.Value == "true",
		Hosts: map[string]string{}, KDCs: map[string][]string{}, Kpasswd: map[string][]string{},
	}
	for _, h := range hosts {
		v.Hosts[h] = r.HostRealm(h).Realm
	}
	texts := func(servers []Server) []string {
		var s []string
		for _, k := range servers {
			s = append(s, k.Text)
		}
		return s
	}
	for _, e := range r.Realms {
		v.KDCs[e.Name], v.Kpasswd[e.Name] = texts(e.KDCs), texts(e.Kpasswd)
	}
	return v
}

// TestGokrb5Random holds the model against the library over thousands of files.
func TestGokrb5Random(t *testing.T) {
	refused, panics := 0, 0
	const n = 6000
	for i := range n {
		text := randomConf(rand.New(rand.NewPCG(11, uint64(i))))
		want, got := askGokrb5(text, randomHosts()), modelGokrb5(text, randomHosts())
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("file %d (- gokrb5, + model):\n%s\n%s", i, diff, text)
		}
		if want.Refused {
			refused++
		}
		if want.Panics {
			panics++
		}
	}
	if refused == 0 || refused > n*9/10 || panics == 0 {
		t.Errorf("%d of %d files refused, %d by a panic: no test of anything", refused, n, panics)
	}
}

// FuzzGokrb5 looks for a file of which the model and the library make
// different things.
func FuzzGokrb5(f *testing.F) {
	for i := range 20 {
		f.Add(randomConf(rand.New(rand.NewPCG(13, uint64(i)))))
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > conf.MaxFileSize || strings.ContainsRune(text, 0) {
			return // never read
		}
		if diff := cmp.Diff(askGokrb5(text, randomHosts()), modelGokrb5(text, randomHosts())); diff != "" {
			t.Fatalf("- gokrb5, + model:\n%s", diff)
		}
	})
}

// TestGokrb5KDCs shows which KDCs gokrb5 can use at all, as it splits them
// when it dials.
func TestGokrb5KDCs(t *testing.T) {
	text := "[realms]\nA = {\n kdc = dc1\n kdc = dc2:750\n kdc = [fd00::1]:88\n kdc = fd00::1\n kdc = [fd00::2]\n kdc = dc3*\n kdc = dc4\n}\n"
	e, _ := Read(Gokrb5, conf.Load(conf.Texts{Files: map[string]string{"f": text}}, "f")).Realm("A")
	var got []string
	for _, k := range e.KDCs {
		s := k.Host + " " + strconv.Itoa(k.Port)
		if k.Err != nil {
			s = "unusable: " + k.Text
		}
		got = append(got, s)
	}
	want := []string{"dc1 88", "dc2 750", "fd00::1 88", "unusable: fd00::1", "unusable: [fd00::2]", "dc3 88"}
	if !slices.Equal(got, want) {
		t.Error(fmt.Sprint(got), want)
	}
}

// TestGokrb5LongLines stands at the length of line where gokrb5 stops reading.
func TestGokrb5LongLines(t *testing.T) {
	for _, length := range []int{64<<10 - 2, 64<<10 - 1, 64 << 10, 64<<10 + 1} {
		for _, end := range []string{"\n", "", "\r\n"} {
			line := "#" + strings.Repeat("x", length-1-len(end)) + end
			text := line + "[libdefaults]\ndefault_realm = A.TEST\n"
			if end == "" {
				text = "[libdefaults]\ndefault_realm = A.TEST\n" + line
			}
			if diff := cmp.Diff(askGokrb5(text, nil), modelGokrb5(text, nil)); diff != "" {
				t.Errorf("line of %d bytes, end %q (- gokrb5, + model):\n%s", length, end, diff)
			}
		}
	}
}
