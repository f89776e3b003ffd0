package rehearsal

import (
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"syscall"

	"github.com/kerbagent/kerbagent/krb5/krb5test"
)

// controller is a domain controller: DNS, KDC and kpasswd on one machine.
type controller struct {
	name        string
	addrs       []netip.Addr // IPv4 first; the KDC and kpasswd serve all of them, DNS the first
	dns         *dnsServer
	kdc         *krb5test.Faults
	kpasswd     *krb5test.Faults
	kdcPort     uint16
	kpasswdPort uint16
}

// server is what of a krb5test server this package uses.
type server interface {
	Addr() netip.AddrPort
	Close() error
}

// serve starts the Kerberos services of the machine. The ends are functions
// that end them.
func (c *controller) serve(realm *krb5test.Realm) (ends []func() error, err error) {
	c.kdc, c.kpasswd = krb5test.NewFaults(krb5test.Script{}), krb5test.NewFaults(krb5test.Script{})
	kdcPort, ends, err := onOnePort(c.addrs, func(addr string) (server, error) { return realm.ServeKDC(addr, c.kdc) })
	if err != nil {
		return nil, err
	}
	kpasswdPort, more, err := onOnePort(c.addrs, func(addr string) (server, error) { return realm.ServeKpasswd(addr, c.kpasswd) })
	ends = append(ends, more...)
	if err != nil {
		return nil, errors.Join(err, endAll(ends))
	}
	c.kdcPort, c.kpasswdPort = kdcPort, kpasswdPort
	return ends, nil
}

// onOnePort serves all addresses on the same free port, as SRV needs it: one
// name, one port.
func onOnePort(addrs []netip.Addr, serve func(addr string) (server, error)) (uint16, []func() error, error) {
	const tries = 20 // the port that one address gets is taken on another now and then
	var err error
	for range tries {
		var port uint16
		var ends []func() error
		for _, addr := range addrs {
			var s server
			if s, err = serve(netip.AddrPortFrom(addr, port).String()); err != nil {
				break
			}
			port, ends = s.Addr().Port(), append(ends, s.Close)
		}
		if err == nil {
			return port, ends, nil
		}
		if endErr := endAll(ends); endErr != nil || !errors.Is(err, syscall.EADDRINUSE) {
			return 0, nil, errors.Join(err, endErr)
		}
	}
	return 0, nil, err
}

// endAll calls all functions, the last one first.
func endAll(ends []func() error) error {
	var errs []error
	for i := len(ends) - 1; i >= 0; i-- {
		errs = append(errs, ends[i]())
	}
	return errors.Join(errs...)
}

// portsOf are the ports that SRV records name, as kerbagent.yaml writes them.
func portsOf(controllers ...*controller) []string {
	var out []string
	for _, c := range controllers {
		out = append(out, strconv.Itoa(int(c.kdcPort)), strconv.Itoa(int(c.kpasswdPort)))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// ip is the address by which the machine is known.
func (c *controller) ip() netip.Addr { return c.addrs[0] }
