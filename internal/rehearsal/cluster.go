package rehearsal

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/miekg/dns"

	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// startInstance starts one instance of the cluster, whose certificate has the names of
// the cluster too, as those of RDS have.
func (w *World) startInstance(name string, at netip.AddrPort) (*mysqltest.Server, error) {
	s, err := mysqltest.New(mysqltest.Config{
		Addr:  at,
		Now:   w.clock,
		Names: []string{databaseHost, readerHost, customHost, "*" + instanceZone},
		Users: map[string]mysqltest.User{
			"alice": {}, "etl": {}, "carol": {Principal: "carol@" + onpremRealm},
		},
		SPN: databaseSPN + "@" + corpRealm, Realm: corpRealm,
		Acceptor: &w.keytab, Cluster: w.cluster, Instance: name,
	})
	if err == nil {
		w.ends = append(w.ends, s.Close)
	}
	return s, err
}

func readerName(i int) string { return fmt.Sprintf("orders-%d", i+2) }

func readerAddresses() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 77, 3, 21}), netip.AddrFrom4([4]byte{127, 77, 3, 22})}
}

// healCluster makes orders-1 the writer, and the others its readers.
func healCluster(w *World) { w.cluster.Set(clusterRows("orders-1")...) }

// clusterRows returns the rows of the three instances.
func clusterRows(writer string) (rows []mysqltest.Instance) {
	for _, name := range []string{"orders-1", readerName(0), readerName(1)} {
		i := mysqltest.Instance{Name: name, Writer: name == writer, Age: time.Second}
		if !i.Writer {
			i.Lag = 18 * time.Millisecond
		}
		rows = append(rows, i)
	}
	return rows
}

// instanceCAs returns the certificates of the CAs of all instances.
func (w *World) instanceCAs() []byte {
	all := w.database.CA()
	for _, r := range w.readers {
		all = append(all[:len(all):len(all)], r.CA()...)
	}
	return all
}

// SetMembers makes a reader or custom endpoint of the cluster lead to these instances; to
// none, it has no address.
func (w *World) SetMembers(host string, instances ...string) {
	w.resolver.edit(rdsZone, func(z *zone) {
		z.remove(func(rr dns.RR) bool { return rr.Header().Name == dns.CanonicalName(host) })
		for _, i := range instances {
			z.add(address(host, w.InstanceAddress(i)))
		}
	})
}

// InstanceAddress returns where an instance listens. Those that have no server of their
// own are orders-2's.
func (w *World) InstanceAddress(instance string) netip.Addr {
	switch instance {
	case "orders-1":
		return w.database.Addr().Addr()
	case readerName(1):
		return readerAddresses()[1]
	}
	return readerAddresses()[0]
}

// SetCluster gives the cluster another writer, which its name follows to at once, and
// another number of instances. Those that have no server of their own are orders-2's.
func (w *World) SetCluster(writer string, instances int) {
	rows := clusterRows(writer)[:min(instances, 3)]
	w.resolver.edit(rdsZone, func(z *zone) {
		for i := 2; i+2 <= instances; i++ {
			host := readerName(i) + instanceZone
			if !z.exists(dns.CanonicalName(host)) {
				z.add(address(host, readerAddresses()[0]))
			}
			rows = append(rows, mysqltest.Instance{Name: readerName(i), Age: time.Second})
		}
		z.remove(func(rr dns.RR) bool {
			return rr.Header().Name == dns.CanonicalName(databaseHost) && rr.Header().Rrtype == dns.TypeCNAME
		})
		z.add(alias(databaseHost, writer+instanceZone))
	})
	w.cluster.Set(rows...)
}

// SetRows makes the instances say this of their cluster.
func (w *World) SetRows(rows ...mysqltest.Instance) { w.cluster.Set(rows...) }

// Instance returns the server of one of the three instances.
func (w *World) Instance(name string) *mysqltest.Server {
	for i, r := range w.readers {
		if name == readerName(i) {
			return r
		}
	}
	return w.database
}
