#!/bin/bash
# Router namespace plus one namespace per host, joined by veth pairs, IPv4 and IPv6; nothing in the root namespace, no
# way out.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t=$(tick)
# `ip netns exec` binds /etc/netns/NAME/FILE over /etc/FILE, which must exist: an empty krb5.conf is harmless. Together
# with the folders, under the lock that net-down.sh takes: the last lab that goes takes the empty file with it.
shared_etc() {
  local h
  for h in $HOSTS; do mkdir -p "/etc/netns/${h%%:*}"; done
  [ -e /etc/krb5.conf ] || : > /etc/krb5.conf
}
etc_locked shared_etc
# /run/netns/NAME must be a real mount, not a file that a crash left behind
add_ns() { ip netns exec "$1" true 2> /dev/null || { rm -f "/run/netns/$1"; ip netns add "$1"; }; ip -n "$1" link set lo up; }
add_ns "$RT"
# icmp: a router that is slow to say "unreachable" would make one of a row of probes time out
in_ns "$RT" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
for h in $HOSTS; do
  n=${h%%:*} a=${h##*:} r=r-${n#"$N"-}
  g=${a%.*}.1
  add_ns "$n"
  ip -n "$n" link show eth0 > /dev/null 2>&1 || ip link add eth0 netns "$n" type veth peer name "$r" netns "$RT"
  # nodad: without it an IPv6 address is of no use for a second, and daemons that start then do not bind to it
  ip -n "$n" addr replace "$a/24" dev eth0; ip -n "$n" addr replace "$(v6 "$a")/64" dev eth0 nodad; ip -n "$n" link set eth0 up
  ip -n "$RT" addr replace "$g/24" dev "$r"; ip -n "$RT" addr replace "$(v6 "$g")/64" dev "$r" nodad; ip -n "$RT" link set "$r" up
  ip -n "$n" route replace default via "$g"; ip -n "$n" -6 route replace default via "$(v6 "$g")"
done
for i in 2 3; do ip -n "$DB" addr replace "$(db_addr $i)/24" dev eth0; ip -n "$DB" addr replace "$(v6 "$(db_addr $i)")/64" dev eth0 nodad; done
etc() { # NS RESOLVER SEARCH REALM ADDRESS NAMES...
  local n=$1 ns=$2 search=$3 realm=$4 a=$5; shift 5
  printf 'search %s\nnameserver %s\n' "$search" "$ns" > "/etc/netns/$n/resolv.conf"
  printf '127.0.0.1 localhost\n::1 localhost\n%s %s\n%s %s\n' "$a" "$*" "$(v6 "$a")" "$*" > "/etc/netns/$n/hosts"
  # [kdc]: read by Samba's KDC only; with false each account's own flag decides, as in Windows
  cat > "/etc/netns/$n/krb5.conf" <<K
[libdefaults]
    default_realm = $realm
    dns_lookup_realm = false
    dns_lookup_kdc = true
    rdns = false
    dns_canonicalize_hostname = false
    forwardable = true
    udp_preference_limit = 1465
[domain_realm]
    .corp.example.com = CORP.EXAMPLE.COM
    corp.example.com = CORP.EXAMPLE.COM
    .onprem.local = ONPREM.LOCAL
    onprem.local = ONPREM.LOCAL
    .rds.amazonaws.com = CORP.EXAMPLE.COM
[kdc]
    require-preauth = false
K
}
corp() { etc "$1" "$2" corp.example.com CORP.EXAMPLE.COM "${@:3}"; }
corp "$DC1" $IP_DC1 $IP_DC1 dc1.corp.example.com dc1
corp "$DC2" $IP_DC1 $IP_DC2 dc2.corp.example.com dc2
corp "$DB" $IP_NS $IP_DB db1.corp.example.com db1
corp "$CL" $IP_NS $IP_CL app1.corp.example.com app1
corp "$NS" 127.0.0.1 $IP_NS resolver
etc "$ON" $IP_ON onprem.local ONPREM.LOCAL $IP_ON dc1.onprem.local dc1
etc "$MIT" $IP_NS mit.test MIT.TEST $IP_MIT kdc.mit.test kdc
etc "$HEIM" $IP_NS heim.test HEIM.TEST $IP_HEIM kdc.heim.test kdc
lap "$t" "network"
