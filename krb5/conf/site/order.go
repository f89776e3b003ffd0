package site

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"

	"github.com/kerbagent/kerbagent/krb5/conf"
)

// Order holds, for some realms, the order in which their KDCs are to be asked: the
// names of the Site's KDCs, each as it stands there.
type Order map[string][]string

// MaxOrderSize is the most bytes that an order may have as a text.
const MaxOrderSize = 4 << 10

// Errors of an order, for those who decide on them.
var (
	ErrOrderSize  = fmt.Errorf("the order is larger than %d bytes", MaxOrderSize)
	ErrOrderForm  = errors.New("not an order: each line is a realm and its KDCs, with a blank between them")
	ErrOrderNames = errors.New("not the KDCs that are configured, each once")
)

// ParseOrder reads what Order.String prints. It says nothing of the names:
// whoever takes an order gives it to Site.InOrder.
func ParseOrder(text string) (Order, error) {
	switch {
	case len(text) > MaxOrderSize:
		return nil, ErrOrderSize
	case text != "" && !strings.HasSuffix(text, "\n"): // a part of one
		return nil, ErrOrderForm
	}
	o := Order{}
	for line := range strings.Lines(text) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		if _, twice := o[words[0]]; twice || len(words) < 2 || slices.Contains(words, "") {
			return nil, ErrOrderForm
		}
		o[words[0]] = words[1:]
	}
	return o, nil
}

// String returns a line for each realm: its name and its KDCs.
func (o Order) String() string {
	var b strings.Builder
	for _, realm := range slices.Sorted(maps.Keys(o)) {
		b.WriteString(realm + " " + strings.Join(o[realm], " ") + "\n")
	}
	return b.String()
}

// Equal reports whether both say the same.
func (o Order) Equal(other Order) bool { return maps.EqualFunc(o, other, slices.Equal) }

// InOrder returns the site with its KDCs in another order; realms that o does
// not name stay as they are. An order can move KDCs and do nothing else: it is
// refused unless each list is a permutation of the site's own.
func (s *Site) InOrder(o Order) (Site, error) {
	out := *s
	out.Realms = slices.Clone(s.Realms)
	known := 0
	for i, r := range out.Realms {
		kdcs, ok := o[r.Name]
		if !ok {
			continue
		}
		known++
		if !permutation(kdcs, r.KDCs) {
			return Site{}, fmt.Errorf("order of realm %s: %w", r.Name, ErrOrderNames)
		}
		out.Realms[i].KDCs = kdcs
	}
	if known < len(o) {
		return Site{}, fmt.Errorf("order of a realm that is not configured: %w", ErrOrderNames)
	}
	return out, nil
}

func permutation(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// OrderIn returns the order in which a text names the site's KDCs, for each realm
// of which it names exactly these, each once.
func (s *Site) OrderIn(text string) Order {
	o := Order{}
	file, err := conf.Parse("", text)
	if err != nil {
		return o
	}
	for _, r := range s.Realms {
		names := map[string]string{}
		for _, k := range r.KDCs {
			names[kdcKey(k)] = k
		}
		var found []string
		for _, k := range kdcLines(file, r.Name) {
			found = append(found, names[kdcKey(k)])
		}
		if len(found) > 0 && permutation(found, r.KDCs) {
			o[r.Name] = found
		}
	}
	return o
}

func kdcLines(file *conf.File, realm string) []string {
	var lines []string
	for _, section := range file.Nodes {
		if section.Kind != conf.Section || section.Name != "realms" {
			continue
		}
		for _, block := range section.Children {
			if block.Kind != conf.Subsection || block.Name != realm {
				continue
			}
			for _, n := range block.Children {
				if n.Kind == conf.Relation && n.Name == "kdc" {
					lines = append(lines, n.Value)
				}
			}
		}
	}
	return lines
}

// kdcKey is a server as generated files have it, so that two ways to write one
// are equal.
func kdcKey(s string) string {
	host, port, err := SplitServer(s)
	if err != nil {
		return s
	}
	return serverWord(host, port, 88)
}

// Rotated returns the order that a host starts from: each realm's KDCs as they
// are configured, begun at one that the host's name chooses. So of a fleet's
// hosts about as many begin at each.
func (s *Site) Rotated(host string) Order {
	o := Order{}
	for _, r := range s.Realms {
		if len(r.KDCs) < 2 {
			continue // there is nothing to order
		}
		h := fnv.New32a()
		h.Write([]byte(host + " " + r.Name))
		at := int(h.Sum32() % uint32(len(r.KDCs)))
		o[r.Name] = slices.Concat(r.KDCs[at:], r.KDCs[:at])
	}
	return o
}
