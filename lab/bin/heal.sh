#!/bin/bash
# Undoes every fault that the lab knows, whatever was made.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
cd "$LAB/bin"
./fault.sh clear
./dns.sh clear
./dc.sh heal
./user.sh heal
./db.sh heal
