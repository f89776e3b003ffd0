package host

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// ClockState says whether the kernel thinks that something keeps its clock.
func ClockState() string {
	var t unix.Timex // Modes 0 only reads
	state, err := unix.Adjtimex(&t)
	switch {
	case err != nil:
		return "not known: " + err.Error()
	case state == unix.TIME_ERROR || t.Status&unix.STA_UNSYNC != 0:
		return "not synchronised: nothing keeps it, or not yet"
	}
	return fmt.Sprintf("synchronised; estimated error %v, at most %v", time.Duration(t.Esterror)*time.Microsecond,
		time.Duration(t.Maxerror)*time.Microsecond)
}
