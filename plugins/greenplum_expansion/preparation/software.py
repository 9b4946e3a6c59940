"""Greenplum itself."""

from __future__ import annotations

import posixpath
import shlex

from greenplum_expansion.preparation.catalogue import part
from greenplum_expansion.preparation.change import Draft, PartPlan, StateChange
from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.preparation.situation import Installation, Situation
from greenplum_expansion.request import PreparationPart, SoftwareSource

STAGE = "/var/lib/greenplum-expansion/incoming"
"""Where the tree, or the package, arrives on the new host: beside what it will be, not in its place."""


@part(PreparationPart.SOFTWARE, "Greenplum is installed as on the coordinator")
def plan_software(situation: Situation) -> PartPlan:
    """A host whose server is of the coordinator's version, at the path the cluster uses, is left alone. Else the tree
    is copied from the coordinator, host to host, with rsync; a second comparison by checksum must find no difference;
    only then it takes its place, with the owner it has on the coordinator, and the link (`/usr/local/greenplum-db`) is
    set. Or the package is copied, compared by checksum, and installed with the distribution's own program.

    An installation of another version at that path is not replaced: that is for a person to decide.
    """
    draft = Draft()
    wanted = situation.software
    there = read_installation(situation.new, wanted.path)
    if there.version == wanted.version:
        return draft.plan()
    if there.version or there.real:
        what = there.version or "something that is not Greenplum"
        draft.refuse(
            f"{situation.name}: {wanted.path}",
            f"there is {what} ({there.real or wanted.path}), on the coordinator {wanted.version}",
            "remove it, or install the coordinator's version by hand",
        )
        return draft.plan()
    draft.state(
        StateChange(
            subject=f"Greenplum at {wanted.real}",
            old="none",
            new=wanted.version,
            why=f"from the {situation.software_source}",
            probe=version_probe(wanted.real),
            do=_install(situation) if situation.software_source is SoftwareSource.PACKAGE else _take_over(wanted),
            undo=_uninstall(situation) if situation.software_source is SoftwareSource.PACKAGE else _remove(wanted),
        )
    )
    if wanted.real != wanted.path:
        path, real = shlex.quote(wanted.path), shlex.quote(wanted.real)
        draft.state(
            StateChange(
                subject=f"link {wanted.path}",
                old="none",
                new=wanted.real,
                why="the cluster names its software so",
                probe=f"[ -L {path} ] && readlink -f -- {path} || echo none",
                # A package may have set it.
                do=f"[ -L {path} ] || ln -sT -- {real} {path}",
                undo=f"rm -f -- {path}",
            )
        )
    return draft.plan()


def read_installation(host: HostFacts, path: str) -> Installation:
    """From the probe `software`; `real` is empty where there is nothing, `version` where it is no Greenplum."""
    said = host.pairs("software")
    return Installation(path, said.get("real", ""), said.get("version", ""), said.get("owner", "0:0"))


def version_probe(gphome: str) -> str:
    """Prints the version of the server there, or ``none``."""
    # Its libraries lie beside it, and the variable of who looks must not count.
    home = shlex.quote(gphome)
    return f"LD_LIBRARY_PATH={home}/lib {home}/bin/postgres --gp-version 2>/dev/null || echo none"


def stage(wanted: Installation) -> str:
    """Directory on the new host into which the tree is copied."""
    return posixpath.join(STAGE, posixpath.basename(wanted.real))


def package_stage(package: str) -> str:
    """The package's path on the new host."""
    return posixpath.join(STAGE, posixpath.basename(package))


def _take_over(wanted: Installation) -> str:
    staged, real, owner = shlex.quote(stage(wanted)), shlex.quote(wanted.real), shlex.quote(wanted.owner)
    parent = shlex.quote(posixpath.dirname(wanted.real))
    # The first move may be a copy, to another disk: it is repeated as long as what was staged is there.
    return f"""[ -x {real}/bin/postgres ] && exit 0
mkdir -p -- {parent} || exit 1
if [ -d {staged} ]; then
    rm -rf -- {real}.new && chown -Rh {owner} -- {staged} && mv -T -- {staged} {real}.new || exit 1
fi
[ ! -d {real} ] || rmdir -- {real} || exit 1
mv -T -- {real}.new {real}"""


def _remove(wanted: Installation) -> str:
    real = shlex.quote(wanted.real)
    return f"mv -T -- {real} {real}.removed && rm -rf -- {real}.removed"


def _install(situation: Situation) -> str:
    assert situation.software_package is not None
    path = shlex.quote(package_stage(situation.software_package))
    own = f"chown -Rh {shlex.quote(situation.software.owner)} -- {shlex.quote(situation.software.real)}"
    if situation.software_package.endswith(".deb"):
        # apt-get brings what it depends on, dpkg only says what is missing.
        install = f"export DEBIAN_FRONTEND=noninteractive; apt-get install -y {path} || dpkg -i {path}"
    else:
        install = f"dnf install -y {path} || yum install -y {path} || rpm -U {path}"
    return f"{{ {install}; }} >&2 && {own}"


def _uninstall(situation: Situation) -> str:
    assert situation.software_package is not None
    path = shlex.quote(package_stage(situation.software_package))
    if situation.software_package.endswith(".deb"):
        return f"dpkg --remove $(dpkg-deb -f {path} Package)"
    return f"rpm -e $(rpm -qp --qf '%{{NAME}}' {path})"
