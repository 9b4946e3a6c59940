"""What may be asked of greenplum_look: a cluster, hosts that may be added to it, and how closely it is looked at."""

from __future__ import annotations

from pydantic import model_validator

from greenplum_expansion.request.expansion import ExpansionRequest
from greenplum_expansion.request.hosts import HostsSection
from greenplum_expansion.request.preparation import PreparationSection
from greenplum_expansion.request.section import Section, field

_LOOK = "What is looked at"


class ClusterLookSection(Section):
    """Which cluster, and how closely."""

    greenplum_conn_id: str = field(
        _LOOK,
        "Connection",
        "Airflow connection of type *greenplum* to the cluster.",
        default="greenplum_default",
        min_length=1,
    )
    with_tables: bool = field(
        _LOOK,
        "Measure the tables, too",
        "The wizard's forecast needs their sizes. Every segment looks at the files of all its tables for that: "
        "seconds, or minutes where there are a hundred thousand.",
        default=False,
    )


# Pydantic takes fields from the last base first: so the form shows the cluster, then the hosts.
class LookRequest(PreparationSection, HostsSection, ClusterLookSection):
    """Hosts are judged as an expansion with these wishes would find them; without any, only the cluster is seen."""

    @model_validator(mode="after")
    def _something_is_added(self) -> LookRequest:
        """A look needs no host: takes the place of the rule of the same name for an expansion."""
        return self


def as_expansion(conf: dict[str, object]) -> dict[str, object]:
    """What of a look an expansion may be asked, too: its checks judge the hosts."""
    return {name: value for name, value in conf.items() if name in ExpansionRequest.model_fields}
