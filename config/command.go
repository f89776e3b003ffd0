package config

import (
	"errors"
	"path/filepath"
	"strings"
)

// Command returns the program, with its arguments, whose output is the secret; nil
// where a file holds it.
func (s SecretRef) Command() []string {
	if s.command == "" {
		return nil
	}
	return strings.Split(s.command, "\x00")
}

// MayRun reports whether the program may be run: root, and nobody else, could have
// written it into the configuration. Otherwise whoever may write that file would run
// programs with kerbagent's rights.
func (s SecretRef) MayRun() bool { return s.command != "" && s.rootOwned }

// command reads password_command. Its first word is an absolute path: no shell and no
// PATH decides what runs.
func (d *document) command(v value) SecretRef {
	var argv []string
	items := v.items("/usr/local/bin/secret, alice")
	if items == nil {
		return SecretRef{} // no list, which was said
	}
	for _, item := range items {
		word, ok := read(item, func(s string) (string, error) {
			if strings.ContainsRune(s, 0) {
				return "", errors.New("has a zero byte in it")
			}
			return s, nil
		})
		if !ok {
			return SecretRef{}
		}
		argv = append(argv, word)
	}
	switch {
	case len(argv) == 0:
		v.problem("is empty; write the program and its arguments: [/usr/local/bin/secret, alice]")
		return SecretRef{}
	case !filepath.IsAbs(argv[0]):
		v.problem("the first word is not an absolute path; no shell and no PATH is used") // nor is it quoted: it may be the password itself
		return SecretRef{}
	}
	if d.owner != nil {
		if err := d.owner(); err != nil {
			v.problem("a program is run only where root alone can write the configuration: %v", err)
			return SecretRef{}
		}
	}
	return SecretRef{command: strings.Join(argv, "\x00"), rootOwned: d.owner != nil}
}
