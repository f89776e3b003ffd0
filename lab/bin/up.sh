#!/bin/bash
# The lab up. Every step skips what is done already, so it can be run again at any time.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
t0=$(tick); cd "$LAB/bin"
./net-up.sh
./ns-up.sh
./secrets.sh
# beside the domains, which take longer
./mit-up.sh & mit=$!
./heimdal-up.sh & heimdal=$!
./provision.sh
if [ -s "$ST/$DC2/.joined" ]; then ./dc-start.sh "$DC1" "$ON" "$DC2"; else ./dc-start.sh "$DC1" "$ON"; fi
./dc-join.sh
./trust.sh
./users.sh
./dns-records.sh
./db-up.sh
./fakemysql-up.sh
wait $mit || die "no MIT KDC"
wait $heimdal || die "no Heimdal KDC"
# a test that was killed leaves its fault behind
./heal.sh
lap "$t0" "lab up"
