package bootstrap

import (
	"slices"
	"strings"
	"testing"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// revoke: true takes privileges away from accounts that bootstrap created, and from no
// others: it used to take them from any Kerberos account of that name.
func TestRevokeIsForOwnAccountsAlone(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	file := strings.Replace(wish(modifyMode, ""), `grants: ["SELECT ON orders.*"]}`, `grants: ["SELECT ON orders.*"], revoke: true}`, 1)
	file = strings.Replace(file, `host: "10.0.%"}`, `host: "10.0.%", revoke: true}`, 1)
	h := newHost(t, cloud, file)
	h.database.beyond = true
	h.database.users["CREATE USER 'bob'@'10.0.%' IDENTIFIED WITH 'authentication_kerberos' BY 'CORP.EXAMPLE.COM'"] = true // somebody's
	h.done()
	revoked := slices.DeleteFunc(slices.Clone(h.database.ran), func(s string) bool { return !strings.HasPrefix(s, "REVOKE") })
	if len(revoked) != 1 || !strings.Contains(revoked[0], "FROM 'alice'@'%'") {
		t.Errorf("ran %q", revoked)
	}
	said := func(user string) bool {
		return slices.ContainsFunc(h.told(EventNote), func(e Event) bool { return strings.Contains(e.Text, "does nothing for '"+user+"'") })
	}
	if !said("bob") || said("alice") {
		t.Errorf("said %+v", h.told(EventNote))
	}
}
