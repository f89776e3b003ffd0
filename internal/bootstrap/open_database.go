package bootstrap

import (
	"context"
	"crypto/tls"
	"errors"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/bootstrap/dbuser"
)

// OpenDatabase is OpenSQL for a real server.
func OpenDatabase(ctx context.Context, s Server) (SQL, error) {
	c := &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}
	if s.CAFile != "" {
		var err error
		if c.RootCAs, err = (config.TLS{CAFile: s.CAFile}).Roots(); errors.Is(err, config.ErrNoCertificate) {
			return nil, advise("take AWS's bundle for the Region; of most: https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem",
				"%s has no certificate in it", s.CAFile)
		} else if err != nil {
			return nil, err
		}
	}
	db, err := dbuser.Open(ctx, dbuser.Options{Host: s.Host, Port: s.Port, User: s.User, Password: s.Password.Reveal(), TLS: c,
		Timeout: 15 * time.Second})
	if err != nil {
		return nil, err
	}
	return server{db}, nil
}

type server struct{ *dbuser.DB }

// Missing puts our words into dbuser's.
func (s server) Missing(ctx context.Context, u config.BootstrapDatabaseUser) ([]string, error) {
	out, err := s.DB.Missing(ctx, dbuser.User{Name: u.User, Host: u.Host, Realm: u.Realm, Grants: u.Grants, Convert: u.Convert,
		Revoke: u.Revoke})
	if errors.Is(err, dbuser.ErrPassword) || errors.Is(err, dbuser.ErrPrimary) {
		return nil, advise("correct database_users", "%s: %s", u.User, err)
	}
	return out, err
}
