package conf

import (
	"errors"
	"strings"
	"testing"
)

func TestParseKeepsEveryByte(t *testing.T) {
	for _, text := range losslessSeeds() {
		f, err := Parse("krb5.conf", text)
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if got := string(f.Bytes()); got != text {
			t.Errorf("printed %q, parsed %q", got, text)
		}
	}
}

func losslessSeeds() []string {
	return []string{
		"",
		"\n\n",
		"[libdefaults]",
		"# comment\n; another\n[libdefaults]\n\tdefault_realm = A\n",
		"not read\n [nor this]\n[libdefaults]\r\n default_realm\t=\tA \r\n",
		"[realms]*\n A = {\n  kdc* = a\n  kdc = \"b \\\" c\\n\" rest\n }* rest\n B =\n{ rest\n}\n",
		"[realms]\nA = {\n kdc = a\n",
		"include /etc/a\nincludedir\t/etc/d\n[realms]\nA = {\ninclude /etc/b\n}\n",
		"module /lib/x.so:rest\n}}}\n[",
		"[a]\na = " + strings.Repeat("v", 2043) + "b = c\n",
		"[a]\n*=x\nb*c = { \t\n}\nd = {x}\n",
	}
}

func FuzzLossless(f *testing.F) {
	for _, s := range losslessSeeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file, err := Parse("f", text)
		if err != nil {
			var syntax *SyntaxError
			if errors.As(err, &syntax) && (syntax.Pos.Line < 1 || syntax.Pos.Column < 1) {
				t.Fatalf("no place in %v", err)
			}
			return
		}
		if got := string(file.Bytes()); got != text {
			t.Fatalf("printed %q, parsed %q", got, text)
		}
	})
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"no equals", "[libdefaults]\n  rdns false\n", `f:2:3: no = in the line: "rdns false"`},
		{"no name", "[libdefaults]\n\t= false\n", `f:2:2: no name before the =: "= false"`},
		{"blank in name", "[libdefaults]\ndefault realm = A\n", `f:2:9: blank inside the name before the =: "default realm = A"`},
		{"stray brace", "[realms]\n}\n", `f:2:1: } without {: "}"`},
		{"section in braces", "[realms]\nA = {\n kdc = a\n[domain_realm]\n", `f:4:1: section inside braces: a } is missing before it: "[domain_realm]"`},
		{"no bracket", "[realms\n", `f:1:8: no ] after the name of the section: "[realms"`},
		{"text behind", "[realms] # ours\n", `f:1:10: text after the ] of a section: "[realms] # ours"`},
		{"brace expected", "[libdefaults]\ndefault_realm =\nrdns = false\n", `f:3:1: { expected, since the line before ends in =: "rdns = false"`},
		{"comment is no brace", "[realms]\nA =\n# here it comes\n{\n", `f:3:1: { expected, since the line before ends in =: "# here it comes"`},
		{"not printable", "[realms]\n\x1b[2J\n", `f:2:1: no = in the line: "?[2J"`},
		{"long line", "[a]\nb = c" + strings.Repeat("d", 2047) + "\n", `f:2:2048: no = in the line: "ddddd"`},
		{"binary", "[realms]\x00", "reading f: not a text file: it holds NUL bytes"},
		{"10 MiB", strings.Repeat("#\n", 5<<20), "reading f: larger than any krb5.conf (1 MiB)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f", c.text)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %v", err, c.want)
			}
		})
	}
}

func TestParseTree(t *testing.T) {
	f, err := Parse("f", "[libdefaults]\n default_realm = \" A\\tB \" rest\n[realms]*\n A* = {\n  kdc = dc1 \n }\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(f.Nodes) != 2 {
		t.Fatalf("%d sections", len(f.Nodes))
	}
	if n := f.Nodes[0].Children[0]; n.Kind != Relation || n.Name != "default_realm" || n.Value != " A\tB " || !n.Quoted {
		t.Errorf("relation: %+v", n)
	}
	realms := f.Nodes[1]
	if realms.Name != "realms" || !realms.Final {
		t.Errorf("section: %+v", realms)
	}
	realm := realms.Children[0]
	if realm.Kind != Subsection || realm.Name != "A" || !realm.Final || len(realm.Children) != 2 {
		t.Errorf("subsection: %+v", realm)
	}
	if kdc := realm.Children[0]; kdc.Value != "dc1" || kdc.Line != 5 || kdc.NameAt != 3 {
		t.Errorf("kdc: %+v", kdc)
	}
}
