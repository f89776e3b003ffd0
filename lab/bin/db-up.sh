#!/bin/bash
# MariaDB with auth_gssapi and TLS on the database host, port 3306, IPv4 and IPv6.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
d=$ST/db; t=$(tick)
if alive "$d/mariadbd.pid"; then echo "database is up"; exit 0; fi
mkdir -p "$d"/{data,run,tls,tmp}
"$LAB/bin/db-certs.sh"
# as a fault left them, or the good ones
[ -e "$d/.dirty" ] || { cp "$KEYTABS/mysql.keytab" "$d/mysql.keytab"; cp "$d/tls/srv.pem" "$d/tls/live.pem"; cp "$d/tls/srv.key" "$d/tls/live.key"; }
# gssapi_mech_name is for Windows only: with it in this file mariadbd does not start
cat > "$d/my.cnf" <<C
[mariadbd]
datadir=$d/data
socket=$d/run/sock
pid-file=$d/mariadbd.pid
log-error=$d/error.log
tmpdir=$d/tmp
bind-address=$IP_DB,$(v6 $IP_DB)
port=3306
user=mysql
skip-name-resolve
innodb_buffer_pool_size=32M
plugin_load_add=auth_gssapi
gssapi_keytab_path=$d/mysql.keytab
gssapi_principal_name=$SPN@CORP.EXAMPLE.COM
ssl-ca=$d/tls/ca.pem
ssl-cert=$d/tls/live.pem
ssl-key=$d/tls/live.key
C
# for what a test wants to add and restart with; kept across restarts
[ -e "$d/local.cnf" ] || echo '[mariadbd]' > "$d/local.cnf"
echo "!include $d/local.cnf" >> "$d/my.cnf"
chown -R mysql:mysql "$d"; chmod 0400 "$d/mysql.keytab"
if [ ! -d "$d/data/mysql" ]; then
  mariadb-install-db --defaults-file="$d/my.cnf" --user=mysql --auth-root-authentication-method=socket > "$d/install.log" 2>&1 ||
    { tail "$d/install.log"; die "cannot make the database"; }
  lap "$t" "database made"
fi
t=$(tick); rm -f "$d/mariadbd.pid"
# mariadbd writes its pid file itself (as user mysql, so it must not exist); `ip netns exec` gives libkrb5 in it the
# database host's own /etc/krb5.conf
setsid ip netns exec "$DB" mariadbd --defaults-file="$d/my.cnf" > "$d/stdout.log" 2>&1 < /dev/null &
wait_for 200 mariadb --no-defaults -S "$d/run/sock" -uroot -e 'select 1' || { tail -5 "$d/error.log"; die "database does not answer"; }
"$LAB/bin/db-accounts.sh"
lap "$t" "database ready"
