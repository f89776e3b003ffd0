package guard

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
)

// The guess is what the database announced last, else the endpoint's own name; one that a
// KDC has refused is not made again, by no process, until it is announced.
func TestServices(t *testing.T) {
	dir := t.TempDir()
	db := config.Database{Name: "orders", Host: "db.example.com", Port: 3306, Realm: "CORP.EXAMPLE.COM", AllowedServices: []string{"mysql", "mariadb"}}
	of := func(db config.Database, realm string) Services { // a process of its own each time
		return New(OnDisk(dir, nil, 0), Options{}).Services(db, realm).(Services)
	}
	const announced = "mariadb/real.example.com@CORP.EXAMPLE.COM"
	guess := func(want string) {
		t.Helper()
		if got, known := of(db, "CORP.EXAMPLE.COM").Guess(); got != want || known != (got == announced) {
			t.Errorf("guess %q, want %q", got, want)
		}
	}
	own := "mysql/db.example.com@CORP.EXAMPLE.COM"
	guess(own)
	of(db, "CORP.EXAMPLE.COM").Refused(own)
	guess("")
	if other, _ := of(db, "ONPREM.LOCAL").Guess(); other != own {
		t.Errorf("another realm's users: %q", other)
	}
	of(db, "CORP.EXAMPLE.COM").Announced(announced)
	guess(announced)
	of(db, "CORP.EXAMPLE.COM").Refused(announced)
	guess("")
	of(db, "CORP.EXAMPLE.COM").Announced(announced)
	guess(announced)

	files, err := filepath.Glob(filepath.Join(dir, "service-*.json"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	if err := os.WriteFile(files[0], []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	guess("") // nobody knows what was refused
	of(db, "CORP.EXAMPLE.COM").Announced(announced)
	guess(announced)

	db.Host = "192.0.2.7"
	guess("")
	db.Host, db.AllowedServices = "other.example.com", []string{"mariadb"}
	guess("")
}

// After a KDC that answered over UDP alone, logins of its realm are careful for a day.
func TestUnheard(t *testing.T) {
	dir, now := t.TempDir(), time.Now()
	of := func(user string) Breaker {
		return Breaker{guard: New(OnDisk(dir, func() time.Time { return now }, 0), Options{}), user: user}
	}
	if of("alice@A").Careful() {
		t.Error("careful from the start")
	}
	of("alice@A").Unheard()
	if !of("bob@A").Careful() || of("carol@B").Careful() {
		t.Errorf("careful: %v in the realm, %v elsewhere", of("bob@A").Careful(), of("carol@B").Careful())
	}
	now = now.Add(25 * time.Hour)
	if of("alice@A").Careful() {
		t.Error("careful a day later")
	}
}
