"""Fill the disk of a host that was never on: /etc, homes, keys, /data; as the datacenter's root, before the first boot.

`template` is what `staging` left: copies from the machine's /etc and the keys of this sandbox.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from sandbox import layout
from sandbox.datacenter.condition import Condition, etc_texts
from sandbox.datacenter.keys import HOST_KEY_TYPES

OWN = ("etc", "home", "root", "var", "opt", "srv", "data", "tmp", "usr-local")  # directories on a host's disk
_DONE = ".furnished"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_STANDIN = "/opt/sandbox/sandbox/datacenter/standins/systemctl"

_PASSWD = """root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
bin:x:2:2:bin:/bin:/usr/sbin/nologin
sys:x:3:3:sys:/dev:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
man:x:6:12:man:/var/cache/man:/usr/sbin/nologin
mail:x:8:8:mail:/var/mail:/usr/sbin/nologin
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
backup:x:34:34:backup:/var/backups:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
sshd:x:101:65534::/run/sshd:/usr/sbin/nologin
gpadmin:x:1000:1000:Greenplum administrator:/home/gpadmin:/bin/bash
"""
_GROUP = """root:x:0:
daemon:x:1:
bin:x:2:
sys:x:3:
adm:x:4:
tty:x:5:
disk:x:6:
mail:x:8:
man:x:12:
kmem:x:15:
sudo:x:27:
www-data:x:33:
backup:x:34:
shadow:x:42:
utmp:x:43:
staff:x:50:
users:x:100:
nogroup:x:65534:
gpadmin:x:1000:
"""
_PAM = """# Login by key, limits from /etc/security/limits.conf where the kernel allows them
auth     required pam_unix.so
account  required pam_nologin.so
account  required pam_unix.so
session  optional pam_limits.so
session  required pam_unix.so
"""
_SSHD_LIMITS = "MaxStartups 200:30:400\nMaxSessions 200\n"
_SSHD_CONFIG = f"""Port 22
AddressFamily inet
HostKey /etc/ssh/ssh_host_ed25519_key
HostKey /etc/ssh/ssh_host_rsa_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
UseDNS no
PrintMotd no
PrintLastLog no
{_SSHD_LIMITS}AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
"""


def furnish(host: layout.Host, disk: Path, data: Path, template: Path, kind: Condition) -> bool:
    """Fill `disk`, and `data` (its /data), for `host` if that was not done yet. True when it was done now.

    One that was furnished in another condition is emptied first. Written so that an interrupted run is simply repeated:
    the mark comes last.
    """
    if (disk / _DONE).exists():
        before = (disk / _DONE).read_text() or kind  # empty on disks made before there were conditions
        if (before == Condition.BARE) == (kind is Condition.BARE):
            return False
    for directory in (disk, data):
        if directory.exists():
            shutil.rmtree(directory)
    disk.mkdir()
    for name in OWN:
        (disk / name).mkdir()
    data.mkdir(exist_ok=True)  # beside the others, or on a disk of its own
    (disk / "tmp").chmod(0o1777)
    (disk / "root").chmod(0o711)  # open for passing through: an interpreter may lie below it
    _furnish_var(disk / "var")
    _furnish_usr_local(disk / "usr-local", kind)
    _furnish_etc(host, disk / "etc", template, kind)
    _furnish_homes(host, disk, template, kind)
    _furnish_data(host, data, kind)
    (disk / _DONE).write_text(kind)
    return True


def _furnish_var(var: Path) -> None:
    for name in ("log", "lib", "cache", "spool", "mail", "backups", "empty"):
        (var / name).mkdir()
    for name in ("tmp", "cache/sandbox"):
        (var / name).mkdir()
        (var / name).chmod(0o1777)
    (var / "run").symlink_to("/run")
    (var / "lock").symlink_to("/run/lock")
    (var / "log/wtmp").touch()
    (var / "log/lastlog").touch()


def _furnish_usr_local(usr_local: Path, kind: Condition) -> None:
    for name in ("bin", "sbin", "lib", "share", "etc", "src", "include"):
        (usr_local / name).mkdir()
    if kind is not Condition.BARE:
        (usr_local / "greenplum-db").mkdir()  # where the software is mounted
    for name in ("systemctl", "reboot", "shutdown", "poweroff", "halt"):
        (usr_local / "sbin" / name).symlink_to(_STANDIN)


def _furnish_etc(host: layout.Host, etc: Path, template: Path, kind: Condition) -> None:
    shutil.copytree(template / "etc", etc, symlinks=True, dirs_exist_ok=True)
    bare = kind is Condition.BARE
    passwd, group = (_without_gpadmin(text) if bare else text for text in (_PASSWD, _GROUP))
    addresses = "".join(f"{h.address}\t{h.name}\n" for h in layout.HOSTS)
    texts = {
        "passwd": passwd,
        "group": group,
        "hostname": host.name + "\n",
        "hosts": f"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{addresses}",
        "nsswitch.conf": "".join(f"{name}: files\n" for name in ("passwd", "group", "shadow", "hosts", "services")),
        "resolv.conf": "",
        "fstab": "# a sandbox host: its disk is a directory of the state directory\n",
        "mtab": None,
        "profile": f"PATH={_PATH}\nexport PATH\nexport LANG=${{LANG:-{_locale()}}}\n[ -d /etc/profile.d ] && "
        'for i in /etc/profile.d/*.sh; do [ -r "$i" ] && . "$i"; done\nunset i\n'
        'if [ -n "$BASH" ] && [ -n "$PS1" ] && [ -r /etc/bash.bashrc ]; then . /etc/bash.bashrc; fi\n',
        "environment": f"PATH={_PATH}\n",
        "motd": "",
        "ssh/sshd_config": _SSHD_CONFIG.replace(_SSHD_LIMITS, "") if bare else _SSHD_CONFIG,
        "ssh/ssh_config": "Host *\n    SendEnv LANG LC_*\n    HashKnownHosts no\n    GSSAPIAuthentication no\n",
        "pam.d/sshd": _PAM,
        "subuid": "",
        "subgid": "",
        **etc_texts(kind, host),
    }
    for name in ("ssh", "pam.d", "profile.d", "sandbox", "sysctl.d", "security/limits.d", "tmpfiles.d"):
        (etc / name).mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (etc / name).parent.mkdir(parents=True, exist_ok=True)
        (etc / name).unlink(missing_ok=True)
        if text is None:
            (etc / name).symlink_to("../proc/self/mounts")
        else:
            (etc / name).write_text(text)
    for name, lines in (("shadow", passwd), ("gshadow", group)):
        tail = "*:19600:0:99999:7:::" if name == "shadow" else "*::"  # '*': no password, yet not locked
        (etc / name).write_text("".join(f"{line.split(':')[0]}:{tail}\n" for line in lines.splitlines()))
        (etc / name).chmod(0o640)
        os.chown(etc / name, 0, 42)
    for key_type in HOST_KEY_TYPES:
        name = f"ssh_host_{key_type}_key"
        for suffix, mode in (("", 0o600), (".pub", 0o644)):
            shutil.copyfile(template / "keys/hosts" / host.name / (name + suffix), etc / "ssh" / (name + suffix))
            (etc / "ssh" / (name + suffix)).chmod(mode)
    if host.data_parents == layout.COORDINATOR.data_parents:  # coordinator and standby: who serves SQL to the outside
        password = etc / "sandbox/gpadmin_password"
        shutil.copyfile(template / "keys/gpadmin_password", password)
        _own(password, layout.GPADMIN_UID, 0o400)


def _furnish_homes(host: layout.Host, disk: Path, template: Path, kind: Condition) -> None:
    (disk / "root/.bashrc").write_text(f"export LANG={_locale()}\n")
    (disk / "root/.profile").write_text(". ~/.bashrc\n")
    client = (template / "keys/id_client.pub").read_text()
    _authorize(disk / "root", 0, client)
    if kind is Condition.BARE:
        return
    home = disk / "home" / layout.GPADMIN
    home.mkdir()
    (home / ".bashrc").write_text(
        f"[ -f {layout.GPHOME}/greenplum_path.sh ] && . {layout.GPHOME}/greenplum_path.sh\n"
        f"export MASTER_DATA_DIRECTORY={layout.COORDINATOR_DATA_DIRECTORY}\n"
        f"export PGPORT={layout.COORDINATOR_PORT} PGDATABASE={layout.DATABASE}\nexport LANG={_locale()}\n"
    )
    (home / ".bash_profile").write_text(". ~/.bashrc\n")
    cluster = (template / "keys/id_cluster.pub").read_text() if host.member else ""
    _authorize(home, layout.GPADMIN_UID, client + cluster)
    if host.member:
        shutil.copyfile(template / "keys/id_cluster", home / ".ssh/id_rsa")
        shutil.copyfile(template / "keys/id_cluster.pub", home / ".ssh/id_rsa.pub")
        (home / ".ssh/known_hosts").write_text(_known_hosts(template))
        for name, mode in (("id_rsa", 0o600), ("id_rsa.pub", 0o644), ("known_hosts", 0o644)):
            _own(home / ".ssh" / name, layout.GPADMIN_UID, mode)
    for name in (".bashrc", ".bash_profile"):
        _own(home / name, layout.GPADMIN_UID, 0o644)
    _own(home, layout.GPADMIN_UID, 0o755)


def _authorize(home: Path, owner: int, keys: str) -> None:
    ssh = home / ".ssh"
    ssh.mkdir()
    (ssh / "authorized_keys").write_text(keys)
    _own(ssh / "authorized_keys", owner, 0o600)
    _own(ssh, owner, 0o700)


def _furnish_data(host: layout.Host, data: Path, kind: Condition) -> None:
    if kind is Condition.BARE:
        _own(data, 0, 0o755)
        return
    for parent in host.data_parents:
        directory = data / Path(parent).relative_to("/data")
        directory.mkdir()
        _own(directory, layout.GPADMIN_UID, 0o755)
    _own(data, layout.GPADMIN_UID, 0o755)


def _known_hosts(template: Path) -> str:
    """Members of the cluster by name and by address, as gpssh-exkeys collects them."""
    lines = []
    for host in layout.HOSTS:
        for kind in HOST_KEY_TYPES if host.member else ():
            public = (template / "keys/hosts" / host.name / f"ssh_host_{kind}_key.pub").read_text().split()
            lines += [f"{name} {public[0]} {public[1]}\n" for name in (host.name, host.address)]
    return "".join(lines)


def _locale() -> str:
    """en_US.UTF-8 where the machine has it (then the hosts have it, too: it lies in /usr), else C.UTF-8."""
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False).stdout.lower()
    return "en_US.UTF-8" if "en_us.utf8" in known else "C.UTF-8"


def _without_gpadmin(text: str) -> str:
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith(f"{layout.GPADMIN}:"))


def _own(path: Path, owner: int, mode: int) -> None:
    os.chown(path, owner, owner)
    path.chmod(mode)
