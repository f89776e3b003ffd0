package bootstrap

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// What an IAM policy allows, as far as bootstrap has to judge it. Policies are
// compared by what they allow, never by their text or name: a role that somebody
// made by the guide is as good as one of ours.

// verdict is what policies say of one request.
type verdict int

const (
	lacking  verdict = iota // nothing allows it
	excluded                // it is named, and a condition or a Deny statement keeps it out
	unjudged                // a condition decides that bootstrap cannot evaluate
	granted
)

// document is an IAM policy: a role's trust policy or a policy of permissions.
type document struct{ Statement oneOrMany[policyStatement] }

type policyStatement struct {
	Effect                string
	Principal             principals
	Action, NotAction     oneOrMany[string]
	Resource, NotResource oneOrMany[string]
	Condition             map[string]map[string]oneOrMany[any]
}

// principals are whom a statement of a trust policy is about.
type principals struct {
	Service oneOrMany[string]
	others  bool // accounts, users, federations, or everybody
}

// UnmarshalJSON takes an object, or the text "*" for everybody.
func (p *principals) UnmarshalJSON(b []byte) error {
	var all map[string]oneOrMany[string]
	if len(b) > 0 && b[0] == '"' {
		p.others = true
		return nil
	}
	err := json.Unmarshal(b, &all)
	p.Service = all["Service"]
	p.others = len(all) > 1 || len(all) == 1 && len(p.Service) == 0
	return err
}

func parsePolicy(text string) (document, error) {
	var d document
	err := json.Unmarshal([]byte(text), &d)
	return d, err
}

// caller is what AWS sends with a request that a service makes for a cluster
// ("Cross-service confused deputy prevention", Aurora user guide): the
// conditions aws:SourceAccount and aws:SourceArn are about it.
type caller struct{ account, arn string }

// letsIn reports whether a trust policy lets a service use its role.
func (d document) letsIn(service string, c caller) verdict {
	return d.judge(c, func(st policyStatement) bool {
		return slices.Contains(st.Principal.Service, service) && st.isAbout("sts:AssumeRole")
	})
}

// allows reports whether policies allow an action on one of some resources; "*"
// stands for an action that knows no resources.
func allows(policies []document, action string, resources ...string) verdict {
	var all document
	for _, d := range policies {
		all.Statement = append(all.Statement, d.Statement...)
	}
	return all.judge(caller{}, func(st policyStatement) bool {
		return st.isAbout(action) && slices.ContainsFunc(resources, st.isOn)
	})
}

// judge weighs the statements that a request is about: a Deny wins, then an Allow.
func (d document) judge(c caller, about func(policyStatement) bool) verdict {
	out, doubt := lacking, false
	for _, st := range d.Statement {
		if !about(st) {
			continue
		}
		holds := st.holds(c)
		switch {
		case st.Effect == "Allow":
			out = max(out, holds)
		case holds == granted:
			return excluded
		case holds == unjudged:
			doubt = true
		}
	}
	if doubt {
		out = min(out, unjudged)
	}
	return out
}

// isAbout reports whether a statement is about an action, whose case is nothing.
func (st policyStatement) isAbout(action string) bool {
	named := func(pattern string) bool { return like(strings.ToLower(pattern), strings.ToLower(action)) }
	if len(st.NotAction) > 0 {
		return !slices.ContainsFunc(st.NotAction, named)
	}
	return slices.ContainsFunc(st.Action, named)
}

func (st policyStatement) isOn(resource string) bool {
	named := func(pattern string) bool { return like(pattern, resource) }
	if len(st.NotResource) > 0 {
		return !slices.ContainsFunc(st.NotResource, named)
	}
	return slices.ContainsFunc(st.Resource, named)
}

// holds reports whether the conditions of a statement hold: granted, excluded, or
// unjudged where one is not known here.
func (st policyStatement) holds(c caller) verdict {
	out := granted
	for operator, keys := range st.Condition {
		for key, values := range keys {
			switch c.meets(operator, key, values) {
			case excluded:
				return excluded
			case unjudged:
				out = unjudged
			}
		}
	}
	return out
}

func (c caller) meets(operator, key string, values []any) verdict {
	known := []string{"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike"}
	if !slices.Contains(known, strings.TrimSuffix(operator, "IfExists")) || c.account == "" {
		return unjudged
	}
	value := map[string]string{"aws:sourceaccount": c.account, "aws:sourcearn": c.arn}[strings.ToLower(key)]
	if value == "" {
		return unjudged
	}
	fits := like
	if strings.HasPrefix(operator, "StringEquals") { // there * is a character; ArnEquals is the same as ArnLike (IAM User Guide)
		fits = func(pattern, text string) bool {
			return pattern == text || strings.HasPrefix(operator, "StringEqualsIgnoreCase") && strings.EqualFold(pattern, text)
		}
	}
	out := excluded
	for _, v := range values {
		pattern := fmt.Sprint(v)
		if fits(pattern, value) {
			return granted
		}
		// Which resource RDS names is not written anywhere: a pattern for another
		// service's, or for an instance, may be the right one.
		parts := strings.SplitN(pattern, ":", 7)
		if value == c.arn && len(parts) > 5 && (parts[2] != "rds" || parts[5] != "cluster") {
			out = unjudged
		}
	}
	return out
}

// like reports whether a text fits a pattern with * (any text) and ? (one character).
func like(pattern, text string) bool {
	for i := range len(pattern) {
		switch {
		case pattern[i] == '*':
			for j := i; j <= len(text); j++ {
				if like(pattern[i+1:], text[j:]) {
					return true
				}
			}
			return false
		case i >= len(text) || pattern[i] != '?' && pattern[i] != text[i]:
			return false
		}
	}
	return len(pattern) == len(text)
}

// letIn adds a statement for services to a trust policy, which is left as it is
// otherwise; an empty one is begun. Where a statement for one of the friends has
// conditions, the new one has them too: a role that was hardened stays so.
func letIn(text string, services, friends []string) (string, error) {
	doc := map[string]any{"Version": "2012-10-17"}
	if text != "" {
		if err := json.Unmarshal([]byte(text), &doc); err != nil {
			return "", err
		}
	}
	list, ok := doc["Statement"].([]any)
	if one, is := doc["Statement"].(map[string]any); !ok && is {
		list = []any{one}
	}
	added := map[string]any{"Effect": "Allow", "Principal": map[string]any{"Service": services}, "Action": "sts:AssumeRole"}
	read, err := parsePolicy(text)
	if text != "" && err != nil {
		return "", err
	}
	for i, st := range read.Statement {
		ofFriend := slices.ContainsFunc(friends, func(f string) bool { return slices.Contains(st.Principal.Service, f) })
		if raw, is := list[i].(map[string]any); is && st.Effect == "Allow" && ofFriend && len(st.Condition) > 0 {
			added["Condition"] = raw["Condition"]
		}
	}
	doc["Statement"] = append(list, added)
	b, err := json.Marshal(doc)
	return string(b), err
}

// oneOrMany reads what IAM lets stand alone or in a list.
type oneOrMany[T any] []T

// UnmarshalJSON takes one value or a list of them.
func (o *oneOrMany[T]) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]T)(o))
	}
	var one T
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*o = []T{one}
	return nil
}
