#!/bin/bash
# Fake MySQL server with authentication_kerberos (the ticket is really checked) on the database host, port 3307.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
if alive "$ST/fakemysql.pid"; then echo "fake MySQL is up"; exit 0; fi
[ -s "$KEYTABS/mysql.keytab" ] || die "the core lab must be up"
t=$(tick)
# /usr/bin/python3: the one that has Debian's python3-gssapi
daemon "$ST/fakemysql.pid" "$ST/fakemysql.log" ip netns exec "$DB" env KRB5_KTNAME="$KEYTABS/mysql.keytab" \
  /usr/bin/python3 "$LAB/fakemysql.py" 3307 "$SPN@CORP.EXAMPLE.COM" CORP.EXAMPLE.COM
wait_for 50 grep -q listening "$ST/fakemysql.log" || { tail -3 "$ST/fakemysql.log"; die "fake MySQL does not start"; }
lap "$t" "fake MySQL ready"
