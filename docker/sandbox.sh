#!/bin/bash
# Run the practice cluster for the other containers. Its relays listen on this container's loopback only, on ports of
# their own choice; two forwarders offer them under fixed ones: 5432 for SQL, 2222 for SSH.
set -euo pipefail
umask 077
state=/var/lib/sandbox
end() { python -m sandbox --state-dir "$state" down; exit 0; }
trap end TERM INT

rm -f /shared/sandbox.json # of an earlier start; others wait for it
python -m sandbox --state-dir "$state" up --size "${SANDBOX_SIZE:-200}"
python -m sandbox --state-dir "$state" connection > /tmp/connection.json
read -r sql_port ssh_port < <(
    python -c 'import json; c = json.load(open("/tmp/connection.json")); print(c["port"], c["extra"]["ssh_port"])'
)
socat TCP-LISTEN:5432,fork,reuseaddr "TCP:127.0.0.1:$sql_port" &
socat TCP-LISTEN:2222,fork,reuseaddr "TCP:127.0.0.1:$ssh_port" &

connection.py greenplum_default "$(hostname)" 5432 2222 < /tmp/connection.json > /shared/sandbox.json.new
chown 50000 /shared/sandbox.json.new # the user that imports it
mv /shared/sandbox.json.new /shared/sandbox.json
rm /tmp/connection.json
echo "The practice cluster is up."
while true; do sleep 3600 & wait $!; done
