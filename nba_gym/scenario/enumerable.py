"""Which worlds can be enumerated: what they must not have, for their states to be few and known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nba_gym.scenario.schema import Action, PersonaTraits, Scenario, Traits

Rule = tuple[str, str, bool, Any]
"""Field, what it must be, whether it is, and its value."""


def check_enumerable(scenario: Scenario) -> None:
    """Check that all luck of a world lies in yes and no, and none of it at birth but the persona.

    How many states there are shows only when they are enumerated.

    Raises:
        ValueError: With "field: rule, got value", for the first field that forbids it.
    """
    for field, rule, holds, value in _rules(scenario):
        if not holds:
            raise ValueError(f"{field} must be {rule} where enumerable is true, got {value}")


def _rules(scenario: Scenario) -> Iterator[Rule]:
    buy, contract = scenario.purchase, scenario.contract
    start, season = scenario.need_dynamics.start, scenario.is_seasonal
    yield "tabular", "absent", scenario.tabular is None, "tables"
    yield "discount", "below 1", scenario.discount < 1.0, scenario.discount
    yield "needs", "one need", scenario.n_needs == 1, scenario.n_needs
    yield "purchase.process", "'one'", buy.process == "one", repr(buy.process)
    shape, rate = buy.transaction_shape, buy.referral_rate
    yield "purchase.transaction_shape", "0", shape == 0.0, f"{shape:g}"
    yield "purchase.referral_rate", "0", rate == 0.0, f"{rate:g}"
    yield "need_dynamics.start", "0", start == 0.0, f"{start:g}"
    one = not contract.enabled or contract.commitment == 1
    yield "contract.commitment", "1", one, contract.commitment
    for need in scenario.needs:
        yield f"needs.{need.name}.quota", "32", need.quota == 32, need.quota
    stages, appointment = scenario.pipeline.stages, scenario.service.appointment
    yield "pipeline.stages", "0", stages == 0, stages
    yield "service.appointment", "0", appointment == 0.0, f"{appointment:g}"
    time_given = scenario.volunteering.scale
    yield "volunteering.scale", "0", time_given == 0.0, f"{time_given:g}"
    together = not (season and scenario.spread_start)
    yield "spread_start", "false in a seasonal world", together, "true"
    for channel in scenario.channels:
        sure = channel.opt_in in (0.0, 1.0)
        yield f"channels.{channel.name}.opt_in", "0 or 1", sure, f"{channel.opt_in:g}"
    for action in scenario.actions:
        yield f"actions.{action.name}.strength", "0 or 1", _is_sure(action, scenario), _g(action)
    yield from _trait_rules("traits", scenario.traits)
    for persona in scenario.personas:
        yield from _trait_rules(f"personas.{persona.name}.traits", persona.traits)


def _is_sure(action: Action, scenario: Scenario) -> bool:
    """Whether a service solves an open problem always or never."""
    needless = action.kind != "service" or scenario.service.problem_hazard == 0.0
    return needless or action.strength in (0.0, 1.0)


def _g(action: Action) -> str:
    return f"{action.strength:g}"


def _trait_rules(label: str, traits: Traits | PersonaTraits) -> Iterator[Rule]:
    given = {
        "price_sensitivity": traits.price_sensitivity,
        "tolerance": traits.tolerance,
        "baseline_loyalty": traits.baseline_loyalty,
        "purchase": traits.purchase,
        "leaving": traits.leaving,
        "spend": traits.spend,
    }
    given |= {f"attention.{name}": one for name, one in traits.attention.items()}
    given |= {f"arrival.{name}": one for name, one in traits.arrival.items()}
    for name, one in given.items():
        if one is not None:
            family = one.family
            yield f"{label}.{name}.family", "'constant'", family == "constant", repr(family)
