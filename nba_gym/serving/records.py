"""What goes into the log of a decision, and the answer that is made of it.

An answer is a function of the record alone: a caller who asks again under the same key gets what
was recorded, also after a crash.
"""

from __future__ import annotations

import base64
import secrets
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.engagement.rules import RuleBook
from nba_gym.serving.chain import orjson
from nba_gym.serving.choosing import Catalogue
from nba_gym.serving.decision_log import Item
from nba_gym.serving.requests import Outcome


def moment(seconds: float) -> str:
    """A time since 1970 as text, in UTC to the microsecond."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def new_id(seconds: float) -> str:
    """An id that nobody can guess; later ones sort behind earlier ones."""
    return f"{int(seconds * 1e6):014x}{secrets.token_hex(8)}"


def pack_bytes(values: NDArray[Any] | bytes) -> str:
    """Bytes as text."""
    return base64.b64encode(values if isinstance(values, bytes) else values.tobytes()).decode()


def number_or_none(value: float) -> float | None:
    """What JSON can hold: None for what is not finite."""
    return value if np.isfinite(value) else None


def render_answer(
    record: dict[str, Any],
    personal: dict[str, Any],
    catalogue: Catalogue,
    rules: RuleBook,
    token: str | None,
) -> bytes:
    """The answer to a question, from what was recorded of it.

    Args:
        record: What the chain holds of the decision.
        personal: What is personal of it.
        catalogue: The actions.
        rules: The engagement rules, for the reasons.
        token: Folded history for a caller who keeps it, or None.
    """
    names, scores, chances = catalogue.names, record["scores"], record["propensities"]
    allowed = [a for a, may in enumerate(record["mask"]) if may]
    allowed.sort(key=lambda a: (-scores[a], a))
    chosen = record["action"]
    ranked = [{"action": names[a], "score": scores[a], "propensity": chances[a]} for a in allowed]
    answer: dict[str, Any] = {
        "decision": record["id"],
        "customer": personal["customer"],
        "time": record["time"],
        "policy": record["policy"],
        "arm": record["arm"],
        "period": personal["period"],
        "action": names[chosen],
        "propensity": chances[chosen],
        "explored": record["explored"],
        "why": _why(record, len(allowed)),
        "value": record["value"],
        "ranked": ranked,
        "dropped": [
            {"action": names[a], "rules": _rules(a, record, personal, catalogue, rules)}
            for a, may in enumerate(record["mask"])
            if not may
        ],
    }
    if token is not None:
        answer["history"] = token
    return orjson.dumps(answer)


def _why(record: dict[str, Any], n_allowed: int) -> str:
    if n_allowed == 1:
        return "nothing else is allowed"
    if record["explored"]:
        return f"drawn by lot among {n_allowed} allowed actions, to learn from"
    return f"the best score of {n_allowed} allowed actions"


def _rules(
    action: int,
    record: dict[str, Any],
    personal: dict[str, Any],
    catalogue: Catalogue,
    rules: RuleBook,
) -> list[str]:
    said = rules.explain(int(personal["conditions"]), action)
    beside = catalogue.reasons_beside_rules(
        action, record["asking"], personal["channel"], personal["contacted"]
    )
    said += [beside] if beside else []
    # consent is looked at twice; where the rules did not see that it is missing, say it here
    beyond = "policy: its own cap on contacts" if personal["consent"] else "eligibility: no consent"
    return said or [beyond]


def outcome_item(outcome: Outcome, customer: str, at: str) -> Item:
    """The record of what came of a decision; its key is kept, to know it again after a crash."""
    record = {
        "kind": "outcome",
        "time": at,
        "decision": outcome.decision,
        "reward": outcome.reward,
        "delivered": outcome.delivered,
    }
    if outcome.key is None:
        return record, None
    return record, {"customer": customer, "key": outcome.key, "request": outcome.request}
