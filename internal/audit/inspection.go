//go:build linux

package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/krb5/conf/reader"
)

// inspection is the look at one process: what the judgements read, and where they put what is
// wrong. A judgement is a function of it; its methods are what several of them ask.
type inspection struct {
	s        *survey
	p        *Process
	root     *root
	libs     libraries
	unit     map[string]string // properties of its systemd unit; nil where there is none
	database config.Database
	now      time.Time

	reading *reader.Reading
	byDNS   bool // KDCs of the database's realm are found by DNS
	jaas    jaas
	cache   []byte // its credential cache, where that is kept
	keytab  []byte // its keytab, where that is kept
	user    string // user@REALM of its ticket or configuration; empty where it is not known

	facts  Facts
	issues []Issue
	unread []string
}

// newInspection reads what every judgement needs. It fails where this audit
// may not look at the process at all.
func newInspection(ctx context.Context, s *survey, p *Process) (*inspection, error) {
	if err := p.readEnvironment(); err != nil {
		return nil, fmt.Errorf("its environment: %w", denied(err))
	}
	root, err := p.root()
	if err != nil {
		return nil, err
	}
	c := &inspection{s: s, p: p, root: root, now: s.o.Now()}
	if c.libs, err = p.libraries(); err != nil {
		return nil, fmt.Errorf("its libraries: %w", err)
	}
	if p.Unit != "" && p.Container == "" && s.o.Systemd != nil {
		if c.unit, err = s.o.Systemd(ctx, p.Unit); err != nil {
			c.note("the settings of %s: %v", p.Unit, err)
		}
	}
	c.user = s.configured(p).User
	c.database = s.databaseOf(p)
	return c, nil
}

// configured is what kerbagent.yaml says of the process's unit.
func (s *survey) configured(p *Process) config.Application {
	if s.o.Config == nil || p.Unit == "" {
		return config.Application{}
	}
	for _, a := range s.o.Config.Applications {
		if a.Unit == p.Unit {
			return a
		}
	}
	return config.Application{}
}

// databaseOf is the one that the configuration names for the process, or that
// it has a connection to, or the only one that is configured.
func (s *survey) databaseOf(p *Process) config.Database {
	if a := s.configured(p); a.Database != "" {
		p.database = a.Database
	}
	for _, db := range s.databases {
		if db.Name == p.database || p.database == "" && len(s.databases) == 1 {
			return db.Database
		}
	}
	return config.Database{}
}

// judge asks all that is asked, what decides first: a file that is not read
// decides realm and cache.
func (c *inspection) judge() {
	defer c.root.close()
	reader, assumed := c.reader()
	c.facts = Facts{UID: strconv.FormatUint(uint64(c.p.Who.UID), 10), Reader: string(reader), Client: string(c.libs.client), Apart: c.apart()}
	if assumed {
		c.facts.Reader += " (assumed)"
	}
	readJAAS(c)
	if c.libs.client == OurConnector {
		c.facts.Reader = "" // it reads no krb5.conf
		judgeCredentials(c, reader)
		judgeNames(c)
		return
	}
	if assumed && c.p.database != "" && !c.p.named {
		c.facts.Reader = ""
		c.note("it has a connection to %s and no Kerberos library is loaded: it logged in by other means", c.p.database)
		return
	}
	if assumed {
		c.note("no Kerberos library is loaded yet: audit assumes MIT's")
	}
	judgePlugin(c)
	judgeFile(c, reader)
	judgeStart(c, reader)
	judgeCredentials(c, reader)
	if c.reading != nil && c.reading.Err == nil {
		judgeRealm(c)
		judgeJava(c, reader)
	}
	judgeNames(c)
	weighFile(c, reader)
}

// apart lists the namespaces that are not this host's.
func (c *inspection) apart() string {
	var out []string
	for _, ns := range []string{"mnt", "net", "user", "pid"} {
		if c.p.Namespaces[ns] {
			out = append(out, ns)
		}
	}
	return strings.Join(out, " ")
}

func (c *inspection) add(i Issue) { c.issues = append(c.issues, i) }

func (c *inspection) note(format string, args ...any) {
	c.unread = append(c.unread, fmt.Sprintf(format, args...))
}

// notSeen reports whether an error is of the audit's own rights, or of what it does
// not judge: nothing follows from it about the program.
func notSeen(err error) bool { return errors.Is(err, ErrUnread) || errors.Is(err, ErrNotJudged) }

// closed reports whether the program's own user is kept out.
func closed(err error) bool { return errors.Is(err, ErrNotItsOwn) }

func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
