#!/bin/bash
# Sees to it that both DCs of CORP give all addresses of the DCs and of the database, IPv4 and IPv6. Each DC registers
# its own at start, but two that change one name at the same moment overwrite each other until one tries again.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t=$(tick) changed=
zone=corp.example.com
conf=(-s "$ST/$DC1/etc/smb.conf" -U "Administrator%$ADMINPW")
has() { in_ns "$CL" dig +short +time=1 +tries=1 "@$1" "$2" "$3" | grep -ixF "$4" > /dev/null; }   # SERVER NAME TYPE ADDRESS
want() { # LABEL ADDRESS
  local l=$1 a type=A; a=$2
  local n=$l.$zone
  if [ "$l" = @ ]; then n=$zone; fi
  case $a in *:*) type=AAAA ;; esac
  if has $IP_DC1 "$n" $type "$a" && has $IP_DC2 "$n" $type "$a"; then return; fi
  changed=1
  in_dc "$DC1" samba-tool dns add $IP_DC1 $zone "$l" $type "$a" "${conf[@]}" > /dev/null 2>&1 || has $IP_DC1 "$n" $type "$a" ||
    die "cannot add $type $n"
}
for a in $IP_DC1 $IP_DC2; do want @ "$a"; want @ "$(v6 "$a")"; done
want dc1 $IP_DC1; want dc1 "$(v6 $IP_DC1)"
want dc2 $IP_DC2; want dc2 "$(v6 $IP_DC2)"
want db1 $IP_DB; want db1 "$(v6 $IP_DB)"
if [ -n "$changed" ]; then
  "$LAB/bin/replicate.sh" dc2 dc1 DC=DomainDnsZones,DC=corp,DC=example,DC=com
  for l in @ dc1 dc2 db1; do
    n=$l.$zone; [ $l != @ ] || n=$zone
    diff <(in_ns "$CL" dig +short @$IP_DC1 $n AAAA | sort) <(in_ns "$CL" dig +short @$IP_DC2 $n AAAA | sort) > /dev/null || die "the DCs disagree on $n"
  done
fi
lap "$t" "DNS records of CORP"
