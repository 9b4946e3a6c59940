"""Whether those who want to be told can be told."""

from __future__ import annotations

from collections.abc import Mapping

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding


@check("notices-get-through", "Mail server and webhook answer")
def check_notices(problems: Mapping[str, str]) -> list[Finding]:
    """Each connection named in the request exists, and its receiver answers; it is not told anything yet.

    :param problems: by the name of a channel what is wrong with it; empty if it answers

    A warning: an expansion goes on without notices, but who relies on them should know before the first night.
    """
    return [
        Finding.warning(
            name,
            f"notices cannot be sent over it: {problem}",
            "correct the Airflow connection or the request's section Notices, then clear task check_cluster.notices "
            "with what follows",
        )
        for name, problem in sorted(problems.items())
        if problem
    ]
