package report

import (
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(Schema())))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("report.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("report.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func validate(s *jsonschema.Schema, js string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(js))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

func TestJSONFitsItsSchema(t *testing.T) {
	s := compileSchema(t)
	all := samples()
	all["nothing"] = Input{Report: pathOnly().Report}
	for name, in := range all {
		if name == "nothing" {
			in.Started = begun
		}
		if err := validate(s, jsonText(t, in)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := compileSchema(t)
	good := jsonText(t, wrongPassword())
	for name, change := range map[string][2]string{
		"schema":    {`"schema": 1`, `"schema": 2`},
		"verdict":   {`"verdict": "failed"`, `"verdict": "bad"`},
		"time":      {`"started": "2026`, `"started": "in 2026`},
		"outcome":   {`"outcome": "failed"`, `"outcome": "nok"`},
		"reason":    {`"reason": "krb-preauth-failed"`, `"reason": ""`},
		"severity":  {`"severity": "error"`, `"severity": "critical"`},
		"transport": {`"transport": "udp"`, `"transport": "icmp"`},
		"evidence":  {`"krb-code": "24"`, `"krb-code": {}`},
		"field":     {`"remedy":`, `"remedies":`},
	} {
		bad := strings.Replace(good, change[0], change[1], 1)
		if bad == good {
			t.Fatalf("%s: nothing to change", name)
		}
		if validate(s, bad) == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
