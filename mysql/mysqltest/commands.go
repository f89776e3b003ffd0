package mysqltest

import (
	"io"
	"strconv"
	"strings"

	"github.com/kerbagent/kerbagent/mysql"
)

// Commands that are answered.
const (
	comQuit            = 0x01
	comInitDB          = 0x02
	comQuery           = 0x03
	comPing            = 0x0e
	comResetConnection = 0x1f
)

// commands answers until the client quits.
func (v *conversation) commands() {
	for {
		v.seq = 0
		b, err := v.read()
		if err != nil || len(b) == 0 || b[0] == comQuit {
			return
		}
		switch b[0] {
		case comInitDB:
			v.note("USE " + string(b[1:]))
			err = v.write(okPacket())
		case comPing, comResetConnection:
			err = v.write(okPacket())
		case comQuery:
			v.note(string(b[1:]))
			err = v.query(string(b[1:]))
		default:
			err = v.fail(&mysql.ServerError{Number: 1047, State: "08S01", Message: "Unknown command"})
		}
		if err != nil {
			return
		}
	}
}

// query knows a few sentences.
func (v *conversation) query(sql string) error {
	sql = strings.ToLower(strings.Join(strings.Fields(strings.TrimRight(sql, "; \t\n")), " "))
	switch {
	case sql == "select current_user()":
		return v.row("CURRENT_USER()", v.login.User+"@%")
	case sql == "select current_user(), unix_timestamp()":
		return v.table([]string{"CURRENT_USER()", "UNIX_TIMESTAMP()"}, [][]string{{v.login.User + "@%", strconv.FormatInt(v.cfg.Now().Unix(), 10)}})
	case sql == "select user()":
		return v.row("USER()", v.login.User+"@localhost")
	case sql == "select 1":
		return v.row("1", "1")
	case strings.HasPrefix(sql, "select sleep("):
		_, err := io.Copy(io.Discard, v.conn) // until the client has had enough
		return err
	case strings.Contains(sql, "@@aurora_") || strings.Contains(sql, replicaHostStatus):
		return v.topology(sql)
	case strings.HasPrefix(sql, "set "):
		return v.write(okPacket())
	default:
		return v.fail(&mysql.ServerError{Number: 1064, State: "42000", Message: "You have an error in your SQL syntax"})
	}
}

// row answers with one text column and one row.
func (v *conversation) row(name, value string) error {
	return v.table([]string{name}, [][]string{{value}})
}

// null is NULL in a row, which has no length before it (MySQL protocol reference,
// Protocol::ResultsetRow).
const null = "\xfb"

// table answers with text columns.
func (v *conversation) table(names []string, rows [][]string) error {
	eof, end := []byte{0xfe, 0, 0, 2, 0}, []byte{0xfe, 0, 0, 2, 0}
	without := v.login.Capabilities.Has(mysql.DeprecateEOF)
	if without {
		end = []byte{0xfe, 0, 0, 2, 0, 0, 0}
	}
	packets := [][]byte{{byte(len(names))}}
	for _, name := range names {
		column := lenenc(nil, "def")
		for range 3 { // schema, table, original table
			column = lenenc(column, "")
		}
		column = lenenc(lenenc(column, name), "")
		// 12 bytes follow: charset utf8mb4, length 400, type VAR_STRING, no flags, 31 decimals
		packets = append(packets, append(column, 12, 45, 0, 0x90, 1, 0, 0, 0xfd, 0, 0, 31, 0, 0))
	}
	if !without {
		packets = append(packets, eof)
	}
	for _, row := range rows {
		var b []byte
		for _, value := range row {
			if value == null {
				b = append(b, value...)
			} else {
				b = lenenc(b, value)
			}
		}
		packets = append(packets, b)
	}
	for _, p := range append(packets, end) {
		if err := v.write(p); err != nil {
			return err
		}
	}
	return nil
}
