#!/bin/bash
# smoke-faults.sh [CODE...]: makes each fault of break.sh, looks at it with ordinary tools, heals it, and looks that the
# login works again at the end. The last line is "N passed, M failed".
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t=$(mktemp -d); pass=0 fail=0
trap '"$LAB/bin/heal.sh" > /dev/null 2>&1 || true; rm -rf "$t"' EXIT
zone=corp.example.com
cl() { in_ns "$CL" "$@"; }
says() { local re=$1; shift; "$@" > "$t/out" 2>&1 || true; grep -qE "$re" "$t/out"; }   # REGEX CMD...
not() { ! "$@" > /dev/null 2>&1; }
each() { local c=$1 h; shift; for h in "$@"; do $c "$h" || return 1; done; }

# DNS: what SERVER says to NAME TYPE: its code, or nothing
code() { cl dig +time=1 +tries=1 "${@:4}" "@$1" "$2" "$3" | sed -n 's/.*status: \([A-Z]*\),.*/\1/p'; }
answer() { cl dig +time=1 +tries=1 +short "@$1" "$2" "$3"; }
udp53() { [ -n "$(code "$1" $zone SOA +notcp)" ]; }
tcp53() { [ -n "$(code "$1" $zone SOA +tcp)" ]; }
tcp() { cl nc -z -w1 "$1" "$2"; }   # HOST PORT

# Kerberos
kconf() { # FILE KDC UDP_PREFERENCE_LIMIT REALM: one KDC only, UDP first (32700) or TCP only (1)
  cat > "$t/$1" <<K
[libdefaults]
 default_realm = ${4:-CORP.EXAMPLE.COM}
 dns_lookup_kdc = false
 dns_canonicalize_hostname = false
 rdns = false
 kdc_timesync = 0
 udp_preference_limit = $3
 permitted_enctypes = aes256-cts aes128-cts
[realms]
 ${4:-CORP.EXAMPLE.COM} = {
  kdc = $2
  kpasswd_server = $2
 }
K
}
kconf dc1-udp $IP_DC1 32700; kconf dc1-tcp $IP_DC1 1; kconf dc2-tcp $IP_DC2 1; kconf on-as-corp $IP_ON 1; kconf mit $IP_MIT 1 MIT.TEST
kin() { printf '%s\n' "${4:-$USERPW}" | KRB5_CONFIG=$1 KRB5CCNAME=$3 KRB5_TRACE=/dev/stdout cl timeout 5 kinit "$2"; }   # CONF USER CCACHE [PASSWORD]
at() { kin "$t/$1" "$2" MEMORY: "${@:3}"; }   # CONF USER [PASSWORD]
system=/etc/krb5.conf
# kinit's trace says whether a datagram came back: it falls back to TCP
udp88() { says 'Received answer .* from dgram' at dc1-udp alice; }
kvno() { KRB5_CONFIG=${3:-$system} KRB5CCNAME=FILE:$t/$1 cl kvno "$2"; }
# the database, as USER with that user's ticket
login() { # USER [PRINCIPAL] [ARGS...]
  local u=$1 p=${2:-$1}; shift; [ $# = 0 ] || shift
  [ -e "$t/cc.$p" ] || kin $system "$p" "FILE:$t/cc.$p" > /dev/null 2>&1 || true
  KRB5CCNAME=FILE:$t/cc.$p cl timeout 10 mariadb --no-defaults --connect-timeout=2 -h"$RDS" -u"$u" -e 'select current_user()' "$@"
}
# an instance of the cluster; of its TLS only that it is there is looked at
at_instance() { login alice alice --ssl -P$CLUSTERPORT -h"$(db_host "$1")"; }
tls() { echo | cl openssl s_client -starttls mysql -connect "$RDS:3306" -CAfile "$ST/db/tls/ca.pem" -verify_hostname "$RDS" -verify_return_error 2>&1; }
expiring() { tls | openssl x509 -noout -checkend 0 && ! tls | openssl x509 -noout -checkend $((7 * 86400)); }

look() { # CODE: is it there?
  case $1 in
    none) login alice ;;
    host-offline*) not tcp $IP_DB 3306 && not tcp "$(v6 $IP_DB)" 3306 && not udp53 $IP_DC1 ;;
    server-down*) for p in 53 88 464; do not tcp $IP_DC2 $p || return 1; done; tcp $IP_DC1 88 ;;
    dns-server-silent:resolver) not udp53 $IP_NS && not tcp53 $IP_NS && udp53 $IP_DC1 ;;
    dns-server-silent) not udp53 $IP_DC2 && not tcp53 $IP_DC2 && udp53 $IP_DC1 && udp53 $IP_NS ;;
    dns-udp-blocked) not udp53 $IP_DC1 && tcp53 $IP_DC1 ;;
    dns-tcp-blocked) udp53 $IP_DC1 && not tcp53 $IP_DC1 ;;
    dns-refused) [ "$(code $IP_DC1 $zone SOA)" = REFUSED ] && [ "$(code $IP_DC2 $zone SOA)" = NOERROR ] ;;
    dns-refused:servfail) [ "$(code $IP_DC1 $zone SOA)" = SERVFAIL ] ;;
    dns-zone-missing) [ "$(code $IP_NS $zone SOA)" = NXDOMAIN ] && [ "$(code $IP_DC1 $zone SOA)" = NOERROR ] && says . answer $IP_NS "$RDS" A ;;
    dns-zone-missing:refused) [ "$(code $IP_NS $zone SOA)" = REFUSED ] ;;
    realm-not-in-dns) for s in $IP_DC1 $IP_DC2 $IP_NS; do [ "$(code "$s" $zone SOA)" = NXDOMAIN ] || return 1; done ;;
    dns-servers-disagree) says dc1 answer $IP_DC1 _kerberos._tcp.$zone SRV && not says dc1 answer $IP_DC2 _kerberos._tcp.$zone SRV ;;
    dns-srv-missing) each absent _kpasswd._tcp _kpasswd._udp ;;
    dns-srv-missing:kerberos) each absent _kerberos._tcp _kerberos._udp ;;
    dns-srv-stale) says dc9 answer $IP_NS _kerberos._tcp.$zone SRV && not says . answer $IP_NS dc9.$zone A ;;
    dns-srv-stale:dead) says dc9 answer $IP_NS _kerberos._tcp.$zone SRV && not tcp "$(answer $IP_NS dc9.$zone A)" 88 ;;
    kdc-unresolvable) [ "$(code $IP_NS nosuch.$zone A)" = NXDOMAIN ] ;;
    kdc-lookup-failed) [ "$(code $IP_NS dc1.$zone A)" = SERVFAIL ] && not kin $system alice MEMORY: ;;
    endpoint-unresolvable) not says . answer $IP_NS "nosuch.${RDS#*.}" A ;;
    dns-filtered) [ -z "$(code $IP_NS _kerberos._tcp.$zone SRV)" ] && says . answer $IP_NS dc1.$zone A ;;
    server-slow) not udp53 $IP_DC1 && [ -n "$(cl dig +time=3 +tries=1 +short "@$IP_DC1" $zone SOA)" ] ;;
    names-differ*) says "${IP_DC2%.*}.99" cl getent ahosts dc2.$zone ;;
    ipv6-broken) says . answer $IP_NS "$RDS" AAAA && not tcp "$(v6 $IP_DB)" 3306 && tcp $IP_DB 3306 && not tcp "$(v6 $IP_DC1)" 88 ;;
    kdc-silent) not tcp $IP_DC1 88 && not udp88 && tcp $IP_DC2 88 && tcp $IP_DC1 464 ;;
    kdc-hung) tcp $IP_DC1 88 && not at dc1-tcp alice && at dc2-tcp alice && udp53 $IP_DC1 ;;
    kdc-refused) says refused cl nc -zv -w1 $IP_DC1 88 && not udp88 && tcp $IP_DC2 88 ;;
    kdc-udp-blocked) not udp88 && at dc1-tcp alice ;;
    kdc-tcp-blocked) udp88 && not tcp $IP_DC1 88 && not tcp $IP_DC2 88 && not at dc1-udp alice ;;
    kdc-tcp-blocked:one) udp88 && not tcp $IP_DC1 88 && at dc2-tcp alice ;;
    kdc-large-messages-lost*) says 'Additional pre-authentication required' at dc1-tcp alice && not at dc1-tcp alice ;;
    kdc-wrong-realm) says 'not found in Kerberos database' at on-as-corp alice && at dc1-tcp alice ;;
    realm-unreachable) not tcp $IP_DC1 88 && not tcp $IP_DC2 88 && tcp $IP_ON 88 ;;
    kpasswd-blocked) not tcp $IP_DC1 464 && tcp $IP_DC1 88 && tcp $IP_DC2 464 ;;
    kpasswd-blocked:udp) tcp $IP_DC1 464 && dropped 'udp dport 464' ;;
    kpasswd-blocked:tcp) not tcp $IP_DC1 464 && tcp $IP_DC1 88 ;;
    clock-skew) says skew at dc1-tcp alice && says skew at dc2-tcp alice ;;
    clock-skew-one-kdc) at dc1-tcp alice && says skew at dc2-tcp alice ;;
    password-wrong) says 'Preauthentication failed|Password incorrect' at dc1-tcp wrong.pw nope ;;
    keytab-stale) says 'Preauthentication failed' cl env KRB5CCNAME=MEMORY: kinit -kt "$KEYTABS/stale.keytab" stale.keytab ;;
    principal-unknown) says 'not found in Kerberos' at dc1-tcp nosuch ;;
    realm-case) says 'did not match expectations' kin $system alice@corp.example.com MEMORY: ;;
    account-locked) says revoked at dc1-tcp bob.locked ;;
    account-disabled) says revoked at dc1-tcp bob.disabled ;;
    logon-restricted) says revoked at dc1-tcp bob.changer ;;
    account-expired) says revoked at dc1-tcp bob.acctexpired ;;
    password-expired) says expired at dc1-tcp bob.expired ;;
    password-must-change) says expired at dc1-tcp bob.mustchange ;;
    password-expiring) says 'will expire in [0-5] days' at dc1-tcp expiring.user ;;
    # KRB5_TRACE of kinit without preauthentication required names no KDC error
    preauth-not-required) not says 'Additional pre-authentication required' at dc1-tcp nopreauth.user && at dc1-tcp nopreauth.user ;;
    etype-unsupported) says 'no support for encryption type' kin "$t/mit" camellia MEMORY: ;;
    ticket-rc4) at_kvno default 'kvno' && says 'tkt.: .*arcfour' klist -e "$t/aes" && announces mysql/default.$zone ;;
    service-unknown*) login alice > /dev/null 2>&1; says 'not found in Kerberos database' fresh alice "$SPN" ;;
    service-realm-unmapped)
      announces "$SPN" && not announces "$SPN@" &&
        says 'not found in Kerberos database' fresh carol@ONPREM.LOCAL "$SPN@ONPREM.LOCAL" "$CAROLPW" && fresh carol@ONPREM.LOCAL "$SPN@CORP.EXAMPLE.COM" "$CAROLPW" ;;
    trust-no-referral) says 'not found in Kerberos database|unable to reach realm' fresh alice@MIT.TEST "$SPN@CORP.EXAMPLE.COM" ;;
    trust-realm-unreachable) says 'Cannot contact any KDC' fresh carol@ONPREM.LOCAL "$SPN@CORP.EXAMPLE.COM" "$CAROLPW" ;;
    db-silent:frozen) cl nc -z -w1 $IP_DB 3306 && not login alice ;;
    db-silent) says 'timed out' cl nc -zv -w1 $IP_DB 3306 && says 'timed out' cl nc -zv -w1 "$(v6 $IP_DB)" 3306 ;;
    db-connection-cut*) says 'ERROR (2013|2026|5014)' login alice '' --ssl ;;
    db-path-mtu) cl nc -z -w1 $IP_DB 3306 && not login alice ;;
    db-refused) says refused cl nc -zv -w1 $IP_DB 3306 ;;
    db-refused:reader) says 'ERROR 2002' at_instance 3 && at_instance 2 ;;
    db-plugin-missing) says 'ERROR 1524' at_instance 3 && at_instance 1 && at_instance 2 ;;
    reader-unlike-writer) says 'ERROR 1105' at_instance 3 && at_instance 1 && at_instance 2 ;;
    db-host-blocked) says 1129 login alice ;;
    db-host-denied) says 1130 login alice ;;
    db-too-many-connections) says 1040 login alice ;;
    db-too-many-connections:user) says 1226 login db.limited ;;
    db-tls-untrusted) says 'unable to (verify|get)|self.signed' tls ;;
    db-tls-untrusted:name) says 'ostname mismatch' tls ;;
    db-tls-untrusted:date) says 'has expired' tls ;;
    db-certificate-expiring) expiring ;;
    db-tls-required) says 'ERROR 2026' login alice '' --ssl --ssl-verify-server-cert ;;
    db-account-unknown) says 'ERROR (1045|1698)' login pwuser ;;
    db-ticket-rejected) says 'ERROR (1105|1045|2013)' login alice ;;
    db-access-denied) says 'ERROR 1045.*name mismatch' login mismatch ;;
    db-account-locked) says 'ERROR 4151' login db.locked ;;
    # the client asks for its ticket while the server waits
    db-auth-timeout) says 'ERROR (2013|2006|5014)' slow ;;
    *) echo "no look at $1"; return 1 ;;
  esac
}
absent() { [ "$(code $IP_DC1 "$1.$zone" SRV)" = NXDOMAIN ] && [ "$(code $IP_NS "$1.$zone" SRV)" = NXDOMAIN ]; }
dropped() { # RULE: it catches a datagram that is sent
  cl sh -c "echo x | nc -u -w1 $IP_DC1 ${1##* }"; in_ns "$RT" nft list chain inet fault path | grep "$1" | grep -v 'packets 0 ' > /dev/null
}
# a new TGT, then a ticket for SPN
fresh() { kin $system "$1" "FILE:$t/fresh" "${3:-$USERPW}" > /dev/null 2>&1; KRB5CCNAME=FILE:$t/fresh cl timeout 40 kvno "$2"; }
at_kvno() { kin "$t/dc1-tcp" alice "FILE:$t/aes" > /dev/null; says "$2" kvno aes "mysql/$1.$zone" "$t/dc1-tcp"; }
announces() { [ "$("$LAB/bin/db.sh" sql 'select @@gssapi_principal_name')" = "$1" ] || { "$LAB/bin/db.sh" sql 'select @@gssapi_principal_name' | grep -F "$1@" > /dev/null; }; }
slow() {
  printf '%s\n' "$USERPW" | KRB5CCNAME=FILE:$t/slow cl timeout 20 kinit alice > /dev/null
  KRB5CCNAME=FILE:$t/slow cl timeout 20 mariadb --no-defaults -h"$RDS" -ualice -e 'select 1'
}

check() { # CODE
  local begun made seen healed broken; begun=$(tick)
  rm -f "$t"/cc.*
  : > "$t/out"
  if "$LAB/bin/break.sh" "$1" > "$t/flags" 2> "$t/log"; then broken=yes; else broken=no; fi
  made=$(tick)
  if [ $broken = yes ] && look "$1" >> "$t/log" 2>&1; then seen=ok pass=$((pass + 1)); else seen=FAIL fail=$((fail + 1)); fi
  healed=$(tick); "$LAB/bin/heal.sh" > /dev/null
  awk -v a="$begun" -v b="$made" -v c="$healed" -v d="$(tick)" -v s=$seen -v n="$1" 'BEGIN { printf "%-4s %-32s made in %4.1f s, healed in %4.1f s\n", s, n, b - a, d - c }'
  [ $seen = ok ] || sed 's/^/     /' "$t/log" "$t/out" | tail -4
}
"$LAB/bin/heal.sh" > /dev/null
if [ $# = 0 ]; then mapfile -t codes < <("$LAB/bin/break.sh" --list); else codes=("$@"); fi
for c in "${codes[@]}" none; do check "$c"; done
echo "$pass passed, $fail failed"
[ $fail = 0 ]
