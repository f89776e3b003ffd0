#!/bin/bash
# db-up.sh [N]: MariaDB with auth_gssapi and TLS on the database host, port 3306, IPv4 and IPv6, and on port 3310 the
# front that makes it instance N (1) of a cluster.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
i=${1:-1}; d=$(db_dir "$i"); a=$(db_addr "$i"); t=$(tick)
mkdir -p "$d"/{data,run,tls,tmp} "$ST/db/tls"
# gssapi_mech_name is for Windows only: with it in this file mariadbd does not start. The front says from where a client
# comes (proxy-protocol-networks).
cat > "$d/my.cnf.new" <<C
[mariadbd]
datadir=$d/data
socket=$d/run/sock
pid-file=$d/mariadbd.pid
log-error=$d/error.log
tmpdir=$d/tmp
bind-address=$a,$(v6 "$a")
port=3306
user=mysql
skip-name-resolve
proxy-protocol-networks=localhost
innodb_buffer_pool_size=$([ "$i" = 1 ] && echo 32M || echo 8M)
innodb_log_file_size=8M
innodb_log_buffer_size=2M
plugin_load_add=auth_gssapi
gssapi_keytab_path=$d/mysql.keytab
gssapi_principal_name=$(db_spn "$i")@CORP.EXAMPLE.COM
ssl-ca=$ST/db/tls/ca.pem
ssl-cert=$d/tls/live.pem
ssl-key=$d/tls/live.key
!include $d/local.cnf
C
front_up() { # it stays while the server behind it is started anew
  if alive "$d/front.pid"; then return; fi
  b=$(go_tool front)
  daemon "$d/front.pid" "$d/front.log" ip netns exec "$DB" "$b" -name "mycluster-$i" -socket "$d/run/sock" -tls "$d/tls/live" \
    "$a:$CLUSTERPORT" "[$(v6 "$a")]:$CLUSTERPORT"
  wait_for 50 grep -q ready "$d/front.log" || { cat "$d/front.log"; die "the front of database $i does not start"; }
}
# one that runs with other settings (an older lab's) is started anew
if alive "$d/mariadbd.pid"; then
  if cmp -s "$d/my.cnf" "$d/my.cnf.new"; then rm "$d/my.cnf.new"; front_up; echo "database $i is up"; exit 0; fi
  stop_pid "$d/front.pid"; stop_pid "$d/mariadbd.pid"
fi
mv "$d/my.cnf.new" "$d/my.cnf"
# as a fault left them, or the good ones
[ -e "$d/.dirty" ] || { cp "$KEYTABS/mysql.keytab" "$d/mysql.keytab"; cp "$ST/db/tls/srv.pem" "$d/tls/live.pem"; cp "$ST/db/tls/srv.key" "$d/tls/live.key"; }
# for what a test wants to add and restart with; kept across restarts
[ -e "$d/local.cnf" ] || echo '[mariadbd]' > "$d/local.cnf"
chown -R mysql:mysql "$d"; chmod 0400 "$d/mysql.keytab"
if [ ! -d "$d/data/mysql" ]; then
  "$LAB/bin/db-new.sh"
  cp -a "$ST/db-new/." "$d/data"
fi
t=$(tick); rm -f "$d/mariadbd.pid"
# mariadbd writes its pid file itself (as user mysql, so it must not exist); `ip netns exec` gives libkrb5 in it the
# database host's own /etc/krb5.conf
setsid ip netns exec "$DB" mariadbd --defaults-file="$d/my.cnf" > "$d/stdout.log" 2>&1 < /dev/null &
wait_for 200 mariadb --no-defaults -S "$d/run/sock" -uroot -e 'select 1' || { tail -5 "$d/error.log"; die "database $i does not answer"; }
"$LAB/bin/db-accounts.sh" "$i"
front_up
lap "$t" "database $i ready"
