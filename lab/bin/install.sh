#!/bin/bash
# Installs the lab's packages (`programs`, `release`, `systemd`: also those that only the tests of that name need), and unpacks the two KDCs that cannot be installed. No service is started: the lab runs its own daemons in its own namespaces.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
lists=("$LAB/packages.txt")
[ -z "${1:-}" ] || lists+=("$LAB/packages-$1.txt")
mapfile -t pkgs < <(grep -hv '^#' "${lists[@]}" | sort -u)
# one line for each package that is there
have=$(dpkg-query -W -f '${db:Status-Status}\n' "${pkgs[@]}" 2> /dev/null | grep -cx installed || true)
unpack() { "$LAB/bin/pkg-get.sh" mit; "$LAB/bin/pkg-get.sh" heimdal; }
if [ "$have" = ${#pkgs[@]} ]; then unpack; echo "packages are installed"; exit 0; fi
export DEBIAN_FRONTEND=noninteractive
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get -q update
apt-get -q install -y --no-install-recommends debconf
debconf-set-selections <<'C'
krb5-config krb5-config/default_realm string CORP.EXAMPLE.COM
wireshark-common wireshark-common/install-setuid boolean false
C
apt-get -q install -y --no-install-recommends "${pkgs[@]}"
unpack
