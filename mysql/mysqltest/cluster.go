package mysqltest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kerbagent/kerbagent/mysql"
)

// Cluster is what the instances of an Aurora cluster say of each other: the rows of
// information_schema.replica_host_status (Aurora MySQL reference, "Information_schema
// tables": SERVER_ID, SESSION_ID, LAST_UPDATE_TIMESTAMP, REPLICA_LAG_IN_MILLISECONDS).
// The zero Cluster is empty. It may be used by several goroutines.
type Cluster struct {
	mu   sync.Mutex
	rows []Instance
	then []Instance // instead of rows, once these were read; nil: they stay
}

// Instance is one row.
type Instance struct {
	Name   string        // SERVER_ID
	Writer bool          // SESSION_ID is MASTER_SESSION_ID
	Age    time.Duration // since LAST_UPDATE_TIMESTAMP
	Lag    time.Duration // REPLICA_LAG_IN_MILLISECONDS
	NoLag  bool          // that is NULL
}

// Set puts other rows in the place of those that are there.
func (c *Cluster) Set(rows ...Instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rows, c.then = rows, nil
}

// Then puts other rows in the place of those that are there once somebody has read them.
func (c *Cluster) Then(rows ...Instance) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.then = rows
}

// read returns the rows, for somebody who asks.
func (c *Cluster) read() []Instance {
	c.mu.Lock()
	defer c.mu.Unlock()
	rows := slices.Clone(c.rows)
	if c.then != nil {
		c.rows, c.then = c.then, nil
	}
	return rows
}

// replicaHostStatus is the table, as a lower-case query names it.
const replicaHostStatus = "information_schema.replica_host_status"

// auroraVersion is @@aurora_version of every instance.
const auroraVersion = "3.08.2"

// topology answers a SELECT of columns of the table and of Aurora's variables. Any
// other MySQL knows neither: ERROR 1193 and 1109 are from the MySQL error message
// reference (ER_UNKNOWN_SYSTEM_VARIABLE, ER_UNKNOWN_TABLE).
func (v *conversation) topology(sql string) error {
	c := v.cfg.Cluster
	switch {
	case c == nil && strings.Contains(sql, "@@aurora_"):
		return v.fail(&mysql.ServerError{Number: 1193, State: "HY000", Message: "Unknown system variable 'aurora_server_id'"})
	case c == nil:
		return v.fail(&mysql.ServerError{Number: 1109, State: "42S02", Message: "Unknown table 'replica_host_status' in information_schema"})
	case v.faults.HideTopology:
		return v.fail(&mysql.ServerError{Number: 1227, State: "42000", Message: "Access denied; you need (at least one of) the PROCESS privilege(s) for this operation"})
	}
	list, from, _ := strings.Cut(strings.TrimPrefix(sql, "select "), " from ")
	names := columnsOf(list)
	_, limit, limited := strings.Cut(from, " limit ")
	most, err := strconv.Atoi(limit)
	if limited && err != nil {
		return v.fail(&mysql.ServerError{Number: 1064, State: "42000", Message: "You have an error in your SQL syntax"})
	}
	var rows [][]string
	all := c.read()
	if strings.Contains(from, "order by session_id = 'master_session_id' desc") {
		slices.SortStableFunc(all, func(a, b Instance) int { return cmp.Compare(boolean(b.Writer), boolean(a.Writer)) })
	}
	none := len(all) == 0 && strings.Contains(from, " left join ")
	if none {
		all = []Instance{{}}
	}
	for _, i := range all {
		var row []string
		for _, name := range names {
			value, known := v.column(name, i)
			if !known {
				return v.fail(&mysql.ServerError{Number: 1054, State: "42S22", Message: "Unknown column '" + name + "' in 'field list'"})
			}
			if none && !strings.HasPrefix(name, "@@") && name != "current_user()" && name != "unix_timestamp()" {
				value = null
			}
			row = append(row, value)
		}
		if !limited || len(rows) < most {
			rows = append(rows, row)
		}
	}
	return v.table(names, rows)
}

// column returns the value of an expression for an instance.
func (v *conversation) column(name string, i Instance) (value string, known bool) {
	switch name {
	case "current_user()":
		return v.login.User + "@%", true
	case "unix_timestamp()":
		return strconv.FormatInt(time.Now().Unix(), 10), true
	case "server_id":
		return i.Name, true
	case "session_id":
		if i.Writer {
			return "MASTER_SESSION_ID", true
		}
		return "5f2c0e0e-7f0b-4a7b-9f53-4a8c1f6d1e01", true
	case "timestampdiff(second, last_update_timestamp, now())":
		return strconv.Itoa(int(i.Age.Seconds())), true
	case "replica_lag_in_milliseconds":
		if i.NoLag {
			return null, true
		}
		return strconv.FormatFloat(float64(i.Lag.Microseconds())/1000, 'f', -1, 64), true // a double, as in the reference's example
	case "@@aurora_server_id":
		if v.faults.CallsItself != "" {
			return v.faults.CallsItself, true
		}
		return v.cfg.Instance, true
	case "@@aurora_version":
		return auroraVersion, true
	}
	return "", false
}

// boolean is what SQL makes of a comparison.
func boolean(b bool) int {
	if b {
		return 1
	}
	return 0
}

// columnsOf splits a list at the commas outside of parentheses.
func columnsOf(list string) (columns []string) {
	depth, from := 0, 0
	for i, c := range list {
		switch {
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == ',' && depth == 0:
			columns, from = append(columns, strings.TrimSpace(list[from:i])), i+1
		}
	}
	return append(columns, strings.TrimSpace(list[from:]))
}
