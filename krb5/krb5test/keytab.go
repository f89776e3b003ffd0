package krb5test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Keytab writes the present keys of principals as MIT's keytab file, version 2.
func (r *Realm) Keytab(names ...string) ([]byte, error) {
	b := []byte{5, 2}
	for _, name := range names {
		p, ok := r.lookup(name)
		if !ok {
			return nil, fmt.Errorf("writing keytab: no %q in %s", name, r.name)
		}
		b = append(b, r.entries(&p)...)
	}
	return b, nil
}

// KeytabOf writes keys of a password and kvno of its own, for a keytab that is
// stale. Encryption types and salt are the principal's.
func (r *Realm) KeytabOf(name, password string, kvno int) ([]byte, error) {
	p, ok := r.lookup(name)
	if !ok {
		return nil, fmt.Errorf("writing keytab: no %q in %s", name, r.name)
	}
	p.kvno = kvno
	p.setKeys(password)
	return append([]byte{5, 2}, r.entries(&p)...), nil
}

// entries are the records of a principal, one for each key. The layout is that
// of MIT's "keytab file format" page: sizes of 16 bits, all big-endian.
func (r *Realm) entries(p *principal) []byte {
	be := binary.BigEndian
	text := func(b []byte, s string) []byte {
		return append(be.AppendUint16(b, uint16(len(s))), s...)
	}
	var all []byte
	for _, e := range p.etypes {
		key, ok := p.keys[e]
		if !ok {
			continue
		}
		parts := strings.Split(p.name, "/")
		b := be.AppendUint16(nil, uint16(len(parts)))
		b = text(b, r.name)
		for _, s := range parts {
			b = text(b, s)
		}
		b = be.AppendUint32(b, 1) // name type NT-PRINCIPAL
		b = be.AppendUint32(b, uint32(r.options.Now().Unix()))
		b = append(b, byte(p.kvno)) // the low byte; the whole is at the end
		b = be.AppendUint16(b, uint16(e))
		b = text(b, string(key.KeyValue))
		b = be.AppendUint32(b, uint32(p.kvno))
		all = slices.Concat(all, be.AppendUint32(nil, uint32(len(b))), b)
	}
	return all
}
