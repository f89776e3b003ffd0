package diagnose

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Message is an error that programs print, or a line of a KRB5_TRACE: what it says,
// the codes that may be behind it with the likeliest first, and what to look at.
type Message struct {
	Texts    []string // parts of it, in lower case, * for a name; of those that a text has the longest counts
	Kerberos int      // its number in RFC 4120 §7.5.9, which libkrb5 prints as -1765328384 plus it; 0: none
	SQL      []int    // numbers of MySQL and MariaDB
	Says     string
	Codes    []Code
	Look     string // commands that change nothing, and what they show
	Harmless bool   // it is no error: a login that works has it, too
}

// Recognized is a message that a text has.
type Recognized struct {
	Message
	Seen string // as the text has it

	from, to int
}

// maxText is how much of a text is read: the end of a trace says how it ended.
const maxText = 256 << 10

// maxRecognized is how many messages of one text are told.
const maxRecognized = 4

// Recognize returns the messages that a text has, the last one first, since it is the one
// by which the program ended; what is harmless comes last.
func Recognize(text string) []Recognized {
	if len(text) > maxText {
		text = text[len(text)-maxText:]
	}
	text = strings.Join(strings.Fields(plainQuotes(text)), " ")
	lower := asciiLower(text) // keeps the length
	var found []Recognized
	for _, m := range Messages() {
		from, to := m.in(lower)
		if to > from {
			found = append(found, Recognized{Message: m, Seen: text[from:to], from: from, to: to})
		}
	}
	found = slices.DeleteFunc(found, func(r Recognized) bool { // part of a longer one
		return slices.ContainsFunc(found, func(o Recognized) bool {
			return o.from <= r.from && r.to <= o.to && o.to-o.from > r.to-r.from
		})
	})
	slices.SortStableFunc(found, func(a, b Recognized) int {
		switch {
		case a.Harmless && !b.Harmless:
			return 1
		case b.Harmless && !a.Harmless:
			return -1
		}
		return cmp.Compare(b.from, a.from)
	})
	return found[:min(len(found), maxRecognized)]
}

// in returns where a text has the message for the last time: the longest of its texts.
func (m Message) in(lower string) (from, to int) {
	for _, t := range m.Texts {
		if at, end := lastOf(lower, t); end-at > to-from {
			from, to = at, end
		}
	}
	if to > 0 {
		return from, to
	}
	var numbers []string
	if m.Kerberos > 0 {
		numbers = append(numbers, fmt.Sprint(-1765328384+m.Kerberos))
	}
	for _, n := range m.SQL {
		numbers = append(numbers, fmt.Sprint(n))
	}
	for _, n := range numbers {
		if all := regexp.MustCompile(`(?:^|[^\d.:-])(`+regexp.QuoteMeta(n)+`)(?:$|[^\d.:-]|:? )`).FindAllStringSubmatchIndex(lower, -1); all != nil {
			last := all[len(all)-1]
			return last[2], last[3]
		}
	}
	return 0, 0
}

// lastOf returns where a text has a part for the last time. A * stands for a name.
func lastOf(lower, part string) (from, to int) {
	before, after, named := strings.Cut(part, "*")
	if !named {
		if at := strings.LastIndex(lower, part); at >= 0 {
			return at, at + len(part)
		}
		return 0, 0
	}
	end := strings.LastIndex(lower, after)
	if end < 0 {
		return 0, 0
	}
	at := strings.LastIndex(lower[:end], before)
	if at < 0 || end-at > maxNamed {
		return 0, 0
	}
	return at, end + len(after)
}

// maxNamed is how far apart the words around a name are.
const maxNamed = 300

// plainQuotes writes the quotation marks of documents as those of programs.
func plainQuotes(text string) string {
	return strings.NewReplacer("‘", "'", "’", "'", "“", `"`, "”", `"`, "`", "'").Replace(text)
}

func asciiLower(text string) string {
	b := []byte(text)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}
