package krb5test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jcmturner/gokrb5/v8/keytab"
)

// TestKeytab has gokrb5 read what is written; MIT's klist and kinit do in the lab's tests.
func TestKeytab(t *testing.T) {
	r := NewRealm("A.TEST", Options{Now: when})
	r.AddUser("alice", "secret-1")
	r.AddService("mysql/db.a.test", KVNO(258), ETypes{AES256})
	b, err := r.Keytab("alice", "mysql/db.a.test")
	if err != nil {
		t.Fatal(err)
	}
	type entry struct {
		realm string
		name  []string
		kvno  uint32
		etype int32
		at    time.Time
	}
	var kt keytab.Keytab
	if err := kt.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	var got []entry
	for _, e := range kt.Entries {
		got = append(got, entry{e.Principal.Realm, e.Principal.Components, e.KVNO, e.Key.KeyType, e.Timestamp.UTC()})
	}
	want := []entry{
		{"A.TEST", []string{"alice"}, 2, AES256, when()},
		{"A.TEST", []string{"alice"}, 2, AES128, when()},
		{"A.TEST", []string{"alice"}, 2, RC4, when()},
		{"A.TEST", []string{"mysql", "db.a.test"}, 258, AES256, when()},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(entry{})); diff != "" {
		t.Error(diff)
	}
}

func TestStaleKeytab(t *testing.T) {
	r := NewRealm("A.TEST", Options{Now: when})
	r.AddUser("alice", "secret-1")
	now, err := r.Keytab("alice")
	if err != nil {
		t.Fatal(err)
	}
	same, err := r.KeytabOf("alice", "secret-1", 2)
	if err != nil || !cmp.Equal(now, same) {
		t.Errorf("the same password and kvno give another keytab (%v)", err)
	}
	if err := r.SetPassword("alice", "secret-2"); err != nil {
		t.Fatal(err)
	}
	next, err := r.Keytab("alice")
	if err != nil || cmp.Equal(now, next) {
		t.Errorf("a new password gives the same keytab (%v)", err)
	}
	if err := r.Change("alice", KVNO(9), ETypes{RC4}); err != nil {
		t.Fatal(err)
	}
	changed, err := r.Keytab("alice")
	if want, _ := r.KeytabOf("alice", "secret-2", 9); err != nil || !cmp.Equal(want, changed) || len(changed) >= len(next) {
		t.Errorf("after a change of kvno and types: %x (%v)", changed, err)
	}
	if _, err := r.Keytab("nobody"); err == nil {
		t.Error("nobody has a keytab")
	}
}
