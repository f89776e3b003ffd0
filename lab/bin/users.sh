#!/bin/bash
# Users, service accounts, keytabs.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t=$(tick)
mkdir -p "$KEYTABS"
corp() { in_dc "$DC1" samba-tool "$@" -s "$ST/$DC1/etc/smb.conf" > /dev/null; }
onprem() { in_dc "$ON" samba-tool "$@" -s "$ST/$ON/etc/smb.conf" > /dev/null; }
modify() { in_dc "$DC1" ldbmodify -H "$ST/$DC1/private/sam.ldb" > /dev/null; }   # LDIF on stdin
mkuser() { corp user create "$@" || corp user show "$1"; }   # so that a run cut short can be repeated
quiet() { "$@" 2> >(grep -v '^Export one principal' >&2); }
export_key() { quiet corp domain exportkeytab "$KEYTABS/$1.keytab" --principal="$2"; }
# a password that was set so many days ago (the maximum age is 42)
aged() { in_dc "$DC1" faketime -f "-$2d" samba-tool user setpassword "$1" --newpassword="$USERPW" -s "$ST/$DC1/etc/smb.conf" > /dev/null; }

first() {
  corp domain passwordsettings set --complexity=off --min-pwd-age=0 --history-length=0 \
    --account-lockout-threshold=3 --account-lockout-duration=99999 --reset-account-lockout-after=30
  onprem domain passwordsettings set --complexity=off --min-pwd-age=0 --history-length=0

  for u in alice bob.disabled bob.expired bob.locked bob.mustchange bob.acctexpired bob.changer; do
    mkuser $u "$USERPW" --mail-address=$u@corp.example.com
  done
  corp user setexpiry --noexpiry alice
  corp user disable bob.disabled
  modify <<'L'
dn: CN=bob.mustchange,CN=Users,DC=corp,DC=example,DC=com
changetype: modify
replace: pwdLastSet
pwdLastSet: 0
-

dn: CN=bob.acctexpired,CN=Users,DC=corp,DC=example,DC=com
changetype: modify
replace: accountExpires
accountExpires: 132223104000000000
-
L
  # Expired by age. (A fine-grained policy of less than a day does not do: Samba takes that as "never expires".)
  aged bob.expired 50
  for _ in 1 2 3 4; do echo wrong | in_ns "$CL" env KRB5CCNAME=MEMORY: kinit bob.locked > /dev/null 2>&1 || true; done

  # The database's account, with its host name and an RDS-like name; AES only. Two more with other encryption types.
  mkuser svc-mysql "$SVCPW" --description="MariaDB/MySQL"
  corp user setexpiry --noexpiry svc-mysql
  local spns="mysql/db1.corp.example.com $SPN mariadb/db1.corp.example.com"
  for s in $spns; do corp spn add "$s" svc-mysql; done
  mkuser svc-rc4 "$SVCPW"; corp spn add mysql/rc4.corp.example.com svc-rc4
  mkuser svc-default "$SVCPW"; corp spn add mysql/default.corp.example.com svc-default
  modify <<'L'
dn: CN=svc-mysql,CN=Users,DC=corp,DC=example,DC=com
changetype: modify
replace: msDS-SupportedEncryptionTypes
msDS-SupportedEncryptionTypes: 24
-

dn: CN=svc-rc4,CN=Users,DC=corp,DC=example,DC=com
changetype: modify
replace: msDS-SupportedEncryptionTypes
msDS-SupportedEncryptionTypes: 4
-
L
  rm -f "$KEYTABS"/*.keytab
  for p in $spns; do export_key mysql "$p"; done
  export_key alice alice
  in_ns "$CL" dig +short "@$IP_DC1" db1.corp.example.com A | grep . > /dev/null ||
    corp dns add "$IP_DC1" corp.example.com db1 A "$IP_DB" -U "Administrator%$ADMINPW"
  onprem user create carol "$CAROLPW" || onprem user show carol
  quiet onprem domain exportkeytab "$KEYTABS/carol.keytab" --principal=carol
}

# One account for each state that a finding names; added later, so that a lab made before gets them too.
second() {
  # wrong.pw, breaker.user: to try wrong passwords on (lab.sh user unlock); pwuser: an account
  # with a password there; mismatch: one of somebody else's there; db.locked: a locked one
  for u in nopreauth.user expiring.user wrong.pw breaker.user stale.keytab pwuser mismatch db.locked db.limited; do mkuser $u "$USERPW"; done
  for u in nopreauth.user wrong.pw breaker.user stale.keytab pwuser mismatch db.locked db.limited; do corp user setexpiry --noexpiry $u; done
  # 0x400000 DONT_REQ_PREAUTH, with NORMAL_ACCOUNT and DONT_EXPIRE_PASSWORD. Samba's KDC asks for preauthentication where
  # the client's account, the server's (krbtgt) or its krb5.conf (net-up.sh) wants it; all three must say no.
  modify <<'L'
dn: CN=nopreauth.user,CN=Users,DC=corp,DC=example,DC=com
changetype: modify
replace: userAccountControl
userAccountControl: 4260352
-

dn: CN=krbtgt,CN=Users,DC=corp,DC=example,DC=com
changetype: modify
replace: userAccountControl
userAccountControl: 4194818
-
L
  # a keytab that the account has left behind
  rm -f "$KEYTABS"/stale.keytab
  export_key stale stale.keytab
  corp user setpassword stale.keytab --newpassword="$USERPW-2"
  # the service principal whose tickets are RC4, with the others in one keytab
  cp "$KEYTABS/mysql.keytab" "$KEYTABS/default.keytab"; export_key default mysql/default.corp.example.com
}

# The services of the cluster's second and third instance, and a keytab with the right principals and a key that nobody has.
third() {
  local i p
  for i in 2 3; do p=$(db_spn $i); corp spn add "$p" svc-mysql; export_key mysql "$p"; done
  rm -f "$KEYTABS/wrong.keytab"
  for i in 1 2 3; do
    printf 'addent -password -p %s -k 2 -e aes256-cts-hmac-sha1-96\nnot-the-key\nwkt %s\n' "$(db_spn $i)@CORP.EXAMPLE.COM" "$KEYTABS/wrong.keytab" |
      ktutil > /dev/null
  done
}

step() { # NAME: each once; .users is the name of the first one in older labs
  if [ -s "$ST/$1" ]; then return 0; fi
  "$2"; date > "$ST/$1"
}
step .users first
step .users-2 second
step .users-3 third
# Both DCs must know them now, not when they next get round to it.
both_know() {
  local n
  for n in "$DC1" "$DC2"; do
    in_dc "$n" ldbsearch -H "$ST/$n/private/sam.ldb" '(cn=stale.keytab)' msDS-KeyVersionNumber | grep 'KeyVersionNumber: [3-9]' > /dev/null || return 1
    in_dc "$n" ldbsearch -H "$ST/$n/private/sam.ldb" "(servicePrincipalName=$(db_spn 3))" dn | grep '^dn: CN=svc-mysql' > /dev/null || return 1
  done
}
if [ ! -s "$ST/.users-3-on-dc2" ]; then
  "$LAB/bin/replicate.sh" dc2 dc1
  wait_for 100 both_know || die "the users have not come to DC2"
  date > "$ST/.users-3-on-dc2"
fi
lap "$t" "users and keytabs"
