#!/bin/bash
# Prints why the lab cannot be had here, and fails; prints nothing where it can. The kernel is asked, not the user id
# alone: root in an ordinary container has neither network namespaces of its own nor mounts.
set -uo pipefail
no() { echo "$*"; exit 1; }
[ "$(id -u)" = 0 ] || no "this is not root"
grep -qx 'ID=debian' /etc/os-release 2> /dev/null || no "this is not Debian"
said=$(unshare -n true 2>&1) || no "no network namespace can be made here ($said)"
said=$(unshare -nm mount -t tmpfs none /mnt 2>&1) || no "nothing can be mounted here ($said)"
# CAP_NET_ADMIN, number 12: a namespace without it stays empty
(((0x$(sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status) >> 12) & 1)) || no "networks cannot be set up here (no CAP_NET_ADMIN)"
