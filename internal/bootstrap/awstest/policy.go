package awstest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// policy is an identity policy or a role's trust policy.
type policy struct {
	Version   string
	ID        string `json:"Id"`
	Statement []statement
}

// statement of a policy. What this package cannot evaluate (NotAction,
// NotResource, NotPrincipal, policy variables) it refuses, rather than be wrong.
type statement struct {
	Sid       string
	Effect    string
	Action    texts
	Resource  texts
	Principal map[string]texts
	Condition map[string]map[string]texts
}

// texts is a string or a list of strings.
type texts []string

// UnmarshalJSON takes either.
func (t *texts) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		return json.Unmarshal(b, (*[]string)(t))
	}
	var s any
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	switch v := s.(type) {
	case string:
		*t = texts{v}
	case bool:
		*t = texts{fmt.Sprint(v)}
	default:
		return fmt.Errorf("want text or a list of it, have %s", b)
	}
	return nil
}

func parsePolicy(document string) (*policy, error) {
	var p policy
	d := json.NewDecoder(strings.NewReader(document))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return nil, fmt.Errorf("reading policy: %w", err)
	}
	if p.Version != "2012-10-17" {
		return nil, fmt.Errorf("reading policy: version %q", p.Version)
	}
	for i, s := range p.Statement {
		if err := s.check(); err != nil {
			return nil, fmt.Errorf("reading policy: statement %d: %w", i, err)
		}
	}
	return &p, nil
}

func (s statement) check() error {
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return fmt.Errorf("effect %q", s.Effect)
	}
	if len(s.Action) == 0 || len(s.Resource) == 0 && len(s.Principal) == 0 {
		return errors.New("action or resource is missing")
	}
	for _, a := range s.Action {
		if service, _, ok := strings.Cut(a, ":"); a != "*" && (!ok || strings.ContainsAny(service, "*?")) {
			return fmt.Errorf("action %q names no service", a)
		}
	}
	for _, r := range s.Resource {
		if r != "*" && strings.Count(r, ":") < 5 {
			return fmt.Errorf("resource %q is no ARN", r)
		}
		if strings.Contains(r, "${") {
			return fmt.Errorf("policy variable in %q: not supported here", r)
		}
	}
	for op, keys := range s.Condition {
		if _, ok := operators()[strings.TrimSuffix(op, "IfExists")]; !ok {
			return fmt.Errorf("condition operator %q: not supported here", op)
		}
		for _, values := range keys {
			if slices.ContainsFunc(values, func(v string) bool { return strings.Contains(v, "${") }) {
				return errors.New("policy variable in a condition: not supported here")
			}
		}
	}
	return nil
}

// operators are the conditions that can be evaluated: whether a value of the
// request fits one of the policy's. Each is true where any fits.
func operators() map[string]func(pattern, value string) bool {
	return map[string]func(pattern, value string) bool{
		"StringEquals":           func(p, v string) bool { return p == v },
		"StringEqualsIgnoreCase": strings.EqualFold,
		"StringLike":             wild,
		"ArnEquals":              wild, // the same as ArnLike, says the IAM User Guide
		"ArnLike":                wild,
		"Bool":                   strings.EqualFold,
	}
}

// Permission is something that a call needs to be allowed.
type Permission struct {
	Action   string // as IAM names it: rds:CreateDBCluster
	Resource string // an ARN, or * where the action knows no resources
	Context  map[string]string
}

type decision int

const (
	implicitDeny decision = iota
	allowed
	explicitDeny
)

// decide evaluates policies as the IAM User Guide's "Policy evaluation logic" has
// it: an explicit Deny wins, then an Allow, else it is denied.
func decide(policies []*policy, p Permission) decision {
	d := implicitDeny
	for _, pol := range policies {
		for _, s := range pol.Statement {
			switch {
			case !s.covers(p):
			case s.Effect == "Deny":
				return explicitDeny
			default:
				d = allowed
			}
		}
	}
	return d
}

func (s statement) covers(p Permission) bool {
	action := func(pattern string) bool { return wild(strings.ToLower(pattern), strings.ToLower(p.Action)) }
	resource := func(pattern string) bool { return wild(pattern, p.Resource) }
	if !slices.ContainsFunc(s.Action, action) || !slices.ContainsFunc(s.Resource, resource) {
		return false
	}
	return s.conditions(p.Context)
}

// conditions hold where each of them does.
func (s statement) conditions(context map[string]string) bool {
	for op, keys := range s.Condition {
		name, optional := strings.CutSuffix(op, "IfExists")
		fits := operators()[name]
		for key, patterns := range keys {
			value, present := lookup(context, key)
			if !present && optional {
				continue
			}
			if !present || !slices.ContainsFunc(patterns, func(p string) bool { return fits(p, value) }) {
				return false
			}
		}
	}
	return true
}

// lookup finds a condition key, whose case does not matter.
func lookup(context map[string]string, key string) (string, bool) {
	for k, v := range context {
		if strings.EqualFold(k, key) {
			return v, true
		}
	}
	return "", false
}

// wild reports whether a text fits a pattern with * (any text) and ? (one character).
func wild(pattern, text string) bool {
	for pattern != "" {
		switch {
		case pattern[0] == '*':
			rest := strings.TrimLeft(pattern, "*")
			for i := 0; i <= len(text); i++ {
				if wild(rest, text[i:]) {
					return true
				}
			}
			return false
		case text == "" || pattern[0] != '?' && pattern[0] != text[0]:
			return false
		}
		pattern, text = pattern[1:], text[1:]
	}
	return text == ""
}

// trusts reports whether a role's trust policy lets a service assume the role.
func (p *policy) trusts(service string, context map[string]string) bool {
	found := false
	for _, s := range p.Statement {
		named := slices.Contains(s.Principal["Service"], service)
		assume := slices.ContainsFunc(s.Action, func(a string) bool { return wild(strings.ToLower(a), "sts:assumerole") })
		if !named || !assume || !s.conditions(context) {
			continue
		}
		if s.Effect == "Deny" {
			return false
		}
		found = true
	}
	return found
}
