"""What listens on the coordinator's port: passes all to the server behind it, rewriting statements it does not know.

Messages of the client are streamed except Query and Parse; those of the server except its version, which is replaced,
and errors: what the imitation raises loses PL/pgSQL's CONTEXT line.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from . import settings, vacuum, wire
from .partitions import BadClause
from .statements import RefusedStatement, is_greenplum_setting, rewrite

log = logging.getLogger("proxy")

_ERROR, _NOTICE, _PARAMETER, _READY = b"ENSZ"
_READ = frozenset(b"ENSZ")
_OURS = (
    b"function pg_sandbox.",
    b"function gp_segment_id(",
    b"function inline_code_block line 1 at RAISE",
    b"sandbox:fatal",
)
"""In the CONTEXT of an error these show that the imitation raised it; Greenplum's errors have none."""

_RESERVED = "remaining connection slots are reserved for non-replication superuser connections"  # gpstart -R
_UTILITY_ONLY = "System was started in master-only utility mode - only utility mode connections are allowed"


@dataclass(frozen=True)
class Backend:
    """Where the server is, and how to ask it: database, question, name (see `statements.Ask`)."""

    socket: Path
    port: int
    mode: str
    ask: Callable[[str, str, str], Awaitable[str]]


class ClientSide(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.transport: asyncio.Transport
        self.server: ServerSide | None = None
        self.buffer = bytearray()
        self.started = False
        self.waiting = False  # for something asynchronous; the client is not read meanwhile
        self.raw = False  # replication: nothing is read or changed
        self.passing = 0  # bytes of a message that is streamed
        self.database = ""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.raw and self.server is not None and not self.waiting and not self.buffer:
            self.server.transport.write(data)
            return
        self.buffer += data
        self.proceed()

    def proceed(self) -> None:
        """Handle as much of the buffer as there is."""
        while self.buffer and not self.waiting:
            if not (self._running() if self.started else self._starting()):
                return

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        for task in self.tasks:
            task.cancel()
        if self.server is not None:
            self.server.transport.close()

    def pause_writing(self) -> None:
        if self.server is not None:
            self.server.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.server is not None and not self.server.transport.is_closing():
            self.server.transport.resume_reading()

    def refuse(self, sqlstate: str, text: str) -> None:
        """End the session with a FATAL error."""
        self.transport.write(wire.error("FATAL", sqlstate, text))
        self.transport.close()

    def _starting(self) -> bool:
        if len(self.buffer) < 8:
            return False
        length, code = wire.integer(self.buffer), wire.integer(self.buffer, 4)
        if not 8 <= length <= 10000:
            self.transport.close()
            return False
        if len(self.buffer) < length:
            return False
        packet = bytes(self.buffer[:length])
        del self.buffer[:length]
        if code in (wire.SSL, wire.GSSENC):
            self.transport.write(b"N")
        elif code == wire.CANCEL:
            self._wait_for(self._cancel(packet))
        elif code == wire.PROTOCOL_3:
            self._wait_for(self._connect(wire.read_startup(packet[8:])))
        else:
            self.refuse(
                "0A000", f"unsupported frontend protocol {code >> 16}.{code & 65535}: server supports 1.0 to 3.0"
            )
        return True

    def _running(self) -> bool:
        server = self.server
        assert server is not None  # set before started
        if self.raw:
            server.transport.write(bytes(self.buffer))
            self.buffer.clear()
            return False
        if self.passing:
            chunk = bytes(self.buffer[: self.passing])
            del self.buffer[: len(chunk)]
            self.passing -= len(chunk)
            server.transport.write(chunk)
            return True
        if len(self.buffer) < 5:
            return False
        length = wire.integer(self.buffer, 1) + 1
        if self.buffer[0] not in b"QP" or not server.ready:  # before that 'p' and the like: passwords
            self.passing = length
            return True
        if len(self.buffer) < length:
            return False
        kind, body = bytes(self.buffer[:1]), bytes(self.buffer[5:length])
        del self.buffer[:length]
        questions = self._questions(body)
        if questions:
            self._wait_for(self._send_with_answers(kind, body, questions))
        else:
            self._send(kind, body, {})
        return True

    def _questions(self, body: bytes) -> list[tuple[str, str]]:
        """What must be asked before the statement can be rewritten."""
        lowered = body.lower()
        if b"vacuum" in lowered[:200] and (statement := body.rstrip(b"\0").decode("utf-8", "surrogateescape")):
            return [("vacuum", statement)] if vacuum.parse(statement) else []
        if b"gp_dist_random" not in lowered and b"only" not in lowered:
            return []
        found: list[tuple[str, str]] = []

        def note(question: str, name: str) -> str:
            found.append((question, name))
            return name

        try:
            rewrite(body.decode("utf-8", "surrogateescape").replace("\0", " "), note)
        except (RefusedStatement, BadClause):
            return []  # will be said when it is sent
        return list(dict.fromkeys(found))

    def _send(self, kind: bytes, body: bytes, answers: dict[tuple[str, str], str]) -> None:
        """Pass on a Query or Parse message, rewritten."""
        server = self.server
        assert server is not None  # called while running only
        head, text, rest = b"", body, b""
        if kind == b"P":
            end = body.index(b"\0") + 1
            head, text = body[:end], body[end:]
        text, _, rest = text.partition(b"\0")
        sql = text.decode("utf-8", "surrogateescape")
        try:
            fresh = rewrite(sql, lambda question, name: answers.get((question, name), name))
        except (RefusedStatement, BadClause) as refusal:
            fresh = raising(str(refusal))
        if fresh is not sql:
            text = fresh.encode("utf-8", "surrogateescape")
        server.transport.write(wire.message(kind, head + text + b"\0" + rest))

    async def _send_with_answers(self, kind: bytes, body: bytes, questions: list[tuple[str, str]]) -> None:
        """As `_send`, after asking."""
        try:
            answers = {
                (question, name): await self.backend.ask(self.database, question, name) for question, name in questions
            }
        except LookupError as error:
            statement = raising(str(error.args[0]), "undefined_table").encode()
            body = (
                (body[: body.index(b"\0") + 1] if kind == b"P" else b"")
                + statement
                + b"\0"
                + (b"\0\0" if kind == b"P" else b"")
            )
            answers = {}
        self._send(kind, body, answers)

    async def _connect(self, parameters: dict[str, str]) -> None:
        utility = "role=utility" in parameters.get("options", "")
        if self.backend.mode == "utility" and not utility:
            self.refuse("57P03", _UTILITY_ONLY)
            return
        if self.backend.mode == "restricted" and parameters.get("user") != settings.SUPERUSER:
            self.refuse("53300", _RESERVED)
            return
        self.raw = parameters.get("replication", "false") not in ("false", "off", "no", "0")
        self.database = parameters.get("database", parameters.get("user", ""))
        if "options" in parameters:
            parameters["options"] = with_prefixes(parameters["options"])
        try:
            self.server = await open_server(self, self.backend)
        except OSError:
            self.refuse("57P03", "the database system is starting up")
            return
        self.server.ready = self.raw
        self.server.transport.write(wire.startup(parameters))
        self.started = True

    async def _cancel(self, packet: bytes) -> None:
        """Cancel requests carry the server's own key: pass them on as they are."""
        try:
            _, writer = await asyncio.open_unix_connection(str(self.backend.socket))
            writer.write(packet)
            await writer.drain()
            writer.close()
        except OSError as error:
            log.warning("cancel request lost: %s", error)
        self.transport.close()

    def _wait_for(self, work: Awaitable[None]) -> None:
        async def wait() -> None:
            try:
                await work
            finally:
                self.waiting = False
                if not self.transport.is_closing():
                    self.transport.resume_reading()
                    self.proceed()

        self.waiting = True
        self.transport.pause_reading()
        task = asyncio.ensure_future(wait())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


class ServerSide(asyncio.Protocol):
    """The connection to the server on behalf of one client."""

    def __init__(self, client: ClientSide) -> None:
        self.client = client
        self.transport: asyncio.Transport
        self.rest = b""  # of a message that must be complete to be read
        self.skip = 0  # bytes of a message that is passed on as it comes
        self.ready = False
        self.ending = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.client.raw:
            self.client.transport.write(data)
            return
        data, self.rest = self.rest + data, b""
        size, passed = len(data), 0
        position = min(self.skip, size)
        self.skip -= position
        out: list[bytes] = []
        while size - position >= 5:
            kind, end = data[position], position + wire.integer(data, position + 1) + 1
            if kind in _READ:
                if end > size:
                    break
                fresh = self._changed(kind, data[position + 5 : end])
                if fresh is not None:
                    out += (data[passed:position], fresh)
                    passed = end
            elif end > size:
                self.skip, end = end - size, size
            position = end
        self.rest = data[position:]
        out.append(data[passed:position])
        self.client.transport.write(b"".join(out))

    def _changed(self, kind: int, body: bytes) -> bytes | None:
        """What to send in the place of this message, None for the message itself."""
        if kind == _READY:
            self.ready = True
            if self.ending:  # only now: a client that meets the end of the stream first would not show the message
                asyncio.get_running_loop().call_soon(self.client.transport.close)
        elif kind == _PARAMETER:
            if body.startswith(b"server_version\0"):
                return wire.message(b"S", b"server_version\0" + settings.SERVER_VERSION.encode() + b"\0")
        elif kind == _NOTICE and b"cannot vacuum non-tables" in body and b"__gpseg" in body:
            return b""  # the segments were asked before
        elif any(word in body for word in _OURS):
            fields = [(k, v) for k, v in wire.read_fields(body) if k != b"W"]
            if (b"H", b"sandbox:fatal") in fields:
                self.ending = True
                fields = [(k, b"FATAL" if k in b"SV" else v) for k, v in fields if k != b"H"]
            return wire.write_fields(bytes([kind]), fields)
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self.client.transport.close()

    def pause_writing(self) -> None:
        self.client.transport.pause_reading()

    def resume_writing(self) -> None:
        if not self.client.transport.is_closing() and not self.client.waiting:
            self.client.transport.resume_reading()


def with_prefixes(options: str) -> str:
    """Startup options with Greenplum's settings renamed: ``-c gp_role=utility`` becomes ``-c gp.gp_role=utility``."""
    words = options.split(" ")
    for index, word in enumerate(words):
        flag = "-c" if word.startswith("-c") and len(word) > 2 else "--" if word.startswith("--") else ""
        name = word[len(flag) :].partition("=")[0].replace("-", "_")
        if (flag or (index and words[index - 1] == "-c")) and is_greenplum_setting(name):
            words[index] = f"{flag}gp.{word[len(flag) :]}"
    return " ".join(words)


def raising(text: str, condition: str = "feature_not_supported") -> str:
    """A statement that fails with this message: so the state of the transaction stays the server's own affair."""
    quoted = text.replace("'", "''").replace("$sandbox$", "")
    return f"DO $sandbox$ BEGIN RAISE EXCEPTION USING MESSAGE = '{quoted}', ERRCODE = '{condition}'; END $sandbox$"


async def open_server(client: ClientSide, backend: Backend) -> ServerSide:
    """Connect to the server the way that tells it where the client is.

    :raises OSError: it does not listen
    """
    loop = asyncio.get_running_loop()
    peer = client.transport.get_extra_info("peername")
    if isinstance(peer, tuple):
        source = settings.loopback_of(peer[0])
        _, side = await loop.create_connection(
            lambda: ServerSide(client), "127.0.0.1", backend.port, local_addr=(source, 0)
        )
    else:
        _, side = await loop.create_unix_connection(lambda: ServerSide(client), str(backend.socket))
    return side
