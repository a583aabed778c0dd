"""Evidence of a failed attempt, for tests that walk `haulier.worker.blame`."""

from __future__ import annotations

from typing import Any

from haulier.api.errors import Action
from haulier.worker.blame import ActionNow, Evidence
from haulier.worker.first_items import Suspicion


def evidence(error: Exception, **changed: Any) -> Evidence:
    """Evidence of a failure that is the item's own, while the API answers all others; it cannot be divided."""
    usual: dict[str, Any] = {
        "error": error,
        "kind": "k",
        "failures": 0,
        "releases": 0,
        "max_failures": 5,
        "jitter": 0.5,
        "has_witness": True,
        "has_succeeded_meanwhile": True,
        "is_api_up": True,
        "action_now": ActionNow(Action.OK),
        "suspicion": Suspicion.NONE,
        "are_others_at_work": False,
        "parts": (),
        "is_api_proven_up": True,
    }
    return Evidence(**(usual | changed))


def fresh_evidence(error: Exception, **changed: Any) -> Evidence:
    """The evidence before anything was asked."""
    unasked = dict.fromkeys(("is_api_up", "action_now", "suspicion", "are_others_at_work", "parts", "is_api_proven_up"))
    return evidence(error, **(unasked | {"has_witness": False, "has_succeeded_meanwhile": False} | changed))
