#!/bin/bash
# Start the API server with one user, `admin`, whose password comes from the environment.
set -euo pipefail
umask 077
mkdir -p "$AIRFLOW_HOME/auth"
python - <<'PYTHON'
import json, os, pathlib
path = pathlib.Path(os.environ["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
path.write_text(json.dumps({"admin": os.environ["ADMIN_PASSWORD"]}))
PYTHON
unset ADMIN_PASSWORD
exec airflow api-server
