package config

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/kerbagent/kerbagent/internal/spelling"
)

// The readers of single values, shared by the file and the flags. Their errors
// begin with the value and end with what to write; they name neither key nor flag.

// HostPort is a host name or an IP address, with a port.
type HostPort struct {
	Host string // without brackets
	Port uint16
}

// String is "host:port", an IPv6 address in brackets.
func (h HostPort) String() string { return net.JoinHostPort(h.Host, strconv.Itoa(int(h.Port))) }

// parseHostPort reads host, host:port, address, address:port, [v6] and [v6]:port.
func parseHostPort(s string, port uint16) (HostPort, error) {
	host, rest := s, ""
	switch {
	case strings.Contains(s, "://"):
		return HostPort{}, fmt.Errorf("%q is a URL; write the host alone", s)
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return HostPort{}, fmt.Errorf("%q has no closing bracket", s)
		}
		host, rest = s[1:end], s[end+1:]
		if a, err := netip.ParseAddr(host); err != nil || !a.Is6() {
			return HostPort{}, fmt.Errorf("%q: only an IPv6 address stands in brackets", s)
		}
	case strings.Count(s, ":") == 1:
		i := strings.IndexByte(s, ':')
		host, rest = s[:i], s[i:]
	}
	if rest != "" {
		n, err := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16)
		if err != nil || n == 0 || rest[0] != ':' {
			return HostPort{}, fmt.Errorf("%q has an invalid port; write a number from 1 to 65535, e.g. %s:%d", s, host, port)
		}
		port = uint16(n)
	}
	if a, err := netip.ParseAddr(host); err == nil {
		if before, last, ok := splitPort(s); ok {
			return HostPort{}, fmt.Errorf("%q can be an IPv6 address, or one with a port; write [%s]:%s if %s is the port, or [%s] if it is "+
				"part of the address", s, before, last, last, s)
		}
		return HostPort{a.String(), port}, nil
	}
	if err := checkHost(host); err != nil {
		return HostPort{}, err
	}
	return HostPort{strings.ToLower(host), port}, nil
}

// splitPort splits an IPv6 address without brackets whose last group looks like a
// port of this ladder: the person probably forgot the brackets.
func splitPort(s string) (before, last string, ok bool) {
	if i := strings.LastIndexByte(s, ':'); i > 0 && s[0] != '[' {
		before, last = s[:i], s[i+1:]
	}
	a, err := netip.ParseAddr(before)
	return before, last, err == nil && a.Is6() && slices.Contains([]string{"53", "88", "464", "3306"}, last)
}

// How a login finds its servers: values of its key "as".
const (
	asPrograms   = "programs"
	asConfigured = "configured"
)

func parseLoginAs(s string) (string, error) { return parseWord(s, asPrograms, asConfigured) }

// parsePort reads a port number.
func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no port; write a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// parseAddrPort reads an IP address with or without a port.
func parseAddrPort(s string, port uint16) (netip.AddrPort, error) {
	hp, err := parseHostPort(s, port)
	if err != nil {
		return netip.AddrPort{}, err
	}
	addr, err := netip.ParseAddr(hp.Host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is not an IP address; a DNS server is named by its address, e.g. 10.0.1.10 or [fd00::10]:53", s)
	}
	return netip.AddrPortFrom(addr.Unmap(), hp.Port), nil
}

// typographic are quotes as word processors write them.
const typographic = "“”‘’„"

// isNetwork reports whether a text is addresses in CIDR form.
func isNetwork(s string) bool {
	_, err := netip.ParsePrefix(s)
	return err == nil
}

// checkHost holds a host name to RFC 1123 §2.1, so that no name from
// configuration can be anything else than a name where it is used later.
func checkHost(s string) error {
	labels := strings.Split(s, ".")
	switch {
	case s == "":
		return fmt.Errorf("%q is not a host name: it is empty", s)
	case len(s) > 253:
		return fmt.Errorf("%q is not a host name: it is longer than 253 characters", s)
	case strings.ContainsAny(s, typographic):
		return fmt.Errorf("%q has typographic quotes; write straight ones (\") or none", s)
	case isNetwork(s):
		return fmt.Errorf("%q is a network; write one address, without the / and the number behind it", s)
	case strings.HasSuffix(s, "."):
		return fmt.Errorf("%q ends in a dot; write %s", s, strings.TrimRight(s, "."))
	case strings.Trim(labels[len(labels)-1], "0123456789") == "":
		return fmt.Errorf("%q is neither an IP address nor a host name", s)
	}
	for _, label := range labels {
		if !isLabel(label) {
			return fmt.Errorf("%q is not a host name: %s", s, labelTrouble(label))
		}
	}
	return nil
}

// labelTrouble reports what is wrong with a part of a host name (RFC 1035 §2.3.1,
// RFC 5890 §2.3.2.1).
func labelTrouble(s string) string {
	switch {
	case s == "":
		return "nothing stands before a dot or between two dots"
	case strings.ContainsFunc(s, func(r rune) bool { return r > 0x7f }):
		return fmt.Sprintf("%q has letters beyond ASCII; write the name as DNS has it, with xn--", s)
	case len(s) > 63:
		return fmt.Sprintf("a part of it has %d characters; between dots are 63 at most", len(s))
	case s[0] == '-' || s[len(s)-1] == '-':
		return fmt.Sprintf("%q begins or ends with a hyphen", s)
	}
	return fmt.Sprintf("%q is not a name between dots: it may have letters, digits, - and _", s)
}

func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !isAlnum(c) && c != '-' && c != '_' { // AD and DNS allow it (RFC 2181 §11)
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// parseRealm holds a realm to the domain style of RFC 4120 §6.1, the only one
// that has a DNS domain to ask. Its case is kept: a KDC says whether it is right.
func parseRealm(s string) (string, error) {
	if err := checkHost(s); err != nil {
		if strings.ContainsAny(s, typographic) {
			return "", fmt.Errorf("%q has typographic quotes; write straight ones (\") or none", s)
		}
		return "", fmt.Errorf("%q is not a realm; write one like CORP.EXAMPLE.COM", s)
	}
	return s, nil
}

// parseUser reads name@REALM. realm is empty where the name has none.
func parseUser(s string) (name, realm string, err error) {
	name, realm, at := strings.Cut(s, "@")
	switch {
	case name == "" || at && realm == "":
		return "", "", fmt.Errorf("%q is not a user; write one like alice@CORP.EXAMPLE.COM", s)
	case strings.Contains(realm, "@"):
		return "", "", fmt.Errorf("%q has two @; write the name that the account has in its realm, e.g. alice@CORP.EXAMPLE.COM", s)
	case strings.Contains(name, `\`):
		return "", "", fmt.Errorf("%q is a Windows logon name; write it like alice@CORP.EXAMPLE.COM", s)
	case len(name) > 256 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == '\ufffd' }):
		return "", "", fmt.Errorf("%q is not a user: the name is too long or has a control character in it", s)
	case strings.TrimSpace(name) != name:
		return "", "", fmt.Errorf("%q is not a user: the name begins or ends with a blank", s)
	}
	if at {
		if realm, err = parseRealm(realm); err != nil {
			return "", "", err
		}
	}
	return name, realm, nil
}

// parseDuration reads Go's durations, and helps with what people write instead.
func parseDuration(s string, least, most time.Duration) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if err != nil {
		if n, bad := strconv.ParseUint(strings.TrimSuffix(s, "d"), 10, 16); bad == nil {
			if strings.HasSuffix(s, "d") {
				return 0, fmt.Errorf("%q is not a duration; write %dh", s, n*24)
			}
			return 0, fmt.Errorf("%q has no unit; write %ss or %sm", s, s, s)
		}
		return 0, fmt.Errorf("%q is not a duration; write one like 15s, 5m or 336h", s)
	}
	if d < least || d > most {
		return 0, fmt.Errorf("%q is out of range; write %s to %s", s, short(least), short(most))
	}
	return d, nil
}

// short prints a duration as people write it: 5m, not 5m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseWord reads one of a few words.
func parseWord[T ~string](s string, words ...T) (T, error) {
	if slices.Contains(words, T(s)) {
		return T(s), nil
	}
	list := make([]string, len(words))
	for i, w := range words {
		list[i] = string(w)
	}
	hint := "must be one of " + strings.Join(list, ", ")
	if near := spelling.Nearest(s, list); near != "" && !isYes(s) {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return "", fmt.Errorf("invalid value %q; %s", s, hint)
}

// isYes reports whether s means that something is wanted: "off" is one letter from "on".
func isYes(s string) bool {
	return slices.Contains([]string{"on", "yes", "true", "enabled"}, strings.ToLower(s))
}

func parseKind(s string) (Kind, error) {
	return parseWord(s, AWSManagedAD, ActiveDirectory, MIT, Heimdal)
}

func parseTLSMode(s string) (TLSMode, error) {
	return parseWord(s, VerifyFull, VerifyCA, Require, TLSOff)
}

// verifies reports whether a mode looks at the certificate's chain at all.
func (m TLSMode) verifies() bool { return m == VerifyFull || m == VerifyCA }

// parseService reads the service part of an SPN: "mysql" of mysql/db1.
func parseService(s string) (string, error) {
	for _, c := range []byte(s) {
		if !isAlnum(c) && c != '-' && c != '_' {
			return "", fmt.Errorf("%q is not the service of an SPN; write its first part alone, e.g. mysql", s)
		}
	}
	if s == "" {
		return "", fmt.Errorf("%q is not the service of an SPN; write its first part alone, e.g. mysql", s)
	}
	return s, nil
}

// kpasswdOf returns the kpasswd servers that go with configured KDCs: the same
// hosts on their own port (RFC 3244 §1).
func kpasswdOf(kdcs []HostPort) []HostPort {
	var out []HostPort
	for _, k := range kdcs {
		hp := HostPort{k.Host, PortKpasswd}
		if !slices.Contains(out, hp) {
			out = append(out, hp)
		}
	}
	return out
}
