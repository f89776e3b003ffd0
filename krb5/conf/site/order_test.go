package site

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func orderSite() *Site {
	return &Site{Realms: []Realm{
		{Name: "A.TEST", KDCs: []string{"dc1.a.test:88", "dc2.a.test:8888", "[fd00::1]:88"}},
		{Name: "B.TEST", KDCs: []string{"10.0.0.1:88", "dc2.b.test:88"}},
		{Name: "C.TEST", KDCs: []string{"c.test:88"}},
		{Name: "D.TEST"},
	}}
}

func TestParseOrder(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", nil},
		{"two realms", "A.TEST a:88 b:88\nB.TEST c:88\n", nil},
		{"cut short", "A.TEST a:88 b:8", ErrOrderForm},
		{"a realm alone", "A.TEST\n", ErrOrderForm},
		{"a realm twice", "A.TEST a\nA.TEST b\n", ErrOrderForm},
		{"an empty line", "A.TEST a\n\n", ErrOrderForm},
		{"two blanks", "A.TEST  a\n", ErrOrderForm},
		{"a blank at the end", "A.TEST a \n", ErrOrderForm},
		{"too large", "A.TEST " + strings.Repeat("a", MaxOrderSize) + "\n", ErrOrderSize},
	} {
		t.Run(c.name, func(t *testing.T) {
			o, err := ParseOrder(c.text)
			if !errors.Is(err, c.want) {
				t.Fatalf("%v, want %v", err, c.want)
			}
			if err == nil && o.String() != c.text {
				t.Errorf("printed as %q", o)
			}
		})
	}
}

// Whatever an order says, it moves the configured KDCs and does nothing else.
func FuzzParseOrder(f *testing.F) {
	f.Add("A.TEST [fd00::1]:88 dc1.a.test:88 dc2.a.test:8888\nB.TEST dc2.b.test:88 10.0.0.1:88\n")
	f.Add("A.TEST dc1.a.test:88 dc1.a.test:88 dc2.a.test:8888\n")
	f.Add("C.TEST c.test:88\n")
	f.Add("A.TEST }\n[plugins]\n")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOrder(text)
		if err != nil {
			return
		}
		if o2, err := ParseOrder(o.String()); err != nil || !o2.Equal(o) {
			t.Errorf("%q: %v %v", text, o2, err)
		}
		site, err := orderSite().InOrder(o)
		if err != nil {
			return
		}
		was, err := Generate(orderSite())
		if err != nil {
			t.Fatal(err)
		}
		is, err := Generate(&site)
		if err != nil {
			t.Fatal(err)
		}
		lines := func(s string) []string { return slices.Sorted(strings.Lines(s)) }
		if !slices.Equal(lines(was), lines(is)) {
			t.Errorf("%q gives\n%s", text, is)
		}
	})
}

func TestInOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Order
		ok   bool
	}{
		{"none", nil, true},
		{"some realms", Order{"B.TEST": {"dc2.b.test:88", "10.0.0.1:88"}}, true},
		{"one missing", Order{"A.TEST": {"dc2.a.test:8888", "dc1.a.test:88"}}, false},
		{"one twice", Order{"B.TEST": {"10.0.0.1:88", "10.0.0.1:88"}}, false},
		{"one more", Order{"C.TEST": {"c.test:88", "evil.test:88"}}, false},
		{"another one", Order{"C.TEST": {"evil.test:88"}}, false},
		{"spelt otherwise", Order{"C.TEST": {"C.test:88"}}, false},
		{"a KDC where DNS finds them", Order{"D.TEST": {"evil.test:88"}}, false},
		{"unknown realm", Order{"E.TEST": {"e.test:88"}}, false},
		{"unknown realm beside a known one", Order{"C.TEST": {"c.test:88"}, "E.TEST": {}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := orderSite()
			got, err := s.InOrder(c.o)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, ErrOrderNames) {
				t.Fatalf("%v", err)
			}
			for _, r := range got.Realms {
				if want, ok := c.o[r.Name]; ok && !slices.Equal(r.KDCs, want) {
					t.Errorf("%s: %v, want %v", r.Name, r.KDCs, want)
				}
			}
			if !slices.Equal(s.Realms[1].KDCs, orderSite().Realms[1].KDCs) {
				t.Error("the site itself was changed")
			}
		})
	}
}

// What InOrder puts into a file, OrderIn finds there, and takes no other list
// for an order.
func TestOrderIn(t *testing.T) {
	s := orderSite()
	want := Order{"A.TEST": {"[fd00::1]:88", "dc2.a.test:8888", "dc1.a.test:88"}, "B.TEST": {"dc2.b.test:88", "10.0.0.1:88"}, "C.TEST": {"c.test:88"}}
	site, err := s.InOrder(want)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Generate(&site)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.OrderIn(text); !got.Equal(want) {
		t.Errorf("%v, want %v", got, want)
	}
	for name, edit := range map[string]func(string) string{
		"one less": func(s string) string { return strings.Replace(s, "kdc = dc1.a.test\n", "\n", 1) },
		"one more": func(s string) string {
			return strings.Replace(s, "kdc = dc1.a.test\n", "kdc = dc1.a.test\nkdc = dc3.a.test\n", 1)
		},
		"one twice": func(s string) string {
			return strings.Replace(s, "kdc = dc1.a.test\n", "kdc = dc1.a.test\nkdc = dc1.a.test\n", 1)
		},
		"another one": func(s string) string { return strings.Replace(s, "kdc = dc1.a.test\n", "kdc = dc3.a.test\n", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			got := s.OrderIn(edit(text))
			if _, ok := got["A.TEST"]; ok || len(got) != 2 {
				t.Errorf("%v", got)
			}
		})
	}
	if got := s.OrderIn("[realms\n"); len(got) > 0 {
		t.Errorf("of no krb5.conf: %v", got)
	}
}

// A thousand hosts share the load: none of three KDCs is the first of less than
// a quarter of them, and what comes behind it is the list as it was.
func TestRotated(t *testing.T) {
	s := orderSite()
	first := map[string]int{}
	for i := range 1000 {
		o := s.Rotated(fmt.Sprintf("app%d.example.com", i))
		if names := slices.Sorted(maps.Keys(o)); !slices.Equal(names, []string{"A.TEST", "B.TEST"}) {
			t.Fatalf("realms %v", names)
		}
		if _, err := s.InOrder(o); err != nil {
			t.Fatal(err)
		}
		kdcs := o["A.TEST"]
		at := slices.Index(s.Realms[0].KDCs, kdcs[0])
		if kdcs[1] != s.Realms[0].KDCs[(at+1)%3] {
			t.Fatalf("%v is no rotation", kdcs)
		}
		first[kdcs[0]]++
	}
	for kdc, n := range first {
		if n < 250 {
			t.Errorf("%s is the first of %d", kdc, n)
		}
	}
	if len(first) != 3 || !s.Rotated("app1").Equal(s.Rotated("app1")) {
		t.Errorf("%v", first)
	}
}
