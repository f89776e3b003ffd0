#!/bin/bash
# Undoes every fault that the lab knows, whatever was made.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
cd "$LAB/bin"
./fault.sh clear
./dns.sh clear
./dc.sh heal
./user.sh heal
heals=()
for i in 1 2 3; do ./db.sh $i heal & heals+=($!); done
for p in "${heals[@]}"; do wait "$p"; done
./cluster.sh heal
