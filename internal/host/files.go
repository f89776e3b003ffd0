package host

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// service is one source of nsswitch.conf's hosts line, with its actions.
type service struct {
	name    string
	actions map[status]bool // true: return, false: continue; a status that is not here has its default
}

// returns reports whether the search ends with a status (nsswitch.conf(5), default actions).
func (s service) returns(st status) bool {
	if r, ok := s.actions[st]; ok {
		return r
	}
	return st == success
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lines returns the words of each line without its comment; nothing for a file that is not there.
func lines(path, comment string) ([][]string, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var out [][]string
	for line := range strings.Lines(string(b)) {
		if i := strings.IndexAny(line, comment); i >= 0 {
			line = line[:i]
		}
		if f := strings.Fields(line); len(f) > 0 {
			out = append(out, f)
		}
	}
	return out, err
}

func readNSSwitch(path string) ([]service, error) {
	all, err := lines(path, "")
	for _, f := range all {
		if rest, ok := strings.CutPrefix(strings.Join(f, " "), "hosts:"); ok {
			return parseServices(rest), err
		}
	}
	return parseServices("files dns"), err // glibc 2.36, as measured
}

// comment begins one in a line of resolv.conf, gai.conf and hosts. In nsswitch.conf glibc knows it at the beginning of a line
// alone, and takes the words for services that are not there.
const comment = "#"

func parseServices(line string) []service {
	var out []service
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		if strings.HasPrefix(line, comment) {
			return append(out, service{name: comment})
		}
		if line[0] != '[' {
			i := strings.IndexAny(line, " [")
			if i < 0 {
				i = len(line)
			}
			out = append(out, service{name: line[:i], actions: map[status]bool{}})
			line = line[i:]
			continue
		}
		in, rest, _ := strings.Cut(line[1:], "]")
		line = rest
		for _, word := range strings.Fields(in) {
			of, action, ok := strings.Cut(strings.ToUpper(word), "=")
			if !ok || len(out) == 0 {
				continue
			}
			of, not := strings.CutPrefix(of, "!")
			for _, st := range []status{success, notFound, unavail, tryAgain} {
				if (st == status(of)) != not {
					out[len(out)-1].actions[st] = action == "RETURN"
				}
			}
		}
	}
	return out
}

// hostLine is one line of /etc/hosts.
type hostLine struct {
	addr  netip.Addr
	names []string
}

func readHosts(path string) (_ []hostLine, none bool, _ error) {
	all, err := lines(path, "#")
	var out []hostLine
	for _, f := range all {
		if a, bad := netip.ParseAddr(f[0]); bad == nil && len(f) > 1 {
			out = append(out, hostLine{a.Unmap(), f[1:]})
		}
	}
	return out, !exists(path), err
}

// readMulti reports whether every line of a name counts, by host.conf(5), and not only the first.
func readMulti(path string) (bool, error) {
	all, err := lines(path, "#")
	multi := false
	for _, f := range all {
		if len(f) > 1 && f[0] == "multi" {
			multi = f[1] == "on"
		}
	}
	return multi, err
}

// inFiles looks in /etc/hosts. Questions for IPv4 alone take ::1 for 127.0.0.1 (glibc's nss_files).
func (r *Resolver) inFiles(name string, want wanted) (Answer, status) {
	out := Answer{Source: SourceFiles, Name: name}
	for _, h := range r.hosts {
		a := h.addr
		if !want.v6 && a == netip.IPv6Loopback() {
			a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		named := slices.ContainsFunc(h.names, func(n string) bool { return strings.EqualFold(n, name) })
		if !named || !want.has(a) {
			continue
		}
		out.Addrs = append(out.Addrs, a)
		if !r.multi {
			break
		}
	}
	switch {
	case len(out.Addrs) > 0:
		return out, success
	case r.noHosts:
		return out, unavail
	}
	return out, notFound
}

// resolvConf is resolv.conf(5), with its limits.
type resolvConf struct {
	servers        []netip.AddrPort
	search         []string
	ndots          int
	timeout        time.Duration
	attempts       int
	single         bool // A and AAAA one after the other
	rotate         bool
	noAAAA         bool
	noTLD          bool
	overTCP        bool
	searchWasGiven bool
}

func readResolvConf(path string) (resolvConf, error) {
	c := resolvConf{ndots: 1, timeout: 5 * time.Second, attempts: 2}
	all, err := lines(path, "#;")
	for _, f := range all {
		switch f[0] {
		case "nameserver":
			if a, bad := netip.ParseAddr(value(f)); bad == nil && len(c.servers) < 3 {
				c.servers = append(c.servers, netip.AddrPortFrom(a, 53))
			}
		case "domain":
			c.search, c.searchWasGiven = []string{value(f)}, true
		case "search":
			c.search, c.searchWasGiven = f[1:], true
		case "options":
			c.options(f[1:])
		}
	}
	if len(c.servers) == 0 {
		c.servers = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:53")}
	}
	if name, bad := os.Hostname(); bad == nil && !c.searchWasGiven {
		if _, domain, ok := strings.Cut(name, "."); ok {
			c.search = []string{domain}
		}
	}
	return c, err
}

func value(f []string) string {
	if len(f) < 2 {
		return ""
	}
	return f[1]
}

func (c *resolvConf) options(words []string) {
	for _, w := range words {
		key, v, _ := strings.Cut(w, ":")
		n, err := strconv.Atoi(v)
		number := err == nil && n >= 0
		switch {
		case key == "ndots" && number:
			c.ndots = min(n, 15)
		case key == "timeout" && number:
			c.timeout = time.Duration(min(n, 30)) * time.Second
		case key == "attempts" && number:
			c.attempts = min(n, 5)
		case key == "rotate":
			c.rotate = true
		case key == "single-request", key == "single-request-reopen":
			c.single = true
		case key == "no-aaaa":
			c.noAAAA = true
		case key == "no-tld-query":
			c.noTLD = true
		case key == "use-vc":
			c.overTCP = true
		}
	}
}
