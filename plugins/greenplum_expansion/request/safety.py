"""Which cluster, and how careful the run is with it."""

from __future__ import annotations

from enum import StrEnum

from greenplum_expansion.request.section import Section, field

_CLUSTER, _SAFETY = "Cluster", "Safety"


class Proof(StrEnum):
    """What is compared before and after."""

    CHECKSUMS = "rows and checksums"
    ROWS = "rows"


class Places(StrEnum):
    """Of how many rows it is proven that they lie where their hash says."""

    SAMPLE = "a sample of each table"
    ALL = "every row"


class ClusterSection(Section):
    """The cluster to be expanded."""

    greenplum_conn_id: str = field(
        _CLUSTER,
        "Connection",
        "Airflow connection of type *greenplum* to the cluster to be expanded.",
        default="greenplum_default",
        min_length=1,
    )
    dry_run: bool = field(
        _CLUSTER,
        "Only look",
        "Check everything, show what would be changed on the hosts, make the plan, and change nothing.",
        default=False,
    )


class SafetySection(Section):
    """What is asked, proven and undone."""

    approval: bool = field(
        _SAFETY,
        "Ask a person for approval",
        "The run waits until somebody approves the plan under *Required Actions*. "
        "Switch off only for unattended runs: after the next step the expansion cannot be undone.",
        default=True,
    )
    roll_back_on_failure: bool = field(
        _SAFETY,
        "Roll back on failure",
        "If adding the segments fails while that can still be undone, `greenplum_rollback` puts the cluster back.",
        default=True,
    )
    proof: Proof = field(
        _SAFETY,
        "Proof",
        "What is compared for each table before and after. Checksums read every row twice; "
        "rows alone are counted, which is quicker.",
        default=Proof.CHECKSUMS,
    )
    proof_of_places: Places = field(
        _SAFETY,
        "Rows that are looked for",
        "After the moves it is proven that rows lie on the segments where the hash of their key puts them: 10,000 rows "
        "of each table, chosen at random, or all. For all of them the keys of table after table are written into a "
        "temporary one, which needs room for those of the largest.",
        default=Places.SAMPLE,
    )
    expect_writes: bool = field(
        _SAFETY,
        "The cluster is written to meanwhile",
        "If applications insert, update or delete during the expansion, rows and checksums change for good reason: "
        "differences are then reported as warnings instead of failing the run.",
        default=False,
    )
    clean_up: bool = field(
        _SAFETY,
        "Clean up at the end",
        "Remove gpexpand's schema after the proof. Its table list is kept in the report's directory.",
        default=True,
    )
