"""All a user may ask for: the single source of the trigger form, the REST API's checks and the wizard's.

Everything but the new hosts has a default; what is not asked for is read from the cluster itself. One module a section
of the form.
"""

from greenplum_expansion.request.expansion import ExpansionRequest
from greenplum_expansion.request.hosts import MirroringChoice, NewHost
from greenplum_expansion.request.looking import LookRequest
from greenplum_expansion.request.notices import NoticeEvent, NoticesSection
from greenplum_expansion.request.parse import parse_request
from greenplum_expansion.request.preparation import FirewallChoice, PreparationPart, SoftwareSource
from greenplum_expansion.request.redistribution import OrderChoice, RedistributeRequest
from greenplum_expansion.request.rollback import RollbackRequest
from greenplum_expansion.request.safety import Places, Proof
from greenplum_expansion.request.sessions import CatalogCheck, SessionsChoice
from greenplum_expansion.request.steering import SteeringAction, SteerRequest
from greenplum_expansion.request.tables import Engine, TableOrder
from greenplum_expansion.request.windows import MovedBy

__all__ = [
    "CatalogCheck",
    "Engine",
    "ExpansionRequest",
    "FirewallChoice",
    "LookRequest",
    "MirroringChoice",
    "MovedBy",
    "NewHost",
    "NoticeEvent",
    "NoticesSection",
    "OrderChoice",
    "Places",
    "PreparationPart",
    "Proof",
    "RedistributeRequest",
    "RollbackRequest",
    "SessionsChoice",
    "SoftwareSource",
    "SteerRequest",
    "SteeringAction",
    "TableOrder",
    "parse_request",
]
