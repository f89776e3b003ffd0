#!/bin/bash
# Removes the namespaces.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
for h in $HOSTS "$RT:"; do
  n=${h%%:*}
  [ ! -e "/run/netns/$n" ] || ip netns del "$n"
done
shared_etc() {
  local h
  for h in $HOSTS; do rm -rf "/etc/netns/${h%%:*}"; done
  # the empty file that net-up.sh made, unless another lab stands on it
  if rmdir /etc/netns 2> /dev/null && [ -e /etc/krb5.conf ] && [ ! -s /etc/krb5.conf ]; then rm -f /etc/krb5.conf; fi
}
etc_locked shared_etc
