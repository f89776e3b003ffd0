package schedule

import (
	"strings"
	"time"
)

// Brief returns an interval as people write it, without its zero parts: "5m",
// not "5m0s".
func Brief(d time.Duration) string {
	s := d.Round(time.Second).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}
