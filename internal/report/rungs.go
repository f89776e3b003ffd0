package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/probe"
)

// ladder writes one block a rung: a line a server, and under it what failed.
func (p *page) ladder(results []probe.Result) {
	for _, kind := range rungs() {
		var rung []probe.Result
		for _, r := range results {
			if r.ID.Kind == kind {
				rung = append(rung, r)
			}
		}
		if len(rung) == 0 {
			continue
		}
		p.line("")
		p.line(p.bold(rungTitle(kind)))
		if kind == probe.Login {
			for _, r := range rung {
				p.login(r)
			}
			continue
		}
		p.servers(rung)
	}
}

func rungTitle(k probe.Kind) string {
	switch k {
	case probe.DNS:
		return "DNS, port 53"
	case probe.KDC:
		return "Kerberos, port 88"
	case probe.Kpasswd:
		return "Password change, port 464"
	case probe.Database:
		return "Database"
	case probe.Login:
		return "Login"
	case probe.Krb5Conf:
		return "krb5.conf"
	}
	return string(k)
}

// server is one line of a rung: everything that was asked at one address.
type server struct {
	name, address string
	cells         []cell
	results       []probe.Result
}

// cell is one column of a server's line.
type cell struct {
	column string // what it is aligned by: "udp", "tcp", "udp large", "skew"
	text   string
	paint  func(string) string
}

// group gathers a rung's results by server, in their order.
func group(rung []probe.Result) []server {
	var out []server
	for _, r := range rung {
		name, address := serverName(r), ""
		if r.ID.Address.IsValid() {
			address = r.ID.Address.Addr().String()
			if r.ID.Kind == probe.Database {
				address = r.ID.Address.String()
			}
		}
		i := slices.IndexFunc(out, func(s server) bool { return s.name == name && s.address == address })
		if i < 0 {
			out = append(out, server{name: name, address: address})
			i = len(out) - 1
		}
		out[i].results = append(out[i].results, r)
	}
	return out
}

// serverName is what a line begins with. A DNS result's target is a question,
// so its server is named by what it is there for.
func serverName(r probe.Result) string {
	switch {
	case r.ID.Kind != probe.DNS:
		return r.ID.Target
	case r.Facts[probe.FactRole] == probe.RoleHost:
		return "this host's resolver"
	default:
		return r.Facts[probe.FactRealm]
	}
}

// servers writes the lines of a rung with their columns aligned.
func (p *page) servers(rung []probe.Result) {
	list := group(rung)
	var columns []string
	widths := map[string]int{}
	name, address := 0, 0
	for i := range list {
		s := &list[i]
		s.name = Terminal(shorten(s.name, 44))
		s.cells = p.cells(s.results)
		name, address = max(name, columnsOf(s.name)), max(address, len(s.address))
		for _, c := range s.cells {
			if !slices.Contains(columns, c.column) {
				columns = append(columns, c.column)
			}
			widths[c.column] = max(widths[c.column], columnsOf(c.text))
		}
	}
	slices.SortStableFunc(columns, func(a, b string) int { return columnOrder(a) - columnOrder(b) })
	for _, s := range list {
		p.row(s, columns, widths, name, address)
		for _, r := range s.results {
			if r.Outcome == probe.Failed {
				p.failure(r)
			}
		}
	}
}

func columnOrder(c string) int {
	order := []string{"udp", "tcp", "", "udp large", "tcp large", "tls", "version", "skew"}
	if i := slices.Index(order, c); i >= 0 {
		return i
	}
	return len(order)
}

// row writes one server. Where it does not fit into one line, the cells go
// below the name, and below each other.
func (p *page) row(s server, columns []string, widths map[string]int, name, address int) {
	head := "  " + pad(s.name, name) + "  " + pad(s.address, address)
	total := columnsOf(head)
	for _, c := range columns {
		total += 2 + widths[c]
	}
	line, used := head, columnsOf(head)
	if total > p.width {
		p.line("  " + s.name + "  " + s.address)
		line, used = "    ", 4
	}
	for _, c := range columns {
		i := slices.IndexFunc(s.cells, func(x cell) bool { return x.column == c })
		text, paint := "", fmt.Sprint
		_ = paint
		painted := ""
		if i >= 0 {
			text = s.cells[i].text
			painted = s.cells[i].paint(text)
		}
		if used+2+widths[c] > p.width {
			p.line(line)
			line, used = "    ", 4
		}
		line += "  " + painted + strings.Repeat(" ", widths[c]-columnsOf(text))
		used += 2 + widths[c]
	}
	p.line(line)
}

// cells sums up what was asked at one address: a cell for each transport and
// variant, then what was measured.
func (p *page) cells(results []probe.Result) []cell {
	type sum struct {
		asked, good, skipped int
		slowest              time.Duration
	}
	sums := map[string]*sum{}
	var order []string
	for _, r := range results {
		column := strings.TrimSpace(string(r.ID.Transport) + " " + r.ID.Variant)
		s := sums[column]
		if s == nil {
			s = &sum{}
			sums[column] = s
			order = append(order, column)
		}
		s.asked++
		switch r.Outcome {
		case probe.OK:
			s.good++
			s.slowest = max(s.slowest, r.Duration)
		case probe.Skipped:
			s.skipped++
		}
	}
	var out []cell
	for _, column := range order {
		s := sums[column]
		label := column
		if label != "" {
			label += " "
		}
		switch asked := s.asked - s.skipped; {
		case asked == 0:
			out = append(out, cell{column, label + "not asked", p.dim})
		case s.good == asked && asked > 1:
			out = append(out, cell{column, fmt.Sprintf("%s%d ok %s", label, s.good, span(s.slowest)), p.green})
		case s.good == asked:
			out = append(out, cell{column, label + "ok " + span(s.slowest), p.green})
		case asked > 1:
			out = append(out, cell{column, fmt.Sprintf("%s%d of %d FAILED", label, asked-s.good, asked), p.red})
		default:
			out = append(out, cell{column, label + "FAILED", p.red})
		}
	}
	return append(out, p.measured(results)...)
}

// measured gives the cells of numbers and facts that are worth a column.
func (p *page) measured(results []probe.Result) []cell {
	var out []cell
	put := func(column, text string) {
		if text != "" && !slices.ContainsFunc(out, func(c cell) bool { return c.column == column }) {
			out = append(out, cell{column, text, p.dim})
		}
	}
	for _, r := range results {
		if v, ok := r.Samples[probe.SampleSkew]; ok && r.ID.Kind == probe.KDC {
			put("skew", fmt.Sprintf("clock %+.1f s", v))
		}
		if r.ID.Kind == probe.Database {
			put("tls", Terminal(clip(r.Facts[probe.FactTLSVersion], 16)))
			put("version", Terminal(clip(r.Facts[probe.FactVersion], 30)))
		}
	}
	return out
}

// failure writes what failed under its server.
func (p *page) failure(r probe.Result) {
	what := strings.TrimSpace(string(r.ID.Transport) + " " + r.ID.Variant)
	if r.ID.Kind == probe.DNS {
		what = strings.TrimSpace(what + " " + r.ID.Target)
	}
	if what != "" {
		what += ": "
	}
	text := what + string(r.Reason) + " after " + span(r.Duration)
	if r.Err != nil {
		text += ", " + errorText(r.Err)
	}
	for i, l := range wrap(Terminal(clip(text, 400)), p.width-8) {
		indent := "      "
		if i > 0 {
			indent += "  "
		}
		p.line(indent + l)
	}
}

// login writes one user's login with its stages, each in a line.
func (p *page) login(r probe.Result) {
	user, database := loginNames(r)
	head := user
	if database != "" {
		head += " at " + database
	}
	if r.ID.Address.IsValid() {
		head += " (" + r.ID.Address.String() + ")"
	}
	outcome, paint := "ok "+span(r.Duration), p.green
	switch r.Outcome {
	case probe.Failed:
		outcome, paint = "FAILED "+string(r.Reason), p.red
	case probe.Skipped:
		outcome, paint = "not tried: "+string(r.Reason), p.yellow
	}
	lines := wrap(Terminal(clip(head, 400))+"  ", p.width-4-columnsOf(outcome))
	for i, l := range lines {
		if i == len(lines)-1 {
			l += "  " + paint(outcome)
		}
		p.line("  " + l)
	}
	width := 0
	for _, s := range r.Stages {
		width = max(width, len(s.Name))
	}
	for _, s := range r.Stages {
		result := p.green("ok")
		if s.Err != nil {
			result = p.red("FAILED")
		}
		p.line(fmt.Sprintf("    %-*s  %8s  %s  %s", width, s.Name, span(s.Duration), p.dim(fmt.Sprintf("at %7s", span(s.Offset))), result))
	}
	if r.Err != nil {
		for _, l := range wrap(Terminal(clip(errorText(r.Err), 600)), p.width-6) {
			p.line("      " + l)
		}
	}
	p.proof(r)
}

// proof says what shows that a login was a real one.
func (p *page) proof(r probe.Result) {
	var words []string
	for _, f := range []struct {
		fact  probe.Fact
		label string
	}{
		{probe.FactCurrentUser, "current_user()"}, {probe.FactSPN, "SPN"}, {probe.FactHops, "realms"}, {probe.FactKDC, "KDC"},
		{probe.FactTicketType, "ticket etype"}, {probe.FactTLSVersion, "TLS"},
	} {
		if v := r.Facts[f.fact]; v != "" {
			words = append(words, f.label+" "+v)
		}
	}
	for _, l := range wrap(Terminal(clip(strings.Join(words, ", "), 400)), p.width-6) {
		p.line("    " + p.dim(l))
	}
}

// notAsked says what the verdict does not cover.
func (p *page) notAsked(results []probe.Result) {
	var out []string
	for _, kind := range []probe.Kind{probe.Database, probe.Login} {
		if !slices.ContainsFunc(results, func(r probe.Result) bool { return r.ID.Kind == kind }) {
			if kind == probe.Login {
				out = append(out, "login: no user was given")
			} else if !slices.ContainsFunc(results, func(r probe.Result) bool { return r.ID.Kind == probe.Login }) {
				out = append(out, "database: none was given")
			}
		}
	}
	for _, r := range results {
		if r.Outcome != probe.Skipped {
			continue
		}
		text := r.ID.String() + ": " + string(r.Reason)
		if r.Err != nil {
			text += ", " + errorText(r.Err)
		}
		out = append(out, text)
	}
	if len(out) == 0 {
		return
	}
	p.line("")
	p.line(p.bold("Not asked"))
	for _, text := range out {
		for i, l := range wrap(Terminal(clip(text, 400)), p.width-6) {
			indent := "  "
			if i > 0 {
				indent = "    "
			}
			p.line(indent + l)
		}
	}
}

// columnsOf counts runes: what is printed is single-width but for East Asian
// text, which only a peer could put there, and there a ragged line does no harm.
func columnsOf(s string) int { return len([]rune(s)) }

func pad(s string, n int) string { return s + strings.Repeat(" ", max(0, n-columnsOf(s))) }

// shorten cuts the middle out of a long name: an endpoint differs at its start,
// and says what it is at its end.
func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	tail := (n - 1) / 2
	return string(r[:n-1-tail]) + "…" + string(r[len(r)-tail:])
}
