#!/bin/bash
# End-to-end checks of the healthy lab; the last line is "N passed, M failed".
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t=$(mktemp -d); pass=0 fail=0
trap '"$LAB/bin/heal.sh" > /dev/null 2>&1 || true; rm -rf "$t"' EXIT
fault() { "$LAB/bin/fault.sh" "$@"; }
good() { pass=$((pass + 1)); echo "ok   $1"; }
bad() { fail=$((fail + 1)); echo "FAIL $1: $2"; }
# ok NAME CMD...: CMD must succeed; no NAME REGEX CMD...: CMD must fail and say REGEX
ok() { local w=$1; shift; if "$@" > "$t/out" 2>&1; then good "$w"; else bad "$w" "$(tail -1 "$t/out")"; fi; }
no() {
  local w=$1 re=$2; shift 2
  if "$@" > "$t/out" 2>&1; then bad "$w" succeeded
  elif grep -qE "$re" "$t/out"; then good "$w"
  else bad "$w" "$(tail -1 "$t/out")"; fi
}
cl() { in_ns "$CL" "$@"; }
kconf() { # FILE KDC UDP_PREFERENCE_LIMIT: one KDC only, UDP first (32700) or TCP only (1)
  cat > "$t/$1" <<K
[libdefaults]
 default_realm = CORP.EXAMPLE.COM
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
 udp_preference_limit = $3
[realms]
 CORP.EXAMPLE.COM = {
  kdc = $2
  kpasswd_server = $2
 }
K
}
kconf dc1-udp $IP_DC1 32700; kconf dc1-tcp $IP_DC1 1; kconf dc2-udp $IP_DC2 32700; kconf dc2-tcp $IP_DC2 1
system=/etc/krb5.conf a=FILE:$t/alice c=FILE:$t/carol
kin() { printf '%s\n' "$3" | KRB5_CONFIG=$1 KRB5CCNAME=${4:-MEMORY:} cl kinit "$2"; }   # CONF USER PASSWORD [CCACHE]
passwd() { printf '%s\n%s\n%s\n' "$2" "$3" "$3" | KRB5_CONFIG=$1 cl kpasswd bob.changer; }   # CONF OLD NEW
srv() { [ "$(cl dig "$2" +time=2 +tries=1 +short "@$1" _kerberos._tcp.corp.example.com SRV | grep -c 'dc[12]')" = 2 ]; }
db() { local cc=$1; shift; KRB5CCNAME=$cc cl mariadb --no-defaults -h"$RDS" "$@"; }   # CCACHE ARGS...
spn() { KRB5CCNAME=$1 cl kvno "mysql/$2"; }

for s in $IP_DC1 $IP_DC2 $IP_NS "$(v6 $IP_DC1)" "$(v6 $IP_DC2)" "$(v6 $IP_NS)"; do ok "SRV at $s, UDP" srv "$s" +notcp; ok "SRV at $s, TCP" srv "$s" +tcp; done
kconf dc1-v6 "[$(v6 $IP_DC1)]" 1
for k in dc1-udp dc1-tcp dc2-udp dc2-tcp dc1-v6; do ok "kinit alice, $k" kin "$t/$k" alice "$USERPW"; done
no "wrong password" "Password incorrect|Preauth" kin $system alice nope
no "unknown user" "not found" kin $system nosuch x
for u in bob.disabled bob.locked bob.acctexpired; do no "$u" revoked kin $system $u "$USERPW"; done
for u in bob.expired bob.mustchange; do no "$u" expired kin $system $u "$USERPW"; done
# kdc_timesync = 0, else MIT's client hides a wrong clock
sed 's/.libdefaults./&\n kdc_timesync = 0/' "/etc/netns/$CL/krb5.conf" > "$t/skew"
skewed() { printf '%s\n' "$USERPW" | KRB5_CONFIG=$t/skew KRB5CCNAME=MEMORY: cl faketime -f +10m kinit alice; }
no "clock 10 minutes off" skew skewed
kin $system alice "$USERPW" "$a" > /dev/null 2>&1 || true
kin $system carol@ONPREM.LOCAL "$CAROLPW" "$c" > /dev/null 2>&1 || true
ok "ticket for the database" spn "$a" "$RDS"
ok "ticket across the trust" spn "$c" db1.corp.example.com
no "unknown SPN" "not found" spn "$a" nosuch.corp.example.com
ok "MariaDB: alice" db "$a" -ualice -e 'select current_user()'
for i in 1 2 3; do ok "mycluster-$i" db "$a" -h"$(db_host $i)" -P$CLUSTERPORT --ssl -ualice -e 'select current_user()'; done
ok "three instances" db "$a" -P$CLUSTERPORT --ssl -ualice -e 'select max(server_id), @@aurora_server_id from information_schema.replica_host_status having max(server_id) = "mycluster-3"'
ok "MariaDB: IPv6" db "$a" -h"$(v6 $IP_DB)" -ualice -e 'select current_user()'
ok "MariaDB: carol, across the trust" db "$c" -ucarol -e 'select current_user()'
ok "MariaDB: TLS, verified" db "$a" -ualice_tls --ssl-ca="$ST/db/tls/ca.pem" --ssl-verify-server-cert -e 'select 1'
no "MariaDB: wrong principal" "name mismatch" db "$c" -ualice -e 'select 1'
no "MariaDB: no ticket" "No credentials|GSSAPI" db "FILE:$t/none" -ualice -e 'select 1'
ok "kinit, MIT" kin $system alice@MIT.TEST "$USERPW"
ok "kinit, Heimdal" kin $system alice@HEIM.TEST "$USERPW"
ok "kpasswd, TCP 464" passwd "$t/dc1-tcp" "$USERPW" Changed-Pw-1
fault rst tcp 464
ok "kpasswd, UDP 464 (TCP reset)" passwd "$t/dc1-udp" Changed-Pw-1 "$USERPW"
fault clear; fault drop udp 88
ok "UDP 88 dropped: kinit goes to TCP" kin $system alice "$USERPW"
fault clear; fault unreach $IP_DC1
ok "DC1 unreachable: kinit goes to DC2" kin $system alice "$USERPW"
fault clear
echo "$pass passed, $fail failed"
[ $fail = 0 ]
