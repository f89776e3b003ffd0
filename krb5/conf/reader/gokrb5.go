package reader

import (
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// ErrPanics reports that the library does not refuse the line but panics on it.
var ErrPanics = errors.New("gokrb5 panics here")

// gokrb5Line is a line of the file that is neither a comment nor the header of
// a section.
type gokrb5Line struct {
	text string
	code string // the line without blanks around it and without what # or ; starts, wherever that stands
	pos  conf.Pos
}

func newGokrb5Line(text string, pos conf.Pos) gokrb5Line {
	code := text
	if i := strings.IndexByte(code, '#'); i >= 0 {
		code = code[:i]
	}
	if i := strings.IndexByte(code, ';'); i >= 0 {
		code = code[:i]
	}
	return gokrb5Line{text, strings.TrimSpace(code), pos}
}

func (l gokrb5Line) refused(what string, cause error) error {
	err := &conf.SyntaxError{Pos: l.pos, What: what, Excerpt: conf.Excerpt(l.text)}
	if cause != nil {
		return errors.Join(err, cause)
	}
	return err
}

// gokrb5MaxLine is the size of the buffer into which it reads a line with its
// end.
const gokrb5MaxLine = 64 << 10

type gokrb5Section struct {
	name  string
	start int // index of its first line
}

// readGokrb5 is config.Load of gokrb5 8.4.4 on the first file: it knows no
// include, and a [realms] section replaces an earlier one.
func readGokrb5(set *conf.Set) *Reading {
	r := &Reading{Reader: Gokrb5}
	g := newGokrb5Settings()
	if len(set.Roots) == 0 {
		g.into(r)
		return r
	}
	d := set.Roots[0]
	if !d.Readable() {
		r.Err = d.Err
		g.into(r)
		return r
	}
	lines, sections := gokrb5Split(d)
	for i, s := range sections {
		end := len(lines)
		if i+1 < len(sections) {
			end = sections[i+1].start
		}
		// gokrb5 keeps the names by their start: of two headers without a line
		// between them the last name holds for both.
		name := s.name
		for j := i + 1; j < len(sections) && sections[j].start == s.start; j++ {
			name = sections[j].name
		}
		if err := g.section(r, name, lines[s.start:end]); err != nil {
			return &Reading{Reader: Gokrb5, Err: err}
		}
	}
	g.into(r)
	return r
}

func gokrb5Split(d *conf.Doc) ([]gokrb5Line, []gokrb5Section) {
	lines := make([]gokrb5Line, 0, strings.Count(d.Text, "\n")+1)
	var sections []gokrb5Section
	for n, left := 1, d.Text; left != ""; n++ {
		end := strings.IndexByte(left, '\n')
		if end >= gokrb5MaxLine || end < 0 && len(left) >= gokrb5MaxLine {
			break // gokrb5 stops reading at such a line, without an error
		}
		text := left
		if left = ""; end >= 0 {
			text, left = text[:end], text[end+1:]
		}
		text = strings.TrimSuffix(text, "\r")
		rest := strings.TrimLeft(text, "\t\n\f\r ")
		switch {
		case rest != "" && (rest[0] == '#' || rest[0] == ';'):
			continue
		case strings.HasPrefix(rest, "[") && strings.Contains(rest, "]"):
			name := rest[1:strings.IndexByte(rest, ']')]
			if name != "libdefaults" && name != "realms" && name != "domain_realm" {
				name = ""
			}
			sections = append(sections, gokrb5Section{name, len(lines)})
			continue
		}
		lines = append(lines, newGokrb5Line(text, conf.Pos{File: d.Path, Line: n, Column: 1 + len(text) - len(rest)}))
	}
	return lines, sections
}

// section reads one section. The error is what Load returns; a v4_ line gives
// one that leaves the rest of the configuration usable, but callers take it
// for a failure, so it is one here.
func (g *gokrb5Settings) section(r *Reading, name string, lines []gokrb5Line) error {
	switch name {
	case "libdefaults":
		return g.parse(lines)
	case "realms":
		realms, err := gokrb5Realms(lines)
		r.Realms = realms
		return err
	case "domain_realm":
		index := make(map[string]int, len(lines))
		for i, m := range r.Mappings {
			index[m.Domain] = i
		}
		r.Mappings = slices.Grow(r.Mappings, len(lines))
		for _, l := range lines {
			code := l.code
			if code == "" {
				continue
			}
			domain, realm, ok := strings.Cut(code, "=")
			if !ok {
				return l.refused("no = in the line", nil)
			}
			realm, _, _ = strings.Cut(realm, "=")
			m := Mapping{strings.TrimSpace(strings.ToLower(domain)), strings.TrimSpace(realm), l.pos}
			if i, seen := index[m.Domain]; seen {
				r.Mappings[i] = m // the last one counts
				continue
			}
			index[m.Domain] = len(r.Mappings)
			r.Mappings = append(r.Mappings, m)
		}
	}
	return nil
}

func gokrb5Realms(lines []gokrb5Line) ([]RealmEntry, error) {
	var realms []RealmEntry
	index := map[string]int{}
	var name string
	depth, start := 0, 0
	for i, l := range lines {
		code := l.code
		if strings.Contains(code, "{") {
			depth++
			if !strings.Contains(code, "=") {
				return nil, l.refused("a { without name and = in its line", nil)
			}
			if depth == 1 {
				start = i
				name = strings.TrimSpace(code[:strings.IndexByte(code, '=')])
			}
		}
		if !strings.Contains(code, "}") {
			continue
		}
		if depth--; depth < 0 {
			return nil, l.refused("} without {", nil)
		}
		if depth > 0 {
			continue
		}
		if start == i {
			return nil, l.refused("realm in one line", ErrPanics)
		}
		e, err := gokrb5Realm(name, lines[start], lines[start+1:i])
		if err != nil {
			return nil, err
		}
		if at, seen := index[name]; seen {
			realms[at] = e // of two blocks gokrb5 asks the KDCs of the last
			continue
		}
		index[name] = len(realms)
		realms = append(realms, e)
	}
	return realms, nil
}

type gokrb5Servers struct {
	list  []Server
	final bool // an entry that ends in * was the last that counts
}

func (s *gokrb5Servers) add(l gokrb5Line, text string) {
	if s.final {
		return
	}
	text, s.final = strings.CutSuffix(text, "*")
	v := Server{From: l.pos, Text: text}
	host, port, err := net.SplitHostPort(text)
	v.Host = host
	if err == nil {
		v.Port, err = strconv.Atoi(port)
	}
	if err != nil {
		v.Err = ErrBadHost
	}
	s.list = append(s.list, v)
}

func gokrb5Realm(name string, header gokrb5Line, lines []gokrb5Line) (RealmEntry, error) {
	var kdc, admin, kpasswd gokrb5Servers
	depth := 0
	for _, l := range lines {
		code := l.code
		if code == "" {
			continue
		}
		key, value, hasEq := strings.Cut(code, "=")
		if !hasEq && !strings.Contains(code, "}") {
			return RealmEntry{}, l.refused("no = in the line", nil)
		}
		if strings.Contains(code, "v4_") {
			return RealmEntry{}, l.refused("Kerberos 4 settings are not supported", nil)
		}
		if strings.Contains(code, "{") {
			depth++
		}
		if strings.Contains(code, "}") {
			if depth--; depth < 0 {
				return RealmEntry{}, l.refused("} without {", nil)
			}
		}
		if !hasEq { // the } of a block within the realm
			return RealmEntry{}, l.refused("block within a realm", ErrPanics)
		}
		value, _, _ = strings.Cut(value, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(strings.ToLower(key)) {
		case "kdc":
			kdc.add(l, gokrb5KDC(value))
		case "admin_server":
			admin.add(l, value)
		case "kpasswd_server":
			kpasswd.add(l, value)
		}
	}
	e := RealmEntry{Name: name, At: []conf.Pos{header.pos}, KDCs: kdc.list, Admin: admin.list, Kpasswd: kpasswd.list}
	if len(e.Kpasswd) == 0 {
		for _, a := range e.Admin {
			host, _, _ := strings.Cut(a.Text, ":")
			e.Kpasswd = append(e.Kpasswd, Server{Host: host, Port: 464, From: a.From, Text: host + ":464"})
		}
	}
	return e, nil
}

// gokrb5KDC adds the port where no colon is in the text: to an IPv6 address
// without brackets it adds none, and cannot use it.
func gokrb5KDC(text string) string {
	if strings.Contains(text, ":") {
		return text
	}
	if host, final := strings.CutSuffix(text, "*"); final {
		return strings.TrimSpace(host) + ":88*"
	}
	return text + ":88"
}

// gokrb5HostRealm is Config.ResolveRealm: the host itself, then each suffix
// with its leading dot. A mapping without a dot covers that one host.
func (r *Reading) gokrb5HostRealm(host string) HostRealm {
	host = strings.TrimSuffix(host, ".")
	h, ok := r.mapped(host)
	for i := 0; i < len(host) && !ok; i++ {
		if host[i] == '.' {
			h, ok = r.mapped(host[i:])
		}
	}
	if !ok || h.Realm == "" { // a mapping to nothing ends the search too
		return HostRealm{How: ByUser}
	}
	return h
}
