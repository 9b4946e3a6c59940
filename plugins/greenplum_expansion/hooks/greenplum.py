"""The hook of connection type "greenplum": SQL to the coordinator, SSH to it and through it, the gp utilities.

The form of the connection stands in provider_info.py: since Airflow 3.2 it is read from there, not from the hook.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg2
import psycopg2.extras
from airflow.providers.postgres.hooks.postgres import PostgresHook

from greenplum_expansion import sql
from greenplum_expansion.cluster.flavors import sql_variant
from greenplum_expansion.errors import ExpansionError, InvalidRequest, RemoteError
from greenplum_expansion.hooks import sql_words
from greenplum_expansion.hooks.busy import BUSY
from greenplum_expansion.hooks.environment import CoordinatorEnvironment, discover
from greenplum_expansion.hooks.jobs import RemoteJob
from greenplum_expansion.hooks.known_hosts import HostKey, keys_for
from greenplum_expansion.hooks.remote import CommandResult, RemoteHost, Script
from greenplum_expansion.hooks.session import Expected, SshSession, Target
from greenplum_expansion.hooks.settings import OWN_EXTRAS, SshSettings, extra_text

log = logging.getLogger(__name__)

DEFAULT_DATABASE = "postgres"
DEFAULT_PORT = 5432
UTILITY_TIMEOUT = 600.0  # seconds; gpstate on a large cluster with a dead host takes minutes


class GreenplumHook(PostgresHook):
    """Talks to one Greenplum cluster, through its coordinator only.

    :param greenplum_conn_id: an Airflow connection of type "greenplum". Host, port (5432), login, password and schema
        (``postgres``) are for SQL. Extras: ssh_host (host), ssh_port (22), ssh_user (login), ssh_key_file or
        ssh_private_key with ssh_private_key_passphrase, ssh_host_key (needed unless ssh_no_host_key_check is true),
        gphome and coordinator_data_directory (found when empty). Other extras go to libpq (sslmode …).
    """

    conn_name_attr = "greenplum_conn_id"
    default_conn_name = "greenplum_default"
    conn_type = "greenplum"
    hook_name = "Greenplum"
    ignored_extra_options = PostgresHook.ignored_extra_options | OWN_EXTRAS

    def __init__(self, greenplum_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        # psycopg 3 binds on the server (no parameters in SET or DDL) and loses rows of Greenplum's COPY silently.
        kwargs.setdefault("sqlalchemy_scheme", "postgresql+psycopg2")
        super().__init__(greenplum_conn_id=greenplum_conn_id, **kwargs)
        self.greenplum_conn_id = greenplum_conn_id

    # --- SQL ---------------------------------------------------------------------------------------------------------

    def _create_connection(self, conn_args: dict[str, Any]) -> Any:
        """Open a psycopg2 connection where PostgresHook would take psycopg 3."""
        arguments = {name: value for name, value in conn_args.items() if value not in (None, "")}
        defaults: dict[str, Any] = {
            "dbname": DEFAULT_DATABASE,
            "port": DEFAULT_PORT,
            "application_name": "greenplum_expansion",
            "connect_timeout": 15,
            "keepalives_idle": 60,  # moves last hours without a word; firewalls forget silent connections
            "keepalives_interval": 15,
            "client_encoding": "UTF8",
        }
        return psycopg2.connect(**(defaults | arguments))

    def connect(
        self,
        dbname: str | None = None,
        *,
        autocommit: bool = True,
        application_name: str = "greenplum_expansion",
        options: Mapping[str, str] | None = None,
    ) -> Any:
        """Open a new connection; the caller closes it.

        :param dbname: default: the connection's schema, else ``postgres``
        :param options: settings of the session, as ``{"lock_timeout": "5s"}``; they survive RESET ALL
        :return: a psycopg2 connection
        :raises RemoteError: the cause in words; the driver's own text with secrets hidden
        """
        connection = self.connection
        arguments: dict[str, Any] = {
            name: value for name, value in connection.extra_dejson.items() if name not in self.ignored_extra_options
        }
        arguments |= {
            "host": connection.host,
            "port": connection.port,
            "user": connection.login,
            "password": connection.password,
            "dbname": dbname or self.database or connection.schema or DEFAULT_DATABASE,
            "application_name": application_name,
        }
        if options:
            flags = " ".join(f"-c {sql_words.session_option(name, value)}" for name, value in options.items())
            arguments["options"] = f"{arguments.get('options') or ''} {flags}".strip()
        try:
            with BUSY:
                opened = self._create_connection(arguments)
        except psycopg2.Error as error:
            raise sql_words.connect_error(self.greenplum_conn_id, arguments, error, self.redact) from error
        opened.autocommit = autocommit
        return opened

    @contextmanager
    def connected(self, dbname: str | None = None, **kwargs: Any) -> Iterator[Any]:
        """``with hook.connected("demo") as connection:`` as connect, closed at the end."""
        opened = self.connect(dbname, **kwargs)
        try:
            yield opened
        finally:
            opened.close()

    def query(
        self,
        sql_name: str,
        params: Mapping[str, Any] | Sequence[Any] | None = None,
        dbname: str | None = None,
        *,
        connection: Any = None,
    ) -> list[dict[str, Any]]:
        """Run the statement of ``include/sql/<sql_name>.sql``, or this server's variant of it, and return its rows.

        :param params: for ``%(name)s`` in the statement; with None a ``%`` in it stands for itself
        :param dbname: as in connect
        :param connection: an open connection to use (and leave open) instead of a new one
        :raises RemoteError: what the server said, the statement's name and database
        """
        if connection is None:
            with self.connected(dbname) as opened:
                return self.query(sql_name, params, dbname, connection=opened)
        statement = sql.load(sql_name, sql_variant(connection.info.server_version))
        try:
            with BUSY, connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
                cursor.execute(statement, params or None)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        except psycopg2.Error as error:
            raise sql_words.query_error(sql_name, connection.info.dbname, error, self.redact) from error

    def databases(self) -> list[str]:
        """All databases an expansion has to do with: template1 and postgres too, template0 not."""
        return [str(row["name"]) for row in self.query("databases")]

    # --- SSH ---------------------------------------------------------------------------------------------------------

    @cached_property
    def ssh_settings(self) -> SshSettings:
        """The SSH half of the connection; :raises InvalidRequest: naming what is wrong in it."""
        connection = self.connection
        return SshSettings.from_connection(
            self.greenplum_conn_id, connection.host, connection.login, connection.extra_dejson
        )

    def redact(self, text: str) -> str:
        """Hide the connection's secrets in a text."""
        try:
            secrets = self.ssh_settings.secrets()
        except InvalidRequest:
            secrets = ()
        for secret in (*secrets, self.connection.password):
            if secret and len(secret) > 2:
                text = text.replace(secret, "***")
        return text

    def coordinator(self) -> RemoteHost:
        """The coordinator, over SSH; one connection per hook, opened at the first use."""
        return self._coordinator

    @cached_property
    def _coordinator(self) -> RemoteHost:
        settings = self.ssh_settings
        expected = Expected(
            pinned=settings.host_key,
            unchecked=settings.no_host_key_check,
            source=f"ssh_host_key of connection {settings.connection_id}",
            remedy="compare it on the coordinator with 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub'; "
            "if it is right, enter the host key in the connection as ssh_host_key",
        )
        target = Target(settings.host, settings.host, settings.user, settings.port)
        return RemoteHost(SshSession(settings, target, lambda: expected))

    @cached_property
    def _hosts(self) -> dict[tuple[Target, str | None], RemoteHost]:
        return {}

    def host(
        self,
        hostname: str,
        address: str | None = None,
        user: str | None = None,
        *,
        port: int = 22,
        host_key: str | None = None,
    ) -> RemoteHost:
        """Any other host, through the coordinator; one connection per host, user and hook.

        Its host key must be the one given, else one the coordinator's user knows (~/.ssh/known_hosts there, then
        /etc/ssh/ssh_known_hosts). A host nobody knows is accepted for the life of this hook and says so in
        ``RemoteHost.host_key`` (trust "accepted"): show the fingerprint to a person, pass the line as host_key later.

        :param address: name or address as the coordinator's network knows it; default: hostname
        :param user: default: the user of the coordinator's connection
        :param host_key: "ssh-ed25519 AAAA…"; :raises InvalidRequest: when it is not of that form
        """
        settings = self.ssh_settings
        target = Target(hostname, address or hostname, user or settings.user, port)
        if (target, host_key) in self._hosts:
            return self._hosts[target, host_key]
        pinned = None
        if host_key:
            try:
                pinned = HostKey.parse(host_key)
            except ValueError as error:
                action = f"pass what 'ssh-keyscan -t ed25519 {target.address}' prints on the coordinator"
                raise InvalidRequest(f"Host key of {hostname}", str(error), action) from error

        def expected() -> Expected:
            if pinned:
                return Expected(
                    pinned=pinned,
                    source="the request",
                    remedy=f"compare it on {hostname} with 'ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub'; correct "
                    "the request if that is right, else find out who answers there",
                )
            known, revoked = keys_for(self._known_hosts, (hostname, target.address), port)
            return Expected(
                known=tuple(known),
                revoked=tuple(revoked),
                accept_unknown=True,
                accepted=self._accepted_at(target),
                source=f"known_hosts of {settings.user} on the coordinator",
                remedy=f"if {hostname} was installed anew, run 'ssh-keygen -R {hostname}' and 'ssh-keygen -R "
                f"{target.address}' on the coordinator as {settings.user}, else find out who answers there",
            )

        made = RemoteHost(SshSession(settings, target, expected, via=self.coordinator().session))
        self._hosts[target, host_key] = made
        return made

    def _accepted_at(self, target: Target) -> HostKey | None:
        """The key an unknown host at this address was accepted with before, whoever logged in."""
        place = (target.address, target.port)
        sessions = [made.session for (there, _), made in self._hosts.items() if (there.address, there.port) == place]
        return next((session.accepted_key for session in sessions if session.accepted_key), None)

    @cached_property
    def _known_hosts(self) -> str:
        """What the coordinator's user knows; read once per hook."""
        text = "cat -- ~/.ssh/known_hosts ~/.ssh/known_hosts2 /etc/ssh/ssh_known_hosts 2>/dev/null; exit 0"
        return self.coordinator().run(Script(text, "read known_hosts")).stdout

    def forget_known_hosts(self) -> None:
        """Read known_hosts again at the next connection (after keys were exchanged)."""
        self.__dict__.pop("_known_hosts", None)

    def close(self) -> None:
        """Close all SSH connections of this hook; the next use opens them again."""
        for host in self._hosts.values():
            host.close()
        if "_coordinator" in self.__dict__:
            self._coordinator.close()

    # --- the gp utilities --------------------------------------------------------------------------------------------

    def environment(self) -> CoordinatorEnvironment:
        """Where Greenplum lives on the coordinator; looked up and verified once per hook.

        :raises RemoteError: no SQL, no SSH, not Greenplum, not superuser, no gpexpand, no such data directory
        """
        return self._environment

    def adopt_environment(self, environment: CoordinatorEnvironment) -> None:
        """Take what was found without SQL, as the server is down (hooks/server.py)."""
        self.__dict__["_environment"] = environment

    @cached_property
    def _environment(self) -> CoordinatorEnvironment:
        with self.connected() as connection:
            identity = self.query("server_identity", connection=connection)[0]
            sql_words.judge_identity(identity, self.greenplum_conn_id)
            rows = self.query("coordinator_settings", connection=connection)
            if len(rows) != 1:
                cause = f"gp_segment_configuration names {len(rows)} acting coordinators"
                raise RemoteError("Coordinator in the catalog", cause, "run gpstate -s on the coordinator")
            extra = self.connection.extra_dejson
            return discover(
                self.coordinator(),
                data_directory=extra_text(extra, "coordinator_data_directory") or str(rows[0]["data_directory"]),
                port=int(rows[0]["port"]),
                hostname=str(rows[0]["hostname"]),
                backend_pid=int(rows[0]["backend_pid"]),
                gphome=extra_text(extra, "gphome"),
            )

    def run_utility(
        self,
        argv: Sequence[str],
        *,
        stdin: str | bytes | None = None,
        timeout: float = UTILITY_TIMEOUT,
        check: bool = True,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> CommandResult:
        """Run a gp utility on the coordinator and wait for it; for what takes longer than minutes use utility_job.

        greenplum_path.sh is sourced, MASTER_DATA_DIRECTORY, COORDINATOR_DATA_DIRECTORY and PGPORT are exported. Exit
        codes of many utilities prove nothing: read the state.

        :param cwd: default: the user's home directory
        """
        environment = self.environment()
        return self.coordinator().run(
            argv,
            stdin=stdin,
            timeout=timeout,
            check=check,
            env=env,
            cwd=cwd or environment.home,
            setup=environment.setup,
        )

    def utility_job(
        self, job_dir: str, argv: Sequence[str] | Script, cwd: str | None = None, env: Mapping[str, str] | None = None
    ) -> RemoteJob:
        """A gp utility as a detached job on the coordinator, with the environment of run_utility.

        :param job_dir: absolute, or relative to the directory of all expansions; without ':'
        :param cwd: default: the job's directory
        """
        environment = self.environment()
        path = posixpath.join(environment.expansions_directory, job_dir)
        return RemoteJob(self.coordinator(), path, argv, cwd, env=env, setup=environment.setup)

    def job(self, job_dir: str) -> RemoteJob:
        """A job on the coordinator that exists already (to probe, read or signal); asks nothing but SSH.

        :param job_dir: absolute
        """
        return RemoteJob(self.coordinator(), job_dir)

    # --- the button in the UI ----------------------------------------------------------------------------------------

    def test_connection(self) -> tuple[bool, str]:  # type: ignore[override]  # DbApiHook's annotation is wrong
        """Try SQL, SSH and gpexpand; every problem in one message, not only the first."""
        said: list[str] = []
        problems: list[str] = []
        try:
            identity = self.query("server_identity")[0]
            sql_words.judge_identity(identity, self.greenplum_conn_id)
            said.append(f"SQL: {sql_words.product(str(identity['version']))}, superuser {identity['role']}")
        except ExpansionError as error:
            problems.append(str(error))
        try:
            fact = self.coordinator().host_key
            self.coordinator().run(["true"])
            said.append(f"SSH: {self.coordinator().user} at {fact.host}, host key {fact.fingerprint} ({fact.trust})")
        except ExpansionError as error:
            problems.append(str(error))
        if not problems:
            try:
                environment = self.environment()
                version = self.run_utility(["gpexpand", "--version"], timeout=60).stdout.strip()
                said.append(f"{version or 'gpexpand'} in {environment.gphome}")
                said.append(f"coordinator {environment.hostname} in {environment.coordinator_data_directory}")
            except ExpansionError as error:
                problems.append(str(error))
        self.close()
        if not problems:
            return True, "; ".join(said) + "."
        # Airflow tests the form's content under a name made up for the test, which would only puzzle its reader.
        words = " ".join(problems)
        for connection in ("Connection", "connection"):
            article = "This" if connection[0].isupper() else "this"
            words = words.replace(f"{connection} {self.greenplum_conn_id}", f"{article} connection")
        return False, words
