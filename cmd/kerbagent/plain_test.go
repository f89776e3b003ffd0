package main

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
)

// maxWords is the longest sentence that a tired reader takes in at once.
const maxWords = 35

// riddles are words that readers of another first language stumbled over.
func riddles() *regexp.Regexp {
	return regexp.MustCompile(`\bfor ever\b|\bof theirs\b|\bof ours\b|\bwithout a word\b|\banew\b|\bgives\b|\bof course\b|\bsaid otherwise\b|` +
		`\bwhoever\b|\bis good for\b|\bnot un\w+|\bnot run (was|were)\b|\bheld back\b|\bclimbs\b|\blikewise\b|\bhas no good\b`)
}

// sentences returns the sentences of a text. Lines that are indented are
// commands and tables, and are none.
func sentences(text string) []string {
	text = regexp.MustCompile(`(?m)^(\t|  +).*$`).ReplaceAllString(text, "\n")
	names := regexp.MustCompile("`[^`]*`(?:,\\s+`[^`]*`)+") // a list of codes is one thing
	var out []string
	for _, p := range regexp.MustCompile(`\n\s*\n|\n[-*|#]`).Split(text, -1) {
		p = strings.Join(strings.Fields(names.ReplaceAllString(p, "NAMES")), " ")
		out = append(out, regexp.MustCompile(`[.!?:;·]\s|, (?:and|but|or) | \| `).Split(p, -1)...)
	}
	return out
}

// What people read is in plain English, as far as a program can tell: short
// sentences, and none of the words that are riddles.
func TestPlainEnglish(t *testing.T) {
	riddle := riddles()
	plain := func(where, text string) {
		for _, s := range sentences(text) {
			if n := len(strings.Fields(s)); n > maxWords {
				t.Errorf("%s: a sentence of %d words: %s", where, n, s)
			}
			if m := riddle.FindString(s); m != "" {
				t.Errorf("%s: %q in: %s", where, m, s)
			}
		}
	}
	for _, r := range diagnose.Catalogue() {
		for part, text := range map[string]string{"title": r.Title, "meaning": r.Means, "cause": r.Cause, "remedy": r.Remedy} {
			plain(string(r.Code)+" "+part, text)
		}
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		plain(c.CommandPath(), c.Short)
		plain(c.CommandPath(), c.Long)
		for line := range strings.Lines(c.LocalFlags().FlagUsages()) {
			plain(c.CommandPath(), strings.TrimSpace(line))
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(streams{in: os.Stdin, out: &bytes.Buffer{}, err: &bytes.Buffer{}}))
	var schema any
	if err := json.Unmarshal(config.Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	var describe func(path string, v any)
	describe = func(path string, v any) {
		m, _ := v.(map[string]any)
		for k, sub := range m {
			if text, ok := sub.(string); ok && k == "description" {
				plain("schema "+path, text)
			}
			describe(path+"/"+k, sub)
		}
	}
	describe("", schema)
	for name, text := range shippedTexts(t) {
		plain(name, text)
	}
}

// shippedTexts returns the texts that people read and that no type of this
// package holds, by file: documents, the page, dashboards' titles, the comments of
// files that people copy, and every string of the program that is a sentence.
func shippedTexts(t *testing.T) map[string]string {
	t.Helper()
	comment := regexp.MustCompile(`(?m)^[ \t]*(?:#|//)+ ?(.*)$`)
	markup := regexp.MustCompile(`(?s)\{\{.*?\}\}|<[^>]*>`)
	title := regexp.MustCompile(`"(?:title|description)": *"((?:[^"\\]|\\.)*)"`)
	annotation := regexp.MustCompile(`(?m)^ *(?:summary|description): *(.*)$`)
	picked := func(re *regexp.Regexp, text string) string {
		var out []string
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
		return strings.Join(out, "\n")
	}
	texts := map[string]string{}
	if err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			if name := d.Name(); name == "testdata" || name == ".git" || name == "lab" {
				return filepath.SkipDir
			}
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		text, name := string(b), strings.TrimPrefix(path, "../../")
		switch dir, ext := filepath.Base(filepath.Dir(path)), filepath.Ext(path); {
		case name == "README.md" || dir == "docs" && ext == ".md":
			texts[name] = text
		case ext == ".html":
			texts[name] = markup.ReplaceAllString(text, "\n\n")
		case ext == ".json" && dir == "grafana":
			texts[name] = strings.ReplaceAll(picked(title, text), "\n", "\n\n")
		case ext == ".yaml" && dir == "rules":
			texts[name] = strings.ReplaceAll(picked(annotation, text), "\n", "\n\n") + "\n\n" + picked(comment, text)
		case slices.Contains([]string{".yaml", ".yml", ".service", ".socket", ".timer", ".path", ".conf", ".tftpl"}, ext):
			texts[name] = picked(comment, text)
		case ext == ".go" && !strings.HasSuffix(path, "_test.go"):
			f, err := parser.ParseFile(token.NewFileSet(), path, b, 0)
			if err != nil {
				return err
			}
			texts[name] = strings.Join(literals(f), "\n\n")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, must := range []string{"README.md", "docs/harm.md", "internal/web/page.html", "dashboards/grafana/host-ladder.json", "dashboards/rules/alerts.yaml",
		"systemd/kerbagent.service", "examples/kerbagent.yaml", "internal/metrics/table.go", "cmd/kerbagent/trace.go"} {
		if len(strings.Fields(texts[must])) < 5 {
			t.Errorf("%s: no text is read", must)
		}
	}
	return texts
}

// literals returns the strings of a file that have words, with what + joins as one.
func literals(f *ast.File) []string {
	var out []string
	var value func(e ast.Expr) (string, bool)
	value = func(e ast.Expr) (string, bool) {
		switch e := e.(type) {
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			return s, err == nil && e.Kind == token.STRING
		case *ast.BinaryExpr:
			x, isX := value(e.X)
			y, isY := value(e.Y)
			return x + y, e.Op == token.ADD && (isX || isY)
		}
		return "", false
	}
	ast.Inspect(f, func(n ast.Node) bool {
		e, ok := n.(ast.Expr)
		if !ok {
			return true
		}
		s, is := value(e)
		if is && strings.Contains(s, " ") {
			out = append(out, s)
		}
		return !is
	})
	return out
}
