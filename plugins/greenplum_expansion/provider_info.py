"""What Airflow is told about this package: one provider with one connection type, `greenplum`.

Airflow finds `get_provider_info` by the entry point `apache_airflow_provider`, of the installed wheel or of
`plugins/greenplum_expansion.dist-info`. It calls it at every start of every component, so this module imports nothing.
The connection form is declared here (`conn-fields`, `ui-field-behaviour`); since Airflow 3.2 methods on the hook that
do the same are deprecated. Source: airflow/providers_manager.py and provider_info.schema.json of 3.3.2.
"""

from typing import Any

CONNECTION_TYPE = "greenplum"


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    # ["string", "null"]: a plain "string" would make the field required and keep the form from being saved.
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


def get_provider_info() -> dict[str, Any]:
    """The provider as Airflow's provider_info.schema.json wants it."""
    return {
        "package-name": "greenplum-expansion",
        "name": "Greenplum expansion",
        "description": "Grows Greenplum clusters: checks, plan, preparation, redistribution, proof and rollback.",
        "integrations": [
            {"integration-name": "Greenplum", "external-doc-url": "https://greenplum.org", "tags": ["service"]}
        ],
        "hooks": [{"integration-name": "Greenplum", "python-modules": ["greenplum_expansion.hooks.greenplum"]}],
        "connection-types": [
            {
                "connection-type": CONNECTION_TYPE,
                "hook-name": "Greenplum",
                "hook-class-name": "greenplum_expansion.hooks.greenplum.GreenplumHook",
                "ui-field-behaviour": {
                    "hidden-fields": [],
                    "relabeling": {
                        "host": "Coordinator, for SQL",
                        "port": "SQL port",
                        "login": "SQL user (a superuser, usually gpadmin)",
                        "password": "SQL password",
                        "schema": "Database to connect to",
                    },
                    "placeholders": {
                        "host": "mdw.example.com",
                        "port": "5432",
                        "login": "gpadmin",
                        "schema": "postgres",
                    },
                },
                "conn-fields": {
                    "ssh_host": _text(
                        "SSH host",
                        "The coordinator, for SSH. Empty: the same as for SQL. "
                        "Every other host of the cluster is reached through it.",
                    ),
                    "ssh_port": {
                        "label": "SSH port",
                        "description": "Empty: 22.",
                        "schema": {"type": ["integer", "null"], "minimum": 1, "maximum": 65535},
                    },
                    "ssh_user": _text(
                        "SSH user",
                        "The user that owns the cluster's files and runs gpexpand. Empty: the SQL user.",
                    ),
                    "ssh_key_file": _text(
                        "SSH key file",
                        "Path of the private key, on the machine where Airflow's workers and triggerer run.",
                    ),
                    "ssh_private_key": _text(
                        "SSH private key",
                        "The private key itself, instead of a path. Kept encrypted by Airflow.",
                        format="multiline",
                    ),
                    "ssh_private_key_passphrase": _text(
                        "Passphrase of the SSH key", "Empty: the key has none.", format="password"
                    ),
                    "ssh_host_key": _text(
                        "SSH host key",
                        "The coordinator's public host key, as `ssh-keyscan -t ed25519 HOST` prints it without the "
                        'name: "ssh-ed25519 AAAA…". Needed, unless host keys are not checked.',
                    ),
                    "ssh_no_host_key_check": {
                        "label": "Do not check SSH host keys",
                        "description": "Whoever stands between Airflow and the coordinator can then read and change "
                        "everything. For test clusters only.",
                        "schema": {"type": ["boolean", "null"], "default": False},
                    },
                    "gphome": _text(
                        "GPHOME",
                        "Where Greenplum is installed on the coordinator. Empty: found by itself.",
                    ),
                    "coordinator_data_directory": _text(
                        "Coordinator data directory",
                        "MASTER_DATA_DIRECTORY (Greenplum 6 and older) or COORDINATOR_DATA_DIRECTORY. "
                        "Empty: found by itself.",
                    ),
                },
            }
        ],
    }
