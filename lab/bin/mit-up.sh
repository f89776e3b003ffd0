#!/bin/bash
# MIT krb5kdc + kadmind, realm MIT.TEST, in a namespace of its own: 88, 464 and 749, UDP and TCP; DNS for mit.test on 53.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
a=$IP_MIT a6="[$(v6 $IP_MIT)]" d=$ST/$MIT p=$ST/pkg/mit
if alive "$d/kdc.pid"; then echo "MIT KDC is up"; exit 0; fi
"$LAB/bin/pkg-get.sh" mit
t=$(tick); mkdir -p "$d"
export LD_LIBRARY_PATH=$p/usr/lib/x86_64-linux-gnu KRB5_CONFIG=$d/krb5.conf KRB5_KDC_PROFILE=$d/kdc.conf
cat > "$d/krb5.conf" <<K
[libdefaults]
 default_realm = MIT.TEST
 dns_lookup_kdc = false
 rdns = false
[realms]
 MIT.TEST = {
  kdc = $a
  kpasswd_server = $a
  admin_server = $a
 }
[logging]
 kdc = FILE:$d/kdc.log
 admin_server = FILE:$d/kadmind.log
K
# db_module_dir: the compiled-in one does not exist, as the package is only unpacked
cat > "$d/kdc.conf" <<K
[kdcdefaults]
 kdc_listen = $a:88, $a6:88
 kdc_tcp_listen = $a:88, $a6:88
[realms]
 MIT.TEST = {
  database_module = db2
  database_name = $d/principal
  key_stash_file = $d/stash
  acl_file = $d/kadm5.acl
  kadmind_listen = $a:749
  kpasswd_listen = $a:464, $a6:464
  max_life = 10h
  default_principal_flags = +preauth
  supported_enctypes = aes256-cts:normal aes128-cts:normal aes256-sha2:normal
 }
[dbmodules]
 db_module_dir = $p/usr/lib/x86_64-linux-gnu/krb5/plugins/kdb
 db2 = {
  db_library = db2
  database_name = $d/principal
 }
K
if [ ! -s "$d/.made-2" ]; then
  rm -f "$d"/principal* "$d/stash" "$d"/*.keytab; : > "$d/kadm5.acl"
  {
    "$p/usr/sbin/kdb5_util" create -s -P masterpw -r MIT.TEST
    while read -r c; do "$p/usr/sbin/kadmin.local" -q "$c" < /dev/null; done <<K
addprinc -pw $USERPW alice
addprinc -pw $USERPW changer
addprinc -pw $USERPW -allow_tix disabled
addprinc -pw $USERPW -pwexpire 2020-01-01 pwexpired
addprinc -pw $USERPW -expire 2020-01-01 expired
addprinc -pw $USERPW +needchange mustchange
addpol -maxfailure 3 lock3
addprinc -pw $USERPW -policy lock3 locked
addprinc -pw $USERPW -e camellia256-cts:normal -requires_preauth camellia
addprinc -randkey mysql/db.mit.test
ktadd -k $d/mysql.keytab mysql/db.mit.test
ktadd -norandkey -k $d/alice.keytab alice
K
  } > "$d/make.log" 2>&1 || { tail -3 "$d/make.log"; die "cannot make MIT.TEST"; }
  date > "$d/.made-2"
fi
in_ns "$MIT" "$p/usr/sbin/krb5kdc" -P "$d/kdc.pid"
in_ns "$MIT" "$p/usr/sbin/kadmind" -P "$d/kadmind.pid"
for p in 88 464; do
  wait_for 50 in_ns "$MIT" nc -z -w1 $a $p || die "MIT KDC does not answer on $p"
  wait_for 50 in_ns "$MIT" nc -z -w1 "$(v6 $a)" $p || die "MIT KDC does not answer on $p, IPv6"
done
"$LAB/bin/zone-up.sh" "$MIT" MIT.TEST
lap "$t" "MIT KDC ready"
