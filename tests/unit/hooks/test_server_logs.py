"""Why a new segment did not start is found in its own log, wherever that lies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.remote import RemoteHost
from greenplum_expansion.hooks.server_logs import death, last_deaths

# Recording greenplum7/41b_why, with the columns before it; the message goes on in further lines.
ENTRY = (
    '2026-11-20 13:33:25.102110 UTC,,,p8733,th224749952,,,,0,,,seg6,,,,,"FATAL","XX000","the limit of 0 distributed '
    "transactions has been reached while adding gid = 117. Committed gid array length: 0, dump:\n"
)
SAID = (
    "the limit of 0 distributed transactions has been reached while adding gid = 117. Committed gid array length: 0, "
    "dump: (SQLSTATE XX000)"
)


class _Hook:
    """Every host is this machine; "gone" cannot be reached."""

    def __init__(self, host: RemoteHost) -> None:
        self._host = host

    def host(self, hostname: str, address: str) -> Any:
        if hostname == "gone":
            raise RemoteError("SSH to gone", "no route to host", "start it")
        return self._host


def _instance(hostname: str, directory: Path) -> NewInstance:
    return NewInstance(hostname, hostname, 6000, str(directory), 11, 4, "p")


def _log(directory: Path, name: str, text: str, file: str = "gpdb-2026-11-20_133324.csv") -> Path:
    (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / name / file).write_text(text)
    return directory


def test_the_last_death_is_told_once_with_where_it_stands(shared_host: RemoteHost, tmp_path: Path) -> None:
    seven = _log(tmp_path / "it's 7", "log", 'x,"LOG","00000","starting"\n' + ENTRY + 'y,"LOG","00000","bye"\n')
    six = _log(tmp_path / "6", "pg_log", ENTRY)
    silent = _log(tmp_path / "silent", "log", 'x,"LOG","00000","a FATAL word"\n')
    instances = [_instance("sdw3", seven), _instance("sdw3", six), _instance("sdw4", silent)]

    said = last_deaths(_Hook(shared_host), instances)  # type: ignore[arg-type]

    assert said == [f"sdw3:{seven}: {SAID}"]


def test_a_server_that_died_before_it_had_a_log_of_its_own(shared_host: RemoteHost, tmp_path: Path) -> None:
    early = '2026-11-20 13:33:24.1 UTC,,,p1,,,,,0,,,seg4,,,,,"FATAL","XX000","could not create any TCP/IP sockets",,\n'
    only_early = _log(tmp_path / "early", "log", early, "startup.log")
    both = _log(_log(tmp_path / "both", "log", early, "startup.log"), "log", ENTRY)

    said = last_deaths(_Hook(shared_host), [_instance("sdw3", only_early), _instance("sdw3", both)])  # type: ignore[arg-type]

    assert said == [
        f"sdw3:{only_early}: could not create any TCP/IP sockets (SQLSTATE XX000)",
        f"sdw3:{both}: {SAID}",
    ]


def test_without_a_log_nothing_is_said(shared_host: RemoteHost, tmp_path: Path) -> None:
    assert last_deaths(_Hook(shared_host), [_instance("sdw3", tmp_path / "none")]) == []  # type: ignore[arg-type]


def test_a_host_that_cannot_be_asked_does_not_hide_the_others(shared_host: RemoteHost, tmp_path: Path) -> None:
    seven = _log(tmp_path / "7", "log", ENTRY)

    said = last_deaths(
        _Hook(shared_host),  # type: ignore[arg-type]
        [_instance("gone", tmp_path), _instance("sdw3", seven)],
    )

    assert said == ["logs on gone: SSH to gone: no route to host", f"sdw3:{seven}: {SAID}"]


def test_doubled_quotes_are_one_and_a_long_message_is_cut() -> None:
    assert death('x,"FATAL","58P01","no ""file"""') == 'no "file" (SQLSTATE 58P01)'
    assert len(death(f'x,"PANIC","XX000","{"y" * 1000}"')) < 400
    assert death('x,"LOG","00000","FATAL is only a word"') == ""
