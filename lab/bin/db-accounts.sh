#!/bin/bash
# The database's accounts, put right whatever state they are in. Run by db-up.sh and after a fault.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
users="alice bob.disabled bob.expired bob.locked bob.mustchange bob.acctexpired bob.changer nopreauth.user expiring.user wrong.pw breaker.user stale.keytab"
{
  # db.sh deny
  echo "UPDATE mysql.global_priv SET Host = '%' WHERE Host = '203.0.113.%'; FLUSH PRIVILEGES;"
  for u in $users; do echo "CREATE OR REPLACE USER '$u'@'%' IDENTIFIED VIA gssapi USING '$u@CORP.EXAMPLE.COM';"; done
  cat <<S
CREATE OR REPLACE USER 'alice@CORP.EXAMPLE.COM'@'%' IDENTIFIED VIA gssapi;
CREATE OR REPLACE USER 'carol'@'%' IDENTIFIED VIA gssapi USING 'carol@ONPREM.LOCAL';
CREATE OR REPLACE USER 'camellia'@'%' IDENTIFIED VIA gssapi USING 'camellia@MIT.TEST';
CREATE OR REPLACE USER 'alice_tls'@'%' IDENTIFIED VIA gssapi USING 'alice@CORP.EXAMPLE.COM' REQUIRE SSL;
CREATE OR REPLACE USER 'mismatch'@'%' IDENTIFIED VIA gssapi USING 'somebody.else@CORP.EXAMPLE.COM';
CREATE OR REPLACE USER 'db.locked'@'%' IDENTIFIED VIA gssapi USING 'db.locked@CORP.EXAMPLE.COM' ACCOUNT LOCK;
CREATE OR REPLACE USER 'db.limited'@'%' IDENTIFIED VIA gssapi USING 'db.limited@CORP.EXAMPLE.COM' WITH MAX_CONNECTIONS_PER_HOUR 1;
CREATE OR REPLACE USER 'pwuser'@'%' IDENTIFIED BY '$DBPW';
-- MariaDB asks an unknown user for the plugin of some account, chosen by the user's name and the accounts' order:
-- the same order here whatever was done before
ALTER TABLE mysql.global_priv ORDER BY Host, User;
FLUSH PRIVILEGES;
S
} | mariadb --no-defaults -S "$ST/db/run/sock" -uroot
