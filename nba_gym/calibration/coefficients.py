"""Coefficients of a scenario by their dotted names: which contacts identify, ranges, as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from nba_gym.calibration.moments import Moment
from nba_gym.errors import ScenarioError
from nba_gym.scenario import Scenario

_RESPONSE = ("response", "response_relevance")


class Coefficient(NamedTuple):
    """A number of a scenario that can be fitted.

    Attributes:
        name: As in an override, ``"channels.email.response"``.
        value: In the world that is extended.
        low: Lowest value allowed.
        high: Highest value allowed.
        step: By how much it is moved to see what depends on it.
    """

    name: str
    value: float
    low: float
    high: float
    step: float


def identified(scenario: Scenario, moments: list[Moment]) -> tuple[str, ...]:
    """Names of the coefficients that the rates of a randomised campaign identify.

    - ``purchase.intercept`` by the controls: the level, without which all effects were off.
    - ``purchase.by_offer`` by the purchases of arms that persuade (equation 8).
    - ``channels.*.response`` by responses (4). ``response_relevance`` too, if some arms on the
      channel speak to a need and some to none: the latter show ``response`` alone.
    - ``attention.opt_out_base`` by opting out (5).

    How many notice a contact (reach, attention) only ever multiplies these effects, so it is taken
    from the scenario; what discounts do is a trait of customers (price sensitivity), too.
    """
    found = ["purchase.intercept"]
    shown = {
        outcome: [m.actions for m in moments if m.outcome == outcome]
        for outcome in ("bought", "responded", "opted_out")
    }
    acts = scenario.actions
    if any(acts[a].kind in ("offer", "retain") and acts[a].needs for (a,) in shown["bought"]):
        found.append("purchase.by_offer")
    for channel in scenario.channels:
        arms = [acts[a] for (a,) in shown["responded"] if acts[a].channel == channel.name]
        if arms:
            found.append(f"channels.{channel.name}.response")
        if any(arm.needs for arm in arms) and any(not arm.needs for arm in arms):
            found.append(f"channels.{channel.name}.response_relevance")
    if shown["opted_out"] and scenario.attention.opt_out_scale > 0:
        found.append("attention.opt_out_base")
    return tuple(found)


def coefficient(scenario: Scenario, name: str) -> Coefficient:
    """A coefficient by its dotted name.

    Raises:
        ScenarioError: If the scenario has no such number.
    """
    *parents, last = name.split(".")
    node: Any = scenario
    for step in parents:
        node = _inside(node, step)
    field, given = _fields(node).get(last), _inside(node, last)
    if field is None or not isinstance(given, float):
        raise ScenarioError(f"parameters must be numbers of {scenario.name}, got {name!r}")
    limits: dict[str, float] = {}
    for rule in field.metadata:
        limits |= {key: getattr(rule, key) for key in ("ge", "le") if hasattr(rule, key)}
    low, high = limits.get("ge", -50.0), limits.get("le", 50.0)
    return Coefficient(name, given, low, high, 0.005 if high <= 1.0 else 0.1)


def _fields(node: Any) -> dict[str, Any]:
    kind: Any = type(node)  # pyright: ignore[reportUnknownVariableType]
    return getattr(kind, "model_fields", {})


def _inside(node: Any, step: str) -> Any:
    """A part of a scenario by its name, or an entry of a list by its own; ``None`` if none."""
    if isinstance(node, tuple):
        return next((row for row in cast(tuple[Any, ...], node) if row.name == step), None)
    return getattr(node, step) if step in _fields(node) else None


def within_reach(scenario: Scenario, values: Mapping[str, float]) -> dict[str, float]:
    """Values tried by a search, moved to where a scenario is valid.

    Response and its slope by relevance sum to at most 1 on a channel; the slope gives way if it is
    among the values.
    """
    held = {name: float(value) for name, value in values.items()}
    for channel in scenario.channels:
        response, slope = (f"channels.{channel.name}.{x}" for x in _RESPONSE)
        if slope in held:
            held[slope] = min(held[slope], 1.0 - held.get(response, channel.response))
        elif response in held:
            held[response] = min(held[response], 1.0 - channel.response_relevance)
    return held


def toml_of(values: dict[str, float]) -> str:
    """Coefficients by dotted name as the text of a scenario file; parts of lists by their name."""
    tables: dict[str, list[str]] = {}
    for name, value in values.items():
        *parents, last = name.split(".")
        head = f"[{'.'.join(parents)}]"
        if parents[0] in ("channels", "actions", "needs"):
            head = f"[[{parents[0]}]]\nname = {json.dumps(parents[1])}"
        tables.setdefault(head, []).append(f"{last} = {value!r}")
    return "".join(f"\n{head}\n" + "\n".join(rows) + "\n" for head, rows in tables.items())
