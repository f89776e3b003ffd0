package awstest

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// form is the parameters of a query request. It keeps count of what was read, so
// that what nobody read can be refused.
type form struct {
	values url.Values
	read   map[string]bool
}

func newForm(v url.Values) *form {
	return &form{v, map[string]bool{"Action": true, "Version": true}}
}

func (f *form) text(name string) string {
	f.read[name] = true
	return f.values.Get(name)
}

func (f *form) has(name string) bool { return f.values.Has(name) }

func (f *form) boolean(name string) bool { return f.text(name) == "true" }

func (f *form) number(name string) int {
	n, _ := strconv.Atoi(f.text(name))
	return n
}

// list reads name.1, name.2, …
func (f *form) list(name string) []string {
	var l []string
	for i := 1; f.has(name + "." + strconv.Itoa(i)); i++ {
		l = append(l, f.text(name+"."+strconv.Itoa(i)))
	}
	return l
}

// groups reads name.1.a, name.1.b, name.2.a, …: the prefixes up to the number.
func (f *form) groups(name string) []string {
	var l []string
	for i := 1; ; i++ {
		prefix := name + "." + strconv.Itoa(i)
		found := false
		for k := range f.values {
			found = found || strings.HasPrefix(k, prefix+".")
		}
		if !found {
			return l
		}
		l = append(l, prefix)
	}
}

// tags reads a list of Key and Value.
func (f *form) tags(name string) map[string]string {
	tags := map[string]string{}
	for _, g := range f.groups(name) {
		tags[f.text(g+".Key")] = f.text(g + ".Value")
	}
	return tags
}

// need returns an error where a parameter is missing.
func (f *form) need(names ...string) error {
	for _, n := range names {
		if f.text(n) == "" {
			return bad("MissingParameter", "The request must contain the parameter %s", n)
		}
	}
	return nil
}

// done returns an error where a parameter was not read: AWS would do something with
// it, and this package does not know what.
func (f *form) done() error {
	for _, k := range slices.Sorted(maps.Keys(f.values)) {
		if !f.read[k] {
			return bad("InvalidParameterValue", "awstest knows no parameter %s here", k)
		}
	}
	return nil
}

// page cuts one page out of a list. The token is the position of the next one.
func page[T any](r *request, list []T, token string) (part []T, next string) {
	from, _ := strconv.Atoi(token)
	from = min(max(from, 0), len(list))
	to := min(from+r.cloud.options.PageSize, len(list))
	if to < len(list) {
		next = strconv.Itoa(to)
	}
	return list[from:to], next
}
