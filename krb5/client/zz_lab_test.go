//go:build lab

package client

import ("context";"testing";"time")

func TestZZLoop(t *testing.T) {
	for _, w := range walks() {
		if w.name != "mit-password" && w.name != "heimdal-password" { continue }
		s := w.secret(t, "")
		fails := 0
		redials := 0
		start := time.Now()
		for range 1500 {
			n := 0
			c := &Client{Locator: byRealm(w.kdc), Observe: func(s Step) { if s.Name == StepConnect { n++ } }}
			sess, err := c.TGT(context.Background(), mustPrincipal(t, w.user), s)
			if err != nil { fails++; if fails < 4 { t.Log(err) }; continue }
			if n == 2 { redials++ }
			sess.Close()
		}
		t.Log(w.name, "fails", fails, "redials", redials, time.Since(start))
	}
}
