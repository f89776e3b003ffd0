package recorder_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/check"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/internal/recorder"
	"github.com/kerbagent/kerbagent/internal/rehearsal"
	"github.com/kerbagent/kerbagent/internal/report"
	"github.com/kerbagent/kerbagent/krb5/keys"
	"github.com/kerbagent/kerbagent/probe"
)

// tap is a dialer that keeps all that came and went.
type tap struct {
	probe.Dialer
	mu   sync.Mutex
	seen [][]byte
}

func (d *tap) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.Dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tapped{c, d}, nil
}

type tapped struct {
	net.Conn
	tap *tap
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.keep(b[:n])
	return n, err
}

func (c *tapped) Write(b []byte) (int, error) {
	c.keep(b)
	return c.Conn.Write(b)
}

func (c *tapped) keep(b []byte) {
	c.tap.mu.Lock()
	defer c.tap.mu.Unlock()
	c.tap.seen = append(c.tap.seen, bytes.Clone(b))
}

// No record of any fault of the rehearsal holds a password, a key, or a piece
// of what went over the wire that is not plain text: no ticket, no part of an
// AS-REP. Every result is recorded as a failure, good ones too.
func TestRecordsHoldNoSecret(t *testing.T) {
	faults := []string{"password-wrong", "password-expired", "account-locked", "keytab-stale", "db-ticket-rejected", "db-access-denied", "db-server-unproven",
		"clock-skew", "service-unknown", "trust-no-referral", "kdc-not-kerberos", "etype-unsupported"}
	played := 0
	for _, f := range rehearsal.Catalogue() {
		if !slices.Contains(faults, string(f.Code)) {
			continue
		}
		played++
		t.Run(string(f.Code), func(t *testing.T) { searchRecords(t, rehearsal.Options{Fault: f.Code}) })
	}
	t.Run("healthy", func(t *testing.T) { searchRecords(t, rehearsal.Options{}) })
	if played != len(faults) {
		t.Errorf("%d of %d faults are played", played, len(faults))
	}
}

func searchRecords(t *testing.T, o rehearsal.Options) {
	t.Parallel() // a fault of time waits
	w, err := rehearsal.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	files, err := w.WriteClientFiles(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	wire := &tap{Dialer: w.Dialer()}
	env := check.Env{Dialer: wire, Now: w.Now(), Resolver: []netip.AddrPort{w.Resolver()}}
	env.Ledger, env.LedgerErr = ledger.Open(w.StateDir(), ledger.Options{})
	results := check.Run(t.Context(), w.Config(), env)
	dir, c := t.TempDir(), newClock()
	r := open(t, dir, recorder.Options{Now: func() time.Time { return c.now }})
	logins := 0
	for _, res := range results {
		if res.ID.Kind == probe.Login {
			logins++
		}
		res.Outcome = probe.Failed
		c.pass(3 * time.Second) // below the flood rule
		add(t, r, res)
	}
	if logins < 1 || len(r.Records()) != len(results) {
		t.Fatalf("%d logins, %d results, %d records", logins, len(results), len(r.Records()))
	}
	disk, err := os.ReadFile(filepath.Join(dir, recorder.FileName))
	if err != nil {
		t.Fatal(err)
	}
	text := string(disk)

	kt, err := keys.ReadKeytab(files.Keytab)
	if err != nil {
		t.Fatal(err)
	}
	secrets := [][]byte{[]byte("Rehearsal-Alice-1"), []byte("Rehearsal-Etl-1"), []byte("Rehearsal-Carol-1")}
	for _, e := range kt.Entries {
		secrets = append(secrets, e.Key())
	}
	for _, s := range secrets {
		for _, form := range []string{string(s), hex.EncodeToString(s), strings.ToUpper(hex.EncodeToString(s)), base64.StdEncoding.EncodeToString(s), report.Terminal(string(s))} {
			if strings.Contains(text, form) {
				t.Errorf("a secret of %d bytes is in the records as %q", len(s), form)
			}
		}
	}
	hexText := strings.ToLower(text)
	windows := 0
	for _, message := range wire.seen {
		for i := 0; i+12 <= len(message); i += 4 {
			piece := message[i : i+12]
			if printable(piece) { // a name, as a report may have it
				continue
			}
			windows++
			if strings.Contains(text, string(piece)) || strings.Contains(hexText, hex.EncodeToString(piece)) || strings.Contains(text, base64.StdEncoding.EncodeToString(piece)) {
				t.Fatalf("% x of the wire is in the records", piece)
			}
		}
	}
	if windows < 1000 {
		t.Errorf("only %d pieces of the wire were looked for", windows)
	}
}

func printable(b []byte) bool {
	return !slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' })
}
