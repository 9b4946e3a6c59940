"""The vocabulary of the scenarios: what is prepared, what is replayed, how it is compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from .compare import Selection, everything
from .practice import Practice

DATA = "/data/master/gpseg-1"


@dataclass(frozen=True)
class Prepare:
    """Something done to the practice cluster that no recording shows; it must succeed.

    :param command: a shell command, as gpadmin on ``host``
    :param act: instead of a command, something done from outside
    """

    why: str
    command: str = ""
    host: str = "mdw"
    user: str = "gpadmin"
    act: Callable[[Practice], None] | None = None


@dataclass(frozen=True)
class Interrupt:
    """A signal to gpexpand once a condition holds.

    :param signal: INT or KILL
    :param when: a shell condition on mdw, looked at twenty times a second
    """

    signal: str
    when: str

    @property
    def command(self) -> str:
        """For mdw: wait, then send."""
        script = f"until {self.when}; do sleep 0.05; done; kill -{self.signal} $(head -1 {DATA}/gpexpand.pid)"
        quoted = script.replace("'", "'\\''")
        return f"timeout 120 bash -c '{quoted}'"


@dataclass(frozen=True)
class Replay:
    """One recording.

    :param name: of the recording, or its beginning up to the first ``_``
    :param command: what to run where the recorded text cannot be run as it stands; ``because`` says why
    :param select: which lines are compared
    :param translate: recorded word to the practice cluster's word, where the recording used other hosts or numbers
    :param beside: recordings of what was done while this command ran, replayed while it runs
    :param stderr: whether stderr is compared; False only where ``because`` says why
    """

    name: str
    command: str | None = None
    because: str = ""
    select: Selection = everything
    answers: str | None = None
    tty: bool = False
    interrupt: Interrupt | None = None
    translate: dict[str, str] = field(default_factory=dict)
    stderr: bool = True
    faults: dict[str, str] = field(default_factory=dict)
    beside: tuple[Replay, ...] = ()


Step = Prepare | Replay


@dataclass(frozen=True)
class Scenario:
    """Steps on a cluster as right after its first ``up``."""

    name: str
    steps: tuple[Step, ...]
