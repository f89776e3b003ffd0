package probe

import "time"

// Skew is the server's clock minus ours, where the server gave its time and
// ours was halfway between question and answer: half of the round trip is the
// most that it can be wrong by. A time in whole seconds has been cut off
// somewhere in that second (MIT's kadmind does), so its middle is taken.
func Skew(server, halfway time.Time) time.Duration {
	if server.Nanosecond() == 0 {
		server = server.Add(time.Second / 2)
	}
	return server.Sub(halfway)
}
