#!/bin/bash
# The database's CA and certificates, in LAB_STATE/db/tls: ca.pem, srv.pem (good), and bad ones for faults: expired.pem,
# expiring.pem (ends in five days; made anew when older than a day), othername.pem, otherca.pem (signed by other-ca.pem).
# db-up.sh copies the one in use to live.pem and live.key.
. "$(dirname -- "${BASH_SOURCE[0]}")/../env.sh"
mkdir -p "$ST/db/tls"; cd "$ST/db/tls"
ca() { [ -s "$1.pem" ] || openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$2" -keyout "$1.key" -out "$1.pem"; }
# an instance of RDS has the cluster's names in its certificate too
names="DNS:$RDS,DNS:db1.corp.example.com,IP:$IP_DB,IP:$(v6 $IP_DB),DNS:*.cluster-ro-$ZONE,DNS:*.cluster-custom-$ZONE,DNS:*.$ZONE"
cert() { # NAME CA DAYS SUBJECTALTNAMES [OPENSSL CA ARGS...]
  local n=$1 ca=$2 days=$3 san=$4; shift 4
  openssl req -newkey rsa:2048 -nodes -keyout "$n.key" -out "$n.csr" -subj "/CN=lab database"
  "$@" openssl x509 -req -in "$n.csr" -CA "$ca.pem" -CAkey "$ca.key" -CAcreateserial -days "$days" -out "$n.pem" \
    -extfile <(echo "subjectAltName=$san")
}
{
  ca ca "Lab RDS Root CA"
  ca other-ca "Somebody else's Root CA"
  # again where an older lab's lacks names: each is to have the one trouble that it is named after
  named() { openssl x509 -in "$1.pem" -noout -ext subjectAltName 2> /dev/null | grep -F "*.$ZONE" > /dev/null; }
  named srv || cert srv ca 825 "$names"
  named expired || cert expired ca 1 "$names" faketime -f -10d
  named expiring && [ -n "$(find . -name expiring.pem -mmin -1440)" ] || cert expiring ca 5 "$names"
  [ -s othername.pem ] || cert othername ca 825 DNS:other.example.com
  named otherca || cert otherca other-ca 825 "$names"
} > ../tls.log 2>&1 || { tail -3 ../tls.log; die "cannot make the certificates"; }
