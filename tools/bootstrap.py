#!/usr/bin/env python3
"""Make the project's own environment: `.venv` with the locked packages, and the programs the sandbox needs.

Runs with whatever `python3` the machine has and nothing else: no pip, no venv module, no third-party package is
assumed. What is missing is installed where that is allowed (as root, or with sudo that asks no password); otherwise
one sentence says what to install. A stamp remembers what was installed, so that a second run only compares checksums.

    python3 tools/bootstrap.py            everything
    python3 tools/bootstrap.py --no-system  only .venv (enough for lint and unit tests)
    python3 tools/bootstrap.py --browser    everything, and Chromium, in which the tests try the pages
"""

import argparse
import fcntl
import glob
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "installed.sha256")
LOCK = os.path.join(ROOT, "requirements-dev.lock")
UV_LOCK = os.path.join(ROOT, "tools", "uv.lock")

SUPPORTED = ((3, 12), (3, 11))
POSTGRES_MAJORS = (14, 15, 16, 17)  # what the sandbox is tried with

# Debian package -> how to see that it is there. Programs are looked for in the sbin directories too: an ordinary
# user's PATH has none of them on Debian.
PROGRAMS = {
    "openssh-server": ("sshd",),
    "openssh-client": ("ssh", "ssh-keygen"),
    "iproute2": ("ip",),
    "util-linux": ("unshare", "setpriv", "nsenter"),
    "rsync": ("rsync",),
    "procps": ("ps",),
}
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SBIN = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


class Refused(Exception):
    """Something is missing that this program may not install; the text says what to do."""


def say(text):
    print("bootstrap: " + text, flush=True)


def run(argv, **options):
    """Run a command; its output is shown only when it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise Refused("`{}` failed with exit code {}; its output stands above.".format(" ".join(argv), done.returncode))
    return done.stdout.decode(errors="replace")


def answers(argv):
    """Whether a command exists and succeeds; nothing of it is shown."""
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


def find_program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + os.pathsep + SBIN)


# --- Debian packages -------------------------------------------------------------------------------------------------


def as_root():
    """The prefix that makes a command run as root, or None when that is not possible without asking anybody."""
    if os.geteuid() == 0:
        return []
    return ["sudo", "-n"] if answers(["sudo", "-n", "true"]) else None


def apt_install(packages):
    """Install Debian packages, or refuse with the command a person has to run."""
    prefix = as_root()
    apt = shutil.which("apt-get")
    if apt is None or prefix is None:
        raise Refused(
            "these Debian packages are missing and cannot be installed from here: {0}. "
            "Run `sudo apt-get install {0}` and start again.".format(" ".join(packages))
        )
    say("installing Debian packages: " + " ".join(packages))
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    run(prefix + environment + [apt, "update", "-qq"])
    run(prefix + environment + [apt, "install", "-y", "-qq", "--no-install-recommends"] + packages)


def has_postgres():
    """A server with its contrib modules (the sandbox needs postgres_fdw), of a version the sandbox is tried with."""
    for major in POSTGRES_MAJORS:
        if os.access("/usr/lib/postgresql/{}/bin/postgres".format(major), os.X_OK) and os.path.exists(
            "/usr/share/postgresql/{}/extension/postgres_fdw.control".format(major)
        ):
            return True
    return False


def missing_packages(browser=False):
    missing = [package for package, names in PROGRAMS.items() if not all(find_program(name) for name in names)]
    if not has_postgres():
        missing += ["postgresql", "postgresql-contrib"]
    if os.geteuid() != 0 and not find_program("newuidmap"):
        missing.append("uidmap")  # an ordinary user gets a range of uids only through it
    if browser and not any(find_program(name) for name in BROWSERS):
        missing.append("chromium")
    return missing


# --- Python ----------------------------------------------------------------------------------------------------------


def version_of(python):
    """(major, minor) of an interpreter, None when it does not run (a pyenv shim may exist and still fail)."""
    try:
        done = subprocess.run(
            [python, "-c", "import sys; print(sys.version_info[0], sys.version_info[1])"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        major, minor = done.stdout.split()
    except (OSError, ValueError):
        return None
    return int(major), int(minor)


def find_python():
    """The interpreter to build with: this one when it fits, else one on the PATH, else None."""
    if sys.version_info[:2] in SUPPORTED:
        return os.path.realpath(sys.executable)
    for major, minor in SUPPORTED:
        candidate = shutil.which("python{}.{}".format(major, minor))
        if candidate and version_of(candidate) == (major, minor):
            return candidate
    return None


def make_venv(python, target):
    """An environment with pip, on a Debian without ensurepip too (it splits the module venv over packages)."""
    if answers([python, "-c", "import ensurepip, venv"]):
        run([python, "-m", "venv", "--clear", target])
    elif answers([python, "-m", "pip", "--version"]):
        run([python, "-m", "venv", "--clear", "--without-pip", target])
        run([python, "-m", "pip", "--python", os.path.join(target, "bin", "python"), "install", "--quiet", "pip"])
    else:
        apt_install(["python{}.{}-venv".format(*version_of(python))])
        run([python, "-m", "venv", "--clear", target])


def install_uv(python):
    run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r", UV_LOCK])


def fetch_python():
    """Have uv bring an interpreter, on machines whose own is older or newer than what is supported."""
    wanted = "{}.{}".format(*SUPPORTED[0])
    say("no Python 3.11 or 3.12 here (this is {}.{}); asking uv for {}".format(*sys.version_info[:2], wanted))
    with tempfile.TemporaryDirectory() as scratch:
        make_venv(sys.executable, scratch)
        scratch_python = os.path.join(scratch, "bin", "python")
        install_uv(scratch_python)
        try:
            run([scratch_python, "-m", "uv", "python", "install", "--quiet", wanted])
            return run([scratch_python, "-m", "uv", "python", "find", wanted]).strip()
        except Refused:
            raise Refused(
                "Python 3.12 or 3.11 is needed and none could be fetched; install one, start again."
            ) from None


def fingerprint():
    """What the environment is made from; another fingerprint means: install again."""
    digest = hashlib.sha256()
    for path in (LOCK, UV_LOCK, os.path.abspath(__file__)):
        with open(path, "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def stamped():
    try:
        with open(STAMP) as file:
            return file.read().strip()
    except OSError:
        return ""


def make_environment():
    wanted = fingerprint()
    if stamped() == wanted and os.path.exists(PYTHON):
        return
    pip = glob.glob(os.path.join(VENV, "lib", "*", "site-packages", "pip"))
    if not (pip and version_of(PYTHON) in SUPPORTED):
        python = find_python() or fetch_python()
        say("making .venv with " + python)
        make_venv(python, VENV)
    install_uv(PYTHON)
    say("installing the locked packages (about 150; once)")
    run([PYTHON, "-m", "uv", "pip", "install", "--quiet", "--python", PYTHON, "--require-hashes", "-r", LOCK])
    # Whatever runs in .venv sees plugins/ as Airflow does, its provider included (plugins/*.dist-info).
    (site_packages,) = glob.glob(os.path.join(VENV, "lib", "python3*", "site-packages"))
    with open(os.path.join(site_packages, "checkout.pth"), "w") as file:
        file.write(os.path.join(ROOT, "plugins") + "\n")
    with open(STAMP, "w") as file:
        file.write(wanted + "\n")
    say("ready: .venv with Python {}.{}".format(*version_of(PYTHON)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-system", action="store_true", help="only .venv: look for no Debian packages")
    parser.add_argument("--browser", action="store_true", help="with Chromium, for the tests of the pages")
    options = parser.parse_args()
    # Two makes at once (a test run beside a demo) must not build the same environment over each other.
    with open(os.path.join(ROOT, ".venv.lock"), "w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        try:
            if not options.no_system:
                missing = missing_packages(options.browser)
                if missing:
                    apt_install(missing)
                    still = missing_packages(options.browser)
                    if still:
                        raise Refused("still missing after the installation: {}.".format(" ".join(still)))
            make_environment()
        except Refused as refusal:
            sys.exit("bootstrap: " + str(refusal))


if __name__ == "__main__":
    main()
