"""Lets the coordinator's user log in to a host that it has never seen."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from greenplum_expansion.errors import StepFailed
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import Script


def authorize_coordinator(hook: GreenplumHook, hostname: str, address: str, host_key: str | None = None) -> None:
    """Authorize the coordinator's public key on a host, over this connection's own login, and make its key known.

    Adds lines where they are missing, removes none; makes the coordinator a key if its user has none.

    :raises StepFailed: what should be its public key is none
    """
    key = hook.coordinator().run(_OWN_KEY, timeout=60).stdout.strip()
    if not key.startswith(("ssh-", "ecdsa-", "sk-")):
        raise StepFailed(
            "Public key of the coordinator's user",
            f"~/.ssh/id_rsa.pub is no public key but {key[:40]!r}",
            "make one with ssh-keygen -t rsa, then clear this task",
        )
    remote = hook.host(hostname, address, host_key=host_key)
    remote.run(_authorize(key), timeout=60)
    # The key that was checked on our way in is the one the coordinator shall believe from now on.
    known = remote.host_key.line
    hook.coordinator().run(_know(sorted({hostname, address}), known), timeout=60)


# gpssh-exkeys uses id_rsa and makes it if it is missing; so do we, before it.
_OWN_KEY = Script(
    """
umask 077; mkdir -p ~/.ssh
[ -e ~/.ssh/id_rsa ] || ssh-keygen -q -t rsa -b 4096 -N '' -f ~/.ssh/id_rsa </dev/null
[ -e ~/.ssh/id_rsa.pub ] || ssh-keygen -y -f ~/.ssh/id_rsa > ~/.ssh/id_rsa.pub
cat ~/.ssh/id_rsa.pub
""",
    "read the coordinator's public key",
)


def _authorize(key: str) -> Script:
    quoted = shlex.quote(key)
    return Script(
        f"""
umask 077; mkdir -p ~/.ssh; touch ~/.ssh/authorized_keys
grep -qxF -- {quoted} ~/.ssh/authorized_keys && exit 0
# A last line without its end would swallow the key.
[ -z "$(tail -c 1 ~/.ssh/authorized_keys)" ] || echo >> ~/.ssh/authorized_keys
printf '%s\\n' {quoted} >> ~/.ssh/authorized_keys
""",
        "authorize the coordinator's key",
    )


def _know(names: Sequence[str], key_line: str) -> Script:
    lines = "\n".join(f"add {shlex.quote(f'{name} {key_line}')}" for name in names)
    return Script(
        f"""
umask 077; mkdir -p ~/.ssh; touch ~/.ssh/known_hosts
add() {{ grep -qxF -- "$1" ~/.ssh/known_hosts || printf '%s\\n' "$1" >> ~/.ssh/known_hosts; }}
{lines}
""",
        "make the host key known",
    )
