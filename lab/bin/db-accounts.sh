#!/bin/bash
# db-accounts.sh N: the accounts of instance N, and what it lists of the cluster, put right whatever state they are in. Run
# by db-up.sh and after a fault.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
users="alice bob.disabled bob.expired bob.locked bob.mustchange bob.acctexpired bob.changer nopreauth.user expiring.user wrong.pw breaker.user stale.keytab"
{
  # who comes by the front is at localhost for MariaDB too, where an anonymous account would hide all others
  echo "DELETE FROM mysql.global_priv WHERE User = '';"
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

-- information_schema cannot be added to: the front puts these names in the place of Aurora's
CREATE DATABASE IF NOT EXISTS aurora;
CREATE TABLE IF NOT EXISTS aurora.members (server_id VARCHAR(63) PRIMARY KEY, writer BOOL NOT NULL);
INSERT IGNORE INTO aurora.members VALUES ('mycluster-1', 1), ('mycluster-2', 0), ('mycluster-3', 0);
CREATE OR REPLACE VIEW aurora.replica_host_status AS SELECT server_id AS SERVER_ID,
  IF(writer, 'MASTER_SESSION_ID', '5f2c0e0e-7f0b-4a7b-9f53-4a8c1f6d1e01') AS SESSION_ID, NOW(6) AS LAST_UPDATE_TIMESTAMP,
  IF(writer, 0e0, 18.5e0) AS REPLICA_LAG_IN_MILLISECONDS FROM aurora.members;
GRANT SELECT ON aurora.replica_host_status TO PUBLIC;
S
} | mariadb --no-defaults -S "$(db_dir "${1:-1}")/run/sock" -uroot
