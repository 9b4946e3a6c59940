"""One run of greenplum_redistribute: a window in which tables of an expansion move that another run has prepared."""

from greenplum_expansion.operators.window.move import RedistributeWindowOperator, WindowProgressSensor
from greenplum_expansion.operators.window.probe import ProbeWindowOperator
from greenplum_expansion.operators.window.report import WindowReportOperator

__all__ = ["ProbeWindowOperator", "RedistributeWindowOperator", "WindowProgressSensor", "WindowReportOperator"]
