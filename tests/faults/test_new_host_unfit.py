"""A new host with nearly everything wrong: each is told once, and only noted if the preparation will mend it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from greenplum_expansion.checks.finding import Finding, Severity
from tests.support.new_host_checks import UNPREPARED, NewHostChecks, as_root, of
from tests.support.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("cluster")]

GPHOME = "/usr/local/greenplum-db"
# An own copy of the installation, so that single files of it can be changed on one host.
OWN_GPHOME = f"""
cp -a {GPHOME} /opt/own-gphome
mount --bind /opt/own-gphome {GPHOME}
mkdir -p {GPHOME}/lib/postgresql
"""
UNLIKE = (
    OWN_GPHOME
    + r"""
rm /etc/os-release
printf 'ID=alpine\nVERSION_ID=3.20\nPRETTY_NAME="Alpine Linux 3.20"\n' >/etc/os-release
cd /usr/local/bin
printf '#!/bin/sh\n[ "$*" = -m ] && echo m68k || exec /usr/bin/uname "$@"\n' >uname
printf '#!/bin/sh\n%s\n%s\n%s\n' '[ "$1" = GNU_LIBC_VERSION ] && echo glibc 2.17 && exit' \
    '[ "$1" = _NPROCESSORS_ONLN ] && echo 1 && exit' 'exec /usr/bin/getconf "$@"' >getconf
printf '#!/bin/sh\nexec /usr/bin/date -d "30 seconds ago" "$@"\n' >date
chmod 755 uname getconf date
sed 's/^MemTotal: .*/MemTotal: 1048576 kB/; s/^SwapTotal: .*/SwapTotal: 0 kB/' /proc/meminfo >/var/tmp/meminfo
mount --bind /var/tmp/meminfo /proc/meminfo
mount -t tmpfs none /usr/lib/locale
mount --bind /dev/null /usr/bin/rsync
mount --bind /dev/null /usr/bin/gzip
echo 1025 65535 >/proc/sys/net/ipv4/ip_local_port_range
mount -o remount,bind,noexec /data
sed -i 's/^gpadmin:x:1000:/gpadmin:x:1001:/' /etc/passwd
chown -R 1001 /home/gpadmin /data
mkdir /data/primary
mkdir -p /data/mirror
mount -t tmpfs -o size=64m none /data/mirror
mkdir /data/mirror/gpseg6
touch /data/mirror/gpseg6/precious
chown -R 1001 /data/mirror
cd """
    + GPHOME
    + r"""
printf '#!/bin/sh\n[ "$1" = --version ] && echo Python 2.7.5\n' >bin/python
sed -i 's/ 6\.24\.3 / 6.20.0 /' bin/postgres
library=$(ls /usr/lib/postgresql/*/lib/citext.so | tail -n 1)
sed 's/libc\.so\.6/libq.so.6/g' "$library" >lib/postgresql/broken.so
"""
)
STRONGER = OWN_GPHOME + (
    f"""
touch {GPHOME}/lib/postgresql/postgis-2.5.so
"""
    r"""
sed 's/^SwapTotal: .*/SwapTotal: 8388608 kB/' /proc/meminfo >/var/tmp/meminfo
mount --bind /var/tmp/meminfo /proc/meminfo
"""
)
LISTENER = "import socket; s = socket.create_server(('', 7001)); print('on', flush=True); s.accept()"


BARE = f"mount -t tmpfs none {GPHOME}\numount -l /data\nsed -i /^gpadmin:/d /etc/passwd"
PARTS = ["kernel parameters", "time", "account", "directories", "software"]


@dataclass(frozen=True)
class Looks:
    """What is found if nothing is to be prepared, and if much is."""

    unprepared: list[Finding]
    to_be_prepared: list[Finding]


@pytest.fixture(scope="class")
def unfit(cluster: Practice) -> Iterator[dict[str, Looks]]:
    """sdw3 with all that wrong, beside hosts that have more; sdw4 as it comes from the installer. Each seen twice."""
    for host in ("sdw1", "sdw2"):
        as_root(cluster, host, STRONGER)
    as_root(cluster, "sdw3", UNLIKE)
    as_root(cluster, "sdw4", BARE)
    for locale in _other_locales(cluster)[:1]:
        cluster.run(f"psql -qd postgres -c \"alter role gpadmin set lc_monetary = '{locale}'\"")
    listener = cluster.start(f'/opt/sandbox/bin/python -c "{LISTENER}"', "sdw3")
    assert listener.stdout.readline().strip() == "on"
    checks = NewHostChecks(UNPREPARED)
    assert checks.places() == []
    asked = checks.asking(preparation_parts=PARTS)
    yield {name: Looks(checks.host(name), asked.host(name)) for name in ("sdw3", "sdw4")}
    cluster.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/7001'", "sdw3")
    cluster.finish(listener)


def _other_locales(cluster: Practice) -> list[str]:
    """Those that sort otherwise than by bytes; a small machine has none."""
    return [line for line in cluster.run("locale -a").stdout.splitlines() if not line.startswith(("C", "POSIX"))]


class TestUnfitHosts:
    @pytest.mark.proves(
        "new-host-system",
        "new-host-architecture",
        "new-host-sort-order",
        "new-host-locales",
        "new-host-clock",
        "new-host-memory",
        "new-host-swap",
        "new-host-processors",
        "new-host-filesystem-type",
        "new-host-filesystem-size",
        "new-host-mount-options",
        "new-host-user-ids",
        "new-host-version",
        "new-host-libraries",
        "new-host-extensions",
        "new-host-tools",
        "new-host-usual-tools",
        "new-directories-empty",
        "new-ports-free",
        "new-ports-not-ephemeral",
    )
    @pytest.mark.parametrize(
        ("check", "severity", "said"),
        [
            ("new-host-system", Severity.ERROR, "it runs Alpine Linux 3.20, sdw1 "),
            ("new-host-architecture", Severity.ERROR, "it is m68k, sdw1 "),
            ("new-host-sort-order", Severity.WARNING, "it has glibc 2.17, sdw1 glibc"),
            ("new-host-locales", Severity.ERROR, "it has no locale "),
            ("new-host-clock", Severity.ERROR, " s behind the coordinator's. Remedy: let chronyd or ntpd"),
            ("new-host-memory", Severity.WARNING, "it has 1.0 GiB memory, sdw1 "),
            ("new-host-swap", Severity.WARNING, "it has 0 B swap, sdw1 8.0 GiB"),
            ("new-host-processors", Severity.WARNING, "it has 1 processors, sdw1 "),
            ("new-host-filesystem-type", Severity.WARNING, "/data/mirror: it is tmpfs, on existing hosts ext4"),
            (
                "new-host-filesystem-size",
                Severity.WARNING,
                "/data/mirror: it holds 64.0 MiB, the smallest of existing",
            ),
            ("new-host-mount-options", Severity.WARNING, "/data: its mount has noexec, unlike those of existing"),
            ("new-host-user-ids", Severity.ERROR, "gpadmin is uid 1001, gid 1000 there, uid 1000, gid 1000 on the"),
            ("new-host-version", Severity.ERROR, "it has postgres (Greenplum Database) 6.20.0 build"),
            (
                "new-host-libraries",
                Severity.ERROR,
                "libraries are missing: libq.so.6 (for lib/postgresql/broken.so)",
            ),
            ("new-host-extensions", Severity.ERROR, "it lacks lib/postgresql/postgis-2.5.so, which every"),
            ("new-host-tools", Severity.ERROR, "rsync missing; gpexpand calls them there"),
            ("new-host-usual-tools", Severity.WARNING, "it lacks gzip, which every segment host has"),
            ("new-directories-empty", Severity.ERROR, "/data/mirror/gpseg6: it is not empty; gpexpand refuses it"),
            ("new-ports-free", Severity.ERROR, "port 7001: a process there listens on it already"),
            ("new-ports-not-ephemeral", Severity.WARNING, "port 6000, 6001, 7000, 7001 lies within 1025 to 65535"),
        ],
    )
    def test_each_difference_is_told_once_among_all_the_others(self, unfit, cluster, check, severity, said):
        if check == "new-host-sort-order" and not _other_locales(cluster):
            pytest.skip("this machine has no locale but C")
        found = of(unfit["sdw3"].unprepared, check)
        assert (found.severity, said in str(found)) == (severity, True), found
        assert found.remedy

    @pytest.mark.proves("new-host-python")
    def test_a_python_that_imports_nothing_and_is_old(self, unfit):
        said = [str(found) for found in unfit["sdw3"].unprepared if found.check == "new-host-python"]
        assert any("Python 2.7.5 cannot import psycopg2 there" in text for text in said), said
        assert any(text.startswith("WARNING new host sdw3: it has Python 2.7.5, sdw1 Python 3") for text in said), said

    @pytest.mark.proves("new-directories-writable")
    def test_a_directory_that_belongs_to_root(self, unfit):
        said = [found for found in unfit["sdw3"].unprepared if found.check == "new-directories-writable"]
        assert [found.subject for found in said] == [f"new host sdw3, /data/primary/gpseg{n}" for n in (4, 5)]
        assert {found.severity for found in said} == {Severity.ERROR}

    def test_what_the_preparation_will_mend_is_only_noted(self, unfit):
        before, after = unfit["sdw3"].unprepared, unfit["sdw3"].to_be_prepared
        mended = {found.check for found in after if "; prepare_hosts mends it (" in found.problem}
        assert mended == {
            "new-host-clock",
            "new-ports-not-ephemeral",
            "new-directories-writable",
        }
        assert all(found.severity is Severity.NOTE for found in after if found.check in mended)
        assert {found.check for found in before} == {found.check for found in after}

    def test_nobody_looks_at_a_host_that_lets_nobody_in_if_nothing_is_to_be_prepared(self, unfit):
        assert len(unfit["sdw4"].unprepared) == 1
        assert str(unfit["sdw4"].unprepared[0]).startswith("ERROR SSH to sdw4 (10.77.0.24) as gpadmin through")

    @pytest.mark.proves(
        "new-host-user",
        "new-host-greenplum",
        "new-host-filesystem-type",
        "new-host-key",
    )
    @pytest.mark.parametrize(
        ("check", "severity", "said"),
        [
            ("new-host-user", Severity.NOTE, "gpadmin does not exist there; prepare_hosts mends it (account)"),
            (
                "new-host-greenplum",
                Severity.NOTE,
                f"Greenplum is not installed in {GPHOME}; prepare_hosts mends it",
            ),
            ("new-host-filesystem-type", Severity.WARNING, "it would lie on the root filesystem, while existing"),
            ("new-host-key", Severity.NOTE, "its SSH host key was met for the first time: SHA256:"),
        ],
    )
    def test_the_user_who_prepares_looks_at_a_bare_host(self, unfit, check, severity, said):
        found = of(unfit["sdw4"].to_be_prepared, check)
        assert (found.severity, said in str(found)) == (severity, True), found

    def test_root_cannot_tell_what_the_clusters_user_may_write(self, unfit):
        assert "new-directories-writable" not in {found.check for found in unfit["sdw4"].to_be_prepared}
