#!/usr/bin/env python3
"""Turn a connection to this container's own ports into one for the others, as `airflow connections import` reads it.

    connection.py CONN_ID HOST SQL_PORT SSH_PORT < connection.json > connections.json

The private key is put into the connection itself (Airflow keeps it encrypted), so that no key file has to be shared.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Read one connection, write a file of one."""
    conn_id, host, sql_port, ssh_port = sys.argv[1:]
    connection = json.load(sys.stdin)
    extra = connection["extra"]
    extra |= {"ssh_host": host, "ssh_port": int(ssh_port)}
    if "ssh_key_file" in extra:
        extra["ssh_private_key"] = Path(extra.pop("ssh_key_file")).read_text(encoding="utf-8")
    connection |= {"host": host, "port": int(sql_port), "extra": extra}
    json.dump({conn_id: connection}, sys.stdout)


if __name__ == "__main__":
    main()
