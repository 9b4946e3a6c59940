#!/bin/bash
# One host of a real Greenplum cluster, as user gpadmin: coordinator, segment host, or a new host that waits to be added.
#   greenplum-host.sh keys | coordinator | segment | new
# The image's own start script does the rest: https://github.com/woblerr/docker-greenplum
set -euo pipefail
keys=/shared/greenplum-keys

if [ "$1" = keys ]; then # once, as root: a key pair for gpadmin of all hosts
    if [ ! -f "$keys/id_rsa" ]; then
        mkdir -p "$keys"
        ssh-keygen -q -t rsa -b 3072 -N '' -C gpadmin -f "$keys/id_rsa"
    fi
    chown -R "$(id -u gpadmin):$(id -g gpadmin)" "$keys"
    chmod 700 "$keys"
    exit 0
fi

umask 077
mkdir -p ~/.ssh
cat "$keys/id_rsa.pub" > ~/.ssh/authorized_keys
case "$1" in
coordinator)
    cp "$keys/id_rsa" "$keys/id_rsa.pub" ~/.ssh/
    printf 'sdw1\nsdw2\n' > /tmp/hostfile_gpinitsystem
    cat > /tmp/gpinitsystem_config <<'CONFIG'
ARRAY_NAME="Greenplum in containers"
DATABASE_NAME=demo
SEG_PREFIX=gpseg
PORT_BASE=6000
MASTER_HOSTNAME=mdw
MASTER_DIRECTORY=/data/master
MASTER_PORT=5432
TRUSTED_SHELL=ssh
CHECK_POINT_SEGMENTS=8
ENCODING=UNICODE
MACHINE_LIST_FILE=/data/hostfile_gpinitsystem
declare -a DATA_DIRECTORY=(/data/00/primary /data/01/primary)
MIRROR_PORT_BASE=7000
declare -a MIRROR_DATA_DIRECTORY=(/data/00/mirror /data/01/mirror)
CONFIG
    exec /start_gpdb.sh
    ;;
segment)
    exec /start_gpdb.sh 00:primary 01:primary 00:mirror 01:mirror
    ;;
new)
    exec sleep infinity # sshd runs already; the expansion makes the data directories
    ;;
esac
