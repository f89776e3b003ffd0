package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/discover/dnstest"
	"github.com/kerbagent/kerbagent/probe"
)

// beyond is a network where only DNS servers answer. It counts who is asked what.
type beyond struct {
	dns   netip.AddrPort
	mu    sync.Mutex
	dials map[netip.AddrPort]map[string]int // by address and network
}

func (b *beyond) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	at := netip.MustParseAddrPort(address)
	if at == b.dns {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.dials == nil {
		b.dials = map[netip.AddrPort]map[string]int{}
	}
	if b.dials[at] == nil {
		b.dials[at] = map[string]int{}
	}
	b.dials[at][network]++
	return nil, errors.New("nobody is there")
}

func (b *beyond) addresses() []netip.Addr {
	all := map[netip.Addr]bool{}
	for at := range b.dials {
		all[at.Addr()] = true
	}
	return slices.SortedFunc(maps.Keys(all), netip.Addr.Compare)
}

// rogue is a zone with n SRV records for each service of a realm, each host with
// m addresses, in an order that the seed decides.
func rogue(seed uint64, hosts, addresses int, port uint16) []string {
	const domain = "corp.example.com."
	var out []string
	for _, service := range []string{"_kerberos._tcp", "_kerberos._udp", "_kpasswd._tcp", "_kpasswd._udp"} {
		for h := range hosts {
			out = append(out, fmt.Sprintf("%s.%s 60 IN SRV %d 0 %d h%d%s.%s", service, domain, h%3, port, h, service[1:4], domain))
		}
	}
	for _, of := range []string{"ker", "kpa"} {
		for h := range hosts {
			for a := range addresses {
				out = append(out, fmt.Sprintf("h%d%s.%s 60 IN A %d.%d.%d.%d", h, of, domain, 11+h/200, of[1], h%200, a+1))
			}
		}
	}
	r := rand.New(rand.NewPCG(seed, 1))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func checkRogue(t *testing.T, zone []string, realms ...string) (*beyond, []probe.Result) {
	t.Helper()
	server := dnstest.Serve(t, true, true, zone...)
	net := &beyond{dns: server}
	cfg := &config.Config{Probes: config.Probes{Timeout: 5 * time.Second}}
	for _, r := range realms {
		cfg.Realms = append(cfg.Realms, config.Realm{Name: r, Kind: config.MIT, DNSServers: []netip.AddrPort{server}})
	}
	results := Run(t.Context(), cfg, Env{Dialer: net, Now: time.Now})
	return net, results
}

// 40 SRV records with 200 addresses each once made 256,000 probes and 34,000
// datagrams: whoever answered for a realm's names decided whom this host asks.
func TestDNSDoesNotDecideHowMuchIsAsked(t *testing.T) {
	var first []netip.Addr
	for seed := range uint64(2) {
		net, results := checkRogue(t, rogue(seed, 40, 200, 88), "CORP.EXAMPLE.COM")
		got := net.addresses()
		if len(got) > 256 || len(got) < 200 {
			t.Errorf("%d addresses were asked, want at most 256 and not many less", len(got))
		}
		if len(results) > 1100 {
			t.Errorf("%d results", len(results))
		}
		if seed == 0 {
			first = got
		} else if !slices.Equal(got, first) {
			t.Error("another run chose other addresses")
		}
		i := slices.IndexFunc(Explain(&config.Config{}, results, time.Now()).Findings, func(f diagnose.Finding) bool { return f.Code == "servers-left-out" })
		if i < 0 {
			t.Fatal("nothing is said of what was left out")
		}
		if f := Explain(&config.Config{}, results, time.Now()).Findings[i]; f.Severity != diagnose.Info || !strings.Contains(f.Cause, "addresses") {
			t.Errorf("%s: %q", f.Severity, f.Cause)
		}
	}
}

// Of hundreds of domain controllers 64 are asked: those of the best priority, then by name.
func TestALargeForestIsAskedInPart(t *testing.T) {
	net, results := checkRogue(t, rogue(1, 300, 1, 88), "CORP.EXAMPLE.COM")
	var hosts []string
	for _, r := range results {
		if r.ID.Kind == probe.KDC && r.ID.Address.IsValid() && !slices.Contains(hosts, r.ID.Target) {
			hosts = append(hosts, r.ID.Target)
		}
	}
	var want []string
	for h := range 300 {
		want = append(want, fmt.Sprintf("h%dker.corp.example.com", h))
	}
	slices.SortFunc(want, func(a, b string) int {
		p := func(s string) int { n := 0; fmt.Sscanf(s, "h%d", &n); return n % 3 }
		return cmp.Or(cmp.Compare(p(a), p(b)), cmp.Compare(a, b))
	})
	want = want[:64]
	slices.Sort(want)
	slices.Sort(hosts)
	if !slices.Equal(hosts, want) {
		t.Errorf("%d hosts, %v", len(hosts), hosts)
	}
	if n := len(net.addresses()); n != 128 {
		t.Errorf("%d addresses, want 64 KDCs and 64 kpasswd servers", n)
	}
}

// At a port that only an SRV record names, one request over TCP is all that a
// stranger gets; the port of the protocol is asked as ever.
func TestAnOddPortGetsOneRequestOverTCP(t *testing.T) {
	net, _ := checkRogue(t, rogue(1, 3, 2, 22), "CORP.EXAMPLE.COM")
	for at, dials := range net.dials {
		if dials["udp"] > 0 || dials["tcp"] != 1 {
			t.Errorf("%s: %v", at, dials)
		}
	}
	if len(net.dials) != 12 {
		t.Errorf("%d places were asked, want 12", len(net.dials))
	}
	net, _ = checkRogue(t, rogue(1, 3, 2, 88), "CORP.EXAMPLE.COM")
	for at, dials := range net.dials {
		if dials["udp"] == 0 || dials["tcp"] == 0 {
			t.Errorf("%s: %v", at, dials)
		}
	}
}
