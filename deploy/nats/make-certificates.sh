#!/bin/sh
# An authority of one's own and certificates of nats-servers by it: make-certificates.sh DIR HOST...
# DIR gets ca.pem and ca-key.pem (kept where they are there), and for each HOST (a name, by which clients know it) a folder
# DIR/HOST with ca.pem, server.pem and server-key.pem, which belong into tls beside that node's nats-server.conf.
# Keep ca-key.pem off the nodes: whoever has it can be a node.
set -eu
if [ $# -lt 2 ]; then
  echo "usage: make-certificates.sh DIR HOST..." >&2
  exit 2
fi
umask 077
dir=$1
shift
mkdir -p "$dir"
key() { openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null || openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1"; }
if [ ! -e "$dir/ca-key.pem" ]; then
  key "$dir/ca-key.pem"
  openssl req -x509 -new -key "$dir/ca-key.pem" -sha256 -days 3650 -subj '/CN=AI Forge NATS authority' \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' -out "$dir/ca.pem"
fi
for host in "$@"; do
  case $host in
    *[!0-9.]*) ;;
    *) echo "$host is an address: name the host, since clients compare certificates with names alone" >&2; exit 2 ;;
  esac
  case $host in
    *[!A-Za-z0-9.-]*) echo "$host is no name of a host" >&2; exit 2 ;;
  esac
  mkdir -p "$dir/$host"
  key "$dir/$host/server-key.pem"
  # A node is a server to clients and other nodes, and a client of other nodes.
  printf 'subjectAltName=DNS:%s\nextendedKeyUsage=serverAuth,clientAuth\nkeyUsage=critical,digitalSignature\n' "$host" > "$dir/$host/extensions"
  openssl req -new -key "$dir/$host/server-key.pem" -subj "/CN=$host" -out "$dir/$host/request.pem"
  openssl x509 -req -in "$dir/$host/request.pem" -CA "$dir/ca.pem" -CAkey "$dir/ca-key.pem" -CAcreateserial \
    -sha256 -days 825 -extfile "$dir/$host/extensions" -out "$dir/$host/server.pem" 2>/dev/null
  rm "$dir/$host/request.pem" "$dir/$host/extensions"
  cp "$dir/ca.pem" "$dir/$host/ca.pem"
done
