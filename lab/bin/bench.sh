#!/bin/bash
# bench.sh [FLAGS]: builds kerbagent and lab/bench, and runs the comparison from the root namespace; the lab must be healthy.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
CGO_ENABLED=0 go build -C "$LAB/.." -buildvcs=false -o "$ST/bin/kerbagent" ./cmd/kerbagent
CGO_ENABLED=0 go build -C "$LAB/.." -buildvcs=false -o "$ST/bin/bench" ./lab/bench
trap '"$LAB/bin/heal.sh"' EXIT
"$LAB/bin/heal.sh"
"$ST/bin/bench" -lab "$LAB/lab.sh" -state "$ST" -kerbagent "$ST/bin/kerbagent" \
  -unit "$LAB/../systemd/kerbagent.service" "$@"
