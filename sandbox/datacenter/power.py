"""One host as the supervisor sees it: a switch, a plug, a lamp."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import time
from pathlib import Path
from typing import Any

from sandbox import layout
from sandbox.datacenter.machine import POWER_OFF, REBOOT

log = logging.getLogger("power")
_TOO_QUICK = 2.0  # seconds: a host that dies by itself sooner after its start ...
_TRIES = 3  # ... this many times in a row stays off
_SHUTDOWN_PATIENCE = 30.0  # seconds for an orderly shutdown before the plug is pulled
DOWN_MARK = "host-down.{}"  # fault file of a host that is to stay off
FULL_MARK = "disk-full.{}"  # fault file of a host whose data disk is filled


class Machine:
    """Starts `machine` for a host and starts it again when it ends, unless it was switched off."""

    def __init__(self, host: layout.Host, interpreter: str, logs: Path) -> None:
        self.host = host
        self._interpreter, self._log = interpreter, logs / f"{host.name}.log"
        self._boots = 0
        self._wanted = False
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[None] | None = None

    def switch_on(self, *, unless_marked: bool = False) -> None:
        """Power on (nothing if it is on). `unless_marked`: a fault keeps it off."""
        if unless_marked and (Path("/state/faults") / DOWN_MARK.format(self.host.name)).exists():
            return
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._keep_on())

    async def pull_plug(self) -> None:
        """Power off at once; returns when nothing of the host runs any more."""
        self._wanted = False
        await self._signal_and_wait(signal.SIGTERM)

    async def shut_down(self) -> None:
        """Orderly shutdown, then off."""
        self._wanted = False
        if self._process is not None:
            await self._signal_and_wait(signal.SIGUSR1, _SHUTDOWN_PATIENCE)
        await self.pull_plug()

    def status(self) -> dict[str, Any]:
        """For `python -m sandbox status`."""
        running = self._process is not None
        return {"on": running, "wanted": self._wanted, "boots": self._boots, "address": self.host.address}

    async def _signal_and_wait(self, number: signal.Signals, patience: float | None = None) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # ended by itself just now
                self._process.send_signal(number)
        if self._task is not None:
            await asyncio.wait([self._task], timeout=patience)

    async def _keep_on(self) -> None:
        quick = 0
        while self._wanted:
            self._boots += 1
            began = time.monotonic()
            code = await self._boot()
            log.info("%s ended with %s after %.1f s", self.host.name, code, time.monotonic() - began)
            if code == POWER_OFF:
                self._wanted = False
            # A reboot that somebody asked for is none that the host came to by itself.
            failed = code != REBOOT and time.monotonic() - began < _TOO_QUICK
            quick = quick + 1 if failed else 0
            if quick >= _TRIES:
                log.error("%s does not stay on, see %s", self.host.name, self._log.name)
                self._wanted = False

    async def _boot(self) -> int:
        boot = str(self._boots)
        with self._log.open("ab") as stream:
            self._process = await asyncio.create_subprocess_exec(
                *(
                    layout.INTERPRETER,
                    "-I",
                    "-m",
                    "sandbox.datacenter.machine",
                    self.host.name,
                    boot,
                    self._interpreter,
                ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )
        code = await self._process.wait()
        self._process = None
        # The kernel takes a dead host's interfaces away some time later; until then it would answer for its address.
        unplug = await asyncio.create_subprocess_exec(
            "ip", "link", "del", f"{self.host.name}-{boot}", stderr=asyncio.subprocess.DEVNULL
        )
        await unplug.wait()
        return code
