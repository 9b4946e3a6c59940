# Source this file: GPHOME, PATH and what Greenplum's programs expect, as the real greenplum_path.sh sets them.
if [ -n "${BASH_SOURCE[0]:-}" ]; then
    case "${BASH_SOURCE[0]}" in */*) GPHOME="$(cd "${BASH_SOURCE[0]%/*}" && pwd)" ;; *) GPHOME="$PWD" ;; esac
else
    GPHOME=/usr/local/greenplum-db
fi
PATH="${GPHOME}/bin:${PATH}"
export GPHOME PATH
