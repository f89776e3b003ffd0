#!/bin/bash
# A real systemd as pid 1 in a container that sits in the client host's network namespace. Python is what Ansible needs there.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
close_fds
d=$ST/sd r=$ST/sd/root
if alive "$d/nspawn.pid"; then echo "systemd is up"; exit 0; fi
[ -e "/run/netns/$CL" ] || die "the core lab must be up"
mkdir -p "$d"; t=$(tick)
if [ ! -e "$d/.made-2" ]; then
  rm -rf "$r"
  debootstrap --variant=minbase --include=systemd,systemd-sysv,dbus,iproute2,procps,ca-certificates,python3,python3-apt bookworm "$r" \
    "${LAB_MIRROR:-http://deb.debian.org/debian}" > "$d/debootstrap.log" 2>&1 || { tail -3 "$d/debootstrap.log"; die "debootstrap failed"; }
  touch "$d/.made-2"
  lap "$t" "debootstrap of bookworm"
fi
t=$(tick)
cp "/etc/netns/$CL/resolv.conf" "/etc/netns/$CL/krb5.conf" "/etc/netns/$CL/hosts" "$r/etc/"
# --register=no --keep-unit: there is no systemd outside. CAP_BPF and bpf(): without them IPAddressDeny= is silently off.
daemon "$d/nspawn.pid" "$d/console.log" env SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 \
  systemd-nspawn -q -D "$r" --register=no --keep-unit --capability=CAP_BPF,CAP_NET_ADMIN --system-call-filter=bpf \
  --network-namespace-path="/run/netns/$CL" --resolv-conf=off --timezone=off --link-journal=no --console=pipe -b
running() {
  # the leader (pid 1 inside) is the child of systemd-nspawn
  cat "/proc/$(pid_of "$d/nspawn.pid")"/task/*/children | tr ' ' '\n' | grep . | tail -1 > "$d/leader"
  [ -s "$d/leader" ] && "$LAB/bin/sd.sh" systemctl is-system-running | grep -E 'running|degraded' > /dev/null
}
wait_for 100 running || { tail -3 "$d/console.log"; die "systemd does not come up"; }
lap "$t" "systemd ready"
