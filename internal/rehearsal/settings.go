package rehearsal

import (
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/config"
)

// settings is what the rehearsal's kerbagent.yaml says. Faults change it before
// it is read.
type settings struct {
	realms   []realmSettings
	endpoint string // of the one database
	dbRealm  string
	caFile   string
	logins   []loginSettings
	resolver string
	programs bool // logins go where programs find servers, not where kerbagent.yaml says
}

type realmSettings struct {
	name      string
	kind      config.Kind
	dns       []string
	kdcs      []string // found by DNS where empty
	ports     []string // that its SRV records name
	trustedBy []string
}

type loginSettings struct {
	user         string // with its realm
	passwordFile string // one of these two
	keytab       string
}

// databaseName is the database's key in kerbagent.yaml.
const databaseName = "orders"

// yaml writes it as a user would.
func (s *settings) yaml() string {
	var b strings.Builder
	b.WriteString("realms:\n")
	for _, r := range s.realms {
		fmt.Fprintf(&b, "  %s:\n    kind: %s\n    dns_servers: %s\n", r.name, r.kind, flow(r.dns))
		if len(r.kdcs) > 0 {
			fmt.Fprintf(&b, "    kdcs: %s\n", flow(r.kdcs))
		}
		fmt.Fprintf(&b, "    srv_ports: [%s]\n", strings.Join(r.ports, ", "))
		if len(r.trustedBy) > 0 {
			fmt.Fprintf(&b, "    trusted_by: %s\n", flow(r.trustedBy))
		}
	}
	fmt.Fprintf(&b, "databases:\n  %s:\n    endpoint: %q\n    realm: %s\n    tls: {mode: verify-full, ca_file: %q}\n", databaseName, s.endpoint, s.dbRealm, s.caFile)
	if len(s.logins) > 0 {
		b.WriteString("logins:\n")
	}
	for _, l := range s.logins {
		secret := fmt.Sprintf("password_file: %q", l.passwordFile)
		if l.keytab != "" {
			secret = fmt.Sprintf("keytab: %q", l.keytab)
		}
		as := "configured"
		if s.programs {
			as = "programs"
		}
		fmt.Fprintf(&b, "  - {user: %s, database: %s, %s, as: %s}\n", l.user, databaseName, secret, as)
	}
	fmt.Fprintf(&b, "resolver: [%q]\n", s.resolver)
	// Loopback answers in microseconds: a second is silence.
	b.WriteString("probes: {interval: 5s, timeout: 2s}\n")
	return b.String()
}

func flow(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = fmt.Sprintf("%q", w)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
