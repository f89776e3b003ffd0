package locate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/internal/host"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

const kdc1 = "10.0.0.1:88"

// slowly is what kerbagent knows otherwise, once it is let.
type slowly struct {
	elsewhere
	begun, let chan struct{}
}

func (s slowly) KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error) {
	s.begun <- struct{}{}
	select {
	case <-s.let:
		return s.elsewhere.KDCs(ctx, realm)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// A login whose KDCs no program finds has failed, also where another login is just
// looking them up anew: it once was ok at that moment.
func TestTrailWhileAnotherLoginLooks(t *testing.T) {
	s := slowly{elsewhere{kdc: kdc1}, make(chan struct{}, 2), make(chan struct{}, 2)}
	p := programs(t, names(nil), s)
	s.let <- struct{}{}
	if _, err := p.KDCs(t.Context(), "CORP.TEST"); err != nil {
		t.Fatal(err)
	}
	<-s.begun
	p.mu.Lock()
	p.found["realm CORP.TEST"].until = time.Now().Add(-time.Second)
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		p.KDCs(t.Context(), "CORP.TEST")
	}()
	<-s.begun
	if trail := p.Trail("db.corp.test", heard(netip.MustParseAddrPort(kdc1), netip.AddrPort{}, "CORP.TEST")); trail.Lack == nil {
		t.Error("nothing is lacking")
	}
	s.let <- struct{}{}
	<-ended
}

// What a login that was cut short did not find, the next one looks for.
func TestALookUpThatWasCutShortIsNotKept(t *testing.T) {
	s := slowly{elsewhere{kdc: kdc1}, make(chan struct{}, 2), make(chan struct{}, 1)}
	p := programs(t, names(nil), s)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.KDCs(ctx, "CORP.TEST"); err == nil {
		t.Fatal("it was not cut short")
	}
	s.let <- struct{}{}
	if got, err := p.KDCs(t.Context(), "CORP.TEST"); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

// A bug costs one look-up, and not each one after it.
func TestAPanicCostsOneLookUp(t *testing.T) {
	p := programs(t, names(nil), elsewhere{kdc: kdc1})
	read, once := p.Krb5, true
	p.Krb5 = func() *reader.Reading {
		if once {
			once = false
			panic("as tested")
		}
		return read()
	}
	if _, err := p.KDCs(t.Context(), "CORP.TEST"); err == nil || !strings.Contains(err.Error(), "as tested") {
		t.Errorf("%v", err)
	}
	if got, err := p.KDCs(t.Context(), "CORP.TEST"); err != nil || len(got) != 1 {
		t.Errorf("%v %v", got, err)
	}
}

// DNS does not decide how many addresses of a database are tried.
func TestAddressesOfADatabaseAreLimited(t *testing.T) {
	var hosts strings.Builder
	for i := range 200 {
		fmt.Fprintf(&hosts, "10.0.0.%d db.corp.test\n", i+1)
	}
	p := programs(t, names(map[string]string{"etc/hosts": hosts.String()}), elsewhere{})
	if got, err := p.Addresses(t.Context(), "db.corp.test"); err != nil || len(got) != mostAddresses {
		t.Errorf("%d addresses, %v", len(got), err)
	}
}

// broken panics at each connection.
type broken struct{}

func (broken) DialContext(context.Context, string, string) (net.Conn, error) { panic("as tested") }

// Reading an answer happens beside the look-up: a bug there once ended the daemon.
func TestAPanicWhileANameServerIsAskedEndsNothing(t *testing.T) {
	p := programs(t, names(map[string]string{"etc/nsswitch.conf": "hosts: dns\n"}), elsewhere{})
	p.Host = func() (*host.Resolver, error) { return host.Read(p.Root, broken{}) }
	if _, err := p.Addresses(t.Context(), "db.corp.test"); err == nil || !strings.Contains(err.Error(), "as tested") {
		t.Errorf("%v", err)
	}
	if _, err := p.KDCs(t.Context(), "CORP.TEST"); errors.Is(err, nil) {
		t.Error("no error")
	}
}

// KDCs are looked up side by side, out of reach of a look-up's own recover.
func TestAPanicOfOneOfManyLookUpsEndsNothing(t *testing.T) {
	for name, file := range map[string]string{"SRV records": "", "names": "[realms]\n CORP.TEST = {\n kdc = dc1.corp.test\n kdc = dc2.corp.test\n }\n"} {
		p := programs(t, names(map[string]string{"etc/krb5.conf": file}), elsewhere{kdc: kdc1})
		p.Host = func() (*host.Resolver, error) { return nil, nil } // which panics
		if got, err := p.KDCs(t.Context(), "CORP.TEST"); err != nil || len(got) != 1 {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if trail := p.Trail("", heard(netip.MustParseAddrPort(kdc1), netip.AddrPort{}, "CORP.TEST")); trail.Lack == nil || !strings.Contains(trail.Lack.Error(), "a bug of kerbagent") {
			t.Errorf("%s: %v", name, trail.Lack)
		}
	}
}
