//go:build lab

package krb5test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "record the transcripts in testdata again")

// TestRecord holds the conversations of the transcripts with MIT's clients, and
// keeps them where -update says so.
func TestRecord(t *testing.T) {
	for _, c := range []struct {
		name  string
		limit int
		realm string // the default one
		talk  func(*testing.T, *host, place)
	}{
		{"kinit-password-udp", overUDP, "A.TEST", func(t *testing.T, h *host, _ place) { h.must("secret-1\n", "kinit", "alice") }},
		{"kinit-password-mit", overTCP, "B.TEST", func(t *testing.T, h *host, _ place) { h.must("secret-1\n", "kinit", "alice") }},
		{"kinit-password-windows", overTCP, "C.TEST", func(t *testing.T, h *host, _ place) { h.must("secret-1\n", "kinit", "alice") }},
		{"kinit-keytab-tcp", overTCP, "A.TEST", func(t *testing.T, h *host, p place) {
			h.must("", "kinit", "-k", "-t", h.keytab(p.realm.Keytab("alice")), "alice")
		}},
		{"kinit-refused", overTCP, "A.TEST", func(t *testing.T, h *host, _ place) {
			for _, user := range []string{"nobody", "disabled", "locked", "expired", "hours", "policy"} {
				if out, err := h.run("secret-1\n", "kinit", user); err == nil {
					t.Errorf("kinit %s succeeded:\n%s", user, out)
				}
			}
			if out, err := h.run("wrong\n", "kinit", "alice"); err == nil {
				t.Errorf("kinit with a wrong password succeeded:\n%s", out)
			}
		}},
		{"kvno", overTCP, "A.TEST", func(t *testing.T, h *host, _ place) {
			h.must("secret-1\n", "kinit", "alice")
			h.must("", "kvno", "mysql/db.a.test@A.TEST")
			if out, err := h.run("", "kvno", "mysql/none.a.test@A.TEST"); err == nil {
				t.Errorf("kvno succeeded:\n%s", out)
			}
		}},
		{"kvno-two-hops", overTCP, "A.TEST", func(t *testing.T, h *host, _ place) {
			h.must("secret-1\n", "kinit", "alice")
			h.must("", "kvno", "mysql/db.c.test")
		}},
		{"kpasswd", overTCP, "A.TEST", func(t *testing.T, h *host, _ place) {
			h.must("secret-1\nsecret-2\nsecret-2\n", "kpasswd", "mustchange")
			h.must("secret-2\n", "kinit", "mustchange")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rec recorder
			var first place
			var rest []place
			for name, r := range stage(nil) {
				if p := openPlace(t, r, &rec); name == c.realm {
					first = p
				} else {
					rest = append(rest, p)
				}
			}
			c.talk(t, newHost(t, c.limit, nil, append([]place{first}, rest...)...), first)
			if !*update {
				return
			}
			b, err := json.MarshalIndent(rec.messages, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join("testdata", c.name+".json"), append(b, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
