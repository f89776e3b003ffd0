#!/bin/bash
# The lab's front door.
#   lab.sh install [programs|release]   apt-get install what the lab needs (packages.txt), or also what the tests beside it
#                              need (packages-programs.txt, packages-release.txt, packages-systemd.txt); skips quickly when it is there
#   lab.sh up                  all of the lab; what is up already stays as it is
#   lab.sh down [--purge|--purge-all]   --purge also drops domains and databases, --purge-all downloads too
#   lab.sh status              which daemon runs
#   lab.sh smoke               the healthy lab, checked from end to end; the last line is "N passed, M failed"
#   lab.sh smoke-faults [CODE...]       every fault made, looked at with ordinary tools, and healed
#   lab.sh bench               kerbagent against the same by hand and against the blackbox exporter, as ratios
#   lab.sh cl CMD...           runs CMD on the client host
#   lab.sh break CODE          makes what this finding code is about, and prints the flags that `kerbagent check` is to be
#                              run with, one a line; `break none` for the healthy lab, `break --list` for the codes
#   lab.sh heal                puts everything right again
#   lab.sh fault|dns|dc|db|cluster|user ...     single faults; without an argument each prints how
#   lab.sh extra systemd|mysqld97       a systemd container on the client's network; Oracle's mysqld 9.7 on the database host
#   lab.sh sd CMD...           runs CMD inside the systemd container
#   lab.sh mysql97 CMD...      runs a program of Oracle MySQL 9.7 on the client host (extra mysqld97 makes its root)
#   lab.sh tool delayq|dnsd|front    builds a helper on first use and prints its path
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
usage() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; }
cmd=${1:-}; [ $# -gt 0 ] && shift
case $cmd in
  '' | help | -h | --help) usage; exit 0 ;;
esac
# shellcheck source=env.sh
. "$here/env.sh"
# What changes the lab as a whole is done by one at a time. -o: daemons must not inherit the lock.
locked() { exec flock -o -w 600 "$ST/.lock" "$@"; }
case $cmd in
  install) exec "$LAB/bin/install.sh" "$@" ;;
  up | down | smoke | extra) locked "$LAB/bin/$cmd.sh" "$@" ;;
  smoke-faults | bench | status | break | heal | fault | dns | dc | db | cluster | user | sd | mysql97) exec "$LAB/bin/$cmd.sh" "$@" ;;
  cl) exec ip netns exec "$CL" "$@" ;;
  tool) [ -d "$LAB/${1:?name of a helper}" ] || die "no helper $1"; go_tool "$1" ;;
  *) usage >&2; exit 2 ;;
esac
