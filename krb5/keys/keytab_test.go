package keys

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReadKeytab(t *testing.T) {
	for _, tt := range []struct {
		file string
		want []string
	}{
		{"samba.keytab", []string{ // written by samba-tool domain exportkeytab
			"alice@CORP.EXAMPLE.COM kvno 2 etype 18",
			"alice@CORP.EXAMPLE.COM kvno 2 etype 17",
			"alice@CORP.EXAMPLE.COM kvno 2 etype 23"}},
		{"mit.keytab", []string{ // written by ktutil
			"alice@MIT.TEST kvno 300 etype 18",
			"alice@MIT.TEST kvno 2 etype 17",
			"alice@MIT.TEST kvno 2 etype 18",
			"mysql/db.mit.test@MIT.TEST kvno 3 etype 20"}},
	} {
		t.Run(tt.file, func(t *testing.T) {
			kt, err := ReadKeytab(filepath.Join("testdata", tt.file))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range kt.Entries {
				got = append(got, e.String())
				if e.Timestamp.Year() != 2026 || len(e.Key()) != keySize(e.EType) {
					t.Errorf("%s: timestamp %v, key of %d bytes", e, e.Timestamp, len(e.Key()))
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	kt, err := ParseKeytab(read(t, "mit.keytab"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, realm string
		etype       int32
		kvno, want  uint32 // 0: not found
	}{
		{"alice", "MIT.TEST", 18, 0, 300},
		{"alice", "MIT.TEST", 18, 2, 2},
		{"alice", "MIT.TEST", 18, 7, 300},
		{"alice", "MIT.TEST", 17, 0, 2},
		{"alice", "MIT.TEST", 23, 0, 0},
		{"Alice", "MIT.TEST", 18, 0, 0},
		{"alice", "mit.test", 18, 0, 0},
	} {
		e, ok := kt.Find(tt.name, tt.realm, tt.etype, tt.kvno)
		if ok != (tt.want != 0) || e.KVNO != tt.want {
			t.Errorf("Find(%s, %s, %d, %d) = %v, %v", tt.name, tt.realm, tt.etype, tt.kvno, e, ok)
		}
	}
	if got := kt.ETypes("alice", "MIT.TEST"); !slices.Equal(got, []int32{18, 17}) {
		t.Errorf("ETypes = %v", got)
	}
}

func TestParseKeytabRefuses(t *testing.T) {
	good := read(t, "mit.keytab")
	entry := func(size int32, body string) []byte {
		b := binary.BigEndian.AppendUint32([]byte{5, 2}, uint32(size))
		raw, err := hex.DecodeString(body)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, raw...)
	}
	for _, tt := range []struct {
		name, what string
		in         []byte
		offset     int
	}{
		{"empty", "file is empty", nil, 0},
		{"a password", "not a keytab of version 0x502", []byte("Alice-Passw0rd1"), 0},
		{"version 1", "not a keytab of version 0x502", []byte{5, 1}, 0},
		{"no entries", "no key in it", []byte{5, 2}, 2},
		{"only a hole", "no key in it", entry(-4, "00000000"), 10},
		{"a hole beyond the end", "hole is cut short", entry(-2147483648, ""), 6},
		{"an entry beyond the end", "entry is cut short", entry(2147483647, "0001"), 6},
		{"cut short", "entry is cut short", good[:len(good)-1], 206},
		{"no name", "a name of 0 components", entry(2, "0000"), 8},
		{"65535 names", "a name of 65535 components", entry(2, "ffff"), 8},
		{"a realm beyond its entry", "realm is cut short", entry(4, "0001ffff"), 10},
		{"a key of the wrong size", "a key of 1 bytes for encryption type 18", entry(22, "00010001520001610000000100000000010012000141"), 28},
	} {
		t.Run(tt.name, func(t *testing.T) {
			kt, err := ParseKeytab(tt.in)
			var fe *FormatError
			if !errors.As(err, &fe) || fe.What != tt.what || fe.Offset != tt.offset {
				t.Errorf("got %v, %#v; want %q at %d", kt, err, tt.what, tt.offset)
			}
		})
	}
}

func TestReadRefusesWhatIsNoFile(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(dir, "long")
	if err := os.WriteFile(long, append([]byte{5, 2}, make([]byte, maxFile)...), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, fifo, "/dev/zero", long} {
		var fe *FormatError
		if _, err := ReadKeytab(path); !errors.As(err, &fe) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if _, err := ReadCCache(filepath.Join(dir, "nosuch")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// No verb and no encoder shows a key, not even of a value that is a field of
// something else.
func TestNothingPrintsKeys(t *testing.T) {
	kt, err := ParseKeytab(read(t, "samba.keytab"))
	if err != nil {
		t.Fatal(err)
	}
	cc, err := ParseCCache(read(t, "v4.ccache"))
	if err != nil {
		t.Fatal(err)
	}
	type holder struct {
		kt  *Keytab
		e   Entry
		cc  CCache
		crd Credential
	}
	h := holder{kt, kt.Entries[0], *cc, cc.Credentials[0]}
	secrets := [][]byte{kt.Entries[0].Key(), cc.Credentials[0].Key(), cc.Credentials[0].Ticket()}
	for _, v := range []any{kt, *kt, kt.Entries, kt.Entries[0], cc, *cc, cc.Credentials[0], h, &h} {
		out := fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v)
		j, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			assertAbsent(t, out+string(j), s)
		}
	}
}

// assertAbsent looks for the first bytes of a secret in the forms that fmt has.
func assertAbsent(t *testing.T, out string, secret []byte) {
	t.Helper()
	s := secret[:8]
	for _, form := range []string{
		string(s), hex.EncodeToString(s), strings.Trim(fmt.Sprint(s), "[]"),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", s), "[]byte{"), "}"),
	} {
		if strings.Contains(strings.ToLower(out), strings.ToLower(form)) {
			t.Fatalf("a key is in %.300s", out)
		}
	}
}

func FuzzKeytab(f *testing.F) {
	f.Add(read(f, "samba.keytab"))
	f.Add(read(f, "mit.keytab"))
	f.Fuzz(func(t *testing.T, b []byte) {
		kt, err := ParseKeytab(b)
		var fe *FormatError
		switch {
		case err != nil && !errors.As(err, &fe):
			t.Errorf("%T", err)
		case err != nil && (fe.Offset < 0 || fe.Offset > len(b)):
			t.Errorf("offset %d of %d", fe.Offset, len(b))
		case err == nil && len(kt.Entries) == 0:
			t.Error("no entries and no error")
		}
	})
}

// A login whose user is spelt in another case than the keytab's is told so: the
// nearest name comes first.
func TestPrincipalsNearestFirst(t *testing.T) {
	kt := &Keytab{Entries: []Entry{{Name: "HTTP/web", Realm: "OTHER.TEST"}, {Name: "etl", Realm: "OTHER.TEST"}, {Name: "Etl", Realm: "R.TEST", KVNO: 2},
		{Name: "host/a", Realm: "R.TEST"}, {Name: "Etl", Realm: "R.TEST", KVNO: 3}}}
	want := []string{"Etl@R.TEST", "etl@OTHER.TEST", "host/a@R.TEST", "HTTP/web@OTHER.TEST"}
	if got := kt.Principals("etl", "R.TEST"); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
