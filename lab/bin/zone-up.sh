#!/bin/bash
# zone-up.sh NS REALM: the DNS server of a small realm, beside its KDC: zone, SRV records, addresses of the KDC.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
ns=$1 zone=${2,,} a=$(addr_of "${1#"$N"-}") d=$ST/$1
if alive "$d/dnsd.pid"; then exit 0; fi
{
  echo "$zone. 600 IN SOA kdc.$zone. admin.$zone. 1 3600 600 86400 600"
  echo "$zone. 600 IN NS kdc.$zone."
  for n in "$zone" "kdc.$zone"; do echo "$n. 600 IN A $a"; echo "$n. 600 IN AAAA $(v6 "$a")"; done
  for p in udp tcp; do
    echo "_kerberos._$p.$zone. 600 IN SRV 0 100 88 kdc.$zone."
    # Heimdal's kpasswdd has no TCP
    if [ "$ns $p" != "$HEIM tcp" ]; then echo "_kpasswd._$p.$zone. 600 IN SRV 0 100 464 kdc.$zone."; fi
  done
} > "$d/zone"
b=$(go_tool dnsd)
daemon "$d/dnsd.pid" "$d/dnsd.log" ip netns exec "$ns" "$b" -zone "$d/zone" -listen "$a:53,[$(v6 "$a")]:53"
wait_for 50 grep -q ready "$d/dnsd.log" || { cat "$d/dnsd.log"; die "no DNS for $zone"; }
