package lint

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
	"github.com/kerbagent/kerbagent/probe/krb5conf"
)

// blocks is the text of a template language that stands for lines or values
// anywhere: Jinja, Go and Helm ({{ }}, {% %}), ERB and EJS (<% %>), FreeMarker
// (<#if>), Template Toolkit ([% %]).
func blocks() *regexp.Regexp {
	return regexp.MustCompile(`\{\{|\{%|<%|</?#[a-z]|\[%`)
}

// placeholders are words that something was to replace: shells and Maven (${X},
// $(x), $X), Ruby (#{x}), autoconf (@X@), Python ({x}, %(x)s), sed scripts (__X__,
// %%X%%, %X%, #X#) and people (<kdc>). %{uid} is libkrb5's own, and $1 stands in rules.
func placeholders() *regexp.Regexp {
	return regexp.MustCompile(`\$\{[^}]*\}|\$\([^)]*\)|\$[A-Za-z_]\w*|#\{[^}]+\}|@@?[A-Z][A-Z0-9_]*@@?|%\([A-Za-z_]\w*\)s|(?:^|[\s:=])%[sdv](?:$|[\s:.])|` +
		`%%?[A-Z][A-Z0-9_]*%%?|[\s=]#[A-Z][A-Z0-9_]*#|__+[A-Za-z]\w*?__+|<[A-Za-z][^<>]*>|(?:^|[^%$#])\{[A-Za-z0-9_][\w.-]*\}`)
}

// template reports a file that was never rendered, as one finding. It reports
// whether that is all that there is to say: what libraries make of placeholders
// helps nobody.
func template(l *linter) bool {
	whole := false
	block, placeholder := blocks(), placeholders()
	for _, d := range l.docs() {
		if !d.Readable() {
			continue
		}
		var at []int // lines
		var first string
		matters := false
		section := ""
		line := 0
		for raw := range strings.Lines(d.Text) {
			line++
			text := strings.TrimSpace(raw)
			if text == "" || text[0] == '#' && !strings.HasPrefix(text, "#{") || text[0] == ';' {
				continue
			}
			found := block.FindString(text)
			inBlock := found != ""
			if !inBlock {
				found = placeholderIn(text, placeholder)
			}
			if strings.HasPrefix(text, "[") {
				section, _, _ = strings.Cut(text[1:], "]")
			}
			if found == "" {
				continue
			}
			if at == nil {
				first = found
			}
			at = append(at, line)
			key, _, _ := strings.Cut(text, "=")
			matters = matters || inBlock || strings.HasPrefix(text, "[") || strings.TrimSpace(key) == "default_realm" ||
				slices.Contains([]string{"", "realms", "domain_realm", "capaths"}, strings.TrimSpace(section))
		}
		if at == nil {
			continue
		}
		whole = whole || matters
		isTemplate(l, d, at, first, matters)
	}
	return whole
}

// placeholderIn returns the first placeholder of a line, or "". Rules for names
// and certificates are written in such signs, and are no template.
func placeholderIn(text string, placeholder *regexp.Regexp) string {
	if !strings.ContainsAny(text, "$#@%_<{") {
		return ""
	}
	key, _, _ := strings.Cut(text, "=")
	switch strings.TrimSpace(key) {
	case "auth_to_local", "auth_to_local_names", "pkinit_cert_match", "pkinit_identities", "err_fmt":
		if m := placeholder.FindString(text); !strings.HasPrefix(m, "${") {
			return ""
		}
	}
	return strings.TrimSpace(placeholder.FindString(text))
}

func isTemplate(l *linter, d *conf.Doc, lines []int, first string, matters bool) {
	i := krb5conf.Issue{Code: CodeTemplate, Severity: krb5conf.SeverityWarning, At: conf.Pos{File: d.Path, Line: lines[0]},
		Remedy: "Render the template, and install its result; look at what was to replace " + first}
	if matters {
		i.Severity = krb5conf.SeverityError
	}
	for _, n := range lines[1:] {
		i.Also = append(i.Also, conf.Pos{File: d.Path, Line: n})
	}
	count := "1 line has a placeholder"
	if len(lines) > 1 {
		count = fmt.Sprintf("%d lines have placeholders", len(lines))
	}
	i.Cause = fmt.Sprintf("This is a template that was not rendered: %s, the first one is %q. Libraries take them for names.", count, conf.Excerpt(first))
	l.add(i)
}
