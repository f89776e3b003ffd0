package recorder

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Whatever a file holds, what is taken from it is records that hold, and
// writing them gives a file that reads the same.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"n":0,"at":"2026-11-22T12:00:00Z","last":"2026-11-22T12:00:00Z","count":1,"findings":["kdc-down"],"result":{"id":"kdc/dc1/tcp","reason":"refused"}}`+"\n"+
		`{"n":0,"last":"2026-11-22T12:01:00Z","count":2,"ended":true}`), true)
	f.Add([]byte(`{"n":0,"last":"2026-11-22T12:00:00Z","count":1,"hidden":true,"result":{}}`), true)
	f.Add([]byte(`{"n":0,"last":"2026-11-22T12:00:00Z","count":1,"result":null}`), true)
	f.Add([]byte("00000000 \n\n\n deadbeef {}"), false)
	f.Fuzz(func(t *testing.T, b []byte, sums bool) {
		if sums { // a checksum that is right leads on to the object
			var with []byte
			for l := range bytes.SplitSeq(b, []byte("\n")) {
				with = fmt.Appendf(with, "%08x %s\n", crc32.ChecksumIEEE(l), l)
			}
			b = with
		}
		entries, _ := parse(b)
		var again []byte
		for i, e := range entries {
			var o map[string]any
			if json.Unmarshal(e.Result, &o) != nil || e.Count < 1 || len(e.Result) > maxResult {
				t.Errorf("%+v", e.Record)
			}
			e.number = uint64(i)
			l, err := encode(e, true)
			if err != nil {
				t.Fatal(err)
			}
			again = append(again, l...)
		}
		same, good := parse(again)
		if diff := cmp.Diff(entries, same, cmp.AllowUnexported(entry{}), cmpopts.EquateEmpty()); diff != "" || !good {
			t.Errorf("what was written reads otherwise (%v): %s", good, diff)
		}
	})
}
