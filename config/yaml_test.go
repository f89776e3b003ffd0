package config

import (
	"fmt"
	"reflect"
	"testing"
)

// What standard parsers take is taken, and means the same: each file says what
// the first one says.
func TestStandardYAML(t *testing.T) {
	const tail = "resolver: [10.0.0.1:53]\nhide_users: true\n"
	same := map[string]string{
		"flow":                   "realms: {A.TEST: {kind: mit, kdcs: [dc1.a.test:88, dc2.a.test:1088]}}\n" + tail,
		"block":                  "realms:\n  A.TEST:\n    kind: mit\n    kdcs:\n    - dc1.a.test:88\n    - dc2.a.test:1088\n" + tail,
		"quoted":                 "'realms': {\"A\\x2eTEST\": {\"kind\": 'mit', kdcs: [\"dc1.a.test:88\", 'dc2.a.test:1088']}}\n" + tail,
		"explicit keys":          "realms:\n  ? A.TEST\n  : kind: mit\n    ? kdcs\n    : [dc1.a.test:88, dc2.a.test:1088]\n" + tail,
		"anchor and alias":       "realms: {A.TEST: {kind: &k mit, kdcs: [dc1.a.test:88, dc2.a.test:1088]}}\nresolver: &r [10.0.0.1:53]\nhide_users: true\n",
		"tags":                   "realms: {A.TEST: {kind: !!str mit, kdcs: !!seq [dc1.a.test:88, dc2.a.test:1088]}}\nresolver: [10.0.0.1:53]\nhide_users: !!bool true\n",
		"block texts":            "realms:\n  A.TEST:\n    kind: >-\n      mit\n    kdcs:\n    - |-\n      dc1.a.test:88\n    - dc2.a.test:1088\n" + tail,
		"document marks":         "%YAML 1.1\n---\nrealms: {A.TEST: {kind: mit, kdcs: [dc1.a.test:88, dc2.a.test:1088]}}\n" + tail + "...\n",
		"byte order mark":        "\ufeffrealms: {A.TEST: {kind: mit, kdcs: [dc1.a.test:88, dc2.a.test:1088]}}\n" + tail,
		"lines that end with CR": "realms:\r\n  A.TEST: {kind: mit, kdcs: [dc1.a.test:88, dc2.a.test:1088]}\r\nresolver: [10.0.0.1:53]\r\nhide_users: true\r\n",
		"True":                   "realms: {A.TEST: {kind: mit, kdcs: [dc1.a.test:88, dc2.a.test:1088,],},}\nresolver: [10.0.0.1:53]\nhide_users: True\n",
	}
	want, err := Parse("k.yaml", []byte(same["flow"]))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range same {
		got, err := Parse("k.yaml", []byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v\n%+v", name, err, got)
		}
	}
	merged, err := Parse("k.yaml", []byte("realms:\n  A.TEST: &a {kind: mit, kdcs: [dc1.a.test]}\n  B.TEST: {<<: *a, kdcs: [dc1.b.test]}\n  C.TEST: *a\n"))
	if err != nil {
		t.Fatal(err)
	}
	for i, kdc := range []string{"dc1.a.test", "dc1.b.test", "dc1.a.test"} {
		if r := merged.Realms[i]; r.Kind != MIT || r.KDCs[0].Host != kdc {
			t.Errorf("merged: %+v", r)
		}
	}
	// A mapping that leads back to itself ends.
	for _, text := range []string{"realms: &r {A.TEST: *r}\n", "realms: {A.TEST: &a {<<: *a}}\n", "realms: &r\n  <<: [*r, *r, *r]\n"} {
		_, _ = Parse("k.yaml", []byte(text))
	}
}

// Merge keys that lead to one mapping several times over read it once: the reads
// doubled with each of them, and more than eight in a row were refused.
func TestMergesAreReadOnce(t *testing.T) {
	text := "realms:\n  R0.TEST: &r0 {kind: mit, kdcs: [dc1.a.test]}\n"
	for i := range 30 {
		text += fmt.Sprintf("  R%d.TEST: &r%d {<<: [*r%d, *r%d]}\n", i+1, i+1, i, i)
	}
	cfg, err := Parse("k.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if last := cfg.Realms[30]; last.Kind != MIT || last.KDCs[0].Host != "dc1.a.test" {
		t.Errorf("merged: %+v", last)
	}
}
