package report

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/internal/ladder"
	"github.com/kerbagent/kerbagent/probe"
)

// ladder writes one block a rung: a line a server, and under it what failed.
func (p *page) ladder(results []probe.Result) {
	for _, kind := range probe.Rungs() {
		var rung []probe.Result
		for _, r := range results {
			// What is wrong in a file line by line stands in the findings.
			if r.ID.Kind == kind && (kind != probe.Krb5Conf || r.ID.Variant == "") && !ladder.AsksNobody(&r) {
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

// rungTitle is a rung's name, with its port where it has one.
func rungTitle(k probe.Kind) string {
	name, port := ladder.Name(k)
	if port != "" {
		name += ", " + port
	}
	return name
}

// server is one line of a rung: everything that was asked at one address.
type server struct {
	name, address string
	cells         []cell
	results       []probe.Result
}

// cell is one column of a server's line.
type cell struct {
	column string // what it is aligned by: "udp", "tcp", "large", "skew"
	text   string
	paint  func(string) string
}

// group gathers a rung's results by server, in their order.
func group(rung []probe.Result) []server {
	var out []server
	for _, of := range ladder.Servers(rung, func(r probe.Result) *probe.Result { return &r }) {
		s := server{name: ladder.ServerName(&of[0]), results: of}
		switch id := of[0].ID; {
		case id.Kind == probe.Database && id.Address.IsValid():
			s.address = id.Address.String()
		case id.Address.IsValid():
			s.address = id.Address.Addr().String()
		}
		out = append(out, s)
	}
	return out
}

// servers writes the lines of a rung with their columns aligned.
func (p *page) servers(rung []probe.Result) {
	list := group(rung)
	var columns []string
	widths := map[string]int{}
	name, address := 0, 0
	for _, s := range list {
		address = max(address, len(s.address))
	}
	for i := range list {
		s := &list[i]
		// 44 leaves room for the cells beside an RDS endpoint.
		s.name = shorten(Terminal(s.name), min(44, p.width-4-address))
		s.cells = p.cells(s.results)
		name = max(name, columnsOf(s.name))
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
		p.failures(s.results)
	}
}

func columnOrder(c string) int {
	order := []string{"udp", "tcp", "", "large", "tls", "version", "skew"}
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
		text, painted := "", ""
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

// tally counts what was asked over one transport, or in one variant.
type tally struct {
	label                string // "udp", "tcp", "large"
	asked, good, skipped int
	slowest              time.Duration
	bad                  []string // the transports of a variant that did not end well
}

func (t *tally) add(r probe.Result) {
	t.asked++
	switch r.Outcome {
	case probe.OK:
		t.good++
		t.slowest = max(t.slowest, r.Duration)
		return
	case probe.Skipped:
		t.skipped++
	}
	t.bad = append(t.bad, string(r.ID.Transport))
}

// cells sums up what was asked at one address: a cell for each transport, one
// for each variant with all its transports, then what was measured.
func (p *page) cells(results []probe.Result) []cell {
	var list []*tally
	for _, r := range results {
		label := string(r.ID.Transport)
		if r.ID.Variant != "" {
			label = r.ID.Variant
		}
		i := slices.IndexFunc(list, func(t *tally) bool { return t.label == label })
		if i < 0 {
			list = append(list, &tally{label: label})
			i = len(list) - 1
		}
		list[i].add(r)
	}
	var out []cell
	for _, t := range list {
		out = append(out, p.cell(t, t.label == string(probe.UDP) || t.label == string(probe.TCP)))
	}
	return append(out, p.measured(results)...)
}

func (p *page) cell(t *tally, transport bool) cell {
	label := strings.TrimSpace(t.label + " ")
	if label != "" {
		label += " "
	}
	if !transport && len(t.bad) > 0 && len(t.bad) < t.asked {
		label += strings.Join(t.bad, ", ") + " "
	}
	many := transport && t.asked > 1
	switch asked := t.asked - t.skipped; {
	case asked == 0:
		return cell{t.label, label + "not asked", p.dim}
	case t.good == asked && t.skipped > 0 && !transport:
		return cell{t.label, label + "not asked", p.dim}
	case t.good == asked && many:
		return cell{t.label, fmt.Sprintf("%s%d ok %s", label, t.good, span(t.slowest)), p.green}
	case t.good == asked && !transport && t.label != "":
		return cell{t.label, label + "ok", p.green}
	case t.good == asked:
		return cell{t.label, label + "ok " + span(t.slowest), p.green}
	case many:
		return cell{t.label, fmt.Sprintf("%s%d of %d FAILED", label, asked-t.good, asked), p.red}
	default:
		return cell{t.label, label + "FAILED", p.red}
	}
}

// measured returns the cells of numbers and facts that are worth a column.
func (p *page) measured(results []probe.Result) []cell {
	var out []cell
	put := func(column, text string) {
		if text != "" && !slices.ContainsFunc(out, func(c cell) bool { return c.column == column }) {
			out = append(out, cell{column, text, p.dim})
		}
	}
	for _, r := range results {
		if v, ok := r.Samples[probe.SampleSkew]; ok && r.ID.Kind == probe.KDC {
			put("skew", fmt.Sprintf("clock %+.1f s", math.Round(v*10)/10+0)) // + 0 makes -0 a 0
		}
		if r.ID.Kind == probe.Database {
			put("tls", shorten(Terminal(clip(r.Facts[probe.FactTLSVersion], maxFact)), 16))
			put("version", shorten(Terminal(clip(r.Facts[probe.FactVersion], maxFact)), 30))
		}
	}
	return out
}

// failures writes what failed under its server, a line for all that failed in
// the same way.
func (p *page) failures(results []probe.Result) {
	for _, same := range ladder.Alike(results, func(r probe.Result) *probe.Result { return &r }) {
		p.failure(same[0], len(same)-1)
	}
}

// failure writes one result, and how many more are like it.
func (p *page) failure(r probe.Result, more int) {
	what := strings.TrimSpace(string(r.ID.Transport) + " " + r.ID.Variant)
	if r.ID.Kind == probe.DNS {
		what = strings.TrimSpace(what + " " + r.ID.Target)
	}
	if more > 0 {
		what += fmt.Sprintf(" and %d more", more)
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
