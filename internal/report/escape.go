package report

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Terminal makes a text harmless to a terminal and to the eye: one line, no
// control characters, nothing that changes the direction or stays invisible,
// no byte that is not UTF-8. Each of those becomes visible as \x1b, \n or
// \u202e. What is printable stays as it is, a backslash too.
func Terminal(s string) string { return escape(s, visible) }

// nagiosText is Terminal for a plugin's output, where | begins the perfdata.
func nagiosText(s string) string {
	return escape(s, func(r rune) bool { return visible(r) && r != '|' })
}

// escape replaces each rune that keep refuses, and each byte that is not UTF-8.
func escape(s string, keep func(rune) bool) string {
	var b strings.Builder
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case keep(r):
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x80:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		i += size
	}
	return b.String()
}

// visible reports whether a rune can be printed as it is: graphic, and neither
// one that shows nothing (zero-width, Hangul fillers) nor one that is drawn
// over its neighbours (combining marks).
func visible(r rune) bool {
	return unicode.IsPrint(r) && !unicode.Is(unicode.Mn, r) && !unicode.Is(unicode.Me, r) &&
		!unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}

// validUTF8 makes a text that JSON can hold: a byte that is not UTF-8 becomes
// \xNN, everything else stays, control characters too: JSON has its own escape.
func validUTF8(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return escape(s, func(rune) bool { return true })
}

// asciiControls escapes, in finished JSON, what a terminal would obey or hide.
// Outside ASCII such a rune can only stand inside a string, so the value that
// a reader decodes stays the same.
func asciiControls(js []byte) []byte {
	out := make([]byte, 0, len(js))
	for _, r := range string(js) {
		switch {
		case r == '\n' || r < 0x7f || r != 0x7f && visible(r):
			out = utf8.AppendRune(out, r)
		case r <= 0xffff:
			out = fmt.Appendf(out, `\u%04x`, r)
		default:
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+(r>>10), 0xdc00+(r&0x3ff))
		}
	}
	return out
}

// perfLabel makes a label of nagios perfdata: no quote, no equals sign,
// nothing that ends it.
func perfLabel(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(" ._:/@-[]", r) {
			return r
		}
		return '_'
	}, s)
}
