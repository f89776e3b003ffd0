package ledger

import (
	"os"
	"strings"
	"testing"
	"time"
)

// What is kept of an instance that is gone goes with it, but not the handshakes that were
// left unfinished there lately: it may hang, and come back.
func TestWhatIsKeptOfADatabaseThatIsGone(t *testing.T) {
	l, c, dir := open(t)
	files := func() (out []string) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			kind, _, _ := strings.Cut(e.Name(), "-")
			out = append(out, kind)
		}
		return out
	}
	empty := files()
	for _, name := range []string{"orders-2:3306", "orders-3:3306"} {
		d := l.Database(name, 100)
		_, err := d.FirstHost("db.example.com")
		must(t, err)
		must(t, d.SetService("CORP", Service{Announced: "mysql/a"}))
		must(t, d.PauseUser("alice", "password"))
		leave(t, d.At("10.0.0.3:3306"), 1)
	}
	both := files()
	forget := func() []string {
		must(t, l.Forget(func(name string) bool { return name == "orders-3:3306" }))
		return files()
	}
	if one := forget(); len(one)-len(empty) != (len(both)-len(empty))/2+1 {
		t.Errorf("of %v are left %v", both, one)
	}
	if n, err := l.Database("orders-2:3306", 100).At("10.0.0.3:3306").Unfinished(); n != 2 || err != nil {
		t.Errorf("%d unfinished handshakes count, %v", n, err)
	}
	c.pass(31 * 24 * time.Hour)
	if one := forget(); len(one)-len(empty) != (len(both)-len(empty))/2 {
		t.Errorf("after a month of %v are left %v", both, one)
	}
	if first, err := l.Database("orders-2:3306", 100).FirstHost("other.example.com"); first != "db.example.com" || err != nil {
		t.Errorf("the other one's record is gone: %q %v", first, err)
	}
}
