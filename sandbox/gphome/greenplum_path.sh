# Source this file: GPHOME, PATH and what Greenplum's programs expect, as the real greenplum_path.sh sets them.
if [ -n "${BASH_SOURCE[0]:-}" ]; then
    GPHOME="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
else
    GPHOME=/usr/local/greenplum-db
fi
PATH="${GPHOME}/bin:${PATH}"
export GPHOME PATH
