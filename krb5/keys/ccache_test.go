package keys

import (
	"errors"
	"slices"
	"testing"
	"time"
)

// kinit and kvno of MIT krb5 wrote both; each has its settings in it too.
func TestParseCCache(t *testing.T) {
	for _, file := range []string{"v3.ccache", "v4.ccache"} {
		t.Run(file, func(t *testing.T) {
			cc, err := ReadCCache("testdata/" + file)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range cc.Credentials {
				got = append(got, c.String())
				if c.KeyType != 18 || len(c.Key()) != 32 || len(c.Ticket()) < 1000 || !c.Renewable() || c.RenewTill.Sub(c.StartTime) != 24*time.Hour {
					t.Errorf("got %+v", c)
				}
			}
			if want := []string{
				"alice@CORP.EXAMPLE.COM for krbtgt/CORP.EXAMPLE.COM@CORP.EXAMPLE.COM until 2026-11-23T01:15:43Z",
				"alice@CORP.EXAMPLE.COM for mysql/db1.corp.example.com@CORP.EXAMPLE.COM until 2026-11-23T01:15:43Z",
			}; cc.Client != "alice" || cc.Realm != "CORP.EXAMPLE.COM" || !slices.Equal(got, want) {
				t.Errorf("got %s@%s %q", cc.Client, cc.Realm, got)
			}
		})
	}
}

// The headers are those that kinit of MIT krb5 1.20 wrote under a clock 20 minutes
// ahead, and 20 minutes behind; then one with a field that nobody knows before it, and
// those that are cut short.
func TestCCacheKeepsTheClockOffset(t *testing.T) {
	file := read(t, "v4.ccache")
	rest := file[4+int(file[2])<<8+int(file[3]):]
	for header, want := range map[string]time.Duration{
		"\x00\x01\x00\x08\xff\xff\xfb\x50\x00\x00\x00\x00":                  -20 * time.Minute,
		"\x00\x01\x00\x08\x00\x00\x04\xb0\x00\x00\x00\x00":                  20 * time.Minute,
		"\x00\x07\x00\x01x\x00\x01\x00\x08\x00\x00\x00\x01\x00\x00\x00\x07": time.Second + 7*time.Microsecond,
		"\x00\x01\x00\x08\x00\x00":                                          0, "\x00\x01\x00\x02\x00\x00": 0, "\x00": 0, "": 0,
	} {
		b := append([]byte{5, 4, 0, byte(len(header))}, header...)
		cc, err := ParseCCache(append(b, rest...))
		if err != nil || cc.Ahead != want || len(cc.Credentials) != 2 {
			t.Errorf("%q: %v, %v; want %v", header, cc, err, want)
		}
	}
}

func TestParseCCacheRefuses(t *testing.T) {
	good := read(t, "v4.ccache")
	principal := len(good)
	for n := range good {
		cc, err := ParseCCache(good[:n])
		var fe *FormatError
		if err != nil && !errors.As(err, &fe) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
		// Between two credentials the file is whole; nowhere else.
		if err == nil {
			principal = min(principal, n)
			if len(cc.Credentials) >= 2 && n < len(good)-1 {
				t.Fatalf("the first %d bytes: %v", n, cc)
			}
		}
	}
	if principal > 100 {
		t.Errorf("not even the default principal could be read")
	}
	for _, tt := range []struct {
		name, what string
		in         []byte
	}{
		{"empty", "version is cut short", nil},
		{"version 2", "not a credential cache of version 3 or 4", []byte{5, 2, 0, 0}},
		{"a header beyond the end", "header is cut short", []byte{5, 4, 0xff, 0xff}},
		{"four billion components", "a name of 4294967295 components", []byte{5, 3, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}},
		{"a realm of 4 GiB", "realm is cut short", []byte{5, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var fe *FormatError
			if cc, err := ParseCCache(tt.in); !errors.As(err, &fe) || fe.What != tt.what {
				t.Errorf("got %v, %v", cc, err)
			}
		})
	}
}

func FuzzCCache(f *testing.F) {
	f.Add(read(f, "v3.ccache"))
	f.Add(read(f, "v4.ccache"))
	f.Fuzz(func(t *testing.T, b []byte) {
		cc, err := ParseCCache(b)
		var fe *FormatError
		if err != nil && !errors.As(err, &fe) {
			t.Errorf("%T", err)
		}
		if err == nil {
			_ = cc.String()
		}
	})
}
