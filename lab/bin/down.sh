#!/bin/bash
# Stops every daemon by its pid file and removes the namespaces. State stays, unless:
#   --purge      drops domains, databases and keytabs; keeps downloads and built helpers
#   --purge-all  drops everything under LAB_STATE
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
case ${1:-} in '' | --purge | --purge-all) ;; *) die "down [--purge|--purge-all]" ;; esac
t0=$(tick)
"$LAB/bin/sd-down.sh"
for n in "$DC1" "$DC2" "$ON"; do
  # a frozen process does not hear a TERM
  [ ! -e "$ST/$n/.frozen" ] || "$LAB/bin/dc.sh" thaw "${n#"$N"-}"
  rm -f "$ST/$n/.skewed"
done
for f in mysqld97 fakemysql $MIT/dnsd $HEIM/dnsd $MIT/kdc $MIT/kadmind $HEIM/kdc $HEIM/kpasswdd db/mariadbd db2/mariadbd db3/mariadbd db/front db2/front db3/front \
  $DC2/run/samba $ON/run/samba $DC1/run/samba; do stop_pid "$ST/$f.pid" & done
wait
stop_pid "$ST/ns/pid"
for f in "$ST"/delayq.*.pid "$ST"/dnsd.*.pid; do [ ! -e "$f" ] || stop_pid "$f"; done
"$LAB/bin/net-down.sh"
case ${1:-} in
  --purge) find "$ST" -mindepth 1 -maxdepth 1 ! -name .krb-lab ! -name .lock ! -name pkg ! -name mysql8 ! -name sd ! -name bin -exec rm -rf {} + ;;
  --purge-all) rm -rf "$ST" ;;
esac
lap "$t0" "lab down"
