package krb5file

import (
	"errors"
	"maps"
	"regexp"
	"slices"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Part is one file that a krb5.conf is made of.
type Part struct {
	Path string
	Text string
	Err  error // why there is no text
}

// Texts returns the file and all that it includes, for a person to read. A file
// that is no krb5.conf is not shown, whatever includes it: it may be a secret.
func (f File) Texts() []Part {
	set := conf.Load(conf.Disk{}, f.roots...)
	section := regexp.MustCompile(`(?m)^\s*\[\w+\]|^\s*include(dir)? `)
	var out []Part
	for _, path := range slices.Sorted(maps.Keys(set.Docs)) {
		t := Part{Path: path, Text: set.Docs[path].Text, Err: set.Docs[path].Err}
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
