package config

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// A secret that somebody wrote into the file, in whatever form and wherever in the
// logins, or under a secret's name anywhere, is in no error. The forms are drawn: a
// list item, a flow mapping, a forgotten colon or space, quotes, a file that is no YAML.
func TestNoDrawnSecretIsInAnError(t *testing.T) {
	const secret = "Sup3rS3cret"
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 0))
	pick := func(of ...string) string { return of[rng.IntN(len(of))] }
	value := func() string {
		return pick(secret, `"`+secret+`"`, `'`+secret+`'`, "["+secret+"]", "[a, "+secret+"]", "{a: "+secret+"}", "*"+secret, "@"+secret, "-"+secret, "!x "+secret, "&a "+secret, "|\n      "+secret, "\n      - "+secret, "\n      a: "+secret, "x"+secret+"#1", `"`+secret)
	}
	key := func() string {
		return pick("password", "pass", "PASSWD", "secret", "token", "my_password", "pw", "api-key", `"password"`, "'pwd'", "credential")
	}
	colon := func() string { return pick(": ", ":", " ", "=", " = ", " : ", ":  ") }
	good := func() string {
		return pick("user: alice", "realm: CORP.TEST", "databases: [orders]", "user: [alice]", "database: orders")
	}
	inLogin := func() string {
		switch rng.IntN(10) {
		case 0:
			return "logins: " + value()
		case 1:
			return "logins:\n  - " + value()
		case 2:
			return "logins: [{" + good() + ", " + key() + colon() + value() + "}]"
		case 3:
			return "logins:\n  - " + good() + "\n    " + key() + colon() + value()
		case 4:
			return "logins:\n  - {" + key() + colon() + value() + ", " + good() + "}"
		case 5:
			return "logins:\n  - " + good() + "\n    unheard_of: " + value()
		case 6:
			return "logins:\n  - " + good() + "\n    " + value()
		case 8:
			return "logins:\n  - " + good() + "\n    password_command: " + pick("["+secret+"]", secret, "["+secret+", a]", "[a, "+secret+"]", "{a: "+secret+"}")
		case 7:
			return "logins: [- " + secret + "]"
		}
		return "logins:\n  - " + pick("password_file", "keytab", "ccache", "password_command") + colon() + "[" + secret + ", " + key() + ": " + secret + "]"
	}
	anywhere := func() string {
		switch rng.IntN(4) {
		case 0:
			return key() + ": " + value()
		case 1:
			return "probes: {interval: 1m, " + key() + ": " + value() + "}"
		case 2:
			return "databases:\n  orders: {host: db.test, " + key() + ": " + value() + "}"
		}
		return "- " + key() + ": " + value()
	}
	const realms = "realms: {CORP.TEST: {kdcs: [127.0.0.1]}}\n"
	wrong := 0
	for i := range 1500 {
		text := inLogin()
		if i%3 == 0 {
			text = anywhere()
		}
		switch rng.IntN(3) {
		case 0:
			text = realms + text + "\n"
		case 1:
			text += "\n" + realms
		case 2:
			text = realms + text + pick("\n", "\n  - x: [", "\n\t", "\n}", "\n a: b: c")
		}
		_, err := Parse("k.yaml", []byte(text))
		if err != nil && strings.Contains(err.Error(), secret) {
			if wrong++; wrong < 12 {
				t.Errorf("seed %d:\n%s\n--- says\n%s", seed, text, err)
			}
		}
	}
	if wrong > 0 {
		t.Error(fmt.Sprint(wrong, " in all"))
	}
}
