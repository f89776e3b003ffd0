// Package dbuser makes the users of an Aurora MySQL cluster who log in with
// Kerberos: it says which statements are missing, and runs them. It knows no AWS
// and no Kerberos.
package dbuser

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/kerbagent/kerbagent/config"
)

// plugin is the server's side of Kerberos in Aurora MySQL.
const plugin = "authentication_kerberos"

// Options say where, and as whom.
type Options struct {
	Host     string
	Port     uint16
	User     string // the cluster's primary user
	Password []byte
	TLS      *tls.Config // that verifies; never nil
	Timeout  time.Duration
}

// User is who may log in, and to what.
type User struct {
	Name    string // case as the directory has it
	Host    string // "%", an address, a pattern
	Realm   string
	Grants  []config.Grant
	Revoke  bool // take away what is not in Grants
	Convert bool // make a Kerberos account of one that has a password
}

// DB is a session of the primary user's.
type DB struct {
	db      *sql.DB
	primary string
}

// Open logs in once; a password that is refused is not tried again.
func Open(ctx context.Context, o Options) (*DB, error) {
	if o.TLS == nil {
		return nil, errors.New("connecting as the primary user: without TLS its password could be read on the way")
	}
	c := mysql.NewConfig()
	c.Net, c.Addr = "tcp", net.JoinHostPort(o.Host, strconv.Itoa(int(o.Port)))
	c.User, c.Passwd, c.TLS = o.User, string(o.Password), o.TLS
	c.Timeout, c.ReadTimeout, c.WriteTimeout = o.Timeout, o.Timeout, o.Timeout
	c.AllowNativePasswords, c.AllowFallbackToPlaintext = true, false
	c.Logger = log.New(io.Discard, "", 0)
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return nil, fmt.Errorf("connecting as %s: %w", o.User, err)
	}
	d := &DB{db: sql.OpenDB(connector), primary: o.User}
	d.db.SetMaxOpenConns(1)
	if err := d.db.PingContext(ctx); err != nil {
		_ = d.db.Close()
		return nil, err
	}
	return d, nil
}

// Close ends the session.
func (d *DB) Close() error { return d.db.Close() }

// PluginActive reports whether this instance has loaded the Kerberos plugin.
func (d *DB) PluginActive(ctx context.Context) (bool, error) {
	var status string
	err := d.db.QueryRowContext(ctx, "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME = ?", plugin).Scan(&status)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil && status == "ACTIVE", err
}

// Run runs one of Missing's statements.
func (d *DB) Run(ctx context.Context, statement string) error {
	_, err := d.db.ExecContext(ctx, statement)
	return err
}

var (
	// ErrPrimary is the refusal to change the primary user, who is the only way back.
	ErrPrimary = errors.New("it is the cluster's primary user, which is never changed")
	// ErrPassword is an account that has a password and is not to be converted.
	ErrPassword = errors.New("it logs in with a password; with convert: true it is made a Kerberos account, and the applications that use " +
		"the password are cut off")
)

// Missing returns the statements that a user lacks, in order; none where it is as
// it should be.
func (d *DB) Missing(ctx context.Context, want User) ([]string, error) {
	if want.Name == d.primary { // names of MySQL have case: Admin is another one
		return nil, ErrPrimary
	}
	account, err := accountOf(want)
	if err != nil {
		return nil, err
	}
	realm, err := text(want.Realm)
	if err != nil {
		return nil, fmt.Errorf("realm: %w", err)
	}
	identified := account + " IDENTIFIED WITH '" + plugin + "' BY " + realm
	var has, of string
	err = d.db.QueryRowContext(ctx, "SELECT plugin, authentication_string FROM mysql.user WHERE User = ? AND Host = ?", want.Name,
		want.Host).Scan(&has, &of)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		out := []string{"CREATE USER " + identified}
		for _, g := range want.Grants {
			out = append(out, granting(g, account))
		}
		return out, nil
	case err != nil:
		return nil, fmt.Errorf("looking for the account: %w", err)
	}
	var out []string
	switch {
	case has == plugin && of == want.Realm:
	case has == plugin, want.Convert:
		out = append(out, "ALTER USER "+identified)
	default:
		return nil, ErrPassword
	}
	have, err := d.grants(ctx, account)
	if err != nil {
		return nil, err
	}
	for _, g := range want.Grants {
		if lacks := without(g, have); len(lacks.Privileges) > 0 {
			out = append(out, granting(lacks, account))
		}
	}
	for _, h := range have {
		if more := beyond(h, want.Grants); want.Revoke && len(more.Privileges) > 0 {
			out = append(out, revoking(more, account))
		}
	}
	return out, nil
}

// grants reads what an account may do.
func (d *DB) grants(ctx context.Context, account string) ([]config.Grant, error) {
	rows, err := d.db.QueryContext(ctx, "SHOW GRANTS FOR "+account)
	if err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	defer rows.Close()
	var out []config.Grant
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return nil, fmt.Errorf("reading grants: %w", err)
		}
		body, isGrant := strings.CutPrefix(line, "GRANT ")
		body, _, isTo := cutLast(body, " TO ")
		if !isGrant || !isTo {
			continue
		}
		if g, err := config.ReadGrant(body); err == nil { // roles and columns are no grants of ours
			out = append(out, g)
		}
	}
	return out, rows.Err()
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
