"""From a port of the machine's loopback to a port of a host.

The listening socket was opened on the machine, the connection is made in the datacenter's network: the process that
does both stands in the datacenter.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

log = logging.getLogger("relay")
_CHUNK = 256 * 1024
# A host whose plug was pulled says nothing more: without these its clients would wait for it for a quarter of an hour.
_TOWARDS_HOST = {
    (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE): 1,
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 5,  # seconds
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 5,
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT): 15_000,  # milliseconds
}
_PATIENCE = 5.0  # seconds for a host to accept; one that is off does not answer at all


class Relay:
    """Serves one listening socket for as long as it is open. A host that is off means: connection closed at once."""

    def __init__(self, listener: socket.socket, address: str, port: int) -> None:
        self._listener, self._address, self._port = listener, address, port
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Accept until cancelled."""
        self._listener.setblocking(False)
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(self._listener)
            except OSError as error:  # too many open files: those being served will end
                log.warning("cannot accept for %s:%s: %s", self._address, self._port, error)
                await asyncio.sleep(0.1)
                continue
            task = asyncio.create_task(self._carry(client))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, client: socket.socket) -> None:
        with contextlib.ExitStack() as cleanup:
            cleanup.callback(client.close)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                reader, writer = await asyncio.wait_for(asyncio.open_connection(self._address, self._port), _PATIENCE)
            except (OSError, TimeoutError) as error:
                log.debug("%s:%s does not answer: %s", self._address, self._port, error)
                return
            cleanup.callback(writer.close)
            for option, value in _TOWARDS_HOST.items():
                writer.get_extra_info("socket").setsockopt(*option, value)
            inwards, outwards = asyncio.create_task(_in(client, writer)), asyncio.create_task(_out(reader, client))
            try:
                await asyncio.gather(inwards, outwards)
            except OSError:
                pass  # one side reset the connection: closing both is all there is to do
            finally:
                inwards.cancel()
                outwards.cancel()


async def _in(client: socket.socket, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    while data := await loop.sock_recv(client, _CHUNK):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


async def _out(reader: asyncio.StreamReader, client: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while data := await reader.read(_CHUNK):
        await loop.sock_sendall(client, data)
    client.shutdown(socket.SHUT_WR)
