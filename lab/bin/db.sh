#!/bin/bash
# db.sh [N] ...: what can happen to the database, or to instance N of the cluster: 1 (the database itself), 2, 3. Everything
# here is undone by `db.sh heal` (a restart with the good settings, 1 s).
#   db.sh set VARIABLE=VALUE...   SET GLOBAL, at once
#   db.sh conf OPTION[=VALUE]...  into the configuration, and a restart
#   db.sh sql STATEMENT           as root; prints what comes back
#   db.sh cert NAME               serve the certificate db/tls/NAME.pem: srv (the good one), expired, expiring, othername, otherca
#   db.sh keytab NAME             use keytabs/NAME.keytab: mysql (the good one), wrong, default
#   db.sh full                    hold every connection that there is (ERROR 1040)
#   db.sh block                   get the client blocked (ERROR 1129)
#   db.sh deny                    let no host in (ERROR 1130)
#   db.sh freeze                  connections are taken, and nothing is said (SIGSTOP)
#   db.sh stop | restart | heal
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
i=1
case ${1:-} in [123]) i=$1; shift ;; esac
d=$(db_dir "$i") a4=$(db_addr "$i")
sql() { mariadb --no-defaults -S "$d/run/sock" -uroot -BN "$@"; }
dirty() { : > "$d/.dirty"; }
stop() {
  if alive "$d/mariadbd.pid"; then kill -CONT "$(pid_of "$d/mariadbd.pid")"; fi   # a frozen one does not hear that it is to stop
  stop_pid "$d/mariadbd.pid"
}
restart() { stop; "$LAB/bin/db-up.sh" "$i" > /dev/null; }
conf() { dirty; { echo '[mariadbd]'; printf '%s\n' "$@"; } > "$d/local.cnf"; restart; }
refused() { # NUMBER ADDRESS: is that what the client gets?
  local said; said=$(in_ns "$CL" mariadb --no-defaults -h"$2" -upwuser "-p$DBPW" -e 'select 1' 2>&1) || true
  grep -qw "$1" <<< "$said"
}
hold() { # one connection, for ten minutes
  setsid ip netns exec "$CL" mariadb --no-defaults -h"$a4" -upwuser "-p$DBPW" -e 'SELECT SLEEP(600)' > /dev/null 2>&1 < /dev/null &
}
filled() { refused 1040 "$a4" || { hold; return 1; }; }
cmd=${1:-}; [ $# -eq 0 ] || shift
case $cmd in
  set) dirty; for v in "$@"; do sql -e "SET GLOBAL $v"; done ;;
  conf) conf "$@" ;;
  sql) dirty; sql -e "$1" ;;
  cert)
    [ -s "$ST/db/tls/$1.pem" ] || die "no certificate $1"
    dirty; cp "$ST/db/tls/$1.pem" "$d/tls/live.pem"; cp "$ST/db/tls/$1.key" "$d/tls/live.key"
    chown mysql: "$d"/tls/live.*; sql -e 'FLUSH SSL' ;;
  # libkrb5 in the server reads the file anew for each login
  keytab) [ -s "$KEYTABS/$1.keytab" ] || die "no keytab $1"; dirty; cat "$KEYTABS/$1.keytab" > "$d/mysql.keytab" ;;
  full)
    # 10 is the least that it takes; root may have one more
    dirty; sql -e "SET GLOBAL max_connections = 10"
    for _ in {1..9}; do hold; done
    wait_for 50 filled || die "connections are left" ;;
  block)
    # the host cache wants names looked up, and counts only for an address that has one
    conf skip-name-resolve=0 performance_schema=ON max_connect_errors=3
    for a in "$a4" "$(v6 "$a4")"; do for _ in {1..6}; do in_ns "$CL" nc -z -w1 "$a" 3306 || true; done; done
    for a in "$a4" "$(v6 "$a4")"; do wait_for 50 refused 1129 "$a" || die "the client is not blocked"; done ;;
  deny)
    dirty; sql -e "UPDATE mysql.global_priv SET Host = '203.0.113.%' WHERE Host = '%'; FLUSH PRIVILEGES" ;;
  freeze) dirty; kill -STOP "$(pid_of "$d/mariadbd.pid")" ;;
  stop) dirty; stop_pid "$d/front.pid"; stop ;;
  restart) restart ;;
  heal)
    [ -e "$d/.dirty" ] || { alive "$d/mariadbd.pid" && alive "$d/front.pid"; } || dirty
    [ -e "$d/.dirty" ] || exit 0
    rm -f "$d/.dirty"; echo '[mariadbd]' > "$d/local.cnf"; restart ;;
  *) sed -n '2,/^\./{/^\./d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
