"""What stands in front of a coordinator's server: proxy, fts and the garbage collector, in one process.

Started and stopped by `instance.start` and `instance.stop` with the coordinator. Its log is daemon.log in the runtime
directory.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import sys
import threading
from contextlib import closing
from pathlib import Path

from . import garbage, settings, vacuum
from .fts import Fts
from .proxy import Backend, ClientSide
from .schema import backend_connection

log = logging.getLogger("daemon")


async def serve(datadir: Path, port: int, mode: str) -> None:
    """Listen until SIGTERM or SIGINT; then end all sessions."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    runtime = settings.runtime_directory(datadir)
    backend_port = port + settings.BACKEND_PORT_OFFSET

    async def ask(database: str, question: str, name: str) -> str:
        return await loop.run_in_executor(None, answer, datadir, database, question, name)

    backend = Backend(runtime / f".s.PGSQL.{backend_port}", backend_port, mode, ask)
    servers = [await loop.create_server(lambda: ClientSide(backend), "0.0.0.0", port, backlog=256)]
    for directory in settings.SOCKET_DIRECTORIES:
        path = Path(directory) / f".s.PGSQL.{port}"
        if os.access(directory, os.W_OK):
            path.unlink(missing_ok=True)
            servers.append(await loop.create_unix_server(lambda: ClientSide(backend), str(path)))
    (runtime / "daemon.pid").write_text(str(os.getpid()))
    (runtime / "daemon.ready").touch()
    helpers = []
    if mode != "utility":  # the segments need not run then
        helpers = [
            threading.Thread(target=Fts(datadir).run, args=(stopped.is_set,), name="fts"),
            threading.Thread(target=garbage.collect_forever, args=(datadir, stopped.is_set), name="garbage"),
        ]
    for helper in helpers:
        helper.daemon = True
        helper.start()
    log.info("listening on port %d, mode %s", port, mode)
    await stopped.wait()
    (runtime / "daemon.ready").unlink(missing_ok=True)
    for server in servers:
        server.close()


def answer(datadir: Path, database: str, question: str, name: str) -> str:
    """What to read in the place of a name (`statements.Ask`), asked in that database.

    :raises LookupError: with the server's message
    """
    import psycopg2

    if question == "vacuum":
        wanted = vacuum.parse(name)
        if wanted is not None:
            vacuum.vacuum_segments(datadir, database, *wanted)
        return ""
    try:
        with closing(backend_connection(datadir, database)) as connection, connection.cursor() as cursor:
            cursor.execute("select pg_sandbox.read_instead(%s, %s)", (question, name))
            return str(cursor.fetchone()[0])
    except psycopg2.Error as error:
        raise LookupError((error.diag.message_primary or str(error)).strip()) from error


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="sandbox.database.daemon", description=__doc__)
    parser.add_argument("--datadir", type=Path, required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--mode", default="normal")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    asyncio.run(serve(given.datadir, given.port, given.mode))
    return 0


if __name__ == "__main__":
    sys.exit(main())
