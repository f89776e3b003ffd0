package lint

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// signs describes the signs of a text that come along when it is copied from a web
// page or a document, and that libraries take for letters: " It has …", or "".
func signs(text string) string {
	var found []string
	for _, r := range text {
		if what := sign(r); what != "" {
			what = fmt.Sprintf("%s (U+%04X)", what, r)
			if !slices.Contains(found, what) {
				found = append(found, what)
			}
		}
	}
	if found == nil {
		return ""
	}
	return " It has " + strings.Join(found, " and ") + ", probably copied from a document."
}

// sign names a sign that looks like one of ASCII, or like nothing; "" for others.
func sign(r rune) string {
	switch {
	case r < 0x80:
		return ""
	case r == 0xad || r == 0x200b || r == 0x200c || r == 0x200d || r == 0x2060 || r == 0xfeff:
		return "an invisible character"
	case unicode.Is(unicode.Zs, r):
		return "a no-break or other special space"
	case unicode.Is(unicode.Pd, r) || r == 0x2212:
		return "a dash that is not a hyphen"
	case unicode.In(r, unicode.Pi, unicode.Pf):
		return "a typographic quotation mark"
	}
	return ""
}

// withoutSigns returns a name as it was probably meant: what stands before a
// blank or a comment, without the marks around it.
func withoutSigns(name string) string {
	name = strings.Map(func(r rune) rune {
		switch what := sign(r); {
		case what == "a no-break or other special space":
			return ' '
		case what == "a dash that is not a hyphen":
			return '-'
		case what != "":
			return -1
		}
		return r
	}, name)
	marks := func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	first, _, _ := strings.Cut(strings.TrimLeftFunc(name, marks), " ")
	first, _, _ = strings.Cut(first, "#")
	return strings.TrimRightFunc(first, marks)
}
