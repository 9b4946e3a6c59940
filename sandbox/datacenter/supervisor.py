"""Process 1 of the datacenter: `python -m sandbox.datacenter.supervisor DESCRIPTORS-JSON`, started by `staging`.

Lays the bridge, carries the relays, answers the control socket, and keeps the hosts on: one that rebooted (or whose
process 1 was killed) comes back, one that powered off stays off. When this process ends, the kernel ends all in here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox import layout
from sandbox.datacenter import disks
from sandbox.datacenter.machine import BRIDGE
from sandbox.datacenter.power import Machine
from sandbox.datacenter.relay import Relay

log = logging.getLogger("supervisor")


class Supervisor:
    """The datacenter at work. Requests of the control socket are answered one after the other."""

    def __init__(self, descriptors: dict[str, Any]) -> None:
        self._relays = {name: socket.socket(fileno=fd) for name, fd in descriptors["relays"].items()}
        self._control = socket.socket(fileno=descriptors["control"])
        interpreter = json.dumps(descriptors["interpreter"])
        self._machines = {h.name: Machine(h, interpreter, Path("/state/logs")) for h in layout.HOSTS}
        self._busy = asyncio.Lock()
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Until asked to end."""
        _lay_network()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._ending.set)
        for name, listener in self._relays.items():
            host, _, port = name.partition(":")
            self._tasks.append(asyncio.create_task(Relay(listener, layout.host(host).address, int(port)).serve()))
        await asyncio.to_thread(disks.finish_restoring, list(self._machines))
        for machine in self._machines.values():
            machine.switch_on(unless_marked=True)
        server = await asyncio.start_unix_server(self._answer, sock=self._control, limit=1 << 20)
        await self._ending.wait()
        server.close()
        await _shut_down(list(self._machines.values()))
        log.info("ended")

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = json.loads(await reader.readline())
            async with self._busy:
                answer = await self._do(**request)
        except Exception as error:  # whatever it was: the asker has to know
            log.exception("request failed")
            answer = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        try:
            await writer.drain()
        finally:
            writer.close()

    async def _do(self, verb: str, host: str | None, value: int | None) -> dict[str, Any]:
        machines = [self._machines[host]] if host else list(self._machines.values())
        names = [m.host.name for m in machines]
        match verb:
            case "status":
                return {m.host.name: m.status() for m in machines}
            case "switch-on-unmarked":
                for machine in machines:
                    machine.switch_on(unless_marked=True)
            case "end":
                self._ending.set()
            case "switch-on":
                for machine in machines:
                    machine.switch_on()
            case "pull-plug":
                await asyncio.gather(*(m.pull_plug() for m in machines))
            case "shut-down":
                await _shut_down(machines)
            case "snapshot":
                await asyncio.to_thread(disks.take_snapshot, names)
            case "restore":
                await asyncio.to_thread(disks.restore, names)
            case "fill-disk":
                await asyncio.to_thread(disks.fill, names[0], value or 0)
            case "empty-disk":
                for name in names:
                    disks.empty(name)
            case _:
                raise ValueError(f"no request {verb!r}")
        return {}


async def _shut_down(machines: list[Machine]) -> None:
    """The coordinator first: it would take the others' end for a failure and note it in its catalog."""
    for first in (True, False):
        await asyncio.gather(*(m.shut_down() for m in machines if (m.host == layout.COORDINATOR) is first))


def _lay_network() -> None:
    commands = (
        "link set lo up",
        f"link add {BRIDGE} type bridge",
        f"addr add {layout.GATEWAY}/{layout.PREFIX_LENGTH} dev {BRIDGE}",
        f"link set {BRIDGE} up",
    )
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def main(descriptors: str) -> None:
    """Run the datacenter."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    os.umask(0o022)
    asyncio.run(Supervisor(json.loads(descriptors)).run())


if __name__ == "__main__":
    main(sys.argv[1])
