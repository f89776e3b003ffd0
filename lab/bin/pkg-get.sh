#!/bin/bash
# pkg-get.sh mit|heimdal: downloads and unpacks a KDC under LAB_STATE/pkg. The packages of the two conflict with each
# other, so they cannot both be installed; unpacked and with LD_LIBRARY_PATH they run side by side. What is not in the
# lists comes with krb5-user and samba.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
case ${1:-} in
  mit) pkgs="krb5-kdc krb5-admin-server libverto1 libverto-libev1 libev4 libss2" ;;
  heimdal) pkgs="heimdal-kdc heimdal-clients libasn1-8-heimdal libcap-ng0 libgssapi3-heimdal libhcrypto5-heimdal
    libhdb9-heimdal libheimbase1-heimdal libheimntlm0-heimdal libhx509-5-heimdal libkadm5clnt7-heimdal
    libkadm5srv8-heimdal libkafs0-heimdal libkdc2-heimdal libkrb5-26-heimdal libotp0-heimdal libroken19-heimdal
    libsl0-heimdal libwind0-heimdal libss2" ;;
  *) die "pkg-get.sh mit|heimdal" ;;
esac
d=$ST/pkg/$1
if [ -e "$d/.unpacked" ]; then exit 0; fi
t=$(tick); rm -rf "$d"; mkdir -p "$d" "$ST/pkg/debs-$1"; cd "$ST/pkg/debs-$1"
# shellcheck disable=SC2086
download() { apt-get -qq -o APT::Sandbox::User=root download $pkgs > "../$1.log" 2>&1; }
# on a machine whose package lists are old or not there
download "$1" || { apt-get -qq update && download "$1"; } || { tail -3 "../$1.log"; die "cannot download"; }
for f in *.deb; do dpkg -x "$f" "$d"; done
touch "$d/.unpacked"
lap "$t" "$1 unpacked"
