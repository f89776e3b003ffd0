#!/bin/bash
# break.sh CODE[:VARIANT]: makes what the finding CODE is about, and prints the flags that `kerbagent check` is to be run
# with, one a line. `heal.sh` undoes it. FAULTS.md tells the same as a table.
# Printing comes first: what the caller needs does not depend on how long the fault takes.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
cd "$LAB/bin"
zone=corp.example.com

if [ "${1:-}" = --list ]; then
  sed -n 's/^  \([a-z][a-z0-9:-]*\))\( .*\)\{0,1\}$/\1/p' "$LAB/bin/break.sh" | grep -vx none
  exit 0
fi

# check [FLAG...]: the healthy flags, with these in the place of those of the same name
check() {
  local f a names='' base=(--realm=CORP.EXAMPLE.COM "--dns-server=$IP_DC1" "--dns-server=$IP_DC2" "--database=$RDS"
    --database-ca="$ST/db/tls/ca.pem" --user=alice@CORP.EXAMPLE.COM --password-file="$ST/secrets/user")
  for a in "$@"; do names+=" ${a%%=*} "; done
  case $names in *' --keytab '*) names+=' --password-file ' ;; esac
  for f in "${base[@]}"; do case $names in *" ${f%%=*} "*) ;; *) echo "$f" ;; esac; done
  [ $# = 0 ] || printf '%s\n' "$@"
}
cluster() { check "--database=$RDS:$CLUSTERPORT" --instances; }
user() { check --user="$1@CORP.EXAMPLE.COM" "${@:2}"; }
carol() { check --realm=CORP.EXAMPLE.COM --realm=ONPREM.LOCAL --user=carol@ONPREM.LOCAL --password-file="$ST/secrets/carol"; }
both() { ./fault.sh "$@" dc1; ./fault.sh "$@" dc2; }   # DCs of CORP
srv() { echo "$1=_kerberos._$2.$zone. 600 IN SRV 0 100 88 $3.$zone."; }   # RULE PROTO HOST

case ${1:-} in
  none) check ;;

  host-offline) check; ./fault.sh client noroute ;;
  host-offline:unreachable) check; ./fault.sh client unreachable ;;
  host-offline:prohibit) check; ./fault.sh client prohibit ;;
  host-offline:forbid) check; ./fault.sh client forbid ;;
  server-down) check; ./fault.sh drop any any dc2 ;;
  server-down:stopped) check; ./dc.sh stop dc2 ;;
  server-down:unreachable) check; ./fault.sh unreach dc2 ;;

  dns-server-silent) check; ./fault.sh drop any 53 dc2 ;;
  dns-server-silent:resolver) check; ./fault.sh drop any 53 ns ;;
  dns-udp-blocked) check; ./fault.sh drop udp 53 dc1 ;;
  dns-tcp-blocked) check; ./fault.sh drop tcp 53 dc1 ;;
  dns-refused) check; ./dns.sh bend dc1 refuse=$zone ;;
  dns-refused:servfail) check; ./dns.sh bend dc1 servfail=$zone ;;
  dns-zone-missing) check; ./dns.sh bend ns nxdomain=$zone ;;
  dns-zone-missing:refused) check; ./dns.sh bend ns refuse=$zone ;;
  realm-not-in-dns) check; ./dns.sh bend dc1,dc2,ns nxdomain=$zone ;;
  dns-servers-disagree) check; ./dns.sh bend dc2 "$(srv set tcp dc2)" "$(srv set udp dc2)" ;;
  dns-srv-missing) check; ./dns.sh bend dc1,dc2 nxdomain=_kpasswd._udp.$zone nxdomain=_kpasswd._tcp.$zone ;;
  dns-srv-missing:kerberos) check; ./dns.sh bend dc1,dc2 nxdomain=_kerberos._udp.$zone nxdomain=_kerberos._tcp.$zone ;;
  dns-srv-stale) check; ./dns.sh bend dc1,dc2 "$(srv add tcp dc9)" "$(srv add udp dc9)" ;;
  dns-srv-stale:dead) check; ./dns.sh bend dc1,dc2 "$(srv add tcp dc9)" "$(srv add udp dc9)" "set=dc9.$zone. 600 IN A ${IP_DC1%.*}.99" ;;
  dns-filtered) check; ./dns.sh bend ns SRV:drop=$zone ;;
  server-slow) check --probe-timeout=5s; ./dns.sh bend dc1 slow=1200ms ;;
  names-differ) check; ./dns.sh bend ns "set=dc2.$zone. 600 IN A ${IP_DC2%.*}.99" ;;
  names-differ:hosts) check; ./fault.sh hosts "${IP_DC2%.*}.99" dc2.$zone ;;

  kdc-unresolvable) check --kdc=dc1.$zone --kdc=nosuch.$zone ;;
  kdc-lookup-failed) check | grep -v dns-server; ./dns.sh bend ns servfail=dc1.$zone ;;
  endpoint-unresolvable) check --database=nosuch."${RDS#*.}" ;;
  ipv6-broken) check; ./fault.sh drop any any v6 ;;
  kdc-silent) check; ./fault.sh drop any 88 dc1 ;;
  kdc-hung) check; ./dc.sh freeze dc1 ;;
  kdc-refused) check; ./fault.sh rst tcp 88 dc1; ./fault.sh reject udp 88 dc1 ;;
  kdc-udp-blocked) check; ./fault.sh drop udp 88 dc1 ;;
  kdc-tcp-blocked) check; both drop tcp 88 ;;
  kdc-tcp-blocked:one) check; ./fault.sh drop tcp 88 dc1 ;;
  kdc-large-messages-lost) check; ./fault.sh bigdrop any 88 1000 dc1 ;;
  kdc-large-messages-lost:all) check; both bigdrop any 88 1000 ;;
  kdc-wrong-realm) check --kdc=dc1.$zone --kdc=dc1.onprem.local ;;
  realm-unreachable) check; both drop any 88 ;;
  kpasswd-blocked) check; ./fault.sh drop any 464 dc1 ;;
  kpasswd-blocked:udp) check; ./fault.sh drop udp 464 dc1 ;;
  kpasswd-blocked:tcp) check; ./fault.sh drop tcp 464 dc1 ;;
  clock-skew) check; ./dc.sh skew 600 dc1 dc2 > /dev/null ;;
  clock-skew-one-kdc) check; ./dc.sh skew 600 dc2 > /dev/null ;;

  # three wrong passwords lock an account: heal unlocks
  password-wrong) user wrong.pw --password-file="$ST/secrets/wrong"; : > "$ST/.unlock" ;;
  keytab-stale) user stale.keytab --keytab="$KEYTABS/stale.keytab"; : > "$ST/.unlock" ;;
  principal-unknown) user nosuch ;;
  realm-case) check --realm=corp.example.com --user=alice@corp.example.com ;;
  account-locked) user bob.locked ;;
  account-disabled) user bob.disabled ;;
  account-expired) user bob.acctexpired ;;
  logon-restricted) user bob.changer; ./user.sh hours none bob.changer ;;
  password-expired) user bob.expired ;;
  password-must-change) user bob.mustchange ;;
  password-expiring) user expiring.user; ./user.sh expiring 5 ;;
  preauth-not-required) user nopreauth.user ;;

  # the one key of this account is of a kind that only MIT's own clients know
  etype-unsupported) check --realm=CORP.EXAMPLE.COM --realm=MIT.TEST --user=camellia@MIT.TEST ;;
  ticket-rc4) check; ./db.sh keytab default; ./db.sh conf gssapi_principal_name=mysql/default.$zone@CORP.EXAMPLE.COM ;;
  service-unknown) check; ./user.sh spn drop ;;
  # two accounts hold it: Samba says 7, where Windows says 8
  service-unknown:twice) check; ./user.sh spn twice ;;
  # announced without its realm, the user's own realm is asked, which has not been told that RDS names are CORP's
  service-realm-unmapped) carol; ./db.sh conf "gssapi_principal_name=$SPN" ;;
  # MIT.TEST and CORP trust each other no way
  trust-no-referral) check --realm=CORP.EXAMPLE.COM --realm=MIT.TEST --user=alice@MIT.TEST ;;
  trust-realm-unreachable) carol; both drop any 88 ;;

  db-silent) check; ./fault.sh drop tcp 3306 db ;;
  db-silent:frozen) check; ./db.sh freeze ;;
  db-refused) check; ./fault.sh rst tcp 3306 db ;;
  db-connection-cut) check; ./fault.sh cut 3306 db after 200 rst ;;
  db-connection-cut:fin) check; ./fault.sh cut 3306 db after 200 fin ;;
  db-path-mtu) check; ./fault.sh bigdrop tcp 3306 600 db ;;
  db-host-blocked) check; ./db.sh block ;;
  db-host-denied) check; ./db.sh deny ;;
  db-too-many-connections) check; ./db.sh full ;;
  # ERROR 1226 from the second login within the hour; this is the first
  db-too-many-connections:user)
    user db.limited
    ./db.sh sql 'FLUSH USER_RESOURCES'
    t=$(mktemp -d); trap 'rm -rf "$t"' EXIT
    KRB5CCNAME=FILE:$t/cc in_ns "$CL" kinit db.limited < "$ST/secrets/user" > /dev/null
    KRB5CCNAME=FILE:$t/cc in_ns "$CL" mariadb --no-defaults -h$IP_DB -udb.limited -e 'select 1' > /dev/null ;;
  db-tls-untrusted) check; ./db.sh cert otherca ;;
  db-tls-untrusted:name) check; ./db.sh cert othername ;;
  db-tls-untrusted:date) check; ./db.sh cert expired ;;
  db-certificate-expiring) check; ./db.sh cert expiring ;;
  db-tls-required) check; ./db.sh conf skip-ssl ;;
  # MariaDB switches an unknown user to any plugin, the Kerberos one among them: only a password account is sure
  db-account-unknown) user pwuser ;;
  db-ticket-rejected) check; ./db.sh keytab wrong ;;
  db-access-denied) user mismatch ;;
  db-account-locked) user db.locked ;;
  # the KDC's answers take longer than the server waits for the client
  # of the cluster: its last reader
  db-refused:reader) cluster; ./db.sh 3 stop ;;
  db-plugin-missing) cluster; ./db.sh 3 sql "UNINSTALL SONAME 'auth_gssapi'" ;;
  reader-unlike-writer) cluster; ./db.sh 3 keytab wrong ;;
  db-auth-timeout) check --probe-timeout=20s --timeout=60s; ./db.sh set connect_timeout=2; ./fault.sh delay tcp 88 1500 ;;

  *) die "break CODE (break --list)" ;;
esac
