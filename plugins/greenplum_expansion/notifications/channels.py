"""The ways a notice goes: a mail over SMTP, a POST to a webhook.

A channel is made in the task's own thread, as only that may ask Airflow for a connection, and used in another. What it
raises never holds the webhook's URL: its end is a secret.
"""

from __future__ import annotations

import base64
import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from airflow.sdk import BaseHook, BaseNotifier, Connection
from airflow.sdk.log import mask_secret

from greenplum_expansion.errors import InvalidRequest, RemoteError
from greenplum_expansion.notifications.notice import Notice
from greenplum_expansion.request import NoticesSection

PATIENCE = 8.0  # seconds for each answer of a receiver


class Channel:
    """One way to one receiver.

    :param name: as logs and findings call it
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def notifier(self, notice: Notice) -> BaseNotifier:
        """The Airflow notifier that delivers this notice."""
        raise NotImplementedError

    def knock(self) -> None:
        """See whether the receiver answers, without telling it anything. :raises Exception: it does not"""
        raise NotImplementedError


class MailChannel(Channel):
    """Mail over a connection of type smtp, by Airflow's own provider.

    :param connection: extras as the provider knows them; its retries are left out, and its timeout is at most PATIENCE
    """

    def __init__(self, connection: Connection, recipients: tuple[str, ...]) -> None:
        super().__init__(f"mail over connection {connection.conn_id}")
        extra = connection.extra_dejson
        self.recipients = recipients
        login = connection.login or ""
        self.sender = str(extra.get("from_email") or (login if "@" in login else ""))
        timeout = min(float(extra.get("timeout") or PATIENCE), PATIENCE)
        self._connection = Connection(
            conn_id=connection.conn_id,
            conn_type=connection.conn_type,
            host=connection.host,
            port=connection.port,
            login=connection.login,
            password=connection.password,
            extra=json.dumps({**extra, "timeout": max(1, int(timeout)), "retry_limit": 0}),
        )

    def notifier(self, notice: Notice) -> BaseNotifier:
        """Airflow's SmtpNotifier. Called by ``notify``: ``__call__`` would take braces in a name for a template."""
        # Imported where it is needed: only who asks for mail pays for it, at every start of a task.
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        self._require_sender()
        headers = {"Auto-Submitted": "auto-generated"}
        if notice.expansion:  # mail readers then show all notices of an expansion together
            headers["References"] = f"<{quote(notice.expansion)}@greenplum-expansion>"
        notifier = SmtpNotifier(
            to=list(self.recipients),
            from_email=self.sender,
            subject=notice.subject,
            html_content=notice.to_html(),
            smtp_conn_id=self._connection.conn_id,
            custom_headers=headers,
        )
        vars(notifier)["hook"] = self._hook()
        return notifier

    def knock(self) -> None:
        self._require_sender()
        with self._hook() as hook:
            answered, message = hook.test_connection()
        if not answered:
            raise RemoteError(self.name, message, "see the connection")

    def _hook(self) -> Any:
        from airflow.providers.smtp.hooks.smtp import SmtpHook

        hook = SmtpHook(smtp_conn_id=self._connection.conn_id)
        vars(hook)["get_connection"] = lambda _conn_id: self._connection  # read in the task's own thread
        return hook

    def _require_sender(self) -> None:
        if not self.sender:
            raise InvalidRequest(self.name, "it names no sender", "give the connection the extra from_email")


class WebhookChannel(Channel):
    """A POST of JSON to the URL in a connection.

    :param connection: host is the URL (or a host name, to which schema, ``https`` by default, and port are added).
        Password: without a login it is the end of the URL, with one both are sent as basic authentication. Extra
        ``headers``: an object of further headers
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(f"webhook of connection {connection.conn_id}")
        url, self._headers = _address(connection)
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidRequest(
                f"Connection {connection.conn_id}", "its host is no URL of http or https", "put the webhook's URL there"
            )
        for secret in (parts.path.strip("/"), parts.query):
            if len(secret) > 5:
                mask_secret(secret)
        self._url = url

    def notifier(self, notice: Notice) -> BaseNotifier:
        """Posts the notice as JSON."""
        return _WebhookNotifier(lambda: self._post(notice.to_payload()))

    def knock(self) -> None:
        """HEAD: a webhook refuses it, so any answer but a missing right or address counts."""
        status = self._ask("HEAD", None)
        if status in (401, 403, 404, 410) or status >= 500:
            raise RemoteError(self.name, f"it answers with status {status}", "see URL and token in the connection")

    def _post(self, payload: Mapping[str, Any]) -> None:
        status = self._ask("POST", json.dumps(payload, ensure_ascii=False).encode())
        if not 200 <= status < 300:
            raise RemoteError(self.name, f"it answers with status {status}", "see URL and token in the connection")

    def _ask(self, method: str, body: bytes | None) -> int:
        request = urllib.request.Request(self._url, data=body, method=method, headers=self._headers)
        try:
            with _OPENER.open(request, timeout=PATIENCE) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return int(error.code)
        except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
            # The words of some of these hold the URL; the reason beneath does not.
            reason = getattr(error, "reason", None)
            said = str(reason) if isinstance(reason, OSError) else type(error).__name__
            raise RemoteError(self.name, f"{urlsplit(self._url).hostname} does not answer: {said}", "see it") from None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry what is posted, and its authentication, to somebody else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


class _WebhookNotifier(BaseNotifier):
    def __init__(self, post: Callable[[], None]) -> None:
        super().__init__()
        self._post = post

    def notify(self, context: Any) -> None:
        self._post()


def _address(connection: Connection) -> tuple[str, dict[str, str]]:
    """URL and headers of a webhook's connection."""
    url = connection.host or ""
    if "://" not in url:
        port = f":{connection.port}" if connection.port else ""
        url = f"{connection.schema or 'https'}://{url}{port}"
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "greenplum-expansion"}
    headers |= {str(name): str(value) for name, value in (connection.extra_dejson.get("headers") or {}).items()}
    if connection.login and connection.password:
        pair = base64.b64encode(f"{connection.login}:{connection.password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    elif connection.password:
        url = f"{url.rstrip('/')}/{connection.password.lstrip('/')}"
    return url, headers


def open_channels(wishes: NoticesSection) -> tuple[list[Channel], dict[str, str]]:
    """The channels a request names, and what is wrong with those that cannot be made, by their names."""
    makers: list[tuple[str, Callable[[Connection], Channel]]] = []
    if wishes.mail_to:
        makers.append((wishes.mail_conn_id, lambda found: MailChannel(found, wishes.mail_to)))
    if wishes.webhook_conn_id:
        makers.append((wishes.webhook_conn_id, WebhookChannel))
    channels: list[Channel] = []
    wrong: dict[str, str] = {}
    for conn_id, make in makers:
        try:
            channels.append(make(BaseHook.get_connection(conn_id)))
        except Exception as error:  # noqa: BLE001  whatever is wrong with a connection: the expansion goes on
            wrong[f"connection {conn_id}"] = getattr(error, "cause", None) or str(error) or type(error).__name__
    return channels, wrong
