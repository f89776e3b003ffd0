package client

import (
	"context"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/krb5/kdcwire"
)

// Locator finds the KDCs of a realm, the best first. It is asked when a
// connection to a realm has to be made: it should keep what it found out.
type Locator interface {
	KDCs(ctx context.Context, realm string) ([]netip.AddrPort, error)
}

// Step is one thing that the walk did.
type Step struct {
	Name     string // StepConnect, StepAS, StepPreauth or StepTGS
	Realm    string
	Addr     netip.AddrPort
	Start    time.Time // the time of the start, by Client.Now
	Duration time.Duration
	Size     int // of the reply, in bytes
	Err      error
}

// Client walks from a secret to service tickets. It keeps nothing between
// logins and may be used by several goroutines at once.
type Client struct {
	Dialer  kdcwire.Dialer   // nil: a net.Dialer
	Locator Locator          // nil: DNSLocator{}
	Now     func() time.Time // nil: time.Now
	// Timeout bounds each connect, 5 s where it is 0, and Patience each exchange,
	// Timeout where it is 0. The context bounds the whole.
	Timeout, Patience time.Duration
	// UDPLimit is the size in bytes up to which a request goes over UDP first, as
	// libkrb5's udp_preference_limit; with 0 nothing does but for Beside.
	UDPLimit int
	// TimeSync is that of ASOptions, and holds for tickets from elsewhere as well.
	TimeSync bool
	// Permitted are the encryption types that a krb5.conf lets a login ask for; nil: all.
	Permitted []int32
	// AllowRC4 and Salted are those of ASOptions.
	AllowRC4, Salted bool
	// Beside sends the first AS-REQ, which has no credentials, over UDP beside the connect
	// over TCP, whatever UDPLimit is: the one with credentials then follows a round trip earlier, over TCP.
	// Unheard is called where a KDC has answered the first one so, and not the second; it may be nil.
	Beside  bool
	Unheard func()
	// BeforePreauth is called right before the one AS-REQ with credentials
	// goes out. Its error stops the login, and TGT's error wraps it.
	BeforePreauth func() error
	// BeforeSecond is called instead where that request was not answered and would go
	// to another KDC. Where it is nil or returns an error, it does not.
	BeforeSecond func() error
	// SameHost reports whether two addresses of KDCs are of one machine: another one
	// is asked first then. nil: never.
	SameHost func(a, b netip.AddrPort) bool
	// Observe is called for every step, from the goroutine that called TGT or
	// ServiceTicket. Addresses that were given up because another one was
	// faster are not steps.
	Observe func(Step)

	// Datagram is called with the KDC that answered the first AS-REQ over UDP, from the goroutine that called TGT; it may be nil.
	Datagram func(netip.AddrPort)

	nonce func() uint32 // nil: random; tests replay recorded ones
}
