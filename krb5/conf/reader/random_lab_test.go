//go:build lab

package reader

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// TestMITRandom holds the model of MIT against libkrb5 over thousands of
// files, tree and all.
func TestMITRandom(t *testing.T) {
	compareRandom(t, 4000, MIT, askMIT)
}

// TestHeimdalRandom does so for Heimdal.
func TestHeimdalRandom(t *testing.T) {
	compareRandom(t, 4000, Heimdal, askHeimdal)
}

// TestJavaRandom does so for Java.
func TestJavaRandom(t *testing.T) {
	compareRandom(t, 4000, Java, askJava)
}

func compareRandom(t *testing.T, n int, reader Reader, askReader func(*testing.T, []question) []answer) {
	t.Helper()
	dir := t.TempDir()
	var questions []question
	var texts []string
	for i := range n {
		text := randomConf(rand.New(rand.NewPCG(7, uint64(i))))
		name := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
		questions = append(questions, question{Config: name, Hosts: randomHosts(), Realms: []string{"A.TEST", "B.TEST"}, Dump: true})
	}
	bad, refused := 0, 0
	for i, want := range askReader(t, questions) {
		set := conf.Load(conf.Disk{}, questions[i].Config)
		got := modelAnswer(Read(reader, set), set, questions[i], want)
		if want.Error != "" {
			refused++
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("file %d (- %s, + model):\n%s\n%s", i, reader, diff, number(texts[i]))
			if bad++; bad == 4 {
				t.FailNow()
			}
		}
	}
	t.Logf("%d files, %d of them refused", n, refused)
	if reader != Heimdal && refused == 0 || refused > n*9/10 {
		t.Errorf("%d of %d files refused: no test of anything", refused, n)
	}
}

func number(text string) string {
	var b strings.Builder
	for i, l := range strings.Split(text, "\n") {
		fmt.Fprintf(&b, "%3d %q\n", i+1, l)
	}
	return b.String()
}

// modelAnswer puts a reading into the words of the real reader. Where both
// refuse, the words of the refusal are the reader's own.
func modelAnswer(r *Reading, set *conf.Set, q question, want answer) answer {
	if r.Reader != Heimdal && r.Err != nil { // Heimdal goes on without a word
		if want.Error == "" {
			return answer{Error: r.Err.Error()}
		}
		return answer{Error: want.Error}
	}
	a := answer{
		DefaultRealm: r.DefaultRealm.Value, Ticket: ids(r.TicketETypes), Service: ids(r.ServiceETypes), Permitted: ids(r.PermittedETypes),
		Hosts: map[string]string{}, Realms: map[string][]string{},
	}
	for _, h := range q.Hosts {
		a.Hosts[h] = r.HostRealm(h).Realm
	}
	for _, e := range r.Realms {
		if len(e.KDCs) == 0 && e.Err == nil {
			continue
		}
		a.Realms[e.Name] = nil
		if e.Err != nil {
			continue
		}
		a.Realms[e.Name] = []string{}
		for _, k := range e.KDCs {
			if r.Reader == Heimdal && k.Err != nil {
				continue
			}
			a.Realms[e.Name] = append(a.Realms[e.Name], kdcText(r.Reader, k))
		}
	}
	switch r.Reader {
	case MIT:
		mitAnswer(r, set, q, want, &a)
	case Java:
		javaAnswer(r, q, &a)
	case Heimdal:
		heimdalAnswer(r, q, &a)
	}
	return a
}

func kdcText(r Reader, k Server) string {
	switch r {
	case Java: // is asked for the words of the file
		return k.Text
	case Heimdal:
		s := k.Host
		if k.Port != 88 {
			s += fmt.Sprintf(":%d", k.Port)
		}
		switch k.Transport {
		case "tcp":
			s = "tcp/" + s
		case "http":
			s = "http://" + s
		}
		return s
	}
	return fmt.Sprintf("%s %d", k.Host, k.Port)
}

func mitAnswer(r *Reading, set *conf.Set, q question, want answer, a *answer) {
	a.Fallback = map[string]string{}
	for _, h := range q.Hosts {
		host := r.HostRealm(h)
		if host.How != ByReferral {
			continue
		}
		a.Fallback[h] = host.Fallback
		if host.Fallback == "" {
			a.Fallback[h] = r.DefaultRealm.Value
		}
		if a.Fallback[h] == "" {
			delete(a.Fallback, h)
		}
	}
	if p, _, err := profileOf(set); err == nil && want.Dump != "" {
		var b strings.Builder
		p[0].dump(&b, 0)
		a.Dump = b.String()
	}
	a.RDNS, a.Canonicalize, a.UDP = r.RDNS.Value, r.CanonicalizeHost.Value == "true", float64(r.UDPLimit.Value)
	if r.RDNS.Err != nil {
		a.RDNS = "error"
	}
	if r.CanonicalizeHost.Value == "fallback" {
		a.Canonicalize = "error"
	}
	if r.UDPLimit.Err != nil {
		a.UDP = "error"
	}
	// libkrb5 clips the limit only when it sends.
	if v, ok := want.UDP.(float64); ok && (v > mitHardUDPLimit && r.UDPLimit.Value == mitHardUDPLimit || v < 0 && r.UDPLimit.Value == mitUDPLimit) {
		a.UDP = want.UDP
	}
}

func javaAnswer(r *Reading, q question, a *answer) {
	for _, h := range q.Hosts {
		if r.HostRealm(h).How != ByMapping {
			a.Hosts[h] = ""
		}
	}
	maps.DeleteFunc(a.Realms, func(name string, _ []string) bool { return !slices.Contains(q.Realms, name) })
	unset := func(s Setting[bool]) any {
		if s.Err != nil || s.From.IsZero() {
			return "unset"
		}
		return s.Value
	}
	a.LookupKDC, a.LookupRealm = unset(r.DNSLookupKDC), unset(r.DNSLookupRealm)
	a.UDP = r.UDPLimit.Text
}

func heimdalAnswer(r *Reading, q question, a *answer) {
	maps.DeleteFunc(a.Realms, func(name string, _ []string) bool { return !slices.Contains(q.Realms, name) })
	maps.DeleteFunc(a.Hosts, func(host, _ string) bool { return !strings.Contains(host, ".") })
	a.LookupKDC, a.LookupRealm, a.Canonicalize = r.DNSLookupKDC.Value, r.DNSLookupRealm.Value, r.CanonicalizeHost.Value == "true"
}

func ids(e ETypes) []int32 {
	if len(e.IDs) == 0 {
		return []int32{}
	}
	return e.IDs
}
