package bootstrap

import (
	"encoding/json"
	"slices"
	"strings"
)

// permission is one action that a step needs.
type permission struct {
	action   string
	resource string
	reads    bool      // it changes nothing: the watcher's too
	only     condition // zero: always
}

// condition holds a permission to what it is for.
type condition struct{ operator, key, values string } // values are separated by commas

// when returns the permission held to a condition.
func (p permission) when(c condition) permission {
	p.only = c
	return p
}

func watch(action, resource string) permission {
	return permission{action: action, resource: resource, reads: true}
}

func act(action, resource string) permission { return permission{action: action, resource: resource} }

type policy struct {
	Version   string      `json:"Version"`
	Statement []statement `json:"Statement"`
}

type statement struct {
	Effect    string                         `json:"Effect"`
	Action    []string                       `json:"Action"`
	Resource  []string                       `json:"Resource"`
	Condition map[string]map[string][]string `json:"Condition,omitempty"`
}

// compile puts actions with the same resources into one statement.
func compile(all []permission) policy {
	type action struct {
		name string
		only condition
	}
	type place struct {
		resources string
		only      condition
	}
	resources := map[action][]string{}
	for _, p := range all {
		key := action{p.action, p.only}
		if !slices.Contains(resources[key], p.resource) {
			resources[key] = append(resources[key], p.resource)
		}
	}
	actions := map[place][]string{}
	for key, list := range resources {
		if slices.Contains(list, "*") {
			list = []string{"*"}
		}
		slices.Sort(list)
		at := place{strings.Join(list, "\x00"), key.only}
		actions[at] = append(actions[at], key.name)
	}
	out := policy{Version: "2012-10-17"}
	for at, list := range actions {
		slices.Sort(list)
		st := statement{Effect: "Allow", Action: list, Resource: strings.Split(at.resources, "\x00")}
		if at.only != (condition{}) {
			st.Condition = map[string]map[string][]string{at.only.operator: {at.only.key: strings.Split(at.only.values, ",")}}
		}
		out.Statement = append(out.Statement, st)
	}
	slices.SortFunc(out.Statement, func(a, b statement) int { return strings.Compare(a.Action[0]+a.Resource[0], b.Action[0]+b.Resource[0]) })
	return out
}

func policyText(p policy) string {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return "" // strings and maps of strings: it cannot fail
	}
	return string(b)
}
