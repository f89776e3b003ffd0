#!/bin/bash
# Oracle's mysqld 9.7 on the database host, port 3308: password users, caching_sha2_password, TLS (no server-side Kerberos).
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
r=$ST/mysql8/root pf=$ST/mysqld97.pid log=$ST/mysqld97.log
if alive "$pf"; then echo "mysqld 9.7 is up"; exit 0; fi
[ -e "/run/netns/$DB" ] || die "the core lab must be up"
"$LAB/bin/mysql97-root.sh"
t=$(tick)
if [ ! -d "$r/data/mysql" ]; then
  chroot "$r" sh -ec 'id mysql > /dev/null 2>&1 || useradd -r -d /nonexistent mysql
    mkdir -p /data /run/mysqld; chown mysql /data /run/mysqld
    mysqld --no-defaults --initialize-insecure --user=mysql --datadir=/data' > "$ST/mysqld97.init.log" 2>&1 ||
    { tail -3 "$ST/mysqld97.init.log"; die "cannot make the database of mysqld 9.7"; }
  lap "$t" "database of mysqld 9.7 made"
fi
t=$(tick)
cp "/etc/netns/$DB/resolv.conf" "/etc/netns/$DB/hosts" "$r/etc/"
# secure-file-priv: its default directory does not exist in the root
daemon "$pf" "$log" ip netns exec "$DB" chroot "$r" mysqld --no-defaults --user=mysql --datadir=/data --socket=/run/mysqld/s \
  --bind-address="$IP_DB,$(v6 $IP_DB)" --port=3308 --mysqlx=OFF --secure-file-priv= --innodb-buffer-pool-size=64M
sql=(chroot "$r" mysql --no-defaults -S /run/mysqld/s -uroot)
wait_for 200 "${sql[@]}" -e "create user if not exists pw@'%' identified by '$DBPW'" || { tail -3 "$log"; die "mysqld 9.7 does not answer"; }
lap "$t" "mysqld 9.7 ready"
