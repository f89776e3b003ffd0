package bootstrap

import (
	"regexp"
	"slices"
	"strings"
)

// beyond returns what the commands of an advice need that the policy of an apply does
// not have, in one sentence. Without it, whoever runs kerbagent types the command and is
// refused. It returns "" where the policy is enough.
func (w *world) beyond(advice string) string {
	var lacking []string
	for _, m := range regexp.MustCompile(`\baws (ds|rds|ec2|iam|secretsmanager) ([a-z-]+)`).FindAllStringSubmatch(advice, -1) {
		action := m[1] + ":" + operation(m[2])
		if !slices.Contains(lacking, action) && !w.grants(action) {
			lacking = append(lacking, action)
		}
	}
	if len(lacking) == 0 {
		return ""
	}
	slices.Sort(lacking)
	return "the policy that kerbagent bootstrap policy prints does not include " + strings.Join(lacking, " and ") +
		": run the command with an administrator's credentials"
}

// grants reports whether the policy of an apply has an action.
func (w *world) grants(action string) bool {
	for _, s := range w.steps() {
		if slices.ContainsFunc(s.needs(), func(p permission) bool { return p.action == action }) {
			return true
		}
	}
	return false
}

// operation returns the API's name for a command of the AWS CLI: start-db-cluster is
// StartDBCluster.
func operation(command string) string {
	var out strings.Builder
	for _, word := range strings.Split(command, "-") {
		switch word {
		case "db", "ad":
			out.WriteString(strings.ToUpper(word))
		default:
			out.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return out.String()
}
