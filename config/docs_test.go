package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The examples are good, for the reader and for the schema.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	s := compileSchema(t)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(file); err != nil {
			t.Errorf("%v", err)
		}
		if err := valid(s, b); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// docs/configuration.md has a table of every key, made from the schema between
// two marks; -update writes it.
func TestDocs(t *testing.T) {
	const file, begin, end = "../docs/configuration.md", "<!-- from config/schema.json: go test ./config -run TestDocs -update -->\n", "<!-- end -->\n"
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(b), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	want := head + begin + keyTables(t) + end + tail
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(b)); diff != "" {
		t.Error(diff)
	}
}

// schemaNode is the part of a JSON Schema that the docs show.
type schemaNode struct {
	Ref         string `json:"$ref"`
	Description string
	Type        any
	Enum        []string
	Default     any
	Required    []string
	Properties  ordered
	Items       *schemaNode
	OneOf       []schemaNode
	Additional  json.RawMessage       `json:"additionalProperties"`
	Defs        map[string]schemaNode `json:"$defs"`
}

// ordered is properties in the order of the schema.
type ordered []struct {
	key  string
	node schemaNode
}

func (o *ordered) UnmarshalJSON(b []byte) error {
	d := json.NewDecoder(strings.NewReader(string(b)))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		var n schemaNode
		if err := d.Decode(&n); err != nil {
			return err
		}
		*o = append(*o, struct {
			key  string
			node schemaNode
		}{fmt.Sprint(key), n})
	}
	return nil
}

func keyTables(t *testing.T) string {
	t.Helper()
	var root schemaNode
	if err := json.Unmarshal(Schema(), &root); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	table(&b, root, root, "")
	b.WriteString("\n### Values\n\n| | |\n| --- | --- |\n")
	for _, name := range slices.Sorted(maps.Keys(root.Defs)) {
		if n := root.Defs[name]; n.Type == "string" && n.Description != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, n.Description)
		}
	}
	return b.String()
}

// table writes the keys of one object, and then those of the objects in it.
func table(b *strings.Builder, root, at schemaNode, path string) {
	title := "The file"
	if path != "" {
		title = "`" + path + "`"
	}
	fmt.Fprintf(b, "\n### %s\n\n| key | | default | meaning |\n| --- | --- | --- | --- |\n", title)
	for _, p := range at.Properties {
		n, words := follow(root, p.node), p.node.Description
		if words == "" {
			words = n.Description
		}
		initial := "–"
		switch {
		case strings.Contains(" "+strings.Join(at.Required, " ")+" ", " "+p.key+" "):
			initial = "required"
		case p.node.Default != nil:
			js, _ := json.Marshal(p.node.Default)
			initial = "`" + strings.Trim(string(js), `"`) + "`"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", p.key, kindOf(root, p.node), initial, strings.ReplaceAll(words, "|", `\|`))
	}
	for _, p := range at.Properties {
		n, below := follow(root, p.node), join(path, p.key)
		if inner := followRaw(root, n.Additional); len(inner.Properties) > 0 {
			table(b, root, inner, below+".NAME")
		} else if n.Items != nil && len(follow(root, *n.Items).Properties) > 0 {
			table(b, root, follow(root, *n.Items), below+"[]")
		} else if len(n.Properties) > 0 {
			table(b, root, n, below)
		}
	}
}

func follow(root, n schemaNode) schemaNode {
	if name, ok := strings.CutPrefix(n.Ref, "#/$defs/"); ok {
		return root.Defs[name]
	}
	return n
}

func followRaw(root schemaNode, b json.RawMessage) schemaNode {
	var n schemaNode
	if json.Unmarshal(b, &n) != nil { // true or false
		return schemaNode{}
	}
	return follow(root, n)
}

// kindOf reports in a word what a value is.
func kindOf(root, n schemaNode) string {
	if name := strings.TrimPrefix(n.Ref, "#/$defs/"); n.Ref != "" && root.Defs[name].Type == "string" {
		return strings.ReplaceAll(name, "domain", "realm")
	}
	f := follow(root, n)
	switch {
	case len(f.Enum) > 0:
		return "`" + strings.Join(f.Enum, "`, `") + "`"
	case f.Items != nil:
		return "list of " + kindOf(root, *f.Items)
	case len(f.OneOf) > 0 && f.Type == nil:
		var kinds []string
		for _, one := range f.OneOf {
			kinds = append(kinds, kindOf(root, one))
		}
		return strings.Join(kinds, ", ")
	case f.Type == "object" && f.Additional != nil && len(followRaw(root, f.Additional).Properties) > 0:
		return "names and keys"
	case f.Type == "object" || f.Type != nil && fmt.Sprint(f.Type) == "[object null]":
		return "keys"
	case f.Type != nil:
		return fmt.Sprint(f.Type)
	}
	return "keys"
}
