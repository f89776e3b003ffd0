//go:build lab

package lint

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

var (
	drawnFiles = flag.Int("files", 400, "how many files are drawn")
	drawnSeed  = flag.Uint64("seed", 1, "the seed; 0: the time, to look for what no seed has shown")
)

// draw returns a file as people write it: one part in eight is not as usual. Its KDCs are ports of this host at which nothing listens.
func draw(r *rand.Rand) string {
	pick := func(usual string, other ...string) string {
		if r.IntN(8) > 0 {
			return usual
		}
		return other[r.IntN(len(other))]
	}
	realm := pick("A.TEST", "a.test", "CORP", "A-1.TEST", "A_B.TEST")
	said := pick(realm, realm+" # ours", realm+";", `"`+realm+`"`, "“"+realm+"”", strings.ToLower(realm), realm+" ", "'"+realm+"'", "${REALM}", "{{ realm }}", "%s")
	libdefaults := []string{pick("default_realm = "+said, "default_realm="+said, "default_realm: "+said, "default_reaml = "+said, "Default_Realm = "+said,
		"default_realm* = "+said, "#default_realm = "+said)}
	for _, line := range []string{
		pick("dns_lookup_kdc = false", "dns_lookup_kdc = no", "dns_lookup_kdc = true", "dns_lookup_kdc = maybe", ""),
		pick("", "ticket_lifetime = 24h", "ticket_lifetime = 24 h", "ticket_lifetime = one day", "ticket_lifetime = 1d 2h", "ticket_lifetime = 24h # a day", "ticket_lifetime = 36000"),
		pick("", "renew_lifetime = 7d", "renew_lifetime = 7 days", "renew_lifetime = 7d 0h 0m 0s", "renew_lifetime = forever"),
		pick("", "udp_preference_limit = 1", "udp_preference_limit = 0", "udp_preference_limit = small"),
		pick("", "default_tkt_enctypes = aes256-cts-hmac-sha1-96 rc4-hmac", "default_tkt_enctypes = des-cbc-md5", "permitted_enctypes = aes256", "permitted_enctypes = aes"),
		pick("", "forwardable = yes", "proxiable = ja", "allow_weak_crypto = true", "kdc_timesync = 1", "clockskew = 5m", "rdns = none"),
		pick("", "dns_canonicalize_hostname = fallback", "dns_canonicalize_hostname = maybe"),
	} {
		if line != "" {
			libdefaults = append(libdefaults, line)
		}
	}
	kdc := pick("kdc = 127.0.0.1:1", "kdc = 127.0.0.1", "kdc=127.0.0.1:1", "kdc = 127.0.0.1:1 # first", "kdc = 127.0.0.1:", "kdc = 127.0.0.1:krb", "kdc = fd00::1",
		"kdc = [::1]:1", "kdc =", "kdcs = 127.0.0.1", "KDC = 127.0.0.1", "kdc = 127.0.0.1, 127.0.0.2", "kdc = 127.0.0.1 127.0.0.2", "kdc* = 127.0.0.1", "#kdc = 127.0.0.1",
		"kdc: 127.0.0.1")
	open := pick(realm+" = {", realm+"={", realm+" = \n {", realm+" = { kdc = 127.0.0.1 }", realm+" {", "#"+realm+" = {", realm+"* = {")
	realms := pick("[realms]", "[ realms ]", "[Realms]", "[realm]", "[realms] # ours", "[realms]*")
	indent := pick(" ", "\t", "")
	body := "[libdefaults]\n" + indent + strings.Join(libdefaults, "\n"+indent) + "\n" + realms + "\n" + indent + open + "\n" + indent + kdc + "\n" + indent + pick("}", "", "};", "}*") + "\n" +
		pick("", "[domain_realm]\n .a.test = "+realm+"\n", "[logging]\n default = FILE:/dev/null\n", "}\n", "[libdefaults]\n forwardable = true\n", "includedir /no/such/dir\n")
	body = pick("", "# Managed by hand\n", "\ufeff", "includedir /no/such/dir\n", "// a comment\n", "---\n") + body
	if r.IntN(8) == 0 {
		body = strings.ReplaceAll(body, "\n", "\r\n")
	}
	return body
}

// drawn returns what a test draws its cases with.
func drawn(t *testing.T) *rand.Rand {
	t.Helper()
	seed := *drawnSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestDrawnFilesAgainstMIT draws files by a seed, and asks libkrb5 whether kinit gets
// as far as a KDC of the default realm. Where it does, lint has no error; where the
// file keeps it from that, lint does not say that nothing is wrong.
func TestDrawnFilesAgainstMIT(t *testing.T) {
	r := drawn(t)
	path := filepath.Join(t.TempDir(), "krb5.conf")
	usable := 0
	for range *drawnFiles {
		text := draw(r)
		said := kinitSays(t, path, text)
		// Without a name server kinit cannot say that DNS knows no KDC: it was asked, that is all.
		fine := strings.Contains(said, "Cannot contact any KDC")
		asked := strings.Contains(said, "Cannot find KDC for realm") && strings.Contains(text, "dns_lookup_kdc = true")
		silent := !strings.Contains(text, "default_realm") || strings.Contains(text, "#default_realm")
		issues := serious(alone(text, nil))
		hasError := slices.ContainsFunc(issues, func(i string) bool { return strings.HasPrefix(i, string(krb5conf.SeverityError)) })
		switch {
		case fine && hasError && !slices.ContainsFunc(issues, func(i string) bool { return strings.Contains(i, "template") }):
			t.Errorf("MIT uses the file, lint has %q\n%s", issues, text)
		case !fine && !asked && !silent && len(issues) == 0:
			t.Errorf("kinit: %s; lint has nothing\n%s", said, text)
		}
		if fine {
			usable++
		}
	}
	if usable < *drawnFiles/10 || usable > *drawnFiles*9/10 {
		t.Errorf("%d of %d files are usable: the draw is one-sided", usable, *drawnFiles)
	}
}

// kinitSays returns the last words of kinit with a krb5.conf.
func kinitSays(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "kinit", "-c", "MEMORY:x", "nobody")
	cmd.Env = append(os.Environ(), "KRB5_CONFIG="+path, "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err == nil {
		t.Fatal("kinit got a ticket")
	}
	return strings.TrimSpace(string(out))
}

// What isLifetime takes is what kinit takes.
func TestLifetimesAgainstMIT(t *testing.T) {
	r := drawn(t)
	texts := []string{"24h", "1d 2h", "7d 0h 0m 0s", "24 h", "one day", "7 days", "10:00", "1-10:00:00", "1-2", "-1", "+1", "24hours", "24h;", "1h1d", "2147483648", "30000d", "24h 1", "12h0", "1:2:3:4", "0:246", "1:02:003", "1-100:00:00", "100-10:00:00"}
	for range 100 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			fmt.Fprintf(&b, "%s%d%s%s", []string{"", "", " "}[r.IntN(3)], []int{0, 1, 7, 24, 61, 100}[r.IntN(6)], []string{"", "", " "}[r.IntN(3)],
				[]string{"d", "h", "m", "s", "H", "w", "hours", "days", "min", ":", "-", ""}[r.IntN(12)])
		}
		texts = append(texts, strings.TrimSpace(b.String()))
	}
	path := filepath.Join(t.TempDir(), "krb5.conf")
	for _, text := range texts {
		said := kinitSays(t, path, "[libdefaults]\n default_realm = A.TEST\n ticket_lifetime = "+text+"\n[realms]\n A.TEST = {\n  kdc = 127.0.0.1:1\n }\n")
		if got := strings.Contains(said, "Cannot contact"); got != isLifetime(text) {
			t.Errorf("%q: kinit says %s, isLifetime %v", text, said, isLifetime(text))
		}
	}
}
