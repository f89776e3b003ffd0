package rehearsal

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
	"github.com/kerbagent/kerbagent/probe"
)

// induced is one thing that is wrong with a world: where it is, how it is made,
// and by which codes a finding would name it. What it does to logins is not
// declared: the program tells.
type induced struct {
	recipe  string
	codes   []diagnose.Code             // what it may be called where other faults are at the same place
	kinds   []diagnose.Code             // what it is to be called where it is alone there; nil: codes
	touches func(*World, probe.ID) bool // the place: which probes it can change
	words   func(*World) []string       // what a finding about logins alone calls the place
	said    bool                        // the place is a name: a finding has to have it in its text
	play    func(*scene) error
}

// called is what a fault's place is called, whatever the world.
func called(words ...string) func(*World) []string { return func(*World) []string { return words } }

// scene is a world while it is being spoilt.
type scene struct {
	*World
	rough *rough
	db    mysqltest.Faults // set once all have had their turn
	clock time.Duration    // of this host, ahead of the real time
	hosts map[string]netip.Addr
}

// at reports whether a probe goes to one of the addresses and, where ports are given, to one of those.
func at(id probe.ID, addrs []netip.Addr, ports ...uint16) bool {
	return slices.Contains(addrs, id.Address.Addr().Unmap()) && (len(ports) == 0 || slices.Contains(ports, id.Address.Port()))
}

func loginOf(id probe.ID, user string) bool {
	return id.Kind == probe.Login && strings.HasPrefix(id.Target, user+"@")
}

// machine is one of the places.
type machine struct {
	name string
	of   func(*World) *controller
}

func machines() []machine {
	return []machine{{"dc1", func(w *World) *controller { return w.dc1 }}, {"dc2", func(w *World) *controller { return w.dc2 }},
		{"dc of onprem", func(w *World) *controller { return w.dcOnprem }}}
}

func pick[T any](r *rand.Rand, all ...T) T { return all[r.IntN(len(all))] }

// draw makes one fault.
func draw(r *rand.Rand) induced {
	return pick(r, pathFault, pathFault, pathFault, kdcFault, kdcFault, kdcFault, dnsFault, dnsFault, accountFault, serviceFault, databaseSide, databaseSide,
		hostFault, recordFault, recordFault, cutFault, cutFault)(r)
}

// port is a service of a machine.
type port struct {
	name string
	of   func(*World, *controller) uint16
	kind probe.Kind
}

func ports() []port {
	return []port{
		{"88", func(_ *World, c *controller) uint16 { return c.kdcPort }, probe.KDC},
		{"88", func(_ *World, c *controller) uint16 { return c.kdcPort }, probe.KDC},
		{"464", func(_ *World, c *controller) uint16 { return c.kpasswdPort }, probe.Kpasswd},
		{"53", func(_ *World, c *controller) uint16 { return c.dns.addr.Port() }, probe.DNS},
	}
}

// pathCodes are the codes by which the loss of packets to a service is named.
func pathCodes(kind probe.Kind) []diagnose.Code {
	all := map[probe.Kind][]diagnose.Code{
		probe.KDC: {"kdc-silent", "kdc-hung", "kdc-refused", "kdc-tcp-blocked", "kdc-udp-blocked", "kdc-large-messages-lost", "realm-unreachable", "trust-realm-unreachable",
			"dns-srv-stale"},
		probe.Kpasswd:  {"kpasswd-blocked"},
		probe.DNS:      {"dns-server-silent", "dns-udp-blocked", "dns-tcp-blocked", "dns-filtered"},
		probe.Database: {"db-silent", "db-refused", "db-not-mysql", "db-connection-cut", "db-path-mtu"},
	}
	return append(slices.Clone(all[kind]), "server-down", "host-offline", "ipv6-broken", "path-lossy", "server-slow")
}

// addressesOf are the addresses of a machine.
func addressesOf(m machine) func(*World) []string {
	return func(w *World) (words []string) {
		for _, a := range m.of(w).addrs {
			words = append(words, a.String())
		}
		return words
	}
}

// ofDatabase returns what the database is called: its name too, where that has no other address.
func ofDatabase(w *World) []string {
	words, addresses := []string{w.database.Addr().Addr().String()}, 0
	w.resolver.edit(rdsZone, func(z *zone) {
		for _, rr := range z.records {
			if h := rr.Header(); h.Name == dns.Fqdn(instanceHost) && (h.Rrtype == dns.TypeA || h.Rrtype == dns.TypeAAAA) {
				addresses++
			}
		}
	})
	if addresses < 2 {
		words = append(words, databaseHost)
	}
	return words
}

// lossKinds are the codes by which what is lost on the way to a service is named exactly: by
// what is lost, and over which transport.
func lossKinds(services []probe.Kind, transport, effect string) []diagnose.Code {
	blocked := map[probe.Kind]map[string][]diagnose.Code{
		probe.KDC:      {"": {"kdc-silent"}, "udp": {"kdc-udp-blocked"}, "tcp": {"kdc-tcp-blocked"}},
		probe.Kpasswd:  {"": {"kpasswd-blocked"}, "udp": {"kpasswd-blocked"}, "tcp": {"kpasswd-blocked"}},
		probe.DNS:      {"": {"dns-server-silent"}, "udp": {"dns-udp-blocked"}, "tcp": {"dns-tcp-blocked"}},
		probe.Database: {"tcp": {"db-silent"}},
	}
	more := map[string]map[probe.Kind][]diagnose.Code{
		"refuse": {probe.KDC: {"kdc-refused"}, probe.Database: {"db-refused"}},
		"large":  {probe.KDC: {"kdc-large-messages-lost"}, probe.Database: {"db-path-mtu", "db-connection-cut"}, probe.DNS: {"dns-filtered"}},
		"tiny":   {probe.KDC: {"kdc-large-messages-lost", "kdc-hung"}, probe.Database: {"db-path-mtu", "db-not-mysql"}, probe.DNS: {"dns-filtered"}},
		"cut":    {probe.KDC: {"kdc-not-kerberos", "kdc-large-messages-lost"}, probe.Database: {"db-connection-cut"}},
		"deaf":   {probe.KDC: {"kdc-hung"}},
	}
	var out []diagnose.Code
	for _, kind := range services {
		switch effect {
		case "slow": // 60 ms are no fault
			continue
		case "lossy": // by chance all that were asked are lost: then it is blocked, as far as anybody can tell
			out = append(out, "path-lossy")
		case "large":
			out = append(out, more[effect][kind]...)
			continue
		}
		out = append(append(out, blocked[kind][transport]...), more[effect][kind]...)
	}
	if len(out) == 0 {
		return []diagnose.Code{}
	}
	return append(out, "server-down", "ipv6-broken", "realm-unreachable", "trust-realm-unreachable")
}

// pathFault is something on the way to a machine, the resolver or the database.
func pathFault(r *rand.Rand) induced {
	transport := pick(r, "", "", "udp", "tcp")
	effect := pick(r, "drop", "drop", "refuse", "unreachable", "forbid", "large", "tiny", "slow", "lossy")
	where := r.IntN(10)
	switch {
	case where == 0:
		codes := append(pathCodes(probe.DNS), "dns-filtered", "endpoint-unresolvable", "dns-zone-missing")
		return pathTo("the resolver", transport, effect, codes, []probe.Kind{probe.DNS},
			func(w *World) ([]netip.Addr, uint16) { return []netip.Addr{w.Resolver().Addr()}, w.Resolver().Port() })
	case where <= 2:
		return pathTo("the database", "tcp", effect, pathCodes(probe.Database), []probe.Kind{probe.Database},
			func(w *World) ([]netip.Addr, uint16) {
				return []netip.Addr{w.database.Addr().Addr()}, w.database.Addr().Port()
			})
	}
	m := pick(r, machines()...)
	if where == 3 { // the whole machine
		codes := slices.Concat(pathCodes(probe.KDC), pathCodes(probe.Kpasswd), pathCodes(probe.DNS))
		return pathTo(m.name, transport, effect, codes, []probe.Kind{probe.KDC, probe.Kpasswd, probe.DNS}, func(w *World) ([]netip.Addr, uint16) { return m.of(w).addrs, 0 })
	}
	p := pick(r, ports()...)
	family := ""
	if m.name == "dc1" && p.kind != probe.DNS {
		family = pick(r, "", "", " IPv4", " IPv6")
	}
	return pathTo(m.name+" port "+p.name+family, transport, effect, pathCodes(p.kind), []probe.Kind{p.kind}, func(w *World) ([]netip.Addr, uint16) {
		c := m.of(w)
		addrs := slices.DeleteFunc(slices.Clone(c.addrs), func(a netip.Addr) bool { return family == " IPv4" && !a.Is4() || family == " IPv6" && a.Is4() })
		return addrs, p.of(w, c)
	})
}

func pathTo(name, transport, effect string, codes []diagnose.Code, of []probe.Kind, place func(*World) ([]netip.Addr, uint16)) induced {
	return induced{
		recipe: fmt.Sprintf("%s %s/%s", effect, name, transport),
		codes:  codes,
		kinds:  lossKinds(of, transport, effect),
		words: func(w *World) (words []string) {
			addrs, _ := place(w)
			if addrs[0] == w.database.Addr().Addr() {
				return ofDatabase(w)
			}
			for _, a := range addrs {
				words = append(words, a.String())
			}
			return words
		},
		touches: func(w *World, id probe.ID) bool {
			addrs, port := place(w)
			if !id.Address.IsValid() && id.Kind != probe.Login && addrs[0] == w.Resolver().Addr() {
				return true // a name that does not resolve
			}
			ok := at(id, addrs) && (port == 0 || w.realPort(id) == port)
			return ok && (transport == "" || id.Transport == "" || string(id.Transport) == transport)
		},
		play: func(s *scene) error {
			addrs, port := place(s.World)
			for _, a := range addrs {
				rule, spoils := roughRule{to: one(a), port: port, transport: transport}, true
				switch effect {
				case "drop", "refuse", "unreachable":
					spoils = false
					e := map[string]Effect{"drop": Drop, "refuse": Refuse, "unreachable": Unreachable}[effect]
					s.path.Add(Rule{To: one(a), Port: port, Transport: transport, Effect: e})
				case "forbid":
					rule.forbid = true
				case "large":
					rule.over = 1300
				case "tiny":
					rule.over = 100
				case "slow":
					rule.delay = 60 * time.Millisecond
				case "lossy":
					rule.loss = 0.4
				case "cut":
					rule.cut = 70
				case "deaf":
					rule.deaf = true
				}
				if spoils {
					s.rough.rules = append(s.rough.rules, rule)
				}
			}
			return nil
		},
	}
}

// realPort is the port of a probe behind the Path's aliases.
func (w *World) realPort(id probe.ID) uint16 {
	to, _ := w.path.find("", netip.AddrPortFrom(id.Address.Addr().Unmap(), id.Address.Port()))
	return to.Port()
}

// kdcFault is something that a KDC or kpasswd server does.
func kdcFault(r *rand.Rand) induced {
	m := pick(r, machines()...)
	script := func(what string, kinds, more []diagnose.Code, change func(*krb5test.Script)) induced {
		all := append(kinds, "realm-unreachable", "trust-realm-unreachable")
		return induced{
			recipe:  m.name + "'s KDC " + what,
			codes:   slices.Concat(all, more),
			kinds:   all,
			words:   addressesOf(m),
			touches: func(w *World, id probe.ID) bool { c := m.of(w); return at(id, c.addrs) && w.realPort(id) == c.kdcPort },
			play: func(s *scene) error {
				k := m.of(s.World).kdc
				now := k.Script()
				change(&now)
				k.Set(now)
				return nil
			},
		}
	}
	switch r.IntN(11) {
	case 0:
		return script("is silent over UDP", []diagnose.Code{"kdc-udp-blocked"}, []diagnose.Code{"kdc-hung"}, func(s *krb5test.Script) { s.SilentUDP = true })
	case 1:
		return script("is silent over TCP", []diagnose.Code{"kdc-tcp-blocked"}, []diagnose.Code{"kdc-hung"}, func(s *krb5test.Script) { s.SilentTCP = true })
	case 2:
		return script("hangs", []diagnose.Code{"kdc-hung"}, nil, func(s *krb5test.Script) { s.SilentTCP, s.SilentUDP = true, true })
	case 3:
		return script("closes TCP", []diagnose.Code{"kdc-not-kerberos", "kdc-tcp-blocked"}, nil, func(s *krb5test.Script) { s.CloseTCP = true })
	case 4:
		return script("answers in HTTP", []diagnose.Code{"kdc-not-kerberos"}, nil, func(s *krb5test.Script) { s.Garbage = true })
	case 5:
		return script("says 29", []diagnose.Code{"kdc-unavailable"}, nil, func(s *krb5test.Script) { s.ErrorCode = 29 })
	case 6:
		by := pick(r, wrongBy, -wrongBy, 2*time.Minute, -2*time.Minute)
		f := script(fmt.Sprintf("is off by %s", by), []diagnose.Code{"clock-skew-one-kdc"}, []diagnose.Code{"clock-skew"}, func(s *krb5test.Script) { s.ClockOffset = by })
		return f
	case 7:
		over := pick(r, 1400, 100)
		kinds, more := []diagnose.Code{"kdc-large-messages-lost"}, []diagnose.Code{"kdc-silent", "kdc-hung", "kdc-udp-blocked", "kdc-tcp-blocked"}
		if over == 100 { // hardly a message is smaller: a KDC that hangs looks the same
			kinds = append(kinds, "kdc-hung")
		}
		return script(fmt.Sprintf("loses messages over %d bytes", over), kinds, more,
			func(s *krb5test.Script) { s.DropLarge = over })
	case 8:
		return script("serves another realm", []diagnose.Code{"kdc-wrong-realm", "principal-unknown"}, nil, func(s *krb5test.Script) { s.WrongRealm = true })
	case 9:
		return script("is slow", []diagnose.Code{"server-slow"}, nil, func(s *krb5test.Script) {
			s.AnswerDelay = map[krb5test.Kind]time.Duration{krb5test.KindAS: 300 * time.Millisecond, krb5test.KindASPreauth: 300 * time.Millisecond, krb5test.KindTGS: 300 * time.Millisecond}
		})
	}
	c := m
	change := pick(r, func(s *krb5test.Script) { s.SilentTCP, s.SilentUDP = true, true }, func(s *krb5test.Script) { s.Garbage = true },
		func(s *krb5test.Script) { s.SilentUDP = true })
	return induced{
		recipe: m.name + "'s kpasswd misbehaves",
		codes:  []diagnose.Code{"kpasswd-blocked"},
		touches: func(w *World, id probe.ID) bool {
			return at(id, c.of(w).addrs) && w.realPort(id) == c.of(w).kpasswdPort
		},
		play: func(s *scene) error {
			k := c.of(s.World).kpasswd
			now := k.Script()
			change(&now)
			k.Set(now)
			return nil
		},
	}
}

// speaker is a DNS server by its place.
type speaker struct {
	name string
	of   func(*World) *dnsServer
	zone string
}

// dnsFault is something that a DNS server says.
func dnsFault(r *rand.Rand) induced {
	s := pick(r, speaker{"dc1", func(w *World) *dnsServer { return w.dc1.dns }, corpDomain}, speaker{"dc2", func(w *World) *dnsServer { return w.dc2.dns }, corpDomain},
		speaker{"onprem", func(w *World) *dnsServer { return w.dcOnprem.dns }, "onprem.local"},
		speaker{"resolver", func(w *World) *dnsServer { return w.resolver }, corpDomain}, speaker{"resolver", func(w *World) *dnsServer { return w.resolver }, corpDomain},
		speaker{"resolver", func(w *World) *dnsServer { return w.resolver }, "onprem.local"})
	say := func(what string, codes []diagnose.Code, do func(*scene, *dnsServer)) induced {
		return induced{
			recipe: s.name + "'s DNS " + what,
			codes:  codes,
			words:  func(w *World) []string { return []string{s.of(w).addr.Addr().String()} },
			touches: func(w *World, id probe.ID) bool {
				d := s.of(w)
				// A name that does not resolve has no address: its place is the server that was asked.
				return id.Address == d.addr || !id.Address.IsValid() && id.Kind != probe.Login && (d == w.resolver || strings.HasSuffix(id.Target, s.zone))
			},
			play: func(sc *scene) error { do(sc, s.of(sc.World)); return nil },
		}
	}
	zoneOf := func(d *dnsServer, change func(*zone)) { d.edit(s.zone, change) }
	switch r.IntN(10) {
	case 9: // the address that it had once, beside its own or alone
		old, alone := netip.AddrFrom4([4]byte{127, 77, 0, 98}), r.IntN(2) == 0
		f := say("has an old address of dc2", []diagnose.Code{"names-differ", "kdc-silent", "dns-srv-stale", "dns-servers-disagree", "server-down"}, func(sc *scene, d *dnsServer) {
			sc.path.Add(Rule{To: one(old), Effect: Drop})
			d.edit(corpDomain, func(z *zone) {
				if alone {
					z.remove(func(rr dns.RR) bool { return rr.Header().Name == "dc2.corp.example.com." })
				}
				z.add(address("dc2.corp.example.com", old))
			})
		})
		there := f.touches
		f.touches = func(w *World, id probe.ID) bool { return there(w, id) || at(id, []netip.Addr{old}) }
		return f
	case 7:
		qtype := pick(r, dns.TypeSRV, dns.TypeSOA)
		return say("refuses "+dns.TypeToString[qtype], []diagnose.Code{"dns-filtered"}, func(_ *scene, d *dnsServer) { d.refuseType(qtype) })
	case 0:
		rcode := pick(r, dns.RcodeRefused, dns.RcodeServerFailure)
		return say("says "+dns.RcodeToString[rcode], []diagnose.Code{"dns-refused", "dns-zone-missing", "endpoint-unresolvable", "kdc-unresolvable", "realm-not-in-dns"},
			func(_ *scene, d *dnsServer) { d.always(rcode) })
	case 1:
		return say("does not know "+s.zone, []diagnose.Code{"dns-zone-missing", "realm-not-in-dns", "dns-servers-disagree", "kdc-unresolvable"},
			func(_ *scene, d *dnsServer) { d.forget(s.zone) })
	case 2:
		return say("ignores datagrams", []diagnose.Code{"dns-udp-blocked", "dns-server-silent"}, func(_ *scene, d *dnsServer) { d.muteUDP() })
	case 3:
		service := pick(r, "_kerberos.", "_kerberos.", "_kpasswd.")
		return say("has no "+service+" SRV of "+s.zone, []diagnose.Code{"dns-srv-missing", "dns-servers-disagree"}, func(_ *scene, d *dnsServer) {
			zoneOf(d, func(z *zone) { z.remove(func(rr dns.RR) bool { return isService(rr, service) }) })
		})
	case 4:
		return say("has an SRV record of a dead KDC in "+s.zone, []diagnose.Code{"dns-srv-stale", "dns-servers-disagree"}, func(sc *scene, d *dnsServer) {
			zoneOf(d, func(z *zone) {
				for _, t := range []string{"_udp", "_tcp"} {
					z.add(service("_kerberos."+t+"."+s.zone, "dc9."+s.zone, sc.dc2.kdcPort))
				}
			})
		})
	case 5:
		return say("has no SOA of "+s.zone, nil, func(_ *scene, d *dnsServer) {
			zoneOf(d, func(z *zone) { z.remove(func(rr dns.RR) bool { return rr.Header().Rrtype == dns.TypeSOA }) })
		})
	case 6:
		return say("has lost dc2 of "+s.zone, []diagnose.Code{"dns-servers-disagree", "names-differ", "dns-srv-stale", "kdc-unresolvable"}, func(sc *scene, d *dnsServer) {
			zoneOf(d, func(z *zone) { z.remove(func(rr dns.RR) bool { return strings.HasPrefix(rr.Header().Name, "dc2.") }) })
		})
	}
	gone := induced{
		recipe:  "resolver: no address for the database",
		words:   called(databaseHost),
		codes:   []diagnose.Code{"endpoint-unresolvable"},
		touches: func(w *World, id probe.ID) bool { return id.Address == w.resolver.addr || !id.Address.IsValid() },
		play: func(sc *scene) error {
			sc.resolver.edit(rdsZone, func(z *zone) {
				z.remove(func(rr dns.RR) bool { return rr.Header().Name == dns.Fqdn(databaseHost) })
			})
			return nil
		},
	}
	dead := netip.AddrFrom4([4]byte{127, 77, 3, 99})
	extra := induced{
		recipe:  "resolver: the database has a dead address too",
		codes:   []diagnose.Code{"db-silent", "db-refused", "names-differ"},
		touches: func(_ *World, id probe.ID) bool { return at(id, []netip.Addr{dead}) },
		play: func(sc *scene) error {
			sc.path.Add(Rule{To: one(dead), Effect: Drop})
			sc.resolver.edit(rdsZone, func(z *zone) { z.records = slices.Insert(z.records, 0, address(instanceHost, dead)) })
			return nil
		},
	}
	return pick(r, gone, extra, extra)
}

// accountFault is a state of a user's account or secret.
func accountFault(r *rand.Rand) induced {
	user := pick(r, alice, alice, etl, carol)
	name, realm, _ := strings.Cut(user, "@")
	realmOf := func(w *World) *krb5test.Realm {
		if realm == onpremRealm {
			return w.onprem
		}
		return w.corp
	}
	account := func(what string, code diagnose.Code, play func(*krb5test.Realm) error) induced {
		return induced{recipe: user + " " + what, codes: []diagnose.Code{code}, words: called(name + "@"), said: true,
			touches: func(w *World, id probe.ID) bool { return loginOf(id, user) || id.Kind == probe.KDC && name != "etl" },
			play:    func(s *scene) error { return play(realmOf(s.World)) }}
	}
	state := func(code diagnose.Code, st krb5test.State) induced {
		return account("is "+string(st), code, func(r *krb5test.Realm) error { return r.Change(name, st) })
	}
	stale := diagnose.Code("password-wrong")
	if user == etl {
		stale = "keytab-stale"
	}
	return pick(r,
		state("account-locked", krb5test.Locked), state("account-disabled", krb5test.Disabled), state("account-expired", krb5test.Expired),
		state("logon-restricted", krb5test.LogonHours), state("password-expired", krb5test.PasswordExpired), state("password-must-change", krb5test.MustChange),
		state("policy-denied", krb5test.PolicyDenied), state("preauth-not-required", krb5test.NoPreauth),
		account("has another password", stale, func(r *krb5test.Realm) error { return r.SetPassword(name, "changed-since") }),
		account("has another password", stale, func(r *krb5test.Realm) error { return r.SetPassword(name, "changed-since") }),
		account("is gone", "principal-unknown", func(r *krb5test.Realm) error { r.Remove(name); return nil }),
	)
}

// serviceFault is something about the database's account or the trust.
func serviceFault(r *rand.Rand) induced {
	service := func(what string, codes []diagnose.Code, play func(*scene) error) induced {
		return induced{recipe: what, codes: codes, touches: func(_ *World, id probe.ID) bool { return id.Kind == probe.Login }, words: called(databaseHost, databaseName), said: true, play: play}
	}
	trust := func(what string, code diagnose.Code, play func(*scene) error) induced {
		return induced{recipe: what, codes: []diagnose.Code{code}, touches: func(_ *World, id probe.ID) bool { return loginOf(id, carol) }, words: called(onpremRealm), said: true, play: play}
	}
	return pick(r,
		service("the SPN is gone", []diagnose.Code{"service-unknown"}, func(s *scene) error { s.corp.Remove(databaseSPN); return nil }),
		service("the SPN is held twice", []diagnose.Code{"service-duplicate"}, func(s *scene) error { return s.corp.Change(databaseSPN, krb5test.Duplicate) }),
		service("the database's key was rotated", []diagnose.Code{"db-ticket-rejected"}, func(s *scene) error { return s.corp.SetPassword(databaseSPN, "rotated") }),
		service("the SPN has RC4 alone", []diagnose.Code{"ticket-rc4"}, func(s *scene) error {
			s.corp.AddService(databaseSPN, krb5test.ETypes{krb5test.RC4}, krb5test.SessionETypes{krb5test.AES256, krb5test.AES128})
			s.keytab.renew(s.corp)
			return nil
		}),
		trust("there is no trust", "trust-no-referral", func(s *scene) error { s.trust = nil; return nil }),
		trust("the trust has DES keys", "trust-etype", func(s *scene) error {
			if s.trust != nil {
				s.trust = &krb5test.Trust{ETypes: []int32{desCBCMD5}}
			}
			return nil
		}),
	)
}

// databaseSide is something that the database does.
func databaseSide(r *rand.Rand) induced {
	does := func(what string, code diagnose.Code, change func(*mysqltest.Faults)) induced {
		return induced{recipe: "database: " + what, codes: []diagnose.Code{code}, words: called(databaseHost),
			touches: func(w *World, id probe.ID) bool { return id.Kind == probe.Login || id.Address == w.database.Addr() },
			play:    func(s *scene) error { change(&s.db); return nil }}
	}
	says := func(number uint16, code diagnose.Code) induced {
		return does(fmt.Sprintf("ERROR %d at once", number), code, func(f *mysqltest.Faults) { f.Greeting = &mysql.ServerError{Number: number, Message: "no"} })
	}
	return pick(r,
		does("nothing listens", "db-refused", func(f *mysqltest.Faults) { f.Refuse = true }),
		does("hangs up without a greeting", "db-connection-cut", func(f *mysqltest.Faults) { f.CutAt = mysqltest.AtGreeting }),
		does("resets in the TLS handshake", "db-connection-cut", func(f *mysqltest.Faults) { f.CutAt = mysqltest.AtTLS }),
		does("resets before the switch", "db-connection-cut", func(f *mysqltest.Faults) { f.CutAt = mysqltest.AtSwitch }),
		does("resets at the token", "db-connection-cut", func(f *mysqltest.Faults) { f.CutAt = mysqltest.AtToken }),
		does("its TLS flight is lost", "db-path-mtu", func(f *mysqltest.Faults) { f.StallAt = mysqltest.AtTLS }),
		does("is mute", "db-silent", func(f *mysqltest.Faults) { f.Silent = true }),
		does("is an SSH server", "db-not-mysql", func(f *mysqltest.Faults) { f.Banner = "SSH-2.0-OpenSSH_9.2p1\r\n" }),
		says(1129, "db-host-blocked"), says(1130, "db-host-denied"), says(1040, "db-too-many-connections"),
		does("certificate of another CA", "db-tls-untrusted", func(f *mysqltest.Faults) { f.Certificate = mysqltest.OtherCA }),
		does("certificate for another name", "db-tls-untrusted", func(f *mysqltest.Faults) { f.Certificate = mysqltest.WrongName }),
		does("certificate ended", "db-tls-untrusted", func(f *mysqltest.Faults) { f.Certificate = mysqltest.Expired }),
		does("certificate ends soon", "db-certificate-expiring", func(f *mysqltest.Faults) { f.Certificate = mysqltest.SoonExpire }),
		does("no TLS", "db-tls-required", func(f *mysqltest.Faults) { f.NoTLS = true }),
		does("plugin missing", "db-plugin-missing", func(f *mysqltest.Faults) { f.PluginMissing = true }),
		does("wants a password", "db-account-unknown", func(f *mysqltest.Faults) { f.Plugin = mysqltest.CachingSHA2 }),
		does("announces ldap/", "db-spn-unexpected", func(f *mysqltest.Faults) { f.SPN = "ldap/dc1.corp.example.com@" + corpRealm }),
		does("denies after proof", "db-access-denied", func(f *mysqltest.Faults) { f.DenyAfterProof = mysqltest.Denied("alice") }),
		does("account locked", "db-account-locked", func(f *mysqltest.Faults) {
			f.DenyAfterProof = &mysql.ServerError{Number: 3118, State: "HY000", Message: "Account is locked."}
		}),
	)
}
