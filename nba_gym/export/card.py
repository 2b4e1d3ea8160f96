"""The card of a policy folder: what the policy is, where it comes from, and what it is for."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib import metadata
from typing import Any

from nba_gym.customer.populate import populate
from nba_gym.engagement.rules import compile_rules
from nba_gym.errors import PolicyError
from nba_gym.export.sample import Worth
from nba_gym.scenario.load import scenario_hash
from nba_gym.scenario.schema import Scenario
from nba_gym.serving.contents import FORMAT

LIMITS = (
    "It was trained and compared in a simulation. What it is worth to a firm, an experiment with "
    "the firm's own customers must show; begin with a small share of them.",
    "It holds for the catalogue, the channels and the rules of engagement listed here. With "
    "another catalogue it must be trained again; features must come from the same functions of "
    "the events.",
    "It knows no law. Consent and contact policy reach it as a mask of allowed actions, and "
    "whoever asks it answers for that mask.",
    "It must not decide on credit, insurance, employment, health or housing.",
)


def make_card(
    scenario: Scenario,
    training: dict[str, Any],
    scores: str,
    worth: Worth,
    evaluation: dict[str, Any] | None,
) -> dict[str, Any]:
    """Everything that the card says, as plain values.

    Args:
        scenario: The world.
        training: Algorithm, seed and settings.
        scores: What actions are ranked by.
        worth: What the value means.
        evaluation: Outcome of a comparison, if there was one.
    """
    return {
        "format": FORMAT,
        "scenario": scenario.name,
        "scenario_hash": scenario_hash(scenario),
        "scenario_version": scenario.version,
        "observe": "records",
        "period": scenario.period,
        "currency": scenario.currency,
        "features": [
            {"name": f.name, "low": f.low, "high": f.high, "unit": f.unit, "meaning": f.meaning}
            for f in populate(scenario, 1).features
        ],
        "actions": _actions(scenario),
        "channels": [
            {"name": c.name, "direction": c.direction, "cap": c.cap, "window": c.window}
            for c in scenario.channels
        ],
        "engagement": scenario.engagement.model_dump(mode="json"),
        "outputs": _outputs(scenario, scores, worth),
        "training": training,
        "evaluation": evaluation,
        "intended_use": (
            "Rank the allowed actions for one customer and period, for next best action in a firm "
            f"like the scenario {scenario.name!r}."
        ),
        "limits": list(LIMITS),
        "versions": {p: metadata.version(p) for p in ("nba_gym", "onnx", "onnxruntime", "numpy")},
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _actions(scenario: Scenario) -> list[dict[str, Any]]:
    """The catalogue, each action with the rules that may forbid it."""
    if scenario.tabular is not None:
        return [
            {"name": a.name, "kind": a.kind, "channel": a.channel, "rules": []}
            for a in scenario.actions
        ]
    book = compile_rules(scenario)
    return [
        {
            "name": action.name,
            "kind": action.kind,
            "channel": action.channel,
            "rules": [f"{stage}: {book.reasons[bit]}" for bit, stage in book.stages[i].items()],
        }
        for i, action in enumerate(scenario.actions)
    ]


def _outputs(scenario: Scenario, scores: str, worth: Worth) -> dict[str, str]:
    return {
        "ranking": "actions, best first; forbidden ones last",
        "scores": f"what actions are ranked by: {scores}; forbidden ones have the lowest number",
        "probabilities": "chance that the policy gives each action; it acts by the first in the "
        "ranking unless the caller draws",
        "value": "expected discounted profit from now on under this policy, in "
        f"{scenario.currency}: linear in the records, learned on {worth.customers:,} simulated "
        f"customers, of the variance between others it explains {worth.explained:.0%}",
    }


def evaluation_of(summary: dict[str, Any], policy: str) -> dict[str, Any]:
    """What a comparison says of the policy and of those beside it, with 95 % intervals.

    Args:
        summary: ``comparison.json``, as ``Comparison.save`` writes it.
        policy: What the exported policy is called in it.

    Raises:
        PolicyError: If it was not compared.
    """
    keep = ("value", "value_low", "value_high", "difference", "difference_low", "difference_high")
    rows = {row["policy"]: row for row in summary["policies"]}
    if policy not in rows:
        raise PolicyError(f"policy must be one that was compared, got {policy!r}")
    about = summary["provenance"]
    return {
        "policy": policy,
        "baseline": about["baseline"],
        "customers": about["customers"],
        "unit": f"{about['currency']} per customer, with 95 % intervals",
        "of": {name: {key: row[key] for key in keep} for name, row in rows.items()},
    }
