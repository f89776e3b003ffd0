package bootstrap

import (
	"context"
	"fmt"
	"strings"

	"github.com/kerbagent/kerbagent/config"
)

func (s *clientStep) name() string { return "client" }

func (s *clientStep) look(ctx context.Context) (view, error) {
	c := s.Config.Client
	v := view{is: c.Config + " and " + c.Krb5Conf}
	check := change{what: "check that the path to the database is good"}
	if users := s.checked(); len(users) > 0 {
		check.what = "log in as " + strings.Join(users, ", ") + ", and check every step of that"
	}
	if s.cluster.host == "" {
		v.do = []change{{what: "write " + c.Config}, {what: "write " + c.Krb5Conf}, check}
		return v, nil
	}
	text, needed, err := s.configText()
	if err != nil {
		return v, err
	}
	if needed {
		v.do = append(v.do, change{what: "write " + c.Config, act: func(context.Context) error { return writeConfig(c.Config, text) }})
	}
	cfg, err := config.Parse(c.Config, text)
	if err != nil {
		return v, fmt.Errorf("what would be written to %s: %w", c.Config, err)
	}
	stale, apply, err := s.Krb5Conf(cfg, c.Krb5Conf)
	if err != nil {
		return v, fmt.Errorf("planning %s: %w", c.Krb5Conf, err)
	}
	if stale {
		v.do = append(v.do, change{what: "write " + c.Krb5Conf, act: func(context.Context) error { return apply() }})
	}
	if s.asked && s.verified == "" && len(v.do) == 0 {
		v.wait, err = s.verify(ctx, cfg)
	}
	if s.verified != "" {
		v.is = s.verified
		return v, nil
	}
	check.act = func(context.Context) error { s.asked = true; return nil } // by the next look, which may have to wait
	v.do = append(v.do, check)
	return v, err
}

func (s *clientStep) needs() []permission { return nil }
