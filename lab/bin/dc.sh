#!/bin/bash
# What can happen to a domain controller (dc1, dc2 or on; several at once).
#   dc.sh freeze HOST...          its KDC hangs: 88 and 464 accept connections and say nothing; DNS and LDAP work
#   dc.sh thaw [HOST...]
#   dc.sh stop|start HOST...      connection refused, on all ports
#   dc.sh skew SECONDS HOST...    its clock is SECONDS off (a restart under faketime); skew 0 puts it right
#   dc.sh heal                    all of them thawed, started, with the right time
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
signal_kdc() { # SIGNAL HOST
  local p
  for p in $(ip netns pids "$N-$2"); do
    if tr '\0' ' ' 2> /dev/null < "/proc/$p/cmdline" | grep -q '^samba: task\[kdc'; then kill "-$1" "$p"; fi
  done
}
hosts() { for h in "$@"; do case $h in dc1 | dc2 | on) echo "$N-$h" ;; *) die "no domain controller $h" ;; esac; done; }
cmd=${1:-}; [ $# -eq 0 ] || shift
case $cmd in
  freeze) for h in "$@"; do signal_kdc STOP "$h"; : > "$ST/$N-$h/.frozen"; done ;;
  thaw)
    [ $# -gt 0 ] || set -- dc1 dc2 on
    for h in "$@"; do signal_kdc CONT "$h"; rm -f "$ST/$N-$h/.frozen"; done ;;
  stop) mapfile -t n < <(hosts "$@"); "$LAB/bin/dc-stop.sh" "${n[@]}" ;;
  start) mapfile -t n < <(hosts "$@"); "$LAB/bin/dc-start.sh" "${n[@]}" ;;
  skew)
    [ $# -ge 2 ] || die "dc skew SECONDS HOST..."
    s=$1; shift
    mapfile -t n < <(hosts "$@"); "$LAB/bin/dc-stop.sh" "${n[@]}"
    if [ "$s" = 0 ]; then
      "$LAB/bin/dc-start.sh" "${n[@]}"; for i in "${n[@]}"; do rm -f "$ST/$i/.skewed"; done
    else
      for i in "${n[@]}"; do : > "$ST/$i/.skewed"; done
      "$LAB/bin/dc-start.sh" -s "$s" "${n[@]}"
    fi ;;
  heal)
    todo=()
    for h in dc1 dc2 on; do
      if [ -e "$ST/$N-$h/.frozen" ]; then signal_kdc CONT $h; rm -f "$ST/$N-$h/.frozen"; fi
      if [ -e "$ST/$N-$h/.skewed" ]; then "$LAB/bin/dc-stop.sh" "$N-$h"; rm -f "$ST/$N-$h/.skewed"; fi
      alive "$ST/$N-$h/run/samba.pid" || todo+=("$N-$h")
    done
    [ ${#todo[@]} = 0 ] || "$LAB/bin/dc-start.sh" "${todo[@]}" ;;
  *) sed -n '2,/^\./{/^\./d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"; exit 2 ;;
esac
