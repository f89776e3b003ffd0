package login

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
	"github.com/kerbagent/kerbagent/probe"
)

// What is taken of a cluster. Aurora has at most 16 instances; a row that was not
// updated for 300 seconds is of an instance that is gone, as AWS's drivers have it.
const (
	mostInstances = 30
	goneAfter     = 300 * time.Second
)

// whoQuery asks whom the server has let in, and for its time: a clock that is neither
// this host's nor a KDC's. UNIX_TIMESTAMP knows no time zones.
const whoQuery = "SELECT CURRENT_USER(), UNIX_TIMESTAMP()"

// instancesQuery asks the same, and for each instance's identifier, whether it is the writer, the age
// of the row by the server's clock, and the lag; and who answers (Aurora MySQL
// reference, information_schema.replica_host_status). It is one statement, since two would take a
// round trip more; of an empty table it returns one row.
const instancesQuery = whoQuery + ", SERVER_ID, SESSION_ID, TIMESTAMPDIFF(SECOND, LAST_UPDATE_TIMESTAMP, NOW()), REPLICA_LAG_IN_MILLISECONDS, " +
	"@@aurora_server_id, @@aurora_version FROM (SELECT 1) AS one LEFT JOIN information_schema.replica_host_status ON TRUE " +
	"ORDER BY SESSION_ID = 'MASTER_SESSION_ID' DESC, SERVER_ID LIMIT 31"

// What a server that is not Aurora says (MySQL error message reference,
// ER_UNKNOWN_SYSTEM_VARIABLE and ER_UNKNOWN_TABLE; MariaDB has the same numbers).
const (
	errUnknownVariable = 1193
	errUnknownTable    = 1109
)

// writerSession is the SESSION_ID of the writer.
const writerSession = "MASTER_SESSION_ID"

// askWho asks whom the server has let in, and where somebody wants to know it, for the
// instances of its cluster. A server that refuses to name these still says the rest.
func (a *attempt) askWho(ctx context.Context, conn *mysql.Conn) (*probe.Topology, error) {
	if a.p.OnInstances == nil {
		rows, err := conn.Rows(ctx, whoQuery, 1)
		return nil, a.letIn(rows, err)
	}
	rows, err := conn.Rows(ctx, instancesQuery, 1000)
	var said *mysql.ServerError
	if !errors.As(err, &said) {
		t := a.p.topology(rows)
		return &t, a.letIn(rows, err)
	}
	rows, err = conn.Rows(ctx, whoQuery, 1)
	return &probe.Topology{Err: said, NotAurora: said.Number == errUnknownVariable || said.Number == errUnknownTable}, a.letIn(rows, err)
}

// letIn records what the first row of whoQuery says.
func (a *attempt) letIn(rows [][]mysql.Value, err error) error {
	switch {
	case err != nil:
		return err
	case len(rows) == 0 || len(rows[0]) < 2 || rows[0][0].Null:
		return mysql.ErrNoValue
	}
	a.rec.Fact(probe.FactCurrentUser, rows[0][0].Text)
	if s, err := strconv.ParseInt(rows[0][1].Text, 10, 64); err == nil && s > 0 && s < math.MaxUint32 {
		now := time.Now
		if a.p.Now != nil {
			now = a.p.Now
		}
		a.rec.Sample(probe.SampleSkew, float64(s-now().Unix()))
	}
	return nil
}

// ofCluster records what the server said of itself and its cluster, and hands it on.
func (a *attempt) ofCluster(t probe.Topology) {
	a.rec.Fact(probe.FactServer, t.Server)
	a.rec.Fact(probe.FactAurora, t.Version)
	for _, i := range t.Instances {
		if i.ID == t.Server && !i.Writer && i.Lags && (a.p.Instance == "" || a.p.Instance == i.ID) {
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
		if len(row) != 8 {
			return probe.Topology{Err: fmt.Errorf("%d columns, not 8", len(row))}
		}
		// LAST_UPDATE_TIMESTAMP and NOW() may be in two time zones: the youngest row is of now.
		if age := ageOf(row[4]); i == 0 || age < youngest {
			youngest = age
		}
	}
	for _, row := range rows {
		i := probe.Instance{ID: strings.ToLower(row[2].Text), Writer: row[3].Text == writerSession}
		if ms, err := strconv.ParseFloat(row[5].Text, 64); err == nil && ms >= 0 && ms < 1e12 {
			i.Lag, i.Lags = time.Duration(ms*float64(time.Millisecond)), true
		}
		switch {
		case row[2].Null: // the table is empty
		case !i.Writer && ageOf(row[4])-youngest > goneAfter:
		case !p.IsInstance(i.ID) || len(t.Instances) == mostInstances:
			t.LeftOut++
		default:
			t.Instances = append(t.Instances, i)
		}
	}
	if len(rows) > 0 {
		if server := strings.ToLower(rows[0][6].Text); p.IsInstance(server) {
			t.Server = server
		}
		if version := rows[0][7].Text; len(version) <= 32 && strings.Trim(version, "0123456789abcdefghijklmnopqrstuvwxyz.-_") == "" {
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
