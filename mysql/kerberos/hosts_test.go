package kerberos_test

import (
	"crypto/x509"
	"errors"
	"testing"

	"github.com/kerbagent/kerbagent/mysql/kerberos"
)

// Which hosts a database may announce a service of.
func TestHosts(t *testing.T) {
	const (
		cluster = "orders.cluster-abc123.us-east-1.rds.amazonaws.com"
		other   = "billing.cluster-abc123.us-east-1.rds.amazonaws.com"
	)
	ofCluster := &x509.Certificate{DNSNames: []string{cluster, "orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com", "reports.cluster-custom-abc123.us-east-1.rds.amazonaws.com"}}
	cert := &x509.Certificate{DNSNames: []string{"db1.corp.example.com", "*.pool.example.com"}}
	taken, unusual, refused := "taken", "unusual", "refused"
	for _, c := range []struct {
		name, endpoint, host, want string
		also, others               []string
		cert                       *x509.Certificate
		strict                     bool
	}{
		{name: "the endpoint", endpoint: cluster, host: cluster, want: taken, strict: true},
		{name: "the endpoint, in another case and with a dot", endpoint: cluster, host: "Orders.Cluster-ABC123.us-east-1.RDS.amazonaws.com.", want: taken, strict: true},
		{name: "the reader endpoint of the cluster", endpoint: cluster, host: "orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com", want: taken, strict: true},
		{name: "an instance", endpoint: cluster, host: "orders-1.abc123.us-east-1.rds.amazonaws.com", want: taken},
		{name: "the cluster, asked at an instance", endpoint: "orders-1.abc123.us-east-1.rds.amazonaws.com", host: cluster, want: taken},
		{name: "in China", endpoint: "o.cluster-abc.rds.cn-north-1.amazonaws.com.cn", host: "o1.abc.rds.cn-north-1.amazonaws.com.cn", want: taken},
		{name: "another identifier", endpoint: cluster, host: "orders.cluster-xyz789.us-east-1.rds.amazonaws.com", want: refused, cert: cert},
		{name: "another Region", endpoint: cluster, host: "orders.cluster-abc123.eu-west-1.rds.amazonaws.com", want: refused},
		{name: "in a global database", endpoint: "orders.global-q1.global.rds.amazonaws.com", host: cluster, want: unusual},
		{name: "another configured one", endpoint: cluster, host: other, others: []string{other}, want: refused},
		{name: "another configured one of the same certificate", endpoint: "db2.corp.example.com", host: "db1.corp.example.com", others: []string{"db1.corp.example.com"}, cert: cert, want: refused},
		{name: "both endpoints of one cluster are configured", endpoint: cluster, host: "orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com",
			others: []string{"orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com"}, want: taken},
		{name: "at an instance, and another endpoint of the cluster is configured", endpoint: "orders-1.abc123.us-east-1.rds.amazonaws.com", host: cluster,
			also: []string{"orders.cluster-ro-abc123.us-east-1.rds.amazonaws.com"}, others: []string{cluster}, want: taken},
		{name: "by a custom endpoint, and the cluster is configured", endpoint: "reports.cluster-custom-abc123.us-east-1.rds.amazonaws.com", host: cluster,
			others: []string{cluster}, cert: ofCluster, want: taken},
		{name: "by a custom endpoint of who knows which cluster", endpoint: "reports.cluster-custom-abc123.us-east-1.rds.amazonaws.com", host: cluster,
			others: []string{cluster}, want: refused},
		{name: "another configured one of the same account, in a certificate of the first alone", endpoint: cluster, host: other, others: []string{other}, cert: ofCluster, want: refused},
		{name: "configured for it", endpoint: cluster, host: "db.example.org", also: []string{"DB.example.org"}, want: taken, strict: true},
		{name: "configured for it, and another's", endpoint: cluster, host: other, also: []string{other}, others: []string{other}, want: taken},
		{name: "in the certificate", endpoint: "db.example.com", host: "db1.corp.example.com", cert: cert, want: taken, strict: true},
		{name: "under a wildcard of the certificate", endpoint: "db.example.com", host: "x.pool.example.com", cert: cert, want: taken},
		{name: "in a certificate that did not verify", endpoint: "db.example.com", host: "db1.corp.example.com", want: unusual},
		{name: "an RDS name behind a name of one's own", endpoint: "db.example.com", host: cluster, want: unusual},
		{name: "a machine's name for a cluster", endpoint: cluster, host: "EC2AMAZ-1234", want: unusual},
		{name: "a machine's name, strict", endpoint: cluster, host: "EC2AMAZ-1234", want: refused, strict: true},
		{name: "no host", endpoint: cluster, host: "", want: unusual},
		{name: "no endpoint is known", host: "anything", want: taken, strict: true},
		{name: "a name that only looks like one of RDS", endpoint: cluster, host: "orders.cluster-abc123.us-east-1.rds.amazonaws.com.evil.test", want: refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			odd, err := kerberos.Hosts{Endpoint: c.endpoint, Also: c.also, Others: c.others, Strict: c.strict}.Check(c.host, c.cert)
			got := taken
			switch {
			case errors.As(err, new(*kerberos.HostError)):
				got = refused
			case odd:
				got = unusual
			}
			if got != c.want {
				t.Errorf("%s, want %s (%v)", got, c.want, err)
			}
		})
	}
}

// An unusual form is taken once, and another one later refused.
func TestAnotherHostThanBefore(t *testing.T) {
	first := ""
	h := kerberos.Hosts{Endpoint: "db.example.com", Remember: func(host string) (string, error) {
		if first == "" {
			first = host
		}
		return first, nil
	}}
	for _, c := range []struct {
		host string
		ok   bool
	}{{"M1.example.org", true}, {"m1.example.org", true}, {"m2.example.org", false}, {"db.example.com", true}} {
		if _, err := h.Check(c.host, nil); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.host, err)
		}
	}
}

// A host that is remembered is so for as long as the record stands: the way to another
// one, after a database was moved, is to name it.
func TestANamedHostEndsWhatWasRemembered(t *testing.T) {
	h := kerberos.Hosts{Endpoint: "db.example.com", Remember: func(string) (string, error) { return "old.example.com", nil }}
	var refused *kerberos.HostError
	if _, err := h.Check("new.example.com", nil); !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
	h.Also = []string{"new.example.com"}
	if unusual, err := h.Check("new.example.com", nil); unusual || err != nil {
		t.Errorf("%v, %v", unusual, err)
	}
}
