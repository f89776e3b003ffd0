package login

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/probe"
)

// StageInstances is the question for the cluster's instances.
const StageInstances = "instances"

// What is taken of a cluster. Aurora has at most 16 instances; a row that was not
// updated for 300 seconds is of an instance that is gone, as AWS's drivers have it.
const (
	mostInstances = 30
	goneAfter     = 300 * time.Second
)

// instancesQuery asks for each instance's identifier, whether it is the writer, the age
// of the row by the server's clock, and the lag; and who answers (Aurora MySQL
// reference, information_schema.replica_host_status).
const instancesQuery = "SELECT SERVER_ID, SESSION_ID, TIMESTAMPDIFF(SECOND, LAST_UPDATE_TIMESTAMP, NOW()), REPLICA_LAG_IN_MILLISECONDS, " +
	"@@aurora_server_id, @@aurora_version FROM information_schema.replica_host_status " +
	"ORDER BY SESSION_ID = 'MASTER_SESSION_ID' DESC, SERVER_ID LIMIT 31"

// What a server that is not Aurora says (MySQL error message reference,
// ER_UNKNOWN_SYSTEM_VARIABLE and ER_UNKNOWN_TABLE; MariaDB has the same numbers).
const (
	errUnknownVariable = 1193
	errUnknownTable    = 1109
)

// writerSession is the SESSION_ID of the writer.
const writerSession = "MASTER_SESSION_ID"

// askInstances asks for the cluster's instances on a connection that is logged in.
// How that ends is no part of the login.
func (a *attempt) askInstances(ctx context.Context, conn *mysql.Conn) {
	var rows [][]mysql.Value
	err := a.rec.Stage(StageInstances, func() (err error) {
		rows, err = conn.Rows(ctx, instancesQuery, 1000)
		return err
	})
	var said *mysql.ServerError
	if err != nil && !errors.As(err, &said) {
		return // the connection is lost: that says nothing of the cluster
	}
	t := probe.Topology{Err: err, NotAurora: said != nil && (said.Number == errUnknownVariable || said.Number == errUnknownTable)}
	if err == nil {
		t = a.p.topology(rows)
	}
	a.rec.Fact(probe.FactServer, t.Server)
	a.rec.Fact(probe.FactAurora, t.Version)
	for _, i := range t.Instances {
		if i.ID == t.Server {
			a.rec.Sample(probe.SampleReplicaLag, i.Lag.Seconds())
		}
	}
	a.p.OnInstances(t)
}

// topology reads the rows of instancesQuery.
func (p Probe) topology(rows [][]mysql.Value) probe.Topology {
	var t probe.Topology
	youngest := time.Duration(0)
	for i, row := range rows {
		if len(row) != 6 {
			return probe.Topology{Err: fmt.Errorf("%d columns, not 6", len(row))}
		}
		// LAST_UPDATE_TIMESTAMP and NOW() may be in two time zones: the youngest row is of now.
		if age := ageOf(row[2]); i == 0 || age < youngest {
			youngest = age
		}
	}
	for _, row := range rows {
		i := probe.Instance{ID: strings.ToLower(row[0].Text), Writer: row[1].Text == writerSession}
		if ms, err := strconv.ParseFloat(row[3].Text, 64); err == nil && ms >= 0 && ms < 1e12 {
			i.Lag = time.Duration(ms * float64(time.Millisecond))
		}
		switch {
		case !i.Writer && ageOf(row[2])-youngest > goneAfter:
		case !p.IsInstance(i.ID) || len(t.Instances) == mostInstances:
			t.LeftOut++
		default:
			t.Instances = append(t.Instances, i)
		}
	}
	if len(rows) > 0 {
		if server := strings.ToLower(rows[0][4].Text); p.IsInstance(server) {
			t.Server = server
		}
		if version := rows[0][5].Text; len(version) <= 32 && strings.Trim(version, "0123456789abcdefghijklmnopqrstuvwxyz.-_") == "" {
			t.Version = version
		}
	}
	return t
}

func ageOf(v mysql.Value) time.Duration {
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || n > 1e9 || n < -1e9 {
		return 0
	}
	return time.Duration(n) * time.Second
}
