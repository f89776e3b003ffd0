package site

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Style is how much of a file kerbagent manages.
type Style string

// The styles.
const (
	WholeFile Style = "file"    // all of it
	Block     Style = "block"   // what stands between two marker lines in someone else's file
	Snippet   Style = "snippet" // a file of its own in a directory that the main file includes
)

const (
	beginMark = "# BEGIN kerbagent (this block is kept by kerbagent: what is changed in it is undone)"
	EndMark   = "# END kerbagent"
)

// ErrMarkers reports that the lines around the managed block are not one pair.
var ErrMarkers = errors.New("the marker lines of the managed block are damaged")

// Compose returns the text that a file is to have: in block style what is there
// now, byte for byte, with generated in the place of our block.
func Compose(style Style, current, generated string) (string, error) {
	if style != Block {
		return generated, nil
	}
	before, _, after, found, err := splitBlock(current)
	if err != nil {
		return "", err
	}
	if !strings.HasSuffix(generated, "\n") {
		generated += "\n"
	}
	block := beginMark + "\n" + generated + EndMark + "\n"
	if found {
		return before + block + after, nil
	}
	at := blockPlace(current)
	before, after = current[:at], current[at:]
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + block + after, nil
}

// Without returns a text less our block: what there was before the first
// Compose, but for edits since.
func Without(text string) (string, error) {
	before, _, after, _, err := splitBlock(text)
	return before + after, err
}

// OwnedText returns the part of a file that is ours, and whether there is one.
func OwnedText(style Style, text string) (string, bool) {
	if style != Block {
		return text, true
	}
	_, own, _, found, err := splitBlock(text)
	return own, found && err == nil
}

// splitBlock finds the block: the text before it, in it and after it.
func splitBlock(text string) (before, own, after string, found bool, err error) {
	begin, end := -1, -1
	offset := 0
	for line := range strings.Lines(text) {
		switch strings.TrimRight(line, "\r\n") {
		case beginMark:
			if begin >= 0 {
				return "", "", "", false, fmt.Errorf("%w: two that begin", ErrMarkers)
			}
			begin = offset
			before, own = text[:offset], text[offset+len(line):]
		case EndMark:
			if begin < 0 || end >= 0 {
				return "", "", "", false, fmt.Errorf("%w: an end without a beginning", ErrMarkers)
			}
			end = offset
			own = text[begin:offset]
			_, own, _ = strings.Cut(own, "\n")
			after = text[offset+len(line):]
		}
		offset += len(line)
	}
	if begin >= 0 && end < 0 {
		return "", "", "", false, fmt.Errorf("%w: no end", ErrMarkers)
	}
	if begin < 0 {
		before = text
	}
	return before, own, after, begin >= 0, nil
}

// blockPlace is where a new block goes: in front of the first section, since
// of two values MIT, Heimdal and Java take the first, but behind the include
// lines above it, which Java follows only in front of all sections.
func blockPlace(text string) int {
	offset := 0
	for line := range strings.Lines(text) {
		if strings.HasPrefix(conf.TrimLeft(line), "[") {
			return offset
		}
		offset += len(line)
	}
	return offset
}
