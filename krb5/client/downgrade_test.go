package client

import (
	"encoding/binary"
	"errors"
	"testing"
)

// Whoever answers on port 88 can ask for a proof that is quick to guess by: it gets
// none of a password.
func TestWeakOffers(t *testing.T) {
	user := Principal{"alice", "CORP.EXAMPLE.COM"}
	pw, kt := Password([]byte("secret")), FromKeytab(mustKeytab(t, "testdata/alice.keytab")) // 18, 17, 23
	offer := func(etype int32, rounds uint32, salt string) keyHint {
		k := keyHint{etype: etype, salt: salt, hasSalt: true}
		if rounds > 0 {
			k.params = binary.BigEndian.AppendUint32(nil, rounds)
		}
		return k
	}
	unsalted := keyHint{etype: 18}
	rc4 := keyHint{etype: 23}
	usual, ad, old := ASOptions{}, ASOptions{Salted: true}, ASOptions{AllowRC4: true}
	for _, tt := range []struct {
		name   string
		s      Secret
		o      ASOptions
		offers []keyHint
		etype  int32 // 0: err
		rounds uint32
		err    error
	}{
		{"RC4 alone", pw, usual, []keyHint{rc4}, 0, 0, ErrRC4},
		{"RC4 alone, which is allowed", pw, old, []keyHint{rc4}, 23, 0, nil},
		{"RC4 alone, a keytab", kt, ad, []keyHint{rc4}, 23, 0, nil},
		{"RC4 first", pw, usual, []keyHint{rc4, offer(18, 4096, "s")}, 18, 4096, nil},
		{"one round", pw, old, []keyHint{offer(18, 1, "s")}, 0, 0, ErrWeakKey},
		{"one round less", pw, usual, []keyHint{offer(17, 4095, "s")}, 0, 0, ErrWeakKey},
		{"the default", pw, ad, []keyHint{offer(17, 4096, "s")}, 17, 4096, nil},
		{"no parameters, which are the default", pw, ad, []keyHint{offer(18, 0, "s")}, 18, 0, nil},
		{"AES-SHA2 with SHA-1's rounds", pw, usual, []keyHint{offer(20, 4096, "s")}, 0, 0, ErrWeakKey},
		{"AES-SHA2 with one round less", pw, usual, []keyHint{offer(19, 32767, "s")}, 0, 0, ErrWeakKey},
		{"AES-SHA2 with its own", pw, usual, []keyHint{offer(19, 32768, "s")}, 19, 32768, nil},
		{"weak and strong of one type", pw, usual, []keyHint{offer(18, 1, "s"), offer(18, 5000, "s")}, 18, 5000, nil},
		{"weak and another that is strong", pw, ad, []keyHint{offer(18, 1, "s"), offer(17, 4096, "")}, 0, 0, ErrWeakKey},
		{"weak, and RC4", pw, usual, []keyHint{rc4, offer(18, 1, "s")}, 0, 0, ErrWeakKey},
		{"weak, and RC4 that is allowed", pw, old, []keyHint{offer(18, 1, "s"), rc4}, 23, 0, nil},
		{"an empty salt of Active Directory", pw, ad, []keyHint{offer(18, 4096, "")}, 0, 0, ErrWeakKey},
		{"an empty salt of another KDC", pw, usual, []keyHint{offer(18, 4096, "")}, 18, 4096, nil},
		{"no word of a salt", pw, ad, []keyHint{unsalted}, 18, 0, nil},
		{"weak, a keytab", kt, ad, []keyHint{offer(18, 1, "")}, 18, 1, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := Hints{keys: tt.offers}
			tt.o.ETypes = DefaultETypes()
			got, err := h.choose(tt.s, user, tt.o)
			if !errors.Is(err, tt.err) || got.etype != tt.etype {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.rounds > 0 && binary.BigEndian.Uint32(got.params) != tt.rounds {
				t.Errorf("%x rounds, want %d", got.params, tt.rounds)
			}
		})
	}
}
