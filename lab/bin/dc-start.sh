#!/bin/bash
# dc-start.sh [-s SECONDS] NS...: starts Samba of these DCs and waits until LDAP, KDC, kpasswd, SMB and DNS answer over
# IPv4 and IPv6; with -s their clock is SECONDS off (faketime).
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
skew=()
# Not by the faketime command: it stays in front of a daemon for ever.
if [ "${1:-}" = -s ]; then skew=(env "LD_PRELOAD=$(echo /usr/lib/*/faketime/libfaketimeMT.so.1)" FAKETIME="$(printf '%+d' "$2")s"); shift 2; fi
ready() { # NS ADDRESS REALM PIDFILE
  local p a
  [ -s "$4" ] || return 1
  for a in "$2" "$(v6 "$2")"; do
    in_ns "$1" dig +time=1 +tries=1 +short "@$a" "_kerberos._udp.$3" SRV | grep 88 > /dev/null || return 1
    for p in 88 464 389 445; do in_ns "$1" nc -z -w1 "$a" $p || return 1; done
    kdc_answers "$@" "$a" || return 1
  done
}
# It may take connections for a moment before it answers.
kdc_answers() { # NS ADDRESS REALM PIDFILE KDC
  local c=$ST/$1/ready.krb5.conf r=${3^^}
  printf '[libdefaults]\ndns_lookup_kdc = false\nudp_preference_limit = 1\n[realms]\n%s = {\nkdc = [%s]\n}\n' "$r" "$5" > "$c"
  { KRB5_CONFIG=$c KRB5CCNAME=MEMORY: in_ns "$1" timeout 2 kinit "nobody-is-called-this@$r" < /dev/null 2>&1 || true; } |
    grep 'not found in Kerberos' > /dev/null
}
start() { # NS
  local n=$1 d=$ST/$1 t ip realm
  t=$(tick)
  if alive "$d/run/samba.pid"; then echo "$n is up"; return 0; fi
  mkdir -p "$d/run/ncalrpc" "$d/run/winbindd" "$d/run/ntp_signd"; chmod 0750 "$d/run/ntp_signd"; rm -f "$d"/run/*.pid
  in_dc "$n" ${skew[0]:+"${skew[@]}"} samba -D -s "$d/etc/smb.conf"
  ip=$(addr_of "${n#"$N"-}")
  realm=$(sed -n 's/^[[:space:]]*realm = //p' "$d/etc/smb.conf" | tr '[:upper:]' '[:lower:]')
  wait_for 300 ready "$n" "$ip" "$realm" "$d/run/samba.pid" || die "$n does not answer, see $d/log.samba"
  lap "$t" "$n ready"
}
pids=()
for n in "$@"; do start "$n" & pids+=($!); done
for p in "${pids[@]}"; do wait "$p"; done
