package plan

import (
	"slices"
	"testing"
	"time"

	"github.com/kerbagent/kerbagent/config"
)

func TestLoginBeats(t *testing.T) {
	login := func(user, db string, kind config.SecretKind, every time.Duration) config.Login {
		return config.Login{User: user, Realm: "R", Database: db, SecretKind: kind, Interval: every}
	}
	for _, c := range []struct {
		name   string
		logins []config.Login
		want   []time.Duration
		notes  int
	}{
		{"the default", []config.Login{login("a", "x", config.PasswordFile, 5*time.Minute)}, []time.Duration{5 * time.Minute}, 0},
		{"one that is too often", []config.Login{login("a", "x", config.PasswordFile, time.Minute)}, []time.Duration{190 * time.Second}, 1},
		{"three of one account, each of them well", []config.Login{login("a", "x", config.PasswordFile, 5*time.Minute), login("a", "y", config.PasswordFile, 5*time.Minute), login("a", "z", config.Keytab, 10*time.Minute)},
			[]time.Duration{474 * time.Second, 474 * time.Second, 948 * time.Second}, 3},
		{"of two accounts", []config.Login{login("a", "x", config.PasswordFile, 4*time.Minute), login("b", "x", config.PasswordFile, 4*time.Minute)}, []time.Duration{4 * time.Minute, 4 * time.Minute}, 0},
		{"a ticket is no attempt", []config.Login{login("a", "x", config.CCache, 10*time.Second)}, []time.Duration{10 * time.Second}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, notes := loginBeats(c.logins, 20)
			if !slices.Equal(got, c.want) || len(notes) != c.notes {
				t.Errorf("%v, notes %q; want %v", got, notes, c.want)
			}
			hourly := map[string]int{}
			for i, l := range c.logins {
				if l.SecretKind != config.CCache { // at any moment of the hour
					hourly[l.User] += int((time.Hour - 1) / got[i])
				}
			}
			for user, n := range hourly {
				if n > 19 {
					t.Errorf("%s logs in %d times within an hour, beside the one at its end", user, n)
				}
			}
		})
	}
}
