#!/bin/bash
# Prints which daemon runs; exit status 1 when one of the lab does not.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
rc=0
show() { # NAME PIDFILE CORE
  if alive "$ST/$2"; then printf '%-24s up   %s\n' "$1" "$(pid_of "$ST/$2")"; else printf '%-24s down\n' "$1"; [ "$3" = extra ] || rc=1; fi
}
show "VPC resolver" ns/pid core
show "DC1 of CORP" "$DC1/run/samba.pid" core
show "DC2 of CORP" "$DC2/run/samba.pid" core
show "DC of ONPREM" "$ON/run/samba.pid" core
show "MariaDB" db/mariadbd.pid core
show "  as mycluster-1" db/front.pid core
for i in 2 3; do show "MariaDB mycluster-$i" db$i/mariadbd.pid core; show "  its front" db$i/front.pid core; done
show "fake MySQL" fakemysql.pid core
show "MIT KDC" "$MIT/kdc.pid" core
show "MIT kadmind" "$MIT/kadmind.pid" core
show "DNS of MIT.TEST" "$MIT/dnsd.pid" core
show "Heimdal KDC" "$HEIM/kdc.pid" core
show "Heimdal kpasswdd" "$HEIM/kpasswdd.pid" core
show "DNS of HEIM.TEST" "$HEIM/dnsd.pid" core
show "mysqld 9.7" mysqld97.pid extra
show "systemd container" sd/nspawn.pid extra
exit $rc
