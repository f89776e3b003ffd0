# shellcheck shell=bash disable=SC2034
# Sourced by every script of the lab: places, names, addresses, and helpers for namespaces and pid files.
set -euo pipefail

die() { echo "lab: $*" >&2; exit 1; }
[ "$(id -u)" = 0 ] || die "needs root (network namespaces, bind mounts, port 88)"

# LAB_NAME: a second lab beside the first has another name, and so namespaces and a state of its own
N=${LAB_NAME:-lab}
[[ $N =~ ^[a-z][a-z0-9]{0,15}$ ]] || die "LAB_NAME is a letter, then at most 15 letters and digits: $N"
LAB=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)   # the scripts; may be read-only
ST=${LAB_STATE:-/var/tmp/krb-$N}                             # everything that the lab writes
KEYTABS=$ST/keytabs
case $ST in /*) ;; *) die "LAB_STATE must be an absolute path: $ST" ;; esac
# The marker makes sure that `down --purge` never empties a directory that is not the lab's.
[ -d "$ST" ] || install -d -m 0755 "$ST"
[ -O "$ST" ] || die "$ST belongs to someone else"
if [ ! -e "$ST/.krb-lab" ]; then
  [ -z "$(ls -A "$ST")" ] || die "$ST is not empty and not a lab directory"
  [ "$N" = lab ] || echo "$N" > "$ST/.krb-lab"
  [ "$N" != lab ] || : > "$ST/.krb-lab"
fi
owner=$(cat "$ST/.krb-lab")
[ "${owner:-lab}" = "$N" ] || die "$ST is the state of LAB_NAME=$owner"

ADMINPW='Adm1n-Passw0rd!'   # Administrator, all domains
USERPW='Alice-Passw0rd1'    # every user of CORP, MIT.TEST and HEIM.TEST
CAROLPW='Carol-Passw0rd1'   # carol@ONPREM.LOCAL
SVCPW='Svc-Passw0rd1'       # service accounts
DBPW='Pw-User1'             # database users with a password
RDS=mycluster.cluster-abc123.us-east-1.rds.amazonaws.com   # the database's name as an RDS endpoint would have it
SPN=mysql/$RDS              # and its service principal, held by svc-mysql in CORP
ZONE=abc123.${RDS#*.cluster-abc123.}                       # what an instance's name ends with
CLUSTERPORT=3310            # where the same names lead to a cluster of three: mycluster-1, -2 and -3

# Network namespaces: router, client, DCs of CORP, DC of ONPREM, database, VPC resolver, MIT's and Heimdal's KDC.
RT=$N-rt CL=$N-cl DC1=$N-dc1 DC2=$N-dc2 ON=$N-on DB=$N-db NS=$N-ns MIT=$N-mit HEIM=$N-heim
IP_DC1=10.77.0.10 IP_DC2=10.77.1.11 IP_ON=10.77.2.10 IP_DB=10.77.3.20 IP_NS=10.77.4.2
IP_MIT=10.77.5.10 IP_HEIM=10.77.6.10 IP_CL=10.77.9.100
# Every host sits on its own /24 and /64; the router has .1 and ::1 there. 10.77.N.H is fd77:0:0:N::H.
HOSTS="$CL:$IP_CL $DC1:$IP_DC1 $DC2:$IP_DC2 $ON:$IP_ON $DB:$IP_DB $NS:$IP_NS $MIT:$IP_MIT $HEIM:$IP_HEIM"

# v6 ADDRESS: the IPv6 address of the host that has this IPv4 address. Written as `ip` and `dig` print it.
v6() {
  local n h; IFS=. read -r _ _ n h <<< "$1"
  if [ "$n" = 0 ]; then echo "fd77::$h"; else echo "fd77:0:0:$n::$h"; fi
}
# addr_of NAME: the IPv4 address of a host by its short name (dc1, dc2, on, db, ns, mit, heim, cl); fails for others
addr_of() {
  local h
  for h in $HOSTS; do if [ "${h%%:*}" = "$N-$1" ]; then echo "${h##*:}"; return 0; fi; done
  return 1
}

# The instances of the cluster: 1 is the database itself, 2 and 3 are MariaDBs beside it.
db_dir() { if [ "$1" = 1 ]; then echo "$ST/db"; else echo "$ST/db$1"; fi; }
db_addr() { echo "${IP_DB%.*}.$((19 + $1))"; }             # .20, .21, .22
db_host() { echo "mycluster-$1.$ZONE"; }
# each announces a service of its own; the first by the cluster's name
db_spn() { if [ "$1" = 1 ]; then echo "$SPN"; else echo "mysql/$(db_host "$1")"; fi; }

# etc_locked FUNCTION: what labs side by side share in /etc is changed by one of them at a time
etc_locked() { { flock 9; "$1"; } 9< /etc; }

in_ns() { local n=$1; shift; ip netns exec "$n" "$@"; }

# Runs a command inside a DC: its namespace, its /etc files, and its own /run/samba. libwbclient has
# /run/samba/winbindd compiled in, so smbd fails every session set-up with NT_STATUS_INTERNAL_ERROR unless that
# path is the DC's own. `ip netns exec` gives a private mount namespace, so the bind mount is seen only there.
in_dc() {
  local n=$1; shift
  mkdir -p /run/samba "$ST/$n/run"
  # shellcheck disable=SC2016
  ip netns exec "$n" env KRB5_CONFIG=/etc/krb5.conf sh -c 'mount --bind "$0" /run/samba && exec "$@"' "$ST/$n/run" "$@"
}

tick() { date +%s.%N; }
lap() { awk -v a="$1" -v b="$(tick)" -v t="$2" 'BEGIN { printf "[%6.2f s] %s\n", b - a, t }'; }

# wait_for TENTHS CMD...: repeats CMD every 0.1 s until it succeeds
wait_for() {
  local n=$1 i; shift
  for ((i = 0; i < n; i++)); do "$@" > /dev/null 2>&1 && return 0; sleep 0.1; done
  return 1
}

pid_of() { tr -dc 0-9 2> /dev/null < "$1"; }

# A pid file counts only while its process is no zombie and is not younger than the file (2 s of grace): after a
# crash or a reboot the number may belong to something else, which must never be signalled. Plain `kill -0` also
# says yes for a zombie, and in a container nobody may reap those.
alive() {
  [ -s "$1" ] || return 1
  local p s state made   # the file or the process may go away at any moment: then it is not alive
  p=$(pid_of "$1") 2> /dev/null && made=$(stat -c %Y "$1" 2> /dev/null) && [ -n "$p" ] && [ -r "/proc/$p/stat" ] || return 1
  # after the ")" of the command name: field 1 is the state, field 20 the start time in ticks since boot
  read -r state s < <(awk -v b="$(awk '/^btime/ { print $2 }' /proc/stat)" -v hz="$(getconf CLK_TCK)" \
    '{ sub(/^.*\) /, ""); printf "%s %d\n", $1, b + $20 / hz }' "/proc/$p/stat" 2> /dev/null) || return 1
  [ "$state" != Z ] && [ "$s" -le $((made + 2)) ]
}

# Stops by pid file: TERM, up to 10 s, then KILL of that pid; never by name.
stop_pid() {
  local f=$1 p
  if alive "$f"; then
    p=$(pid_of "$f"); kill -TERM "$p" 2> /dev/null || true
    for _ in {1..200}; do alive "$f" || break; sleep 0.05; done
    if alive "$f"; then kill -KILL "$p" 2> /dev/null || true; fi
  fi
  rm -f "$f"
}

# Closes what was inherited above stderr: a daemon must not keep a caller's lock or pipe open for ever. Every script that
# starts one calls this first.
close_fds() {
  local f
  for f in "/proc/$BASHPID/fd/"*; do
    f=${f##*/}
    if [ "$f" -gt 2 ] && [ "$f" != 255 ]; then eval "exec $f>&-"; fi
  done
}

# daemon PIDFILE LOG CMD...: CMD must be a program (with a shell function, $! would be a subshell's pid)
daemon() {
  local pf=$1 log=$2; shift 2
  setsid "$@" > "$log" 2>&1 < /dev/null &
  echo $! > "$pf"
}

# go_tool NAME: builds the program lab/NAME on first use (or when a source is newer) and prints the binary's path.
# Built outside of the namespaces, which have no way to a module proxy.
go_tool() {
  local b=$ST/bin/$1
  if [ ! -x "$b" ] || [ -n "$(find "$LAB/$1" -newer "$b" -print -quit)" ]; then
    mkdir -p "$ST/bin"
    # to a new name first: a running program's file cannot be written over
    CGO_ENABLED=0 go build -C "$LAB/.." -buildvcs=false -o "$b.new" "./lab/$1" >&2 || die "cannot build $1"
    mv "$b.new" "$b"
  fi
  echo "$b"
}
