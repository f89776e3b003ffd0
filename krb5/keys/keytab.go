package keys

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Keytab is what a keytab file holds. It never prints a key.
type Keytab struct {
	Entries []Entry // the entries, in the order of the file
}

// Entry is one key of one principal.
type Entry struct {
	Name      string // components joined by "/", e.g. "mysql/db1.corp.example.com"
	Realm     string
	KVNO      uint32
	EType     int32 // RFC 3961 number: 18 is aes256-cts-hmac-sha1-96
	Timestamp time.Time

	key material
}

// material returns secret bytes. It is a function because fmt prints of those no
// more than an address, whatever the verb and whatever holds it; a pointer is
// followed for a verb that does not fit.
type material func() []byte

// hide keeps a copy of b.
func hide(b []byte) material {
	b = slices.Clone(b)
	return func() []byte { return b }
}

// reveal returns a copy of what was hidden.
func (m material) reveal() []byte {
	if m == nil {
		return nil
	}
	return slices.Clone(m())
}

// String names principal, version and type; not the key.
func (e Entry) String() string {
	return fmt.Sprintf("%s@%s kvno %d etype %d", e.Name, e.Realm, e.KVNO, e.EType)
}

// Key is a copy of the key's bytes: a secret, for krb5/client only.
func (e Entry) Key() []byte { return e.key.reveal() }

// String lists the entries without their keys.
func (kt *Keytab) String() string {
	lines := make([]string, len(kt.Entries))
	for i, e := range kt.Entries {
		lines[i] = e.String()
	}
	return "keytab [" + strings.Join(lines, ", ") + "]"
}

// Find returns the entry for a principal and encryption type: the one with that
// kvno where kvno is not 0 and there is one, else the one with the highest.
// Names are compared exactly.
func (kt *Keytab) Find(name, realm string, etype int32, kvno uint32) (Entry, bool) {
	var best Entry
	found := false
	for _, e := range kt.Entries {
		if e.Name != name || e.Realm != realm || e.EType != etype {
			continue
		}
		if kvno != 0 && e.KVNO == kvno {
			return e, true
		}
		if !found || e.KVNO > best.KVNO {
			best, found = e, true
		}
	}
	return best, found
}

// ETypes lists the encryption types that the keytab has keys of for a
// principal, each once, in the order of the file.
func (kt *Keytab) ETypes(name, realm string) []int32 {
	var out []int32
	seen := map[int32]bool{}
	for _, e := range kt.Entries {
		if e.Name == name && e.Realm == realm && !seen[e.EType] {
			seen[e.EType] = true
			out = append(out, e.EType)
		}
	}
	return out
}

// Principals lists the principals of which the keytab has keys, each once, in the
// order of the file, but those first that are spelt as name@realm in another case,
// and then those of the same name or realm.
func (kt *Keytab) Principals(name, realm string) []string {
	var ranked [3][]string
	seen := map[string]bool{}
	for _, e := range kt.Entries {
		p := e.Name + "@" + e.Realm
		if seen[p] {
			continue
		}
		seen[p] = true
		rank := 2
		switch {
		case strings.EqualFold(p, name+"@"+realm):
			rank = 0
		case strings.EqualFold(e.Name, name) || strings.EqualFold(e.Realm, realm):
			rank = 1
		}
		ranked[rank] = append(ranked[rank], p)
	}
	return slices.Concat(ranked[:]...)
}

// ReadKeytab reads a keytab file.
func ReadKeytab(path string) (*Keytab, error) {
	b, err := readFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading keytab %s: %w", path, err)
	}
	kt, err := ParseKeytab(b)
	if err != nil {
		return nil, fmt.Errorf("reading keytab %s: %w", path, err)
	}
	return kt, nil
}

// maxComponents bounds the parts of a name; real ones have one to three.
const maxComponents = 16

// ParseKeytab reads the content of a keytab file of version 0x502, the format
// that MIT krb5 documents as "keytab file format". Holes are skipped. An error
// is a *FormatError; a file without a single key is one too.
func ParseKeytab(b []byte) (*Keytab, error) {
	r := &reader{b: b}
	if len(b) == 0 {
		r.fail("file is empty")
	}
	if v := r.number(2, "version"); r.err == nil && v != 0x502 {
		r.pos = 0
		r.fail("not a keytab of version 0x502")
	}
	kt := new(Keytab)
	for r.err == nil && r.rest() > 0 {
		size := int32(r.number(4, "entry length"))
		switch {
		case size < 0: // a hole of that size
			r.bytes(int(-int64(size)), "hole")
		case size == 0: // the end, whatever follows: MIT preallocates so
			r.pos = len(b)
		default:
			start := r.pos
			entry := &reader{b: r.bytes(int(size), "entry")}
			if r.err != nil {
				break
			}
			e := readEntry(entry)
			if entry.err != nil {
				return nil, &FormatError{Offset: start + entry.err.Offset, What: entry.err.What}
			}
			kt.Entries = append(kt.Entries, e)
		}
	}
	if r.err == nil && len(kt.Entries) == 0 {
		r.fail("no key in it")
	}
	if r.err != nil {
		return nil, r.err
	}
	return kt, nil
}

func readEntry(r *reader) Entry {
	n := int(r.number(2, "number of name components"))
	if n < 1 || n > maxComponents {
		r.fail(fmt.Sprintf("a name of %d components", n))
	}
	realm := r.data(2, "realm")
	var parts []string
	for range n {
		if r.err != nil {
			return Entry{}
		}
		parts = append(parts, string(r.data(2, "name")))
	}
	r.number(4, "name type")
	e := Entry{Name: strings.Join(parts, "/"), Realm: string(realm)}
	e.Timestamp = time.Unix(r.number(4, "timestamp"), 0).UTC()
	e.KVNO = uint32(r.number(1, "key version"))
	e.EType = int32(int16(r.number(2, "encryption type")))
	key := r.data(2, "key")
	// A key version of more than eight bits follows where there is room for
	// it, unless it is 0.
	if r.err == nil && r.rest() >= 4 {
		if v := uint32(r.number(4, "long key version")); v != 0 {
			e.KVNO = v
		}
	}
	if want := keySize(e.EType); r.err == nil && want != 0 && len(key) != want {
		r.fail(fmt.Sprintf("a key of %d bytes for encryption type %d", len(key), e.EType))
	}
	e.key = hide(key)
	return e
}

// keySize is the length in bytes of a key of that type, or 0 where this
// package does not know it (RFC 3961 §8, RFC 3962, RFC 8009, RFC 4757).
func keySize(etype int32) int {
	switch etype {
	case 17, 19, 23:
		return 16
	case 18, 20:
		return 32
	default:
		return 0
	}
}

// Identity returns what a principal would prove itself with: its newest key of each
// encryption type, in the order of the types. It is a secret. A keytab that is
// written anew with the same keys has the same identity; one without a key of the
// principal's has none.
func (kt *Keytab) Identity(name, realm string) []byte {
	types := kt.ETypes(name, realm)
	slices.Sort(types)
	var id []byte
	for _, etype := range slices.Compact(types) {
		if e, ok := kt.Find(name, realm, etype, 0); ok {
			key := e.key.reveal()
			id = binary.BigEndian.AppendUint32(id, uint32(etype))
			id = binary.BigEndian.AppendUint32(id, uint32(len(key)))
			id = append(id, key...)
		}
	}
	return id
}
