#!/usr/bin/env python3
"""Register the real Greenplum of the profile `greenplum` as the Airflow connection `greenplum_real`."""

import asyncio
import json
import os
import subprocess
import tempfile
from pathlib import Path

import asyncssh

COORDINATOR = "mdw"
KEY = Path("/shared/greenplum-keys/id_rsa")


async def host_key() -> str:
    """The coordinator's public host key, taken on first sight: both containers belong to the same compose project."""
    key = await asyncssh.get_server_host_key(COORDINATOR, server_host_key_algs=["ssh-ed25519"])
    if key is None:
        raise SystemExit(f"{COORDINATOR} shows no ed25519 host key. Next: `docker compose logs {COORDINATOR}`.")
    return key.export_public_key("openssh").decode().strip()


def main() -> None:
    """Write the connection to a file only root may read, and import it."""
    connection = {
        "conn_type": "greenplum",
        "host": COORDINATOR,
        "port": 5432,
        "login": "gpadmin",
        "password": os.environ["GREENPLUM_PASSWORD"],
        "schema": "postgres",
        "extra": {
            "ssh_host_key": asyncio.run(host_key()),
            "ssh_private_key": KEY.read_text(encoding="utf-8"),
            "gphome": "/usr/local/greenplum-db",
            "coordinator_data_directory": "/data/master/gpseg-1",
        },
    }
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump({"greenplum_real": connection}, file)
        file.flush()
        subprocess.run(["airflow", "connections", "import", "--overwrite", file.name], check=True)


if __name__ == "__main__":
    main()
