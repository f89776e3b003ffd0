#!/bin/bash
# Faults on the path between the client and the servers: rules and routes of the router namespace, or of the client.
#   fault.sh drop|reject|rst|admin PROTO PORT [WHERE]     silent drop / ICMP port-unreachable / TCP RST / ICMP admin-prohibited
#   fault.sh icmp KIND PROTO PORT [WHERE]                 refused by ICMP: net, host, proto (IPv4 alone), port, net-prohibited,
#                                                         host-prohibited, admin, policy (IPv6 alone), reject-route (IPv6 alone)
#   fault.sh dropreply PROTO PORT [WHERE]                 the request passes, the answer is lost
#   fault.sh loss|lossreply PROTO PORT PERCENT [WHERE]    random loss of requests, of answers
#   fault.sh rate PROTO PORT PERSECOND [WHERE]            requests beyond so many packets a second vanish
#   fault.sh mtu BYTES WHERE                              the path's MTU, either way, as a router that says so by ICMP has it
#   fault.sh bigdrop PROTO PORT BYTES [WHERE]             packets of more than BYTES (IP length), either way, vanish: MTU or fragment trouble
#   fault.sh delay PROTO PORT MS [JITTERMS] [LOSS%]       every packet of that port, in both directions, is MS later
#   fault.sh delayreply PROTO PORT MS [JITTERMS] [LOSS%]  the same for answers alone
#   fault.sh delay all MS [JITTERMS] [LOSS%]              the same for everything to and from the client (RTT = 2 x MS)
#                                                         With jitter packets overtake each other: reordering.
#   fault.sh cut PORT WHERE after BYTES rst|fin|hang      TCP connections end, by RST or FIN, once the server has said BYTES,
#                                                         or nothing more passes
#   fault.sh cut PORT WHERE at MS rst|fin|hang            ... MS after they began
#   fault.sh cut PORT WHERE slow MS                       ... are answered MS late; connecting is not
#   fault.sh unreach|prohibit|blackhole WHERE             at the route
#   fault.sh client noroute|unreachable|prohibit|forbid   the client host itself: no default route (ENETUNREACH), one that says
#                                                         EHOSTUNREACH or EACCES, or a firewall of its own that drops
#                                                         (UDP sends say EPERM, TCP connects hang)
#   fault.sh hosts ADDRESS NAME                           a line more in the client's /etc/hosts
#   fault.sh file NAME [LINE...]                          the client's /etc/NAME has these lines alone (krb5.conf, resolv.conf, nsswitch.conf)
#   fault.sh list | clear
# PROTO is udp, tcp or any; PORT a number or any. WHERE is the server: dc1 dc2 on db ns mit heim (both its addresses), an
# address, or v4 or v6 (every server, that family); without it every server, both families.
# Several can be put on at once; a packet takes the first delay that fits it.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
usage() { sed -n '2,/^\./{/^\./d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit "$1"; }
need() { [ "$1" -ge "$2" ] || usage 2; }
[ -e "/run/netns/$RT" ] || die "the lab is not up"

addresses() { # WHERE: its addresses, one a line
  local a
  case $1 in
    *[.:]*) echo "$1" ;;
    *) a=$(addr_of "$1") || die "no host $1"; echo "$a"; v6 "$a" ;;
  esac
}
family() { case $1 in *:*) echo ip6 ;; *) echo ip ;; esac; }
port() { # PROTO PORT dport|sport: a match in nft's language
  case $1/$2 in
    any/any) ;;
    any/*) echo "meta l4proto { tcp, udp } th $3 $2" ;;
    */any) echo "meta l4proto $1" ;;
    *) echo "$1 $3 $2" ;;
  esac
}
# rules dport|sport PROTO PORT WHERE STATEMENT...: requests (by their destination) or answers (by their source)
rules() {
  local dir=$1 proto=$2 port=$3 where=$4 side=daddr iface='iifname "r-cl"' a; shift 4
  if [ "$dir" = sport ]; then side=saddr iface='oifname "r-cl"'; fi
  case $where in
    '') rule "$iface" "$(port "$proto" "$port" "$dir")" "$@" ;;
    v4 | v6) rule "$iface" "meta nfproto ip$where" "$(port "$proto" "$port" "$dir")" "$@" ;;
    *) while read -r a; do rule "$iface" "$(family "$a") $side $a" "$(port "$proto" "$port" "$dir")" "$@"; done < <(addresses "$where") ;;
  esac
}
rule() { in_ns "$RT" nft add rule inet fault path "$@"; }
table() { # NS HOOK: both lines are no-ops when it exists
  in_ns "$1" nft -f - <<N
add table inet fault
add chain inet fault path { type filter hook $2 priority 0; policy accept; }
N
}
route() { # TYPE WHERE
  local a
  while read -r a; do in_ns "$RT" ip route replace "$1" "$a/$([ "$(family "$a")" = ip ] && echo 32 || echo 128)"; done < <(addresses "$2")
}
what=${1:-}; n=$#
table "$RT" forward
case $what in
  drop | reject | rst | admin)
    need $n 3
    case $what in
      drop) v=drop ;;
      reject) v='reject with icmpx port-unreachable' ;;
      admin) v='reject with icmpx admin-prohibited' ;;
      rst) v='reject with tcp reset' ;;
    esac
    rules dport "$2" "$3" "${4:-}" counter "$v" ;;
  icmp)
    need $n 4
    case $2 in
      net) v4=net-unreachable v6=no-route ;;
      host) v4=host-unreachable v6=addr-unreachable ;;
      port) v4=port-unreachable v6=port-unreachable ;;
      admin) v4=admin-prohibited v6=admin-prohibited ;;
      proto | net-prohibited | host-prohibited) v4=$2 v6=''; [ "$2" != proto ] || v4=prot-unreachable ;;
      policy) v4='' v6=policy-fail ;;
      reject-route) v4='' v6=reject-route ;;
      *) usage 2 ;;
    esac
    a=${5:-}
    case $a in
      '') at4=v4 at6=v6 ;;
      v4 | *.*) at4=$a at6='' ;;
      v6 | *:*) at4='' at6=$a ;;
      *) at4=$(addr_of "$a") || die "no host $a"; at6=$(v6 "$at4") ;;
    esac
    [ -z "$v4" ] || [ -z "$at4" ] || rules dport "$3" "$4" "$at4" counter reject with icmp type "$v4"
    [ -z "$v6" ] || [ -z "$at6" ] || rules dport "$3" "$4" "$at6" counter reject with icmpv6 type "$v6" ;;
  rate) need $n 4; rules dport "$2" "$3" "${5:-}" limit rate over "$4/second" burst "$4" packets counter drop ;;
  mtu)
    # a route to the server, and for what comes from it one to the client, of a table of their own
    need $n 3
    while read -r a; do
      f=-4 i=$IP_CL/32; if [ "$(family "$a")" = ip6 ]; then f=-6 i=$(v6 $IP_CL)/128; fi
      if [ $f = -6 ] && [ "$2" -lt 1280 ]; then continue; fi   # IPv6 has no less (RFC 8200 §5)
      in_ns "$RT" ip $f route replace "$a" dev "$(in_ns "$RT" ip -o $f route get "$a" | sed 's/.* dev \([^ ]*\).*/\1/')" mtu "$2" proto 77
      in_ns "$RT" ip $f route replace "$i" dev r-cl mtu "$2" table 77
      in_ns "$RT" ip $f rule add from "$a" lookup 77
    done < <(addresses "$3") ;;
  cut)
    need $n 5
    h=$(addr_of "$3") || die "no host $3"
    case $4 in
      after) need $n 6; how=(-after "$5" -how "$6") ;;
      at) need $n 6; how=(-at "${5}ms" -how "$6") ;;
      slow) how=(-slow "${5}ms") ;;
      *) usage 2 ;;
    esac
    b=$(go_tool cutter); q=$((5400 + $(find "$ST" -maxdepth 1 -name 'cutter.*.pid' | wc -l)))
    daemon "$ST/cutter.$q.pid" "$ST/cutter.$q.log" ip netns exec "$RT" "$b" -listen "${h%.*}.1:$q,[$(v6 "${h%.*}.1")]:$q" -to "$h:$2" "${how[@]}"
    wait_for 50 grep -q ready "$ST/cutter.$q.log" || { cat "$ST/cutter.$q.log"; die "cutter does not start"; }
    in_ns "$RT" nft -f - <<N
add table inet cut
add chain inet cut pre { type nat hook prerouting priority dstnat; }
add rule inet cut pre ip daddr $h tcp dport $2 iifname "r-cl" dnat ip to ${h%.*}.1:$q
add rule inet cut pre ip6 daddr $(v6 "$h") tcp dport $2 iifname "r-cl" dnat ip6 to [$(v6 "${h%.*}.1")]:$q
N
    ;;
  hosts) need $n 3; echo "$2 $3 # fault" >> "/etc/netns/$CL/hosts" ;;
  file)
    need $n 2
    f=/etc/netns/$CL/$2; mkdir -p "$ST/right"
    if [ ! -e "$ST/right/$2" ]; then
      if [ -e "$f" ]; then cp "$f" "$ST/right/$2"; else : > "$ST/right/$2.none"; fi
    fi
    if [ $n -gt 2 ]; then printf '%s\n' "${@:3}" > "$f"; else : > "$f"; fi ;;
  dropreply) need $n 3; rules sport "$2" "$3" "${4:-}" counter drop ;;
  loss | lossreply)
    need $n 4; dir=dport; [ "$what" = loss ] || dir=sport
    rules $dir "$2" "$3" "${5:-}" numgen random mod 100 '<' "$4" counter drop ;;
  bigdrop)
    need $n 4
    for dir in dport sport; do rules $dir "$2" "$3" "${5:-}" meta length '>' "$4" counter drop; done ;;
  unreach) need $n 2; route unreachable "$2" ;;
  prohibit | blackhole) need $n 2; route "$what" "$2" ;;
  client)
    need $n 2
    case $2 in
      noroute) for f in -4 -6; do in_ns "$CL" ip $f route del default 2> /dev/null || true; done ;;
      unreachable | prohibit) for f in -4 -6; do in_ns "$CL" ip $f route replace "$2" default; in_ns "$CL" ip $f route del default dev eth0 2> /dev/null || true; done ;;
      forbid) table "$CL" output; in_ns "$CL" nft 'add rule inet fault path oifname "eth0" counter drop' ;;
      *) usage 2 ;;
    esac ;;
  delay | delayreply)
    need $n 3
    if [ "$2" = all ]; then
      there=(-i r-cl) back=(-o r-cl); shift 2
    else
      need $n 4
      there=(-p "$2" --dport "$3") back=(-p "$2" --sport "$3"); shift 3
    fi
    # tc netem is missing in many kernels, so the delay is made in user space: one queue and one delayq per fault.
    # nft's own `queue` may be missing as well; iptables' NFQUEUE is there.
    b=$(go_tool delayq); q=7
    while alive "$ST/delayq.$q.pid"; do q=$((q + 1)); done
    daemon "$ST/delayq.$q.pid" "$ST/delayq.$q.log" ip netns exec "$RT" "$b" -q $q -d "$1ms" -j "${2:-0}ms" -l "${3:-0}"
    wait_for 50 grep -q ready "$ST/delayq.$q.log" || { cat "$ST/delayq.$q.log"; die "delayq does not start"; }
    # --queue-bypass: should delayq die, packets pass
    for t in iptables ip6tables; do
      [ "$what" = delayreply ] || in_ns "$RT" $t -A FORWARD "${there[@]}" -j NFQUEUE --queue-num $q --queue-bypass
      in_ns "$RT" $t -A FORWARD "${back[@]}" -j NFQUEUE --queue-num $q --queue-bypass
    done ;;
  list)
    in_ns "$RT" nft list chain inet fault path
    in_ns "$RT" iptables -S FORWARD; in_ns "$RT" ip6tables -S FORWARD
    for f in -4 -6; do in_ns "$RT" ip $f route | grep -E '^(unreachable|prohibit|blackhole)' || true; done
    in_ns "$CL" nft list table inet fault 2> /dev/null || true
    in_ns "$CL" ip route | grep '^default' > /dev/null || echo "client: no default route" ;;
  clear)
    in_ns "$RT" nft flush chain inet fault path
    in_ns "$RT" iptables -F FORWARD; in_ns "$RT" ip6tables -F FORWARD
    for f in "$ST"/delayq.*.pid "$ST"/cutter.*.pid; do [ ! -e "$f" ] || stop_pid "$f"; done
    if in_ns "$RT" nft delete table inet cut 2> /dev/null; then in_ns "$RT" "$(go_tool forget)"; fi
    for f in "$ST"/right/*; do
      case $f in
        */\*) ;;
        *.none) n=${f##*/}; rm -f "/etc/netns/$CL/${n%.none}" "$f" ;;
        *) cat "$f" > "/etc/netns/$CL/${f##*/}"; rm -f "$f" ;;
      esac
    done
    # In place: a program that runs on the client has this very file mounted.
    if grep -q '# fault$' "/etc/netns/$CL/hosts"; then right=$(grep -v '# fault$' "/etc/netns/$CL/hosts"); echo "$right" > "/etc/netns/$CL/hosts"; fi
    for f in -4 -6; do
      if [ -n "$(in_ns "$RT" ip $f route show proto 77)" ]; then
        in_ns "$RT" ip $f route flush proto 77; in_ns "$RT" ip $f route flush table 77
        while in_ns "$RT" ip $f rule del lookup 77 2> /dev/null; do :; done
        # what hosts have learnt of it (RFC 1191 §6.3 lets them remember it for ten minutes)
        for h in $HOSTS; do in_ns "${h%%:*}" ip $f route flush cache; done
      fi
      in_ns "$RT" ip $f route | awk '/^(unreachable|prohibit|blackhole)/ { print $1, $2 }' |
        while read -r t a; do in_ns "$RT" ip $f route del "$t" "$a"; done
    done
    in_ns "$CL" nft delete table inet fault 2> /dev/null || true
    g=${IP_CL%.*}.1
    for f in -4 -6; do for t in unreachable prohibit; do in_ns "$CL" ip $f route del $t default 2> /dev/null || true; done; done
    in_ns "$CL" ip route replace default via "$g"; in_ns "$CL" ip -6 route replace default via "$(v6 "$g")" ;;
  '' | help) usage 0 ;;
  *) usage 2 ;;
esac
