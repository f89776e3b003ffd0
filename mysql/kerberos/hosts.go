package kerberos

import (
	"crypto/x509"
	"fmt"
	"slices"
	"strings"
)

// Hosts limits the hosts that a database may announce as its service's. Without it
// a database that has a good certificate could announce another one's service, get
// the user's ticket for that, and log in there as the user.
//
// Which form Aurora announces has not been seen, so a form that nothing speaks for or
// against is taken, once, and remembered.
type Hosts struct {
	Endpoint string   // host of the database, as the client knows it; empty: any host is taken
	Also     []string // further hosts that are taken: spn_hosts
	Others   []string // hosts of other databases, and what is taken of those: refused
	Strict   bool     // refuse the forms that nothing speaks for
	// Remember keeps the host of a form that nothing speaks for, and returns the one
	// that was kept first. nil remembers nothing.
	Remember func(host string) (first string, err error)
}

// HostError reports that a service's host is not one of the database's.
type HostError struct {
	Host string // announced
	Why  string
}

// Error names the host and the reason.
func (e *HostError) Error() string { return fmt.Sprintf("host %q %s", e.Host, e.Why) }

// Check decides on an announced host; certificate is the server's where it verified,
// else nil. unusual says that it was taken though nothing speaks for it. The error is
// a *HostError, or Remember's.
func (h Hosts) Check(host string, certificate *x509.Certificate) (unusual bool, err error) {
	if h.Endpoint == "" {
		return false, nil
	}
	is := func(other string) bool { return sameHost(host, other) }
	own, announced := rdsNameOf(h.Endpoint), rdsNameOf(host)
	certified := certificate != nil && certificate.VerifyHostname(strings.TrimSuffix(host, ".")) == nil
	ofCluster := func(other string) bool { return rdsNameOf(other).sameCluster(announced) }
	switch {
	case is(h.Endpoint), slices.ContainsFunc(h.Also, is):
		return false, nil
	// The writer's and the reader endpoint may both be configured, and be asked at an instance.
	case own.sameCluster(announced), slices.ContainsFunc(h.Also, ofCluster):
		return false, nil
	// A custom endpoint has another name than its cluster, and the certificate both.
	case own.known() && own.id == announced.id && certified:
		return false, nil
	case slices.ContainsFunc(h.Others, is):
		return false, &HostError{host, "is another configured database's"}
	case own.known() && announced.known() && own.id != announced.id:
		return false, &HostError{host, "is of another cluster"}
	case own.known() && own.id == announced.id:
		return false, nil
	case certified:
		return false, nil
	case h.Strict:
		return false, &HostError{host, "is neither the endpoint's, nor in the certificate, nor configured"}
	case h.Remember == nil:
		return true, nil
	}
	first, err := h.Remember(strings.ToLower(host))
	if err == nil && !is(first) {
		return false, &HostError{host, fmt.Sprintf("is not %q, which the database announced before", first)}
	}
	return true, err
}

func sameHost(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "."), strings.TrimSuffix(b, "."))
}

// rdsName is a name that RDS gives: NAME.cluster-ID.REGION.rds.amazonaws.com,
// INSTANCE.ID.REGION.rds.amazonaws.com and so on; in China REGION and rds stand in
// the other order.
type rdsName struct {
	name string // first label
	id   string // ID with all that follows it; empty where it is no such name, or one of a global database
}

func (n rdsName) known() bool { return n.id != "" }

// sameCluster: the endpoints of a cluster differ in what stands before the ID.
func (n rdsName) sameCluster(o rdsName) bool {
	return n.known() && n.name == o.name && n.id == o.id
}

func rdsNameOf(host string) rdsName {
	labels := strings.Split(strings.ToLower(strings.TrimSuffix(host, ".")), ".")
	// ISO partitions have other suffixes than amazonaws.com.
	if len(labels) < 6 || labels[2] != "rds" && labels[3] != "rds" {
		return rdsName{}
	}
	id := labels[1]
	for _, kind := range []string{"cluster-ro-", "cluster-custom-", "cluster-"} {
		if rest, ok := strings.CutPrefix(id, kind); ok {
			id = rest
			break
		}
	}
	if strings.HasPrefix(id, "global-") || strings.HasPrefix(id, "proxy-") {
		return rdsName{} // theirs is another ID than the clusters' behind them
	}
	return rdsName{name: labels[0], id: strings.Join(append([]string{id}, labels[2:]...), ".")}
}
