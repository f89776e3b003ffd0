package recorder

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/kerbagent/kerbagent/internal/report"
)

// History returns the failures that go on according to the records in the state
// directory dir, by the ID of their probe as the report has it. A failure that was
// not seen again for longer than fresh is left out: nobody knows what has been
// since. Where nothing can be read there is no history.
func History(dir string, now time.Time, fresh time.Duration) map[string]report.Past {
	f := file{path: filepath.Join(dir, FileName)}
	entries, err := f.read()
	if err != nil {
		return nil
	}
	out := map[string]report.Past{}
	for _, e := range entries { // the latest failure of a probe is the last one here
		var head struct{ ID string }
		if json.Unmarshal(e.Result, &head) != nil {
			continue
		}
		before := out[head.ID]
		delete(out, head.ID)
		if age := now.Sub(e.Last); e.ended || e.At.After(e.Last) || age < 0 || age > fresh {
			continue
		}
		past := report.Past{Since: e.At, LastGood: e.LastGood, Changed: e.Changed}
		if !before.Since.IsZero() && !e.LastGood.IsZero() && before.LastGood.Equal(e.LastGood) {
			past.Since, past.Changed = before.Since, before.Changed // it failed for another reason first
		}
		out[head.ID] = past
	}
	return out
}
