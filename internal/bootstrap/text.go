package bootstrap

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/kerbagent/kerbagent/internal/report"
)

func quoted[T fmt.Stringer](list []T) string {
	var out []string
	for _, a := range list {
		out = append(out, fmt.Sprintf("%q", a.String()))
	}
	return strings.Join(out, ", ")
}

// quote makes one word of a text for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:,-") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func addresses(list []netip.Addr) string {
	var out []string
	for _, a := range list {
		out = append(out, a.String())
	}
	return strings.Join(out, ", ")
}

func prefixes(list []netip.Prefix) string {
	var out []string
	for _, p := range list {
		out = append(out, p.String())
	}
	return strings.Join(out, ", ")
}

// plain makes a peer's text harmless to a terminal.
func plain(s string) string { return report.Terminal(s) }

// optional is nil for a value that is not given.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
