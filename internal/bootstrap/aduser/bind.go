package aduser

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/kerbagent/kerbagent/krb5/client"
)

// The security layers of RFC 4752 §3.1.
const layerConfidentiality = 4

// gssapi is go-ldap's GSSAPIClient for one bind: a ticket's token, the
// server's proof, and the choice of the sealing layer.
type gssapi struct {
	ticket *client.Ticket
	now    func() time.Time

	negotiated func() // before the bind's last request

	initiator *client.Initiator
	gss       *client.Context
	max       int // that the server takes
}

// InitSecContext returns the token, and then checks the server's answer to it. For
// a bind that ends, go-ldap has no answer and calls it again, as often as the server likes.
func (g *gssapi) InitSecContext(_ string, answer []byte) ([]byte, bool, error) {
	if answer == nil {
		if g.initiator != nil {
			return nil, false, errors.New("the bind ended before the server proved itself")
		}
		i, err := client.NewInitiator(g.ticket, true, g.now)
		if err != nil {
			return nil, false, err
		}
		g.initiator = i
		return i.Token(), true, nil
	}
	if err := g.initiator.Verify(answer); err != nil {
		return nil, false, err
	}
	gss, err := g.initiator.Context()
	g.gss = gss
	return nil, false, err
}

// InitSecContextWithOptions is InitSecContext; there are no options.
func (g *gssapi) InitSecContextWithOptions(target string, answer []byte, _ []int) ([]byte, bool, error) {
	return g.InitSecContext(target, answer)
}

// NegotiateSaslAuth chooses to seal, or gives up where the server cannot.
func (g *gssapi) NegotiateSaslAuth(token []byte, authzid string) ([]byte, error) {
	offer, _, err := g.gss.Open(token)
	if err != nil {
		return nil, fmt.Errorf("reading the server's security layers: %w", err)
	}
	if len(offer) != 4 {
		return nil, fmt.Errorf("security layers of %d bytes instead of 4", len(offer))
	}
	if offer[0]&layerConfidentiality == 0 {
		return nil, errors.New("the server offers no sealing layer")
	}
	g.max = int(binary.BigEndian.Uint32(offer) & 0xffffff)
	// The header, trailer and padding of a token have less than 128 bytes
	// (RFC 4121 §4.2.4 with the longest checksum).
	if g.max -= 128; g.max < 512 {
		return nil, fmt.Errorf("the server takes buffers of only %d bytes", g.max)
	}
	g.negotiated()
	choice := binary.BigEndian.AppendUint32(nil, layerConfidentiality<<24|(maxSealed-1))
	return g.gss.Sign(append(choice, authzid...))
}

// DeleteSecContext has nothing to do: the context goes on in the connection.
func (g *gssapi) DeleteSecContext() error { return nil }
