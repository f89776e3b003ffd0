package main

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
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
	var out []string
	for _, p := range regexp.MustCompile(`\n\s*\n|\n[-*|#]`).Split(text, -1) {
		p = strings.Join(strings.Fields(p), " ")
		out = append(out, regexp.MustCompile(`[.!?:;·]\s|, (?:and|but|or) `).Split(p, -1)...)
	}
	return out
}

// Findings, help and the configuration's schema are in plain English, as far as a
// program can tell: short sentences, and none of the words that are riddles.
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
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	plain("README.md", string(readme))
}
