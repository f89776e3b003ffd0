package bootstrap

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/probe"
)

// Options are what a bootstrap works on and with. All fields are needed unless
// their comment says otherwise.
type Options struct {
	Config   *config.Bootstrap
	AWS      Clients
	StateDir string // where the state file is kept: a folder that its owner alone may write to, and nobody else's
	// FormerStateDir is where earlier versions kept it: the daemon's folder. A state
	// file there that is ours is taken over, once. Empty: there is none.
	FormerStateDir string
	Host           string        // this host's name, for who meets the lock
	TakeLock       bool          // take the lock from whoever holds it
	WaitLock       time.Duration // how long a lock that somebody holds is waited for

	Now      func() time.Time
	Sleep    func(context.Context, time.Duration) error // ends early with ctx's error
	Progress func(Event)                                // hears what is done and waited for, in turn; nil for nobody

	Accounts OpenAccounts // nil where no users are configured
	Login    Login        // of a rotation
	SQL      OpenSQL      // nil where no database users are configured
	Krb5Conf Krb5Conf
	Verify   Verifier

	Service      Service // the daemon of this host; nil: it is left alone
	ServiceFiles ServiceFiles
}

// Krb5Conf says whether the krb5.conf at path is what cfg needs, and how it
// becomes so.
type Krb5Conf func(cfg *config.Config, path string) (stale bool, apply func() error, err error)

// Verifier runs the check that ends a bootstrap: every login of cfg once. It
// returns what was seen, and what that means. prompted returns the passwords of
// logins whose kind is config.Prompt.
type Verifier func(ctx context.Context, cfg *config.Config, prompted func(config.Login) ([]byte, error)) ([]probe.Result,
	diagnose.Report, error)

// LoginAs is one login to the directory.
type LoginAs struct {
	User, Realm string
	Controllers []netip.Addr // of the directory; one of them is asked
	Password    Secret
}

// Login tries a password, once; it keeps the record of attempts.
type Login func(context.Context, LoginAs) error

// SQL is a database, talked to as its primary user.
type SQL interface {
	// Missing returns the statements that a user lacks, in order; none: it is as
	// configured. A user who has a password and is not to be converted is an error.
	Missing(ctx context.Context, want config.BootstrapDatabaseUser) ([]string, error)
	// Run runs one of them.
	Run(ctx context.Context, statement string) error
	// PluginActive reports whether this instance has loaded authentication_kerberos.
	PluginActive(ctx context.Context) (bool, error)
	Close() error
}

// Server is a database server and its primary user.
type Server struct {
	Host     string
	Port     uint16
	User     string
	Password Secret
	CAFile   string // empty: the system's
}

// OpenSQL connects over TLS that is verified. It logs in once.
type OpenSQL func(context.Context, Server) (SQL, error)

// ErrUnconfirmed is a password that a directory neither says to have set nor refuses:
// so answers Windows Server 2025 where it has.
var ErrUnconfirmed = errors.New("the directory did not report whether it set the password")

// Accounts are the users of a directory, seen and made as its Admin.
type Accounts interface {
	// Find looks for a user by name, whatever its case; false: there is none.
	Find(ctx context.Context, name string) (Account, bool, error)
	// Create makes a user, disabled and without a password, in the OU where the
	// Admin may. One that is there already is an error.
	Create(ctx context.Context, name string) error
	// SetPassword sets a user's password. An error that wraps ErrUnconfirmed says
	// that only a login with it tells whether it was set.
	SetPassword(ctx context.Context, name string, password Secret) error
	// Enable lets a user log in, with a password that ends by the domain's policy
	// or never does.
	Enable(ctx context.Context, name string, neverExpires bool) error
	// At is the domain controller that all of this is asked of.
	At() netip.Addr
	Close() error
}

// Account is a user as the directory has it.
type Account struct {
	Name        string // exactly as the directory writes it
	Disabled    bool
	HasPassword bool // one was set since it was made
	// Expires is when its password ends. Zero: never, or it is not known.
	Expires      time.Time
	NeverExpires bool // by its own setting
}

// AccountsAt holds the directory to connect to and the account to bind with.
type AccountsAt struct {
	Realm       string
	ShortName   string       // the OU of that name is the Admin's
	Controllers []netip.Addr // tried in turn
	Admin       string
	Password    Secret
}

// OpenAccounts connects to a directory. A password that is refused is not tried
// again: the Admin can be locked out too.
type OpenAccounts func(context.Context, AccountsAt) (Accounts, error)

// Service is the daemon of this host, as what supervises it has it.
type Service interface {
	// Since returns when it was started; false: it does not run.
	Since(ctx context.Context) (time.Time, bool, error)
	// Restart has it read its unit again, start, and start with this host from now on.
	Restart(ctx context.Context) error
}

// ServiceFiles are where the daemon's unit gets its passwords from.
type ServiceFiles struct {
	Credentials string // folder of root's: a file a user, 0600
	DropIn      string // of the unit: it hands them over as credentials
}
