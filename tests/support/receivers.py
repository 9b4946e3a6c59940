"""Real receivers of notices: a mail server and a web server on this machine that keep what they are sent."""

from __future__ import annotations

import email
import email.policy
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class MailServer:
    """What came, and the Airflow connection that leads here."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)

    def connection(self, **change: Any) -> str:
        """For an environment variable AIRFLOW_CONN_…"""
        extra = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.com"}
        parts = {"conn_type": "smtp", "host": "127.0.0.1", "port": self.port, "extra": extra, **change}
        return json.dumps(parts)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 kept"


@contextmanager
def mail_server(password: str | None = None) -> Iterator[MailServer]:
    """A mail server; with a password it takes mail from user ``airflow`` only."""
    kept = MailServer(0)

    def right(_server: Any, _session: Any, _envelope: Any, _mechanism: str, given: Any) -> AuthResult:
        assert isinstance(given, LoginPassword)
        known = (given.login, given.password) == (b"airflow", (password or "").encode())
        return AuthResult(success=known, handled=False)

    wants: dict[str, Any] = (
        {"authenticator": right, "auth_require_tls": False, "auth_required": True} if password else {}
    )
    # Port 0 would do for the socket, but the controller knocks at the port it was given.
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as free:
        port = free.server_address[1]
    controller = Controller(kept, hostname="127.0.0.1", port=port, **wants)
    controller.start()
    kept.port = port
    try:
        yield kept
    finally:
        controller.stop()


@dataclass
class Webhook:
    """What was posted: path, headers and body of each; and how it answers."""

    url: str
    status: int = 200
    location: str = ""
    posts: list[tuple[str, Mapping[str, str], dict[str, Any]]] = field(default_factory=list)
    methods: list[str] = field(default_factory=list)
    silent: threading.Event = field(default_factory=threading.Event)
    """Set: nobody is answered any more until it is cleared by `webhook` itself."""

    def connection(self, path: str = "/services", **change: Any) -> str:
        """For an environment variable AIRFLOW_CONN_…"""
        return json.dumps({"conn_type": "http", "host": self.url + path, **change})


@contextmanager
def webhook() -> Iterator[Webhook]:
    """A web server that takes posts of JSON."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def _answer(self) -> None:
            kept.methods.append(self.command)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if kept.silent.is_set():
                over.wait()
            if self.command == "POST":
                kept.posts.append((self.path, dict(self.headers), json.loads(body)))
            self.send_response(kept.status)
            if kept.location:
                self.send_header("Location", kept.location)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing to the terminal."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        kept = Webhook(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield kept
        finally:
            over.set()
            server.shutdown()
