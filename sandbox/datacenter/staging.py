"""From the machine into the datacenter: `python -m sandbox.datacenter.staging <state directory>`, as root.

What can only be done on the machine is done first (lock, listening sockets, a root with what the hosts may see of the
machine), then the process leaves it for good: new root, new user namespace, new network, new process numbers. From then
on nothing of the machine can be reached, only /usr and the sandbox's code, both read-only, and its own directories.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path

from sandbox import layout
from sandbox.datacenter import keys, linux
from sandbox.datacenter.images import mount_images
from sandbox.datacenter.interpreter import VENV, Interpreter, build_venv, find_interpreter
from sandbox.datacenter.machine import DEVICES
from sandbox.datacenter.state import UIDS, Settings, State

# Of /etc the hosts get copies of what programs need to run, nothing that says who or where the machine is.
ETC = [
    "alternatives",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "pam.conf",
    "pam.d",
    "security",
    "login.defs",
    "adduser.conf",
    "deluser.conf",
    "shells",
    "services",
    "protocols",
    "rpc",
    "networks",
    "ethertypes",
    "gai.conf",
    "host.conf",
    "iproute2",
    "localtime",
    "timezone",
    "locale.alias",
    "locale.gen",
    "bash.bashrc",
    "skel",
    "inputrc",
    "terminfo",
    "environment",
    "default",
    "debian_version",
    "os-release",
    "issue",
    "sysctl.conf",
    "sysctl.d",
    "xattr.conf",
    "mke2fs.conf",
    "magic",
    "perl",
    "python3",
    "postgresql-common",
]
_ALREADY_RUNNING = 75


def main(state_directory: str) -> int:
    """Start the datacenter of a state directory; returns once its first process runs."""
    _forget_the_caller()
    state = State(Path(state_directory))
    settings = state.settings()
    lock = os.open(state.lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return _ALREADY_RUNNING
    interpreter = find_interpreter(database=False)
    listeners = {name: _listen(port) for name, port in settings.ports.items()}
    control = _listen_for_control(state)
    pid_file = os.open(state.run / "supervisor", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    _raise_limits()
    become_root = _prepare_uid_map(settings)
    _enter_staging_root(state, settings, interpreter)
    linux.unshare(
        linux.CLONE_NEWUSER | linux.CLONE_NEWNS | linux.CLONE_NEWNET | linux.CLONE_NEWPID
        | linux.CLONE_NEWIPC | linux.CLONE_NEWUTS | linux.CLONE_NEWCGROUP
    )  # fmt: skip
    become_root()
    namespace = Path("/proc/self/ns/user").stat().st_ino
    pid = os.fork()
    if pid == 0:
        _become_supervisor({name: s.fileno() for name, s in listeners.items()}, control.fileno(), lock, interpreter)
    os.write(pid_file, json.dumps({"pid": pid, "user_namespace": namespace}).encode())
    return 0


def _forget_the_caller() -> None:
    """Undo what a script or a shell's ``&`` may have left us with and every program of every host would inherit.

    Above all an ignored SIGINT: a utility in a host could not be interrupted.
    """
    os.umask(0o022)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _become_supervisor(relays: dict[str, int], control: int, lock: int, interpreter: Interpreter) -> None:
    os.setsid()
    linux.mount("proc", "/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    for fd in (*relays.values(), control, lock):
        os.set_inheritable(fd, True)
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"}
    description = {"relays": relays, "control": control, "lock": lock, "interpreter": vars(interpreter)}
    command = [layout.INTERPRETER, "-I", "-m", "sandbox.datacenter.supervisor", json.dumps(description)]
    os.execve(command[0], command, environment)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as error:
        raise SystemExit(
            f"Port {port} of 127.0.0.1, which this sandbox's relay had before, is not free. Cause: {error.strerror}. "
            f"Next: end who has it (ss -ltnp 'sport = {port}'), or give the relay another port in sandbox.json."
        ) from None
    listener.listen(128)
    return listener


def _listen_for_control(state: State) -> socket.socket:
    """A Unix socket in the state directory, however long its path is (the limit is 107 bytes)."""
    state.control.unlink(missing_ok=True)
    directory = os.open(state.run, os.O_PATH | os.O_DIRECTORY)
    control = socket.socket(socket.AF_UNIX)
    control.bind(f"/proc/self/fd/{directory}/{state.control.name}")
    os.close(directory)
    state.control.chmod(0o600)
    control.listen(16)
    return control


def _raise_limits() -> None:
    """Hard limits as on a fresh server, so that limits.conf means inside a host what it says; soft ones stay small."""
    largest = int(Path("/proc/sys/fs/nr_open").read_text())
    wanted = {
        resource.RLIMIT_NOFILE: (min(65536, largest), largest),
        resource.RLIMIT_NPROC: (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
        resource.RLIMIT_MEMLOCK: (resource.RLIM_INFINITY, resource.RLIM_INFINITY),
        resource.RLIMIT_CORE: (0, resource.RLIM_INFINITY),
        resource.RLIMIT_STACK: (8 * 1024 * 1024, resource.RLIM_INFINITY),
    }
    for limit, values in wanted.items():
        with contextlib.suppress(ValueError, PermissionError):  # a container without CAP_SYS_RESOURCE keeps its own
            resource.setrlimit(limit, values)


def _prepare_uid_map(settings: Settings) -> Callable[[], None]:
    """Fork a helper that stays outside and maps the uids; returns what to call after entering the namespace."""
    ready_read, ready_write = os.pipe()
    done_read, done_write = os.pipe()
    target = os.getpid()
    helper = os.fork()
    if helper == 0:
        os.close(ready_write)
        os.read(ready_read, 1)
        line = f"0 {settings.uid_base} {UIDS}\n"
        try:
            for kind in ("uid", "gid"):
                Path(f"/proc/{target}/{kind}_map").write_text(line)
            os.write(done_write, b"+")
        except OSError as error:
            os.write(done_write, str(error).encode())
        os._exit(0)
    os.close(done_write)

    def become_root() -> None:
        os.write(ready_write, b"+")
        answer = os.read(done_read, 500)
        os.waitpid(helper, 0)
        if answer != b"+":
            raise SystemExit(f"The sandbox's uids cannot be mapped. Cause: {answer.decode()}. Next: run it as root.")
        os.setgroups([])
        os.setresgid(0, 0, 0)
        os.setresuid(0, 0, 0)

    return become_root


def _enter_staging_root(state: State, settings: Settings, interpreter: Interpreter) -> None:
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    root = state.run / "root"
    root.mkdir(exist_ok=True)
    linux.mount("sandbox", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=64m")
    for name in ("proc", "sys", "dev", "tmp", "run", "newroot", "usr", "state", "template"):
        (root / name).mkdir()
    linux.bind("/usr", root / "usr", readonly=True)
    for path in Path("/").iterdir():
        if path.name not in ("bin", "sbin") and not path.name.startswith("lib"):
            continue
        if path.is_symlink():
            (root / path.name).symlink_to(path.readlink())
        else:  # a system whose /usr was never merged
            (root / path.name).mkdir()
            linux.bind(path, root / path.name, readonly=True)
    # Without what lies on top: the kernel lets a namespace mount its own only where it sees a whole one.
    linux.bind("/proc", root / "proc", recursive=False)
    linux.bind("/sys", root / "sys", recursive=False, readonly=True)
    for name in DEVICES:
        (root / "dev" / name).touch()
        linux.bind(f"/dev/{name}", root / "dev" / name)
    for source, target in build_venv(root, interpreter):
        linux.bind(source, target, readonly=True)
    software = root / VENV.relative_to("/")
    linux.bind(software, software, readonly=True)  # here, since what is read-only on entering a user namespace stays so
    if interpreter.prefix is not None and interpreter.prefix != "/usr/local":
        target = root / interpreter.prefix.lstrip("/")
        target.mkdir(parents=True, exist_ok=True)
        linux.bind(interpreter.prefix, target, readonly=True)
    for directory in (state.hosts, state.snapshots, state.logs, state.faults):
        target = root / "state" / directory.name
        target.mkdir()
        linux.bind(directory, target, recursive=False, readonly=directory == state.faults)
    (root / "state/disks").mkdir()
    if settings.disk_mb:
        mount_images(state, root / "state/disks")
    _copy_template(state, settings, root / "template")
    cache = root / "var/cache/sandbox"
    cache.mkdir(parents=True)
    os.chown(cache, settings.uid_base, settings.uid_base)
    (root / "etc").symlink_to("/template/etc")
    linux.pivot_into(root)


def _copy_template(state: State, settings: Settings, template: Path) -> None:
    """What a new host's /etc and keys are made of, owned by the sandbox's root."""
    etc = template / "etc"
    etc.mkdir()
    for name in ETC:
        source = Path("/etc") / name
        if source.is_symlink() or source.is_file():
            shutil.copy2(source, etc / name, follow_symlinks=False)
        elif source.is_dir():
            shutil.copytree(source, etc / name, symlinks=True)
    shutil.copytree(state.keys / "hosts", template / "keys/hosts")
    cluster_key = keys.cluster_key(state)
    for key in (cluster_key, cluster_key.with_name("id_cluster.pub"), state.client_key.with_name("id_client.pub")):
        shutil.copy2(key, template / "keys" / key.name)
    (template / "keys" / "gpadmin_password").write_text(state.password() + "\n")
    for path in (template, *template.rglob("*")):
        os.chown(path, settings.uid_base, settings.uid_base, follow_symlinks=False)
    (template / "keys").chmod(0o700)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
