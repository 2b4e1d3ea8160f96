"""The mechanisms of a world: which are on, and how to make each weaker or stronger.

The list follows the table "Where to find what" of the model's page. A mechanism is on where one of
its switches differs from 0. Weaker and stronger means 0.5 and 1.5 times its main coefficients;
where those are log-odds, the odds; where they are the distribution of a trait, everybody's trait.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from nba_gym.errors import ScenarioError
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

How = Literal["factor", "odds"]


@dataclass(frozen=True)
class Mechanism:
    """Something that a world may or may not do.

    Attributes:
        name: What tables call it.
        equations: Numbers on the model's page.
        switches: Fields of a scenario that are all 0 where it is off; ``*`` stands for any name.
        scaled: Fields that make it weaker or stronger, if others than the switches; empty for none.
        beside: Further coefficients that say how it works, and are left as they are.
        how: Whether the scaled values are multiplied, or the odds that they are the logarithm of.
        highest: Largest value a scaled field may have.
    """

    name: str
    equations: str
    switches: tuple[str, ...]
    scaled: tuple[str, ...] | None = None
    beside: tuple[str, ...] = ()
    how: How = "factor"
    highest: float = 1.0

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that are scaled."""
        return self.switches if self.scaled is None else self.scaled


def _of(part: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{part}.{name}" for name in names)


_COEFFICIENT = 50.0
"""Coefficients on utilities and log-odds go up to this; shares and probabilities up to 1."""

MECHANISMS = (
    Mechanism("contacts are noticed", "1, 2", ("channels.*.reach",)),
    Mechanism("contacts are answered", "4", _of("channels.*", "response", "response_relevance")),
    Mechanism(
        "opting out",
        "5",
        ("attention.opt_out_scale",),
        ("attention.opt_out_base",),
        _of("attention", "opt_out_by_strain", "opt_out_by_loyalty"),
        how="odds",
    ),
    Mechanism(
        "price sensitivity",
        "6",
        ("traits.price_sensitivity", "personas.*.traits.price_sensitivity"),
        highest=math.inf,
    ),
    Mechanism("price memory", "6, 14", ("price.learn",), beside=("price.forget",)),
    Mechanism("needs make buy", "7", ("purchase.by_need",), highest=_COEFFICIENT),
    Mechanism("awareness makes buy", "7", ("purchase.by_awareness",), highest=_COEFFICIENT),
    Mechanism("loyalty makes buy", "7", ("purchase.by_loyalty",), highest=_COEFFICIENT),
    Mechanism("offers persuade", "8", ("purchase.by_offer",), highest=_COEFFICIENT),
    Mechanism("pressure sells", "8", ("purchase.by_pressure",), highest=_COEFFICIENT),
    Mechanism("spend differs by purchase", "11", ("purchase.transaction_shape",), ()),
    Mechanism(
        "loyalty grows",
        "12a",
        _of(
            "relationship",
            "by_purchase",
            "by_solution",
            "by_care",
            "by_information",
            "by_volunteering",
        ),
    ),
    Mechanism(
        "loyalty is lost",
        "12b",
        _of("relationship", "by_irrelevance", "by_pressure", "by_problem", "by_silence"),
    ),
    Mechanism("loyalty drifts back", "12", ("relationship.drift",)),
    Mechanism(
        "contact tires",
        "13",
        ("channels.*.intrusiveness",),
        beside=_of("attention", "fatigue_decay", "relief"),
        highest=10.0,
    ),
    Mechanism(
        "needs arise",
        "15, 16",
        ("traits.arrival.*", "personas.*.traits.arrival.*"),
        beside=_of("need_dynamics", "decay", "start"),
        highest=math.inf,
    ),
    Mechanism("one need wakes another", "15", ("need_dynamics.excitation.*.*",), highest=math.inf),
    Mechanism("season", "7, 15", _of("needs.*", "season_utility", "season_arrival"), highest=10.0),
    Mechanism(
        "telling pays later (the funnel)",
        "17",
        _of("awareness", "by_information", "by_purchase"),
        beside=("awareness.start",),
    ),
    Mechanism(
        "browsing shows needs",
        "18",
        ("need_dynamics.signal_true",),
        beside=("need_dynamics.signal_false",),
    ),
    Mechanism("answers are noisy", "26", ("need_dynamics.answer_noise",)),
    Mechanism(
        "customers leave",
        "21",
        _of("leaving", "period_scale", "purchase_scale"),
        _of("leaving", "period_base", "purchase_base"),
        how="odds",
    ),
    Mechanism("the disloyal leave", "19", ("leaving.by_loyalty",), highest=_COEFFICIENT),
    Mechanism("the tired leave", "19", ("leaving.by_strain",), highest=_COEFFICIENT),
    Mechanism("problems make leave", "19", ("leaving.by_problem",), highest=_COEFFICIENT),
    Mechanism("contact wakes up", "20", ("leaving.by_wake_up",), highest=_COEFFICIENT),
    Mechanism("retention offers hold", "21", ("leaving.by_retention",), highest=_COEFFICIENT),
    Mechanism(
        "problems arise",
        "22",
        ("service.problem_hazard",),
        beside=_of("service", "problem_end", "complain"),
    ),
    Mechanism(
        "customers come in",
        "23",
        ("service.visit_scale",),
        ("service.visit_base",),
        _of("service", "visit_by_need", "visit_by_problem", "visit_by_loyalty"),
        how="odds",
    ),
    Mechanism(
        "baskets are abandoned", "24", ("service.basket_rate",), beside=("purchase.by_basket",)
    ),
    Mechanism("referrals", "25", ("purchase.referral_rate",), beside=("purchase.referral_value",)),
    Mechanism("buyers come back in", "23", ("service.appointment",)),
    Mechanism(
        "prospects move in stages",
        "39, 40",
        ("pipeline.stages",),
        ("pipeline.base",),
        _of("pipeline", "scale", "by_need", "by_contact", "cool", "lead_cost"),
        how="odds",
    ),
    Mechanism("missing stages hold back", "39", ("pipeline.by_stage",), highest=_COEFFICIENT),
    Mechanism(
        "customers give time",
        "42",
        ("volunteering.scale",),
        ("volunteering.base",),
        _of("volunteering", "by_loyalty", "by_invitation", "value"),
        how="odds",
    ),
    Mechanism("gifts follow the amount asked for", "43", ("purchase.ask_pull",)),
    Mechanism(
        "contracts that renew", "30", ("contract.enabled",), (), ("contract.recurring_margin",)
    ),
)
"""All of them, in the order of the model's page."""


def is_on(mechanism: Mechanism, scenario: Scenario) -> bool:
    """Whether a world does this: whether one of the switches differs from 0."""
    tree = scenario.model_dump(mode="json")
    return any(
        _size(value) != 0.0 for field in mechanism.switches for _, value in find(tree, field)
    )


@dataclass(frozen=True)
class Changed:
    """A world with a mechanism weaker or stronger.

    Attributes:
        scenario: The world.
        factor: What the mechanism was multiplied with.
        stopped: Fields that stopped at the end of their range.
    """

    scenario: Scenario
    factor: float
    stopped: tuple[str, ...]


def scale(mechanism: Mechanism, scenario: Scenario, factor: float) -> Changed:
    """Make a mechanism weaker or stronger.

    Args:
        mechanism: Which; one without scaled fields changes nothing.
        scenario: The world.
        factor: What its coefficients, odds or traits are multiplied with, > 0. Where several fields
            have a limit together, the nearest factor to it that they allow, in steps of a tenth of
            the way to 1.
    """
    tree = scenario.model_dump(mode="json")
    for step in range(10):
        nearer = factor + (1.0 - factor) * step / 10.0
        changes, stopped = _changes(mechanism, tree, nearer)
        try:
            return Changed(load_scenario(scenario, changes), nearer, tuple(stopped))
        except ScenarioError:
            continue
    return Changed(scenario, 1.0, ())


def _changes(
    mechanism: Mechanism, tree: dict[str, Any], factor: float
) -> tuple[dict[str, Any], list[str]]:
    changes: dict[str, Any] = {}
    stopped: list[str] = []
    for field in mechanism.fields:
        for path, value in find(tree, field):
            if isinstance(value, dict):
                changes[path] = _scale_trait(cast(dict[str, Any], value), factor)
            elif mechanism.how == "odds":
                changes[path] = float(value) + math.log(factor)
            elif value:
                changes[path] = min(float(value) * factor, mechanism.highest)
                stopped += [path] if float(value) * factor > mechanism.highest else []
    return changes, stopped


def find(tree: Any, field: str) -> Iterator[tuple[str, Any]]:
    """The values of a field with their paths; ``*`` goes through a table, or a list by name."""
    step, _, rest = field.partition(".")
    for name, value in _children(tree, step):
        if value is None:
            continue
        if not rest:
            yield name, value
        else:
            yield from ((f"{name}.{path}", found) for path, found in find(value, rest))


def _children(node: Any, step: str) -> Iterator[tuple[str, Any]]:
    if isinstance(node, list):
        rows = cast(list[Mapping[str, Any]], node)
        yield from ((str(row["name"]), row) for row in rows if step in ("*", row["name"]))
    elif isinstance(node, dict):
        table = cast(dict[str, Any], node)
        names = list(table) if step == "*" else [step] if step in table else []
        yield from ((name, table[name]) for name in names)


def _size(value: Any) -> float:
    """How much there is of a coefficient; a distribution is 0 only where it is a constant 0."""
    if isinstance(value, dict):
        return float(cast(dict[str, Any], value).get("value", 1.0))
    return float(value)


def _scale_trait(given: dict[str, Any], factor: float) -> dict[str, Any]:
    """The distribution of a trait >= 0 of which everybody has ``factor`` times as much."""
    match given["family"]:
        case "gamma":
            return given | {"rate": given["rate"] / factor}
        case "lognormal":
            return given | {"median": given["median"] * factor}
        case "normal":
            return given | {"mean": given["mean"] * factor, "sd": given["sd"] * factor}
        case "constant":
            return given | {"value": given["value"] * factor}
        case _:
            raise ValueError(f"family must be of a trait without upper end, got {given['family']}")
