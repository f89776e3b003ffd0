package client

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/iana/errorcode"
	gokeytab "github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"
)

// forest is a set of realms whose TGS reads requests and makes tickets with
// gokrb5, so that our messages are read by somebody else's code. Each realm
// has an address of its own.
type forest struct {
	t *testing.T
	// issue says which ticket a realm gives for a server: the server itself,
	// a referral, or "" for error 7.
	issue func(realm, asked string) string
	// spoil changes a reply before it is sealed.
	spoil func(rep *messages.TGSRep)

	kt     *gokeytab.Keytab
	asked  []string // "REALM: server" of every request
	now    time.Time
	serial map[string]bool
}

func newForest(t *testing.T, issue func(realm, asked string) string) *forest {
	return &forest{t: t, issue: issue, kt: gokeytab.New(), now: time.Now().UTC().Truncate(time.Second), serial: map[string]bool{}}
}

// key makes sure that there is a key of a principal.
func (f *forest) key(name, realm string) {
	f.t.Helper()
	if p := name + "@" + realm; !f.serial[p] {
		f.serial[p] = true
		if err := f.kt.AddEntry(name, realm, p, f.now, 1, aes128SHA1); err != nil {
			f.t.Fatal(err)
		}
	}
}

// tgt is a ticket granting ticket of user's own realm.
func (f *forest) tgt(user Principal) *Ticket {
	f.t.Helper()
	server := tgs(user.Realm, user.Realm)
	ticket, key := f.ticket(types.NewPrincipalName(1, user.Name), user.Realm, server)
	raw, err := ticket.Marshal()
	if err != nil {
		f.t.Fatal(err)
	}
	return &Ticket{Client: user, Server: server, EndTime: f.now.Add(time.Hour),
		secret: hide(ticketSecret{key: sessionKey{key.KeyType, key.KeyValue}, raw: raw})}
}

func (f *forest) ticket(cname types.PrincipalName, crealm string, server Principal) (messages.Ticket, types.EncryptionKey) {
	f.t.Helper()
	f.key(server.Name, server.Realm)
	ticket, key, err := messages.NewTicket(cname, crealm, types.NewPrincipalName(2, server.Name), server.Realm,
		types.NewKrbFlags(), f.kt, aes128SHA1, 1, f.now, f.now, f.now.Add(time.Hour), f.now)
	if err != nil {
		f.t.Fatal(err)
	}
	return ticket, key
}

// answer is the TGS of realm.
func (f *forest) answer(realm string, request []byte) ([]byte, error) {
	var req messages.TGSReq
	if err := req.Unmarshal(request); err != nil {
		return nil, err
	}
	asked := req.ReqBody.SName.PrincipalNameString()
	f.asked = append(f.asked, realm+": "+asked)
	var ap messages.APReq
	if len(req.PAData) != 1 || req.PAData[0].PADataType != paTGSReq {
		return nil, fmt.Errorf("padata %v", req.PAData)
	}
	if err := ap.Unmarshal(req.PAData[0].PADataValue); err != nil {
		return nil, err
	}
	if err := ap.Ticket.DecryptEncPart(f.kt, nil); err != nil {
		return nil, err
	}
	client, key := ap.Ticket.DecryptedEncPart, ap.Ticket.DecryptedEncPart.Key
	if err := ap.DecryptAuthenticator(key); err != nil {
		return nil, err
	}
	body, err := req.ReqBody.Marshal()
	if err != nil {
		return nil, err
	}
	alg, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return nil, err
	}
	refuse := func(code int32) ([]byte, error) {
		e := messages.NewKRBError(req.ReqBody.SName, realm, code, "")
		return e.Marshal()
	}
	sum := ap.Authenticator.Cksum
	switch {
	case req.ReqBody.Realm != realm || ap.Ticket.SName.PrincipalNameString() != "krbtgt/"+realm:
		return refuse(errorcode.KDC_ERR_WRONG_REALM)
	case ap.Authenticator.CRealm != client.CRealm || !ap.Authenticator.CName.Equal(client.CName):
		return refuse(errorcode.KRB_AP_ERR_BADMATCH)
	case sum.CksumType != alg.GetHashID() || !alg.VerifyChecksum(key.KeyValue, body, sum.Checksum, usageTGSReqChecksum):
		return refuse(errorcode.KRB_AP_ERR_MODIFIED)
	case ap.Authenticator.CTime.Sub(f.now).Abs() > 5*time.Minute:
		return refuse(errorcode.KRB_AP_ERR_SKEW)
	}
	server := f.issue(realm, asked)
	if server == "" {
		return refuse(errorcode.KDC_ERR_S_PRINCIPAL_UNKNOWN)
	}
	ticket, sessionKey := f.ticket(client.CName, client.CRealm, Principal{Name: server, Realm: realm})
	rep := messages.TGSRep{KDCRepFields: messages.KDCRepFields{PVNO: 5, MsgType: msgTGSRep, CRealm: client.CRealm, CName: client.CName, Ticket: ticket,
		DecryptedEncPart: messages.EncKDCRepPart{Key: sessionKey, LastReqs: []messages.LastReq{{LRType: 0, LRValue: f.now}}, Nonce: req.ReqBody.Nonce,
			Flags: types.NewKrbFlags(), AuthTime: f.now, EndTime: f.now.Add(time.Hour), SRealm: realm, SName: ticket.SName}}}
	if f.spoil != nil {
		f.spoil(&rep)
	}
	plain, err := rep.DecryptedEncPart.Marshal()
	if err != nil {
		return nil, err
	}
	if rep.EncPart, err = crypto.GetEncryptedData(plain, key, usageTGSRepEncPart, 0); err != nil {
		return nil, err
	}
	return rep.Marshal()
}

// client talks to the realms; each one's address is made of its name.
func (f *forest) client() *Client {
	n := &network{servers: map[string]behaviour{}}
	locator := byName{}
	for i, realm := range []string{"A", "B", "C", "D"} {
		address := fmt.Sprintf("192.0.2.%d:88", i+1)
		locator[realm] = addresses(address)
		n.servers[address] = func(c net.Conn) {
			for {
				request, err := readFrame(c)
				if err != nil {
					return
				}
				reply, err := f.answer(realm, request)
				if err != nil {
					f.t.Errorf("%s: %v", realm, err)
					return
				}
				if writeFrame(c, reply) != nil {
					return
				}
			}
		}
	}
	return &Client{Dialer: n, Locator: locator, Now: func() time.Time { return f.now }, Timeout: 5 * time.Second}
}

// byName is a Locator out of a table; it knows no other realm.
type byName map[string]fixed

func (m byName) KDCs(_ context.Context, realm string) ([]netip.AddrPort, error) { return m[realm], nil }

// route makes an issue function of a table "REALM server" → answer; a server
// that is not in it is issued where its name ends in the realm's name.
func route(table map[string]string) func(realm, asked string) string {
	return func(realm, asked string) string {
		if to, ok := table[realm+" "+asked]; ok {
			return to
		}
		if strings.HasSuffix(asked, "."+strings.ToLower(realm)) {
			return asked
		}
		return ""
	}
}
