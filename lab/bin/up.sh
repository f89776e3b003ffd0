#!/bin/bash
# The lab up. Every step skips what is done already, so it can be run again at any time.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t0=$(tick); cd "$LAB/bin"
./net-up.sh
./ns-up.sh
./secrets.sh
# beside the domains, which take longer
go_tool front > /dev/null & front=$!
./db-certs.sh & certs=$!
./mit-up.sh & mit=$!
./heimdal-up.sh & heimdal=$!
./provision.sh
if [ -s "$ST/$DC2/.joined" ]; then ./dc-start.sh "$DC1" "$ON" "$DC2"; else ./dc-start.sh "$DC1" "$ON"; fi
./dc-join.sh
./trust.sh
./users.sh
wait $front || die "no front"
wait $certs || die "no certificates"
instances=()
for i in 1 2 3; do ./db-up.sh $i & instances+=($!); done
./dns-records.sh
for p in "${instances[@]}"; do wait "$p" || die "a database is missing"; done
./fakemysql-up.sh
wait $mit || die "no MIT KDC"
wait $heimdal || die "no Heimdal KDC"
# a test that was killed leaves its fault behind
./heal.sh
lap "$t0" "lab up"
