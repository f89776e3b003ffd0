package kdc

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/kerbagent/kerbagent/krb5/client"
	"github.com/kerbagent/kerbagent/krb5/kdcwire"
	"github.com/kerbagent/kerbagent/probe"
)

// KRB-ERROR codes (RFC 4120 §7.5.9) that are told apart here.
const (
	codePreauthRequired = 25
	codeUnavailable     = 29
	codeWrongRealm      = 68
)

// learn records what a reply says. It returns a reason, and the error behind
// it, where the reply means that this KDC is no use.
func (p Probe) learn(rec *probe.Recorder, b []byte, halfway time.Time) (probe.Reason, error) {
	if !kdcwire.IsError(b) {
		return learnTicket(rec, b)
	}
	e, err := kdcwire.ParseError(b)
	if err != nil {
		return probe.ReasonMalformed, err
	}
	rec.Fact(probe.FactKRBCode, strconv.Itoa(int(e.Code)))
	rec.Fact(probe.FactKRBText, strings.TrimRight(e.EText, "\x00"))
	rec.Fact(probe.FactServedBy, e.Realm)
	if status, ok := e.NTStatus(); ok {
		rec.Fact(probe.FactNTStatus, fmt.Sprintf("%08x", status))
	}
	// RFC 4120 §5.9.1: stime is the KDC's clock, so skew needs no credentials.
	skew := probe.Skew(e.STime, halfway)
	rec.Sample(probe.SampleSkew, skew.Seconds())
	if p.HostClock != nil && skew.Abs() >= time.Minute {
		rec.Fact(probe.FactHostClock, p.HostClock())
	}
	switch e.Code {
	case codePreauthRequired:
		rec.Fact(probe.FactPreauth, "required")
		learnHints(rec, client.HintsOf(e))
	case codeUnavailable:
		return probe.ReasonKRBServiceUnavailable, e
	case codeWrongRealm:
		return probe.ReasonKRBWrongRealm, e
	}
	return "", nil
}

func learnHints(rec *probe.Recorder, h client.Hints) {
	numbers := make([]string, len(h.ETypes))
	for i, e := range h.ETypes {
		numbers[i] = strconv.Itoa(int(e))
	}
	rec.Fact(probe.FactETypes, strings.Join(numbers, " "))
	rec.Fact(probe.FactSalt, h.Salt)
}

// learnTicket records an AS-REP (RFC 4120 §5.4.2): the KDC gives this user's
// tickets to everybody who asks. Its encrypted part stays closed.
func learnTicket(rec *probe.Recorder, b []byte) (probe.Reason, error) {
	realm, methods, err := readASRep(b)
	if err != nil {
		return probe.ReasonMalformed, err
	}
	rec.Fact(probe.FactPreauth, "none")
	rec.Fact(probe.FactServedBy, realm)
	// The reply's padata has the form of an error's METHOD-DATA.
	learnHints(rec, client.HintsOf(&kdcwire.KRBError{EData: methods}))
	return "", nil
}

// readASRep takes crealm and padata, which may be missing, from an AS-REP.
func readASRep(b []byte) (realm string, methods []byte, err error) {
	const (
		application   = 0x40
		msgASRep      = 11
		generalString = asn1.Tag(27)
	)
	field := func(n uint8) asn1.Tag { return asn1.Tag(n).ContextSpecific().Constructed() }
	in := cryptobyte.String(b)
	var rep, s, version, kind, padata, crealm, name, cname, ticket, sealed cryptobyte.String
	var v, k int
	var some bool
	if in.ReadASN1(&rep, asn1.Tag(msgASRep|application).Constructed()) && in.Empty() &&
		rep.ReadASN1(&s, asn1.SEQUENCE) && rep.Empty() &&
		s.ReadASN1(&version, field(0)) && version.ReadASN1Integer(&v) && v == 5 &&
		s.ReadASN1(&kind, field(1)) && kind.ReadASN1Integer(&k) && k == msgASRep &&
		s.ReadOptionalASN1(&padata, &some, field(2)) &&
		s.ReadASN1(&crealm, field(3)) && crealm.ReadASN1(&name, generalString) &&
		s.ReadASN1(&cname, field(4)) && s.ReadASN1(&ticket, field(5)) && s.ReadASN1(&sealed, field(6)) && s.Empty() {
		return string(name), padata, nil
	}
	return "", nil, fmt.Errorf("reading an answer of %d bytes: %w", len(b), kdcwire.ErrNotKerberos)
}
