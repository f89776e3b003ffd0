package bootstrap

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
)

// roleActions are the guide's: what Aurora does with a directory.
func roleActions() []string {
	return []string{"ds:DescribeDirectories", "ds:AuthorizeApplication", "ds:UnauthorizeApplication", "ds:GetAuthorizedApplicationDetails"}
}

// trusted reads the service principals that may assume a role by a trust policy.
func trusted(document string) ([]string, error) {
	var doc struct {
		Statement oneOrMany[struct {
			Effect    string
			Action    oneOrMany[string]
			Principal struct{ Service oneOrMany[string] }
			Condition map[string]any
		}]
	}
	if err := json.Unmarshal([]byte(document), &doc); err != nil {
		return nil, err
	}
	var out []string
	for _, st := range doc.Statement {
		if st.Effect == "Allow" && slices.ContainsFunc(st.Action, assumes) && len(st.Condition) == 0 {
			out = append(out, st.Principal.Service...)
		}
	}
	return out, nil
}

// assumes says whether an action of a policy, whose case is nothing and which may
// have wildcards, is sts:AssumeRole.
func assumes(action string) bool {
	ok, err := path.Match(strings.ToLower(action), "sts:assumerole")
	return err == nil && ok
}

func lackingPrincipals(document string, want []string) []string {
	have, err := trusted(document)
	if err != nil {
		return want
	}
	return slices.DeleteFunc(slices.Clone(want), func(p string) bool { return slices.Contains(have, p) })
}

// addPrincipals adds a statement for services to a trust policy, which is left
// as it is otherwise; an empty one is begun.
func addPrincipals(document string, services []string) (string, error) {
	doc := map[string]any{"Version": "2012-10-17"}
	if document != "" {
		if err := json.Unmarshal([]byte(document), &doc); err != nil {
			return "", err
		}
	}
	list, ok := doc["Statement"].([]any)
	if one, is := doc["Statement"].(map[string]any); !ok && is {
		list = []any{one}
	}
	doc["Statement"] = append(list, map[string]any{"Effect": "Allow", "Principal": map[string]any{"Service": services}, "Action": "sts:AssumeRole"})
	b, err := json.Marshal(doc)
	return string(b), err
}

// oneOrMany reads what IAM lets stand alone or in a list.
type oneOrMany[T any] []T

// UnmarshalJSON takes one value or a list of them. A principal may be the text "*".
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
