#!/bin/bash
# dc-stop.sh NS...: stops Samba of these DCs (a DC that is down, as a client sees it: connection refused)
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
for n in "$@"; do stop_pid "$ST/$n/run/samba.pid" & done
wait
