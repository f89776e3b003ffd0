#!/bin/bash
# A new MariaDB's data, made once and copied for each instance: LAB_STATE/db-new.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
d=$ST/db-new; t=$(tick)
make() {
  [ ! -d "$d" ] || return 0
  rm -rf "$d.part"; install -d -o mysql -g mysql "$d.part"
  mariadb-install-db --no-defaults --datadir="$d.part" --innodb-log-file-size=8M --user=mysql --auth-root-authentication-method=socket > "$d.log" 2>&1 ||
    { tail "$d.log"; die "cannot make the database"; }
  mv "$d.part" "$d"
  lap "$t" "database made"
}
{ flock 9; make; } 9> "$d.lock"
