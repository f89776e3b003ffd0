package bootstrap

import (
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/rds"

	"github.com/kerbagent/kerbagent/internal/bootstrap/awstest"
)

// A user that the run before created on a domain controller that is dead now is
// waited for on the other one. It used to be created there too: Active Directory
// keeps both, and renames one.
func TestUsersAreCreatedOnOneDomainController(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		heard time.Duration // until the other one has heard of alice
		back  bool          // the first one comes back
	}{
		"the other one hears of it": {heard: time.Minute},
		"the first one comes back":  {heard: time.Hour, back: true},
	} {
		t.Run(name, func(t *testing.T) {
			cloud := newCloud(t, awstest.Options{})
			addOrders(cloud)
			h := newHost(t, cloud, wish(modifyMode, ""))
			h.people.onEnable = runtime.Goexit
			if _, err, killed := h.apply(); !killed {
				t.Fatalf("ended by itself: %v", err)
			}
			made, began := h.people.at, cloud.Now()
			h.people.onEnable = nil
			h.people.dead = map[netip.Addr]bool{made: true}
			h.people.told = func(at netip.Addr, name string) bool {
				return at == made || name != "alice" || cloud.Now().Sub(began) >= c.heard
			}
			h.onSleep = func() {
				if c.back && cloud.Now().Sub(began) >= time.Minute {
					h.people.dead = nil
				}
			}
			h.done()
			h.right(scenarios()[0])
			w := h.waits("to learn of alice, created on " + made.String())
			if len(w) == 0 || w[0].Step != "users" || w[0].Wait.Usual == "" || cloud.Now().Sub(began) > spreadBudget+time.Hour {
				t.Errorf("waited %+v", w)
			}
		})
	}
}

// A user that nobody has heard of when the time is over was never created, and
// the one that it was to be created on is asked first.
func TestUsersThatWereNotCreated(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	addOrders(cloud)
	h := newHost(t, cloud, wish(modifyMode, ""))
	h.people.onCreate = runtime.Goexit
	if _, err, killed := h.apply(); !killed {
		t.Fatalf("ended by itself: %v", err)
	}
	h.people.onCreate = nil
	first := h.people.at
	h.done()
	if h.right(scenarios()[0]); len(h.waits("to hear of")) > 0 || h.people.at != first {
		t.Errorf("waited %+v, and asked %s", h.waits("to hear of"), h.people.at)
	}
}

// Every reader once, whatever this host's clock says: the answer to a reboot is
// lost, or the process dies at it. A clock some minutes ahead of AWS's used to
// reboot twice; one behind it took a restart of before for ours, or the readers
// for newer than the join, and rebooted none.
func TestRebootsUnderASkewedClock(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{0, 2 * time.Minute, 4 * time.Minute, -4 * time.Minute, 3 * time.Hour, -3 * time.Hour} {
		for _, end := range []string{"answer lost", "killed before it", "killed after it"} {
			t.Run(fmt.Sprintf("%s/%s", skew, end), func(t *testing.T) {
				t.Parallel()
				cloud := newCloud(t, awstest.Options{ReadLag: 20 * time.Second})
				addOrders(cloud)
				cloud.Advance(time.Minute)
				h := newHost(t, cloud, wish(modifyMode, ""))
				// A restart of half an hour ago is none of ours.
				if _, err := h.options().AWS.rds.rebootDBInstance(t.Context(), &rds.RebootDBInstanceInput{DBInstanceIdentifier: aws.String("orders-2")}); err != nil {
					t.Fatal(err)
				}
				cloud.Advance(30 * time.Minute)
				h.skew = skew
				if end == "answer lost" {
					cloud.Fault(awstest.Match{Action: "RebootDBInstance"}, awstest.DropAfter())
				} else {
					h.killAction, h.killAfter = "RebootDBInstance", end == "killed after it"
					if _, err, killed := h.apply(); !killed {
						t.Fatalf("ended by itself: %v", err)
					}
					h.killAction = ""
				}
				h.done()
				for _, i := range cloud.Instances() {
					if want := map[string]int{"orders-2": 2, "orders-3": 1}[i.ID]; i.Reboots != want {
						t.Errorf("%s was rebooted %d times, want %d", i.ID, i.Reboots, want)
					}
				}
			})
		}
	}
}

// Whoever lost the lock to --take-lock, as it slept maybe, sees it before the
// next change. It used to go on, beside the one that took it.
func TestLostLockIsNoticed(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(cloud)
	asleep, other := newHost(t, cloud, s.file), newHost(t, cloud, s.file)
	other.takeLock = true
	other.people, other.database = asleep.people, asleep.database
	held := 0
	asleep.onSleep = func() {
		if asleep.onSleep = nil; held > 0 {
			return
		}
		// The other one is ended in the middle, and keeps the lock.
		other.killAction = "CreateRole"
		if _, err, killed := other.apply(); !killed {
			t.Errorf("ended by itself: %v", err)
		}
		held = len(cloud.Mutations())
	}
	asleep.fails(ExitLocked, "another bootstrap holds the lock: host1 has taken it at 2")
	for _, call := range cloud.Mutations()[held:] {
		t.Errorf("after the lock was taken, the old holder made %s", call.Action)
	}
	other.killAction = ""
	other.done()
	other.right(s)
}

// A lock that somebody has deleted by hand is nobody's.
func TestDeletedLockIsNoticed(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(cloud)
	h := newHost(t, cloud, s.file)
	h.onSleep = func() {
		h.onSleep = nil
		l := lock{sm: h.options().AWS.secrets, world: &world{}}
		if err := l.remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	h.fails(ExitLocked, "somebody has removed it")
	h.done()
	h.right(s)
}

// A directory that failed and was deleted by hand is made anew by the next run,
// which used to ask for the state file to be removed.
func TestDeletedDirectoryIsMadeAnew(t *testing.T) {
	t.Parallel()
	cloud := newCloud(t, awstest.Options{})
	s := scenarios()[0]
	s.seed(cloud)
	cloud.Fault(awstest.Match{Action: "CreateMicrosoftAD", Nth: 1}, awstest.Fails("no capacity"))
	h := newHost(t, cloud, s.file)
	h.fails(ExitFailed, "could not be made: no capacity", "aws ds delete-directory")
	failed := cloud.Directories()[0].ID
	h.fails(ExitFailed, failed) // it is still there
	cloud.SetStage(failed, "Deleting", "")
	h.fails(ExitFailed, "is being deleted")
	cloud.SetStage(failed, "Deleted", "")
	rep, err := Plan(t.Context(), h.options())
	if err != nil || !strings.Contains(rep.Steps[0].Is, failed+", which kerbagent made, is gone") || len(rep.Steps[0].Missing) != 1 {
		t.Errorf("planned %+v, %v", rep.Steps, err)
	}
	h.done()
	var stages []string
	for _, d := range cloud.Directories() {
		stages = append(stages, d.Stage)
	}
	if slices.Sort(stages); !slices.Equal(stages, []string{"Active", "Deleted"}) {
		t.Errorf("directories: %v", stages)
	}
}

// A directory or cluster whose tags show later than it does is ours all the same:
// where the answer to its making was lost, it used to be called somebody's.
func TestTagsThatLag(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"CreateMicrosoftAD", "CreateDBCluster"} {
		cloud := newCloud(t, awstest.Options{TagLag: 2 * time.Minute})
		s := scenarios()[1]
		cloud.Fault(awstest.Match{Action: action, Nth: 1}, awstest.DropAfter())
		h := newHost(t, cloud, s.file)
		h.done()
		h.right(s)
	}
}
