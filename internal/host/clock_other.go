//go:build !linux

package host

// ClockState says whether the kernel thinks that something keeps its clock.
func ClockState() string { return "not known: only Linux is asked" }
