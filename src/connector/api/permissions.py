"""Which role may do what. Reading is for everybody who comes in; a mutation that is not listed is for `admin` alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from connector.model.errors import Forbidden
from connector.model.principals import Principal
from connector.storage.query import Sight
from connector.storage.query.telling import EXPLANATION, GROUNDS, QUARANTINED, Column

_DISPATCH: Final = frozenset({"dispatcher", "machine"})
_HANDLE: Final = frozenset({"technician", "dispatcher", "machine"})
_PLAN: Final = frozenset({"planner"})
_RESTOCK: Final = frozenset({"dispatcher", "planner"})
_STEER: Final = frozenset({"dispatcher", "planner", "machine"})
_OPERATE: Final = frozenset({"dispatcher", "planner", "machine"})
_APPROVE_SYNC: Final = frozenset({"approver", "planner"})
_ANSWER: Final = frozenset({"dispatcher", "incident-manager"})
ANYONE: Final = frozenset({"*"})
"""Whoever comes in; the command itself looks closer: who answers a request for approval is the policy's affair."""

MAY: Final[Mapping[str, frozenset[str]]] = {
    "reserve": _DISPATCH,
    "release": _DISPATCH,
    "extend": _DISPATCH,
    "move": _DISPATCH,
    "split": _DISPATCH,
    "cancel": _DISPATCH,
    "confirmPickup": _HANDLE,
    "orderPickup": _HANDLE,
    "cancelPickup": _HANDLE,
    "acceptTask": _HANDLE,
    "handBackTask": _HANDLE,
    "receive": _HANDLE,
    "recordProcurement": _DISPATCH,
    "receiveProcurement": _HANDLE,
    "recordOffline": _HANDLE,
    "receiveLoan": _HANDLE,
    "extendLoan": _DISPATCH,
    "approveReplenishments": _RESTOCK,
    "rejectReplenishment": _RESTOCK,
    "cancelReplenishment": _RESTOCK,
    "sendReturn": _HANDLE,
    "receiveReturn": _HANDLE,
    "cancelRma": _DISPATCH,
    "extendRma": _DISPATCH,
    "confirmIncidentGroup": _ANSWER,
    "dismissIncidentGroup": _ANSWER,
    "closeIncidentGroup": _ANSWER,
    "syncSource": _OPERATE,
    "pauseSource": _RESTOCK,
    "resumeSource": _RESTOCK,
    "planSync": _OPERATE,
    "approveSyncPlan": _APPROVE_SYNC,
    "applySyncPlan": _OPERATE,
    "discardSyncPlan": _RESTOCK,
    "replayQuarantine": _OPERATE,
    "discardQuarantine": _OPERATE,
    "linkIdentity": _OPERATE,
    "separateIdentity": _OPERATE,
    "dismissReview": _OPERATE,
    "mergeAssets": _OPERATE,
    "undoMerge": _OPERATE,
    "splitAsset": _OPERATE,
    "measureDataQuality": _OPERATE,
    "overrideField": _RESTOCK,
    "releaseOverride": _RESTOCK,
    "createRollout": _PLAN,
    "planRollout": _PLAN,
    "startRollout": _PLAN,
    "pauseRollout": _STEER,
    "resumeRollout": _STEER,
    "haltRollout": _STEER,
    "cancelRollout": _STEER,
    "assignRolloutTicket": _PLAN,
    "reportRolloutLine": _HANDLE,
    "confirmStaging": _HANDLE,
    "confirmHandover": _HANDLE,
    "activatePolicy": _PLAN,
    "rollbackPolicy": _PLAN,
    "addAlias": _PLAN,
    "removeAlias": _PLAN,
    "suggestAliases": _PLAN,
    "acceptAliasSuggestion": _PLAN,
    "rejectAliasSuggestion": _PLAN,
    "approve": ANYONE,
    "reject": ANYONE,
    "delegateApprovals": ANYONE,
    "endDelegation": ANYONE,
    "openRedChannel": ANYONE,
    "extendRedChannel": ANYONE,
    "closeRedChannel": ANYONE,
}
"""Mutation -> roles; `admin` may do everything. Told in docs/configuration.md."""

EVERYWHERE: Final = frozenset(
    {
        "explain",
        "explainMatch",
        "whatIf",
        "placements",
        "recordOffline",
        "syncSource",
        "pauseSource",
        "resumeSource",
        "planSync",
        "approveSyncPlan",
        "applySyncPlan",
        "discardSyncPlan",
        "syncPlanPage",
        "replayQuarantine",
        "discardQuarantine",
        "linkIdentity",
        "separateIdentity",
        "dismissReview",
        "mergeAssets",
        "undoMerge",
        "splitAsset",
        "measureDataQuality",
        "dataQualityTrend",
        "createRollout",
        "planRollout",
        "startRollout",
        "activatePolicy",
        "rollbackPolicy",
        "addAlias",
        "removeAlias",
        "suggestAliases",
        "acceptAliasSuggestion",
        "rejectAliasSuggestion",
        "openRedChannel",
        "extendRedChannel",
        "closeRedChannel",
    }
)
"""Root fields that are about all regions: not for those who are limited to some."""


OF_FACTS: Final[Mapping[str, Column]] = {
    "explain": EXPLANATION,
    "explainMatch": QUARANTINED,
    "whatIf": EXPLANATION,
    "placements": GROUNDS,
    "breakGlassUse": GROUNDS,
}
"""Root fields that tell of what the rules decide by -> the column that is hidden from whoever must not know that."""


def require_permission(who: Principal, mutation: str) -> None:
    """Refuse whoever may not do it. Raises Forbidden naming the roles, or the regions."""
    roles = MAY.get(mutation, frozenset())
    if roles != ANYONE:
        who.require(roles, mutation)
    require_reach(who, mutation)


def require_reach(who: Principal, field: str) -> None:
    """Refuse whoever is limited to regions where a root field is about all of them. Raises Forbidden naming them."""
    if field in EVERYWHERE:
        who.require_everywhere(field)


def require_facts(who: Principal, sight: Sight, field: str) -> None:
    """Refuse whoever does not read what a root field is worked out of. Raises Forbidden."""
    if OF_FACTS[field] in sight.hidden:
        raise Forbidden(
            f"{who.name!r} may not {field}: it tells of fields that its roles do not read",
            hint="`me { hiddenFields }` lists them; [auth.fields] of connector.toml says who reads them.",
        )
