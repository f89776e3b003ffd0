#!/bin/bash
# What can happen to an account of CORP. Written into both DCs' databases at once, so nothing waits for replication.
#   user.sh unlock NAME...        after wrong passwords (three lock an account)
#   user.sh expiring [DAYS]       the password of expiring.user ends in DAYS days (5)
#   user.sh hours none|any NAME   at no hour, or at any, may NAME log on
#   user.sh spn drop|move|twice|restore   the database's service principal: nobody has it; svc-default has it; both; svc-mysql
#   user.sh delegated [NAME PASSWORD]   OU=Users,OU=CORP, as AWS Managed Microsoft AD has it, and NAME (kerb.admin), who may
#                                 make users below OU=CORP and nowhere else; on DC1
#   user.sh apart                 DC2 hears no more of what DC1 has, until the next spread or heal
#   user.sh spread                DC2 gets now what DC1 has of accounts
#   user.sh delete NAME...        accounts that a test made
#   user.sh heal
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
base=CN=Users,DC=corp,DC=example,DC=com
both() { # COMMAND...: on both DCs, its directory put in for @dir; both get the standard input
  local in pids=() n p; in=$(cat)
  for n in "$DC1" "$DC2"; do in_dc "$n" "${@//@dir/$ST/$n}" <<< "$in" > /dev/null & pids+=($!); done
  for p in "${pids[@]}"; do wait "$p"; done
}
modify() { both ldbmodify -H @dir/private/sam.ldb; }   # LDIF on stdin
replace() { # NAME ATTRIBUTE VALUE [ATTRIBUTE VALUE]...
  local n=$1; shift
  printf 'dn: CN=%s,%s\nchangetype: modify\n' "$n" "$base"
  while [ $# -gt 0 ]; do printf 'replace: %s\n%s: %s\n-\n' "$1" "$1" "$2"; shift 2; done
  echo
}
has_spn() { in_dc "$1" ldbsearch -H "$ST/$1/private/sam.ldb" "(servicePrincipalName=$SPN)" dn 2> /dev/null | grep "^dn: CN=$2," > /dev/null; } # not -q: what writes on would die of it
spn_is() { # add|delete DC ACCOUNT: it is so already
  if has_spn "$2" "$3"; then [ "$1" = add ]; else [ "$1" = delete ]; fi
}
spn() { # add|delete ACCOUNT, on each DC that has not heard of it from the other meanwhile
  local n out db
  for n in "$DC1" "$DC2"; do
    if spn_is "$1" "$n" "$2"; then continue; fi
    # Beneath Samba's modules: they refuse a second account with one SPN, and then any change of it. A directory gets there by
    # two controllers that each took one.
    if [ "$2" = svc-mysql ]; then db=$ST/$n/private/sam.ldb; else db=tdb://$ST/$n/private/sam.ldb.d/DC=CORP,DC=EXAMPLE,DC=COM.ldb; fi
    out=$(printf 'dn: CN=%s,%s\nchangetype: modify\n%s: servicePrincipalName\nservicePrincipalName: %s\n-\n' "$2" "$base" "$1" "$SPN" |
      in_dc "$n" ldbmodify -H "$db" 2>&1) || spn_is "$1" "$n" "$2" || die "spn $1 on $n: $out"
  done
}
inbound() { # -|+: what DC2 pulls, by itself or when told to
  in_dc "$DC1" samba-tool drs options dc2.corp.example.com --dsa-option="$1DISABLE_INBOUND_REPL" \
    -s "$ST/$DC1/etc/smb.conf" -U "Administrator%$ADMINPW" > /dev/null
}
cmd=${1:-}; [ $# -eq 0 ] || shift
case $cmd in
  unlock) for u in "$@"; do replace "$u" lockoutTime 0 badPwdCount 0; done | modify ;;
  expiring)
    # The time of the last change can't be set, only made under another clock. The domain's maximum age is 42 days.
    both faketime -f "-$((42 - ${1:-5}))d" samba-tool user setpassword expiring.user --newpassword="$USERPW" \
      -s @dir/etc/smb.conf < /dev/null ;;
  hours) # 21 bytes, a bit for each hour of a week (MS-ADA1 logonHours)
    case ${1:-} in
      none) bits=AAAA; echo "${2:?NAME}" > "$ST/.hours" ;;
      any) bits=//// ;;
      *) die "user hours none|any NAME" ;;
    esac
    printf 'dn: CN=%s,%s\nchangetype: modify\nreplace: logonHours\nlogonHours:: %s\n-\n\n' "${2:?NAME}" "$base" "$bits$bits$bits$bits$bits$bits$bits" | modify ;;
  spn)
    case ${1:-} in
      drop) : > "$ST/.spn-dropped"; spn delete svc-mysql ;;
      move) : > "$ST/.spn-dropped"; spn delete svc-mysql; spn add svc-default ;;
      twice) : > "$ST/.spn-dropped"; spn add svc-default ;;
      restore) spn delete svc-default; spn add svc-mysql; rm -f "$ST/.spn-dropped" ;;
      *) die "user spn drop|move|twice|restore" ;;
    esac ;;
  delegated)
    tool() { in_dc "$DC1" samba-tool "$@" -s "$ST/$DC1/etc/smb.conf"; }
    for ou in OU=CORP OU=Users,OU=CORP; do
      tool ou create "$ou" > /dev/null 2>&1 || tool ou list | grep -x "$ou" > /dev/null || die "could not make $ou"
    done
    admin=${1:-kerb.admin} pw=${2:-$USERPW}
    tool user create "$admin" "$pw" > /dev/null 2>&1 || tool user setpassword "$admin" --newpassword="$pw" > /dev/null
    sid=$(tool user show "$admin" --attributes=objectSid | sed -n 's/^objectSid: //p')
    user=bf967aba-0de6-11d0-a285-00aa003049e2   # schemaIDGUID of user
    tool dsacl set --action=allow --objectdn=OU=CORP,DC=corp,DC=example,DC=com \
      --sddl="(OA;CI;CCDC;$user;;$sid)(OA;CIIO;GA;;$user;$sid)" > /dev/null ;;
  apart) : > "$ST/.dcs-apart"; inbound + ;;
  spread)
    if [ -e "$ST/.dcs-apart" ]; then inbound -; rm -f "$ST/.dcs-apart"; fi
    "$LAB/bin/replicate.sh" dc2 dc1 DC=corp,DC=example,DC=com ;;
  delete)
    for u in "$@"; do in_dc "$DC1" samba-tool user delete "$u" -s "$ST/$DC1/etc/smb.conf" > /dev/null 2>&1 || true; done ;;
  heal)
    if [ -e "$ST/.dcs-apart" ]; then "${BASH_SOURCE[0]}" spread; fi
    if [ -e "$ST/.spn-dropped" ]; then "${BASH_SOURCE[0]}" spn restore; fi
    if [ -e "$ST/.hours" ]; then "${BASH_SOURCE[0]}" hours any "$(cat "$ST/.hours")"; rm -f "$ST/.hours"; fi
    if [ -e "$ST/.unlock" ]; then "${BASH_SOURCE[0]}" unlock wrong.pw breaker.user stale.keytab; rm -f "$ST/.unlock"; fi ;;
  *) sed -n '2,/^\./{/^\./d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
