package main

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// spent reads /proc (proc_pid_stat(5), proc_pid_status(5)).
func spent(pid int) (c cost, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return c, err
	}
	const hertz = 100 // USER_HZ, on every architecture that Debian has
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	for _, f := range fields[11:13] {
		ticks, err := strconv.Atoi(f)
		if err != nil {
			return c, err
		}
		c.cpu += time.Duration(ticks) * time.Second / hertz
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return c, err
	}
	for line := range strings.Lines(string(status)) {
		fmt.Sscanf(line, "VmRSS: %d kB", &c.rss)
		fmt.Sscanf(line, "VmHWM: %d kB", &c.peak)
		fmt.Sscanf(line, "RssAnon: %d kB", &c.anon)
	}
	return c, nil
}

// touched reads how much of the files that are mapped for reading only, the
// program and its libraries, was touched (proc_pid_smaps(5)).
func touched(pid int) (kib int, err error) {
	smaps, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		return 0, err
	}
	file := false
	for line := range strings.Lines(string(smaps)) {
		fields := strings.Fields(line)
		switch {
		case !strings.HasSuffix(fields[0], ":"): // a mapping: addresses, rights, offset, device, inode and name
			file = len(fields) == 6 && strings.HasPrefix(fields[5], "/") && !strings.Contains(fields[1], "w")
		case file && fields[0] == "Referenced:":
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				return 0, err
			}
			kib += n
		}
	}
	return kib, nil
}
