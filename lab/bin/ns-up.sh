#!/bin/bash
# Stand-in for the VPC resolver: conditional forwarding to the domains, RDS-like names, anything else is refused at once.
# The client's addresses have reverse names, as in a VPC: without one MariaDB's host cache does not work as it does there.
# (Two DCs must not be each other's forwarder: an unknown name would loop between them.)
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
d=$ST/ns; t=$(tick); mkdir -p "$d"
# all-servers: asks both DCs at once, so a dead one costs nothing here
cat > "$d/dnsmasq.conf.new" <<K
no-resolv
no-hosts
bind-interfaces
listen-address=$IP_NS,$(v6 $IP_NS),127.0.0.1
user=root
no-negcache
cache-size=0
all-servers
pid-file=$d/pid
log-facility=$d/log
log-queries
server=/corp.example.com/$IP_DC1
server=/corp.example.com/$IP_DC2
server=/onprem.local/$IP_ON
server=/mit.test/$IP_MIT
server=/heim.test/$IP_HEIM
server=/0.77.10.in-addr.arpa/$IP_DC1
addn-hosts=$d/cluster
cname=db-alias.example.internal,$RDS
host-record=ip-10-77-9-100.ec2.internal,$IP_CL,$(v6 $IP_CL)
local=/9.77.10.in-addr.arpa/
local=/9.0.0.0.0.0.0.0.0.0.0.0.7.7.d.f.ip6.arpa/
local=/ec2.internal/
local=/rds.amazonaws.com/
local=/example.internal/
K
[ -s "$d/cluster" ] || "$LAB/bin/cluster.sh" names
# one that runs with other settings (an older lab's) is started anew
if alive "$d/pid"; then
  if cmp -s "$d/dnsmasq.conf" "$d/dnsmasq.conf.new"; then rm "$d/dnsmasq.conf.new"; echo "resolver is up"; exit 0; fi
  stop_pid "$d/pid"
fi
mv "$d/dnsmasq.conf.new" "$d/dnsmasq.conf"
in_ns "$NS" dnsmasq -C "$d/dnsmasq.conf"
for a in $IP_NS "$(v6 $IP_NS)"; do wait_for 50 in_ns "$NS" nc -z -w1 "$a" 53 || die "resolver does not answer at $a"; done
lap "$t" "resolver ready"
