#!/bin/bash
# replicate.sh TO FROM [PARTITION...]: has one DC of CORP (dc1, dc2) pull from the other now; all partitions without one.
# replicate.sh kcc: has DC1 work out whom it replicates with. On a busy machine Samba gives such a call up after a while,
# so each is tried again.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
base=DC=corp,DC=example,DC=com
drs() { in_dc "$DC1" samba-tool drs "$@" -s "$ST/$DC1/etc/smb.conf" -U "Administrator%$ADMINPW"; }
try() { local i; for i in 1 2 3; do "$@" > /dev/null 2>&1 && return 0; done; "$@" > /dev/null || die "cannot replicate (try $((i + 1)))"; }
if [ "${1:-}" = kcc ]; then try drs kcc dc1.corp.example.com; exit 0; fi
to=$1 from=$2; shift 2
[ $# -gt 0 ] || set -- $base CN=Configuration,$base DC=DomainDnsZones,$base DC=ForestDnsZones,$base
for nc in "$@"; do try drs replicate "$to.corp.example.com" "$from.corp.example.com" "$nc"; done
