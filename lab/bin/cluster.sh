#!/bin/bash
# The cluster of three MariaDBs: its names, its writer, and which instances it lists. heal.sh undoes what is done here.
#   cluster.sh failover N       mycluster-N becomes the writer: the table of instances, then read_only, then the names
#   cluster.sh table N [N...]   what the table lists at every instance, the writer first; names and read_only stay
#   cluster.sh names [N]        which instance the cluster's name leads to (the writer), the others the reader endpoint's
#   cluster.sh custom N...      which instances reports.cluster-custom-... leads to
#   cluster.sh logins N         how many connections instance N has taken since it started
#   cluster.sh heal
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
hosts=$ST/ns/cluster
sql() { local i=$1; shift; mariadb --no-defaults -S "$(db_dir "$i")/run/sock" -uroot -BN "$@"; }
each() { local i; for i in 1 2 3; do if alive "$(db_dir $i)/mariadbd.pid"; then "$@" $i; fi; done; }
record() { local a; a=$(db_addr "$1"); printf '%s %s\n%s %s\n' "$a" "$2" "$(v6 "$a")" "$2"; }   # N NAME
write() { # WRITER CUSTOM...
  local i w=$1; shift
  mkdir -p "${hosts%/*}"; echo "$w" > "$hosts.writer"; echo "$*" > "$hosts.custom"
  {
    record "$w" "$RDS"
    for i in 1 2 3; do [ $i = "$w" ] || record $i "${RDS/.cluster-/.cluster-ro-}"; done
    for i in "$@"; do record "$i" "reports.cluster-custom-$ZONE"; done
    for i in 1 2 3; do record $i "$(db_host $i)"; done
  } > "$hosts.new"
  mv "$hosts.new" "$hosts"
  if alive "$ST/ns/pid"; then kill -HUP "$(pid_of "$ST/ns/pid")"; fi
}
custom() { cat "$hosts.custom" 2> /dev/null || echo 3; }
# shellcheck disable=SC2046
names() { write "${1:-1}" $(custom); }
rows() { # INSTANCE: those of $listed
  local n w=1 values=()
  for n in $listed; do values+=("('mycluster-$n', $w)"); w=0; done
  sql "$1" -e "DELETE FROM aurora.members; INSERT INTO aurora.members VALUES $(IFS=,; echo "${values[*]}")"
}
read_only() { sql "$1" -e "SET GLOBAL read_only = $([ "$1" = "${listed%% *}" ] && echo 0 || echo 1)"; }
table() { listed=$*; each rows; }
failover() {
  local i others=''
  for i in 1 2 3; do [ $i = "$1" ] || others+=" $i"; done
  # shellcheck disable=SC2086
  table "$1" $others
  each read_only
  names "$1"
}
cmd=${1:-}; [ $# -eq 0 ] || shift
case $cmd in
  failover) : > "$ST/.cluster"; failover "$1" ;;
  table) : > "$ST/.cluster"; table "$@" ;;
  names) [ $# -eq 0 ] || : > "$ST/.cluster"; names "$@" ;;
  custom) : > "$ST/.cluster"; write "$(cat "$hosts.writer")" "$@" ;;
  logins) sql "$1" -e "SHOW GLOBAL STATUS LIKE 'Connections'" | cut -f 2 ;;
  heal)
    [ -e "$ST/.cluster" ] || exit 0
    rm -f "$ST/.cluster" "$hosts.custom"; failover 1 ;;
  *) sed -n '2,/^\./{/^\./d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
