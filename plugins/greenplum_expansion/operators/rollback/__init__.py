"""greenplum_rollback: from whatever state an expansion was left in to one that is known. One module a step."""

from greenplum_expansion.operators.rollback.forward import (
    ApproveForwardOperator,
    FinishForwardOperator,
    WaitForMirrorsOperator,
)
from greenplum_expansion.operators.rollback.probe import ProbeExpansionOperator
from greenplum_expansion.operators.rollback.report import RollbackReportOperator
from greenplum_expansion.operators.rollback.server import (
    OpenClusterOperator,
    StartClusterOperator,
    StopGpexpandOperator,
)
from greenplum_expansion.operators.rollback.take_back import RollBackOperator
from greenplum_expansion.operators.rollback.trigger import TriggerRollbackOperator
from greenplum_expansion.operators.rollback.verify import VerifyRollbackOperator

__all__ = [
    "ApproveForwardOperator",
    "FinishForwardOperator",
    "OpenClusterOperator",
    "ProbeExpansionOperator",
    "RollBackOperator",
    "RollbackReportOperator",
    "StartClusterOperator",
    "StopGpexpandOperator",
    "TriggerRollbackOperator",
    "VerifyRollbackOperator",
    "WaitForMirrorsOperator",
]
