#!/bin/sh
# Write .env with fresh passwords and keys for docker compose, once; compose reads it by itself.
set -eu
cd "$(dirname "$0")/.."
[ ! -e .env ] || { echo ".env is there already; remove it to have new secrets (and the volumes made with the old ones)."; exit 0; }
umask 077
secret() { head -c "$1" /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_'; }
cat > .env <<ENV
ADMIN_PASSWORD=$(secret 12)
POSTGRES_PASSWORD=$(secret 18)
GREENPLUM_PASSWORD=$(secret 18)
JWT_SECRET=$(secret 64)
API_SECRET_KEY=$(secret 32)
FERNET_KEY=$(secret 32)=
ENV
echo "Wrote .env. The UI's user is admin, its password stands there."
