"""SSH keys of a sandbox, made once at the first `up` and kept in ``<state>/keys``.

client     whoever works from outside: authorized for gpadmin and root on every host
cluster    gpadmin's own key on the four hosts of the cluster, as gpssh-exkeys leaves it; new hosts know nothing of it
hosts      each host's ed25519 and RSA key
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from sandbox import layout
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import Settings, State, write_atomically

HOST_KEY_TYPES = ("ed25519", "rsa")


def host_key(state: State, host: str, kind: str) -> Path:
    """Path of a host's private key; its public half has ``.pub``."""
    return state.keys / "hosts" / host / f"ssh_host_{kind}_key"


def cluster_key(state: State) -> Path:
    """Path of the key gpadmin has on all hosts of the cluster."""
    return state.keys / "id_cluster"


def make_keys(state: State, settings: Settings) -> None:
    """Make the keys that are missing (all at once: RSA takes its time) and the client's known_hosts."""
    wanted = [(state.client_key, "ed25519", "sandbox client"), (cluster_key(state), "rsa", "gpadmin@mdw")]
    for host in layout.HOSTS:
        (state.keys / "hosts" / host.name).mkdir(parents=True, exist_ok=True)
        wanted += [(host_key(state, host.name, kind), kind, f"root@{host.name}") for kind in HOST_KEY_TYPES]
    running = []
    for path, kind, comment in wanted:
        public = path.with_name(path.name + ".pub")
        if path.exists() and public.exists():
            continue
        path.unlink(missing_ok=True)  # half a pair, left by an interrupted `up`: ssh-keygen would ask about it
        bits = ["-b", "2048"] if kind == "rsa" else []
        command = ["ssh-keygen", "-q", "-t", kind, *bits, "-N", "", "-C", comment, "-f", str(path)]
        running.append((path, subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)))
    for path, process in running:
        _, errors = process.communicate()
        if process.returncode != 0:
            raise SandboxError(
                f"{path} was not made", f"ssh-keygen: {errors.strip()}", "make room or mend the directory"
            )
    lines = []
    for host in layout.HOSTS:
        key = public_key(host_key(state, host.name, "ed25519"))
        lines.append(f"[127.0.0.1]:{settings.ports[f'{host.name}:{layout.SSH_PORT}']} {key}\n")
    write_atomically(state.known_hosts, "".join(lines), 0o644)


def public_key(private: Path) -> str:
    """``ssh-ed25519 AAAA…`` of the pair, without comment."""
    return " ".join(private.with_name(private.name + ".pub").read_text().split()[:2])
