#!/bin/bash
# Removes the namespaces.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
for h in $HOSTS "$RT:"; do
  n=${h%%:*}
  [ ! -e "/run/netns/$n" ] || ip netns del "$n"
  rm -rf "/etc/netns/${n:?}"
done
rmdir /etc/netns 2> /dev/null || true
# the empty file that net-up.sh made
if [ -e /etc/krb5.conf ] && [ ! -s /etc/krb5.conf ]; then rm -f /etc/krb5.conf; fi
