#!/bin/bash
# Heimdal kdc + kpasswdd, realm HEIM.TEST, in a namespace of its own: 88 UDP and TCP, 464 UDP only; DNS for heim.test on 53.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
a=$IP_HEIM a6=$(v6 $IP_HEIM) d=$ST/$HEIM p=$ST/pkg/heimdal
if alive "$d/kdc.pid"; then echo "Heimdal KDC is up"; exit 0; fi
"$LAB/bin/pkg-get.sh" heimdal
t=$(tick); mkdir -p "$d"
export LD_LIBRARY_PATH=$p/usr/lib/x86_64-linux-gnu:$p/usr/lib/x86_64-linux-gnu/heimdal KRB5_CONFIG=$d/krb5.conf
cat > "$d/krb5.conf" <<K
[libdefaults]
 default_realm = HEIM.TEST
 dns_lookup_kdc = false
[realms]
 HEIM.TEST = {
  kdc = $a
  kpasswd_server = $a
 }
[kdc]
 database = {
  dbname = $d/db
  realm = HEIM.TEST
  mkey_file = $d/mkey
  acl_file = $d/acl
  log_file = $d/kdb.log
 }
 ports = 88
 require-preauth = true
[logging]
 kdc = FILE:$d/kdc.log
 kpasswdd = FILE:$d/kpasswdd.log
K
if [ ! -s "$d/.made" ]; then
  rm -f "$d"/db* "$d/mkey" "$d"/*.keytab; : > "$d/acl"
  k=("$p/usr/bin/kadmin.heimdal" -l)
  {
    "$p/usr/sbin/kstash" -k "$d/mkey" --random-key
    "${k[@]}" init --realm-max-ticket-life=unlimited --realm-max-renewable-life=unlimited HEIM.TEST
    for u in alice changer; do "${k[@]}" add --use-defaults -p "$USERPW" $u; done
    "${k[@]}" add --use-defaults -r mysql/db.heim.test
    "${k[@]}" ext_keytab -k "$d/mysql.keytab" mysql/db.heim.test
    "${k[@]}" ext_keytab -k "$d/alice.keytab" alice
  } > "$d/make.log" 2>&1 || { tail -3 "$d/make.log"; die "cannot make HEIM.TEST"; }
  date > "$d/.made"
fi
daemon "$d/kdc.pid" "$d/kdc.out" ip netns exec "$HEIM" "$p/usr/lib/heimdal-servers/kdc" --config-file="$d/krb5.conf" --ports=88
daemon "$d/kpasswdd.pid" "$d/kpasswdd.out" ip netns exec "$HEIM" "$p/usr/lib/heimdal-servers/kpasswdd" --port=464
for i in $a "$a6"; do wait_for 50 in_ns "$HEIM" nc -z -w1 "$i" 88 || die "Heimdal KDC does not answer at $i"; done
"$LAB/bin/zone-up.sh" "$HEIM" HEIM.TEST
lap "$t" "Heimdal KDC ready"
