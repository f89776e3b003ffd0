#!/bin/bash
# Joins DC2 as a second, real DC of CORP, starts it, and has its records and DNS partitions replicated.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
d=$ST/$DC2; t=$(tick)
if [ ! -s "$d/.joined" ]; then
  rm -rf "$d"; mkdir -p "$d/run/ncalrpc" "$d/run/winbindd"; : > "$d/empty.conf"
  in_dc "$DC2" samba-tool domain join corp.example.com DC -s "$d/empty.conf" --targetdir="$d" \
    --dns-backend=SAMBA_INTERNAL -U "Administrator%$ADMINPW" --realm=CORP.EXAMPLE.COM --server=dc1.corp.example.com \
    --option="netbios name=DC2" --option="interfaces=lo eth0" --option="bind interfaces only=yes" \
    --option="dns forwarder=$IP_NS" --option="idmap_ldb:use rfc2307 = yes" \
    --option="pid directory=$d/run" --option="ncalrpc dir=$d/run/ncalrpc" \
    --option="ntp signd socket directory=$d/run/ntp_signd" --option="log file=$d/log.samba" \
    --option="dns update command=/usr/sbin/samba_dnsupdate --use-samba-tool" \
    > "$d.join.log" 2>&1 || { tail -20 "$d.join.log"; die "cannot join DC2"; }
  date > "$d/.joined"
  lap "$t" "DC2 joined"
fi
"$LAB/bin/dc-start.sh" "$DC2"
if [ ! -s "$d/.replicated" ]; then
  t=$(tick)
  has_dc2() { in_ns "$CL" dig +short "@$1" "$2.corp.example.com" SRV | grep dc2 > /dev/null; }
  # DC2 puts its SRV records into its own copy first; pulled to DC1 here, else that takes up to minutes
  wait_for 300 has_dc2 "$IP_DC2" _kpasswd._udp || die "DC2 has not registered its records"
  "$LAB/bin/replicate.sh" kcc
  "$LAB/bin/replicate.sh" dc1 dc2
  wait_for 50 has_dc2 "$IP_DC1" _kerberos._udp || die "DC2's records have not come to DC1"
  date > "$d/.replicated"
  lap "$t" "DC2 in DNS and replicating"
fi
