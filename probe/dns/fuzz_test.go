package dns

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// FuzzAnswer: whatever a server sends, what is made of it is safe words.
func FuzzAnswer(f *testing.F) {
	for _, q := range []Question{srv, {"db.example.com", A}, {"corp.example.com", SOA}} {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(q.Name), q.Type)
		m.Response = true
		records(&m.Answer, "db.example.com. 5 CNAME b.example.com.", "b.example.com. 5 A 10.0.0.1",
			"_kerberos._udp.corp.example.com. 5 SRV 0 100 88 dc1.corp.example.com.")
		records(&m.Ns, "corp.example.com. 5 SOA ns.example.com. h.example.com. 1 2 3 4 5")
		records(&m.Extra, "dc1.corp.example.com. 5 A 10.0.0.1")
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(q.Name, q.Type, b)
	}
	f.Fuzz(func(t *testing.T, name string, qtype uint16, b []byte) {
		if len(b) < 2 || len(b) > 1<<16 {
			return
		}
		a, err := parse(Question{name, qtype}, binary.BigEndian.Uint16(b), b)
		if err != nil {
			return
		}
		for _, word := range append(append(a.Words(), a.glueWords()...), a.SOA) {
			if strings.ContainsFunc(word, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>&|'"`, r) }) {
				t.Errorf("unsafe word %q", word)
			}
		}
		for _, s := range a.Services {
			if s.Usable() && !HostName(s.Host) {
				t.Errorf("usable: %q", s)
			}
		}
		if a.TTL < 0 || len(a.Addrs)+len(a.Services) > maxRecords {
			t.Errorf("%v, %d records", a.TTL, len(a.Addrs)+len(a.Services))
		}
		a.Reason()
	})
}
