package bootstrap

import (
	"context"
	"fmt"
	"net/netip"
	"strings"

	"github.com/kerbagent/kerbagent/internal/bootstrap/aduser"
)

// OpenDirectory is OpenAccounts for a real directory: LDAP sealed by Kerberos,
// and kpasswd. Users are made in OU=Users of the directory's own OU: everywhere
// else the Admin of an AWS Managed Microsoft AD has no right to.
func OpenDirectory(ctx context.Context, at AccountsAt) (Accounts, error) {
	d, err := aduser.Open(ctx, aduser.Options{Realm: at.Realm, Controllers: at.Controllers, Admin: at.Admin, Password: at.Password.Reveal(),
		OU: "OU=Users,OU=" + at.ShortName + ",DC=" + strings.ReplaceAll(strings.ToLower(at.Realm), ".", ",DC=")})
	if err != nil {
		return nil, err
	}
	return directoryAccounts{d}, nil
}

// LoginToDirectory is Login for a real directory, without a record of attempts.
func LoginToDirectory(ctx context.Context, as LoginAs) error {
	return aduser.Login(ctx, aduser.Options{Realm: as.Realm, Controllers: as.Controllers, Admin: as.User, Password: as.Password.Reveal()})
}

type directoryAccounts struct{ d *aduser.Directory }

func (a directoryAccounts) Find(_ context.Context, name string) (Account, bool, error) {
	u, err := a.d.Find(name)
	if err != nil || u == nil {
		return Account{}, false, err
	}
	return Account{Name: u.Name, Disabled: u.Disabled, HasPassword: u.HasPassword, Expires: u.Expires, NeverExpires: u.NeverExpires}, true, nil
}

func (a directoryAccounts) Create(_ context.Context, name string) error {
	_, err := a.d.Create(name)
	return err
}

func (a directoryAccounts) SetPassword(ctx context.Context, name string, password Secret) error {
	err := a.d.SetPassword(ctx, name, password.Reveal())
	if aduser.Unconfirmed(err) {
		return fmt.Errorf("%w: %w", ErrUnconfirmed, err)
	}
	return err
}

func (a directoryAccounts) Enable(_ context.Context, name string, neverExpires bool) error {
	u, err := a.user(name)
	if err != nil {
		return err
	}
	return a.d.Enable(u, neverExpires)
}

func (a directoryAccounts) user(name string) (*aduser.User, error) {
	u, err := a.d.Find(name)
	if err == nil && u == nil {
		err = fmt.Errorf("the user %s is gone", name)
	}
	return u, err
}

func (a directoryAccounts) At() netip.Addr { return a.d.At() }

func (a directoryAccounts) Close() error {
	a.d.Close()
	return nil
}
