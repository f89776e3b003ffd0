package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// Problem is one thing wrong in a file.
type Problem struct {
	Path    string // YAML path: logins[0].user; empty where it is the file as a whole
	Line    int    // from 1; 0 where there is no place
	Column  int    // from 1, in characters
	Message string // what is wrong and what to write
	Excerpt string // the line, with a caret under the place; what looks like a secret is left out
}

// Errors is everything wrong in a file, in the file's order.
type Errors struct {
	File     string
	Problems []Problem
	// Unmade says that nothing is wrong but that there are no realms yet: the
	// bootstrap, whose part of the file is there, adds them.
	Unmade bool
}

// Error returns each problem as file:line:column: path: message, with its excerpt below.
func (e *Errors) Error() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(e.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
		if p.Path != "" {
			b.WriteString(p.Path + ": ")
		}
		b.WriteString(p.Message)
		if p.Excerpt != "" {
			b.WriteString("\n" + p.Excerpt)
		}
	}
	return b.String()
}

// keyed finds the keys of a line, each with what stands before its value.
const keyed = `(?:"([^"]*)"|'([^']*)'|([^\s"',{}\[\]:#][^\s"',{}\[\]:#]*))\s*:(?:\s+|$|["'\[{])|"([^"]*)"\s*:`

// secretLike are names of keys that hold an inline secret, mostly: the likeliest
// reason for an unknown key.
const secretLike = `(?i)(?:pass|pwd|pw$|secret|credential|token|api.?key|private)`

// bare is a line that begins with a word near a secret's name and has no key: the
// colon, or the space after it, was forgotten.
const bare = `^[\s\-{"']*([\w.\-]*` + secretLike + `[\w.\-]*)["']?\s*[:=\s]\s*\S`

// hideSecrets cuts a line before a value that may be a secret: of any key near a
// secret's name that the file does not have; and in a login, or in a file that is
// no YAML, before all that is not a known key with a plain value.
func hideSecrets(line, path string) string {
	names, known := regexp.MustCompile(secretLike), fileKeys()
	for _, at := range regexp.MustCompile(keyed).FindAllStringSubmatchIndex(line, -1) {
		key := ""
		for g := 1; g < len(at)/2; g++ {
			if at[2*g] >= 0 {
				key = line[at[2*g]:at[2*g+1]]
			}
		}
		end := at[0] + strings.LastIndexByte(line[at[0]:at[1]], ':') + 1
		unknown := !slices.Contains(known, key)
		if strings.TrimSpace(line[end:]) != "" && unknown && (names.MatchString(key) || strings.HasPrefix(path, "logins")) {
			line = line[:end] + " …"
			break
		}
	}
	if at := regexp.MustCompile(bare).FindStringSubmatchIndex(line); at != nil && !slices.Contains(known, line[at[2]:at[3]]) {
		line = line[:at[3]] + " …"
	}
	if path == "" || strings.HasPrefix(path, "logins") {
		return plainly(line, path == "", known)
	}
	return line
}

// The parts of a line that plainly knows: what stands between values, a key, and a plain or quoted value.
const (
	between = `^(?:[\s\[\]{},]|-\s)*`
	leading = `^(["']?)([\w.\-]+)(["']?)\s*:(?:\s+|$)`
	aScalar = `^(?:"[^"]*"|'[^']*'|[^\s,\[\]{}"'#&*!|>%@=` + "`" + `][^,\[\]{}#"'=]*)`
)

// plainly cuts a line where something else stands than a known key and its plain
// value. Where others says so, further keys may stand there without a value, but for
// those near a secret's name, and lists of plain values.
func plainly(line string, others bool, known []string) string {
	rest, last := line, ""
	for {
		rest = rest[len(regexp.MustCompile(between).FindString(rest)):]
		if rest == "" || strings.HasPrefix(rest, "…") {
			return line
		}
		key := regexp.MustCompile(leading).FindStringSubmatch(rest)
		switch {
		case key != nil && strings.HasPrefix(rest[len(key[0]):], "…"):
			return line
		case key == nil && others && last != "" && !slices.Contains(loginKeys(), last) && inList(line[:len(line)-len(rest)]):
		case key != nil && (slices.Contains(known, key[2]) || others && !regexp.MustCompile(secretLike).MatchString(key[2])):
			last, rest = key[2], rest[len(key[0]):]
		default:
			last = "logins"
		}
		value := regexp.MustCompile(aScalar).FindString(rest)
		hides := last == "logins" || last == "password_command" || !slices.Contains(known, last) ||
			last == "password_file" && !strings.ContainsAny(value, "/:")
		hides = value != "" && (hides || key == nil && regexp.MustCompile(secretLike).MatchString(value))
		if hides || value == "" && rest != "" && !strings.ContainsRune("[]{},", rune(rest[0])) {
			return strings.TrimRight(line[:len(line)-len(rest)], " ") + " …"
		}
		rest = rest[len(value):]
	}
}

// inList reports whether what follows is an item of a list on this line.
func inList(before string) bool {
	var open []rune
	for _, r := range before {
		switch {
		case r == '[' || r == '{':
			open = append(open, r)
		case (r == ']' || r == '}') && len(open) > 0:
			open = open[:len(open)-1]
		}
	}
	return len(open) > 0 && open[len(open)-1] == '['
}

// unquoted returns why a value is not to be quoted in an error: a line that was
// meant for a secret may have run into it.
func (v value) unquoted(text string) string {
	line := ""
	if n := resolved(v.node); n.Line > 0 && n.Line <= len(v.doc.lines) {
		line = v.doc.lines[n.Line-1]
	}
	if !strings.Contains(line, text) || regexp.MustCompile(secretLike).MatchString(text) && strings.ContainsAny(text, " \t=") {
		return "is not valid, and is not shown, as the next line seems to have run into it; write it in one line"
	}
	return ""
}

// fileKeys are the keys of kerbagent.yaml, whose values are no secrets.
func fileKeys() []string {
	return slices.Concat(topKeys(), realmKeys(), databaseKeys(), tlsKeys(), loginKeys(), krb5ConfKeys(), probesKeys(), fleetKeys(), warnKeys())
}

// printable keeps a message harmless to a terminal: what it says a reader
// should write may be made of what the file has.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

// excerpt shows a line with its number and a caret under column.
func excerpt(lines []string, line, column int, path string) string {
	if line < 1 || line > len(lines) {
		return ""
	}
	text := []rune(strings.TrimRight(lines[line-1], "\r\n"))
	for i, r := range text {
		if !unicode.IsPrint(r) {
			text[i] = ' ' // a tab, or what a terminal would obey
		}
	}
	shown := hideSecrets(string(text), path)
	// A long flow line is cut around the caret, so that both stay on the screen.
	runes, left := []rune(shown), 0
	const width = 84
	if len(runes) > width && column > width/2 {
		left = min(column-width/2, len(runes)-width)
	}
	runes = runes[left:min(len(runes), left+width)]
	number := fmt.Sprintf("%5d | ", line)
	caret := min(max(column-left, 1), len(runes)+1)
	return number + strings.TrimRight(string(runes), " ") + "\n" + strings.Repeat(" ", 6) + "| " + strings.Repeat(" ", caret-1) + "^"
}

// errors returns what was found, in the file's order.
func (d *document) errors(name string) error {
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &Errors{File: name, Problems: d.problems, Unmade: d.unmade && len(d.problems) == 1}
}
