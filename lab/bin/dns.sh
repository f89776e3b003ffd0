#!/bin/bash
# DNS answers bent on the way: the questions to a server are passed through lab/dnsd in the router.
#   dns.sh bend HOST[,HOST...] RULE...   HOST is dc1, dc2, on or ns; RULE as lab/dnsd has it: refuse|servfail|nxdomain|empty|drop|
#                                        truncate|parent=ZONE, TYPE:VERB=ZONE, set=RR add=RR slow=DURATION
#   dns.sh clear
# Whoever asks gets the bent answer, the resolver too.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
clear_all() {
  local f
  if in_ns "$RT" nft delete table inet bend 2> /dev/null; then in_ns "$RT" "$(go_tool forget)"; fi
  for f in "$ST"/dnsd.*.pid; do [ ! -e "$f" ] || stop_pid "$f"; done
}
bend() { # HOST RULE...
  local h=$1 a g i; shift
  a=$(addr_of "$h") || die "no host $h"
  g=${a%.*}.1 i=$ST/dnsd.$h
  if alive "$i.pid"; then die "$h is bent already (dns.sh clear)"; fi
  daemon "$i.pid" "$i.log" ip netns exec "$RT" "$b" -upstream "$a:53" -listen "$g:5300,[$(v6 "$g")]:5300" "$@"
  wait_for 50 grep -q ready "$i.log" || { cat "$i.log"; die "dnsd does not start"; }
  in_ns "$RT" nft -f - <<N
add table inet bend
add chain inet bend pre { type nat hook prerouting priority dstnat; }
add rule inet bend pre ip daddr $a udp dport 53 dnat ip to $g:5300
add rule inet bend pre ip daddr $a tcp dport 53 dnat ip to $g:5300
add rule inet bend pre ip6 daddr $(v6 "$a") udp dport 53 dnat ip6 to [$(v6 "$g")]:5300
add rule inet bend pre ip6 daddr $(v6 "$a") tcp dport 53 dnat ip6 to [$(v6 "$g")]:5300
N
}
case ${1:-} in
  bend)
    [ $# -ge 3 ] || die "dns bend HOST[,HOST...] RULE..."
    b=$(go_tool dnsd)
    for h in ${2//,/ }; do bend "$h" "${@:3}"; done ;;
  clear) clear_all ;;
  *) sed -n '2,/^\./{/^\./d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
