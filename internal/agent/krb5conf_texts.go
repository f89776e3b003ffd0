package agent

import (
	"errors"
	"maps"
	"regexp"
	"slices"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Krb5Text is one file that a krb5.conf is made of.
type Krb5Text struct {
	Path string
	Text string
	Err  error // why there is no text
}

// Texts gives the file and all that it includes, for a person to read. A file
// that is no krb5.conf is not shown, whatever includes it: it may be a secret.
func (f Krb5File) Texts() []Krb5Text {
	set := conf.Load(conf.Disk{}, f.roots...)
	section := regexp.MustCompile(`(?m)^\s*\[\w+\]|^\s*include(dir)? `)
	var out []Krb5Text
	for _, path := range slices.Sorted(maps.Keys(set.Docs)) {
		t := Krb5Text{Path: path, Text: set.Docs[path].Text, Err: set.Docs[path].Err}
		if t.Err == nil && t.Text != "" && !section.MatchString(t.Text) {
			t.Err = errors.New("not shown: there is no section of a krb5.conf in it")
		}
		if t.Err != nil {
			t.Text = ""
		}
		out = append(out, t)
	}
	return out
}
