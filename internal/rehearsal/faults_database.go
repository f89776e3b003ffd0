package rehearsal

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/kerbagent/kerbagent/config"
	"github.com/kerbagent/kerbagent/internal/diagnose"
	"github.com/kerbagent/kerbagent/internal/ledger"
	"github.com/kerbagent/kerbagent/krb5/krb5test"
	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/mysql/mysqltest"
)

// databaseFaults are those of the database. Alice's is the one login left;
// DNS, KDCs and her account are well.
func databaseFaults() []Fault {
	return []Fault{{
		Code:    "db-silent",
		Summary: "all packets to the database are lost: TCP does not connect",
		play: func(w *World) error {
			w.path.Add(Rule{To: one(w.database.Addr().Addr()), Effect: Drop})
			return w.only(alice)
		},
	},
		databaseFault("db-path-mtu", mysqltest.Faults{StallAt: mysqltest.AtTLS}, "the database's greeting arrives, but its part of the TLS handshake does not, as if full-size packets were lost"),
		databaseFault("db-connection-cut", mysqltest.Faults{CutAt: mysqltest.AtToken}, "the database resets the connection when it receives alice's ticket, like a server that is shutting down"),
		databaseFault("db-refused", mysqltest.Faults{Refuse: true}, "nothing listens on the database's port: connections are refused"),
		databaseFault("db-not-mysql", mysqltest.Faults{Banner: "SSH-2.0-OpenSSH_9.2p1\r\n"}, "an SSH server listens on the database's port: no MySQL greeting"),
		databaseFault("db-too-old", mysqltest.Faults{Old: true}, "the database greets like MySQL 5.1, which has no pluggable authentication"),
		databaseFault("db-host-blocked", mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1129,
			Message: "Host '10.0.9.100' is blocked because of many connection errors; unblock with 'mysqladmin flush-hosts'"}}, "the database greets with ERROR 1129"),
		databaseFault("db-host-denied", mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1130,
			Message: "Host '10.0.9.100' is not allowed to connect to this MySQL server"}}, "the database greets with ERROR 1130"),
		databaseFault("db-too-many-connections", mysqltest.Faults{Greeting: &mysql.ServerError{Number: 1040, State: "08004",
			Message: "Too many connections"}}, "the database greets with ERROR 1040"),
		databaseFault("db-tls-untrusted", mysqltest.Faults{Certificate: mysqltest.OtherCA}, "the database's certificate is signed by a CA that is not in the bundle: verification fails"),
		databaseFault("db-certificate-expiring", mysqltest.Faults{Certificate: mysqltest.SoonExpire}, "the database's certificate ends in ten days; the login works"),
		databaseFault("db-tls-required", mysqltest.Faults{NoTLS: true}, "the configuration requires TLS, and the database does not offer it: the login ends after the greeting"),
		readerFault("db-plugin-missing", mysqltest.Faults{PluginMissing: true}, "the reader orders-3 answers a login with ERROR 1524, like a reader that was not rebooted; logins by the cluster's name work"),
		readerFault("reader-unlike-writer", mysqltest.Faults{Plugin: mysqltest.CachingSHA2}, "the reader orders-3 asks alice for caching_sha2_password instead of a ticket, like an instance without her account; logins by the cluster's name work"),
		databaseFault("endpoint-members", mysqltest.Faults{CallsItself: "copy-1"}, "the cluster's name leads to an instance that calls itself copy-1, which the cluster does not list"),
		databaseFault("db-topology-hidden", mysqltest.Faults{HideTopology: true}, "alice may log in, but may not read the list of the cluster's instances"),
		{
			Code:    "failover",
			Summary: "between the logins of alice and etl, the cluster fails over from orders-1 to orders-2",
			play: func(w *World) error {
				w.cluster.Then(clusterRows(readerName(0))...)
				return nil
			},
		},
		databaseFault("db-account-unknown", mysqltest.Faults{Plugin: mysqltest.CachingSHA2}, "the database asks alice for caching_sha2_password instead of a ticket, as it does for unknown users"),
		databaseFault("db-realm-mismatch", mysqltest.Faults{Realm: "CORP.EXAMPLE.ORG"}, "the database announces that alice's account is for realm CORP.EXAMPLE.ORG, as after a mistyped CREATE USER … BY"),
		databaseFault("db-spn-unexpected", mysqltest.Faults{SPN: "ldap/dc1.corp.example.com@" + corpRealm}, "the database announces ldap/dc1.corp.example.com as its service: kerbagent requests no ticket for it"),
		{
			Code:    "db-ticket-rejected",
			Summary: "the directory has a new key for the database, and the database's keytab the old one: the database answers ERROR 1045 before it proves its identity",
			play: func(w *World) error {
				if err := w.corp.SetPassword(databaseSPN, "rotated"); err != nil {
					return err
				}
				return w.only(alice)
			},
		},
		databaseFault("db-access-denied", mysqltest.Faults{DenyAfterProof: mysqltest.Denied("alice")}, "the database accepts alice's ticket (AP-REP), then answers ERROR 1045"),
		databaseFault("db-account-locked", mysqltest.Faults{DenyAfterProof: &mysql.ServerError{Number: 3118, State: "HY000",
			Message: "Access denied for user 'alice'@'%'. Account is locked."}}, "the database accepts alice's ticket (AP-REP), then answers ERROR 3118"),
		{
			Code:    "db-auth-timeout",
			Summary: "the KDCs take 900 ms for a service ticket, but the database waits only 400 ms for it and then closes the connection",
			play: func(w *World) error {
				for _, c := range []*controller{w.dc1, w.dc2} {
					c.kdc.Set(krb5test.Script{AnswerDelay: map[krb5test.Kind]time.Duration{krb5test.KindTGS: 900 * time.Millisecond}})
				}
				return w.databaseScript(mysqltest.Faults{ConnectTimeout: 400 * time.Millisecond})
			},
		},
		databaseFault("db-server-unproven", mysqltest.Faults{NoProof: true}, "the database answers OK to alice's ticket without the proof of its own identity (AP-REP) that kerbagent asked for"),
		{
			Code:    "db-probing-paused",
			Summary: "the state directory records so many unfinished connections that kerbagent no longer connects to the database; there is no login that could reset the counter",
			before:  true,
			play:    pauseProbing,
		},
		{
			Code:    "login-paused",
			Summary: "the state directory records that alice's last two attempts got no answer: kerbagent does not try her login; everything else works",
			before:  true,
			play:    pauseLogin,
		},
	}
}

func databaseFault(code diagnose.Code, f mysqltest.Faults, summary string) Fault {
	return Fault{Code: code, Summary: summary, play: func(w *World) error { return w.databaseScript(f) }}
}

// readerFault is one of the last reader.
func readerFault(code diagnose.Code, f mysqltest.Faults, summary string) Fault {
	return Fault{Code: code, Summary: summary, play: func(w *World) error {
		return errors.Join(w.readers[len(w.readers)-1].SetFaults(f), w.only(alice))
	}}
}

// databaseScript changes what the database does, and leaves alice the only login.
func (w *World) databaseScript(f mysqltest.Faults) error {
	return errors.Join(w.database.SetFaults(f), w.only(alice))
}

// pauseProbing leaves as many handshakes unfinished as end all but logins.
func pauseProbing(w *World) error {
	w.settings.logins = nil
	l, err := ledger.Open(w.StateDir(), ledger.Options{})
	if err != nil {
		return err
	}
	db := l.Database(w.endpoint(), config.DefaultMaxConnectErrors).At(w.database.Addr().String())
	for range config.DefaultMaxConnectErrors {
		h, err := db.Begin()
		if paused := (*ledger.PausedError)(nil); errors.As(err, &paused) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := h.End(false, false); err != nil {
			return err
		}
	}
	return fmt.Errorf("%d unfinished handshakes pause nothing", config.DefaultMaxConnectErrors)
}

// pauseLogin records two attempts with alice's password that nobody answered.
func pauseLogin(w *World) error {
	l, err := ledger.Open(w.StateDir(), ledger.Options{})
	if err != nil {
		return err
	}
	for range 2 {
		attempt, err := l.Account(alice).Begin([]byte(alicePassword))
		if err != nil {
			return err
		}
		if err := attempt.Unanswered(); err != nil {
			return err
		}
	}
	return w.only(alice)
}

// endpoint is the database as the configuration names it.
func (w *World) endpoint() string {
	return net.JoinHostPort(databaseHost, strconv.Itoa(int(w.database.Addr().Port())))
}
