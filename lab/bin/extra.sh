#!/bin/bash
# extra.sh PART...: what stands beside the lab
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t0=$(tick); cd "$LAB/bin"
for p in "$@"; do
  case $p in
    mysqld97) ./mysqld97-up.sh ;;
    systemd) ./sd-up.sh ;;
    *) die "no part $p" ;;
  esac
done
lap "$t0" "extra parts up: $*"
