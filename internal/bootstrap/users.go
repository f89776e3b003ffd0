package bootstrap

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/awsapi"
)

// spreadBudget is how long a domain controller may not know a user yet. Those of
// one site tell each other within 15 seconds to some minutes; after this, what a
// check says is the truth.
const spreadBudget = 10 * time.Minute

// usersStep is the guide's step 4: the directory's users.
type usersStep struct {
	*world
	vault vault

	accounts Accounts // open while the step is at it
}

func (s *usersStep) name() string { return "users" }

func (s *usersStep) look(ctx context.Context) (v view, err error) {
	// A conversation that had an error may be dead: the next look begins another.
	defer func() {
		if s.accounts != nil && (err != nil || len(v.do) == 0) {
			err = errors.Join(err, s.accounts.Close())
			s.accounts = nil
		}
	}()
	v.is = "the users of " + s.Config.Directory.Name
	if s.directory.id == "" {
		for _, u := range s.Config.Users {
			v.do = append(v.do, change{what: "create the user " + u.Name})
		}
		v.notes = []string{passwordsEnd}
		return v, nil
	}
	if err := s.open(ctx); err != nil {
		return v, err
	}
	admin, ok, err := s.accounts.Find(ctx, adminName)
	if err != nil {
		return v, err
	}
	if ok {
		v.notes = append(v.notes, s.ends(admin)...)
	}
	var there []string
	for _, u := range s.Config.Users {
		a, ok, err := s.accounts.Find(ctx, u.Name)
		if err != nil {
			return v, err
		}
		if ok {
			there = append(there, a.Name)
			v.notes = append(v.notes, s.ends(a)...)
		}
		if ok && a.Name != u.Name {
			return v, advise("write it as the directory does: a database's users have case", "the user %s is called %s in the directory", u.Name,
				plain(a.Name))
		}
		if !ok {
			if v.wait = s.unheard(u); v.wait != nil {
				v.do = nil // another look goes to the other one, maybe
				return v, nil
			}
		}
		changes, err := s.changes(ctx, u, a, ok)
		if err != nil {
			return v, err
		}
		v.do = append(v.do, changes...)
	}
	if len(there) > 0 {
		v.is += ": " + plain(strings.Join(there, ", "))
	}
	return v, nil
}

// open begins a conversation with the directory as its Admin, unless there is one.
func (s *usersStep) open(ctx context.Context) error {
	if s.accounts != nil {
		return nil
	}
	admin, err := s.vault.read(ctx, s.Config.Directory.AdminPassword)
	if err != nil {
		return fmt.Errorf("the password of the directory's Admin: %w", err)
	}
	s.accounts, err = s.Accounts(ctx, AccountsAt{Realm: s.Config.Directory.Realm(), ShortName: s.directory.shortName,
		Controllers: s.controllers(), Admin: adminName, Password: admin})
	if err != nil {
		return unopened(s.world, err)
	}
	return nil
}

// passwordsEnd is what nobody expects of a service account.
const passwordsEnd = "passwords in a new AWS Managed Microsoft AD expire after 42 days, those of Admin and of applications too (the " +
	"default domain policy): set new ones in time with kerbagent bootstrap rotate, or write password_never_expires: true for a user"

// ends reports when a password ends, where the directory tells.
func (s *usersStep) ends(a Account) []string {
	if a.Expires.IsZero() || a.NeverExpires || a.Disabled {
		return nil
	}
	left := a.Expires.Sub(s.Now())
	when := fmt.Sprintf("in %d days", int(left.Hours()/24))
	if left <= 0 {
		when = "it has expired"
	}
	return []string{fmt.Sprintf("the password of %s expires on %s (%s): kerbagent bootstrap rotate %s sets a new one", plain(a.Name),
		a.Expires.Format("2006-01-02"), when, plain(a.Name))}
}

// givenPassword names in the state file when we were about to give a user its
// password; enabledUser, when it was enabled after that.
func givenPassword(principal string) string { return "password/" + principal }

func enabledUser(principal string) string { return "enabled/" + principal }

// changes are what a user lacks. One that is enabled is somebody's: it is left
// alone.
func (s *usersStep) changes(ctx context.Context, u config.BootstrapUser, a Account, there bool) ([]change, error) {
	principal := u.Name + "@" + s.Config.Directory.Realm()
	given, enabled := s.state.Done[givenPassword(principal)], s.state.Done[enabledUser(principal)]
	switch {
	case there && a.HasPassword && !a.Disabled && u.NeverExpires && !a.NeverExpires:
		return []change{{what: "set the password of " + u.Name + " to never expire",
			act: func(ctx context.Context) error { return s.accounts.Enable(ctx, u.Name, true) }}}, nil
	case there && a.HasPassword && !a.Disabled:
		return nil, nil
	case there && !a.Disabled:
		return nil, advise("have its password changed, or leave it out of bootstrap.users",
			"the user %s must change its password at the next logon: the account belongs to a person, and kerbagent does not set its password",
			u.Name)
	case there && a.HasPassword && given.After(enabled): // ended between the two
		return []change{{what: "enable " + u.Name, act: func(ctx context.Context) error { return s.enable(ctx, u) }}}, nil
	case there && a.HasPassword:
		return nil, advise("enable it, or leave it out of bootstrap.users", "the user %s is disabled, and kerbagent does not know why", u.Name)
	}
	password, store, err := s.vault.readOrStore(ctx, u.Password, u.Name, checkUserPassword)
	if err != nil {
		return nil, err
	}
	var out []change
	if store != nil {
		out = append(out, *store)
	}
	if !there {
		out = append(out, change{what: "create the user " + u.Name,
			act: func(ctx context.Context) error { return s.create(ctx, u.Name, principal) }})
	}
	return append(out, change{what: "give " + u.Name + " its password and enable it", act: func(ctx context.Context) error {
		if err := s.state.did(givenPassword(principal), s.Now()); err != nil {
			return err
		}
		err := s.accounts.SetPassword(ctx, u.Name, password)
		unsure := errors.Is(err, ErrUnconfirmed)
		if err != nil && !unsure {
			return hint(err, "if the directory's policy refuses it, store another password in "+u.Password.String()+" and run it again")
		}
		if err := s.enable(ctx, u); err != nil || !unsure {
			return err
		}
		if err := s.Login(ctx, LoginAs{User: u.Name, Realm: s.Config.Directory.Realm(), Controllers: []netip.Addr{s.accounts.At()},
			Password: password}); err != nil {
			return advise("look at the account in the directory: set its password to that of "+u.Password.String()+" there, and run it again",
				"the directory did not report whether it set the password of %s, and the login with it failed: %s", u.Name, awsapi.Text(err))
		}
		return nil
	}}), nil
}

// createdUser names in the state file when we were about to create a user, and
// on which domain controller.
func createdUser(principal string) string { return "created/" + principal }

func (s *usersStep) create(ctx context.Context, name, principal string) error {
	if err := s.state.made(createdUser(principal), s.accounts.At().String()); err != nil {
		return err
	}
	if err := s.state.did(createdUser(principal), s.Now()); err != nil {
		return err
	}
	return s.accounts.Create(ctx, name)
}

// lately returns the domain controller that a user was created on, while another
// one may not know of it.
func (s *usersStep) lately(u config.BootstrapUser) (netip.Addr, bool) {
	principal := u.Name + "@" + s.Config.Directory.Realm()
	at, err := netip.ParseAddr(s.state.Made[createdUser(principal)])
	return at, err == nil && s.Now().Sub(s.state.Done[createdUser(principal)]).Abs() < spreadBudget
}

// controllers are the directory's, those first that new users were created on.
func (s *usersStep) controllers() []netip.Addr {
	var out []netip.Addr
	for _, u := range s.Config.Users {
		if at, ok := s.lately(u); ok && slices.Contains(s.directory.addresses, at) && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	for _, at := range s.directory.addresses {
		if !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	return out
}

// unheard is the wait for a user that was created elsewhere a moment ago: made
// here too, there would be two of that name, and the directory would rename one.
func (s *usersStep) unheard(u config.BootstrapUser) *Wait {
	made, ok := s.lately(u)
	if !ok || made == s.accounts.At() {
		return nil
	}
	return &Wait{For: fmt.Sprintf("the domain controller %s to learn of %s, created on %s, which does not answer now", s.accounts.At(),
		u.Name, made),
		Usual: "15 seconds to a few minutes", Every: 15 * time.Second, Budget: spreadBudget}
}

func (s *usersStep) enable(ctx context.Context, u config.BootstrapUser) error {
	if err := s.accounts.Enable(ctx, u.Name, u.NeverExpires); err != nil {
		return err
	}
	principal := u.Name + "@" + s.Config.Directory.Realm()
	// Not before the other: a clock may have been set back.
	at := s.Now()
	if given := s.state.Done[givenPassword(principal)]; at.Before(given) {
		at = given
	}
	return s.state.did(enabledUser(principal), at)
}

// unopened reports what to look at where the directory does not let us in.
func unopened(w *world, err error) error {
	return hint(fmt.Errorf("talking to the directory at %s: %w", addresses(w.directory.addresses), err),
		"see that this host reaches it on 53, 88, 389 and 464, and that "+w.Config.Directory.AdminPassword.String()+" is the password of "+
			"its Admin; "+
			"to give Admin another one: aws ds reset-user-password --region "+w.region+" --directory-id "+w.directory.id+" --user-name Admin "+
			"--cli-input-json file://FILE, with {\"NewPassword\": \"…\"} in FILE")
}

func (s *usersStep) needs() []permission {
	out := s.vault.needs(s.Config.Directory.AdminPassword, false)
	for _, u := range s.Config.Users {
		out = append(out, s.vault.needs(u.Password, true)...)
	}
	return out
}
