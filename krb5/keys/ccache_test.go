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
