"""Ports for servers that tests start."""

import random
import socket

_PORTS = range(5500, 10000)
"""Below the kernel's ephemeral ports, so that no outgoing connection takes one before it is bound; Airflow and the
practice cluster take theirs from 10000 on."""


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listened a moment ago."""
    candidates = random.SystemRandom().sample(_PORTS, len(_PORTS))  # several test processes run at once
    for port in candidates:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise RuntimeError(f"no port of {_PORTS} is free on 127.0.0.1; `ss -ltn` shows who listens")
