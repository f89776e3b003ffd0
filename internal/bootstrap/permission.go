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
	reads    bool   // it changes nothing: the watcher's too
	service  string // iam:PassedToService, for iam:PassRole
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
	type place struct{ resources, service string }
	resources := map[string][]string{} // by service of the condition and action
	for _, p := range all {
		key := p.service + "\x00" + p.action
		if !slices.Contains(resources[key], p.resource) {
			resources[key] = append(resources[key], p.resource)
		}
	}
	actions := map[place][]string{}
	for key, list := range resources {
		service, action, _ := strings.Cut(key, "\x00")
		if slices.Contains(list, "*") {
			list = []string{"*"}
		}
		slices.Sort(list)
		at := place{strings.Join(list, "\x00"), service}
		actions[at] = append(actions[at], action)
	}
	out := policy{Version: "2012-10-17"}
	for at, list := range actions {
		slices.Sort(list)
		st := statement{Effect: "Allow", Action: list, Resource: strings.Split(at.resources, "\x00")}
		if at.service != "" {
			st.Condition = map[string]map[string][]string{"StringEquals": {"iam:PassedToService": strings.Split(at.service, ",")}}
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
