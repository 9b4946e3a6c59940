"""All that the planning of one new host stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from greenplum_expansion.preparation.facts import HostFacts
from greenplum_expansion.request import FirewallChoice, SoftwareSource


@dataclass(frozen=True)
class Account:
    """The user the cluster runs as, as the coordinator knows it."""

    user: str
    group: str
    uid: int
    gid: int
    home: str
    shell: str


@dataclass(frozen=True)
class Installation:
    """Greenplum on a host.

    :param path: as the cluster names it, maybe a link
    :param real: where the files lie
    :param version: of its server; empty if there is none
    :param owner: of the tree, ``uid:gid``
    """

    path: str
    real: str
    version: str
    owner: str = "0:0"


@dataclass(frozen=True)
class Situation:
    """A new host among the hosts of the cluster.

    :param new: the host to prepare; `new.hostname` is its name in the cluster
    :param coordinator: the acting coordinator
    :param existing: the segment hosts there are: the pattern
    :param addresses: IP address of every name by which a host of the grown cluster is known
    :param directories: parents of the data directories to come on the new host
    :param ports: that servers of the grown cluster listen on, anywhere
    :param login_key: public key of the connection, ``type base64``
    """

    new: HostFacts
    coordinator: HostFacts
    existing: tuple[HostFacts, ...]
    addresses: Mapping[str, str]
    directories: tuple[str, ...]
    ports: tuple[int, ...]
    account: Account
    software: Installation
    login_key: str = ""
    firewall: FirewallChoice = FirewallChoice.OPEN
    software_source: SoftwareSource = SoftwareSource.TREE
    software_package: str | None = None

    @property
    def name(self) -> str:
        return self.new.hostname
