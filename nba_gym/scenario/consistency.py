"""Checks across the fields of a scenario, each with the field, the rule and the value."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from nba_gym.errors import ScenarioError, nearest
from nba_gym.lanes import MAX_CHANNELS, MAX_NEEDS
from nba_gym.scenario.enumerable import check_enumerable
from nba_gym.scenario.fields import Distribution
from nba_gym.scenario.schema import Action, PersonaTraits, Scenario, Traits
from nba_gym.scenario.tables import problem_of

RULES: dict[str, str] = {
    "customer": "the contract has ended",
    "no_complaint": "a complaint is open",
    "complaint": "no complaint is open",
    "basket": "no basket is open for what the action speaks to",
    "no_basket": "a basket is open",
    "purchased_before": "nothing was bought yet",
    "no_recent_purchase": "something was bought a moment ago",
    "no_recent_answer": "a question was answered a moment ago",
    "near_renewal": "no renewal is near",
    "prospect": "something was bought already",
    "interested": "no stage of the pipeline is reached",
    "closing": "the last stage of the pipeline is not reached",
}
"""Rules an action may ask for, and what to say when one is broken."""

MAX_SEASONS = 64 - (3 * MAX_CHANNELS + 2 * MAX_NEEDS + 1 + len(RULES))
"""Largest number of different ``valid`` in a catalogue: what the conditions that the engagement
rules keep of every channel, need and rule leave free of a 64-bit word."""

_POSITIVE_FAMILIES = ("gamma", "lognormal", "constant")
_UNIT_FAMILIES = ("beta", "constant")
LEAST = 1e-9
"""Smallest constant of a trait that something is divided by, or whose logarithm is taken."""


def check_consistency(scenario: Scenario) -> None:
    """Check what no single field can: names, shares, references.

    Raises:
        ValueError: With "field: rule, got value", collected by the loader.
    """
    for label, parts, most in (
        ("needs", scenario.needs, MAX_NEEDS),
        ("channels", scenario.channels, MAX_CHANNELS),
        ("actions", scenario.actions, 1_000_000),
        ("personas", scenario.personas, 1_000),
    ):
        if not 1 <= len(parts) <= most:
            raise ValueError(f"{label} must have 1 to {most} entries, got {len(parts)}")
        _unique(label, (part.name for part in parts))
    total = math.fsum(persona.share for persona in scenario.personas)
    if abs(total - 1.0) > 1e-9:
        raise ValueError(f"personas.share must sum to 1, got {total:g}")
    _check_channels(scenario)
    _check_actions(scenario)
    _check_traits("traits", scenario.traits, scenario, complete=True)
    for persona in scenario.personas:
        _check_traits(f"personas.{persona.name}.traits", persona.traits, scenario, complete=False)
    _check_rest(scenario)
    if scenario.tabular is not None:
        _check_tables(scenario)
    if scenario.enumerable:
        check_enumerable(scenario)


def _check_tables(scenario: Scenario) -> None:
    try:
        problem_of(scenario)
    except ScenarioError as error:
        raise ValueError(str(error)) from None


def _unique(label: str, names: Iterable[str]) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{label}.name must be unique, got {name!r} {count} times")


def _check_channels(scenario: Scenario) -> None:
    shares = math.fsum(c.visit_share for c in scenario.channels)
    inbound = [c for c in scenario.channels if c.direction == "inbound"]
    for channel in scenario.channels:
        label = f"channels.{channel.name}"
        if channel.direction == "outbound" and channel.visit_share > 0:
            raise ValueError(
                f"{label}.visit_share must be 0 on an outbound channel, got {channel.visit_share:g}"
            )
        if channel.response + channel.response_relevance > 1:
            total = channel.response + channel.response_relevance
            raise ValueError(
                f"{label}.response + response_relevance must be at most 1, got {total:g}"
            )
    if scenario.service.visit_scale > 0 and abs(shares - 1.0) > 1e-9:
        raise ValueError(
            f"channels.visit_share must sum to 1 over the {len(inbound)} inbound channels "
            f"when service.visit_scale > 0, got {shares:g}"
        )


def _check_actions(scenario: Scenario) -> None:
    needs = [need.name for need in scenario.needs]
    channels = [channel.name for channel in scenario.channels]
    first = scenario.actions[0]
    if first.kind != "wait" or first.channel:
        raise ValueError(
            "the first of actions must be waiting without a channel, got "
            f"kind {first.kind!r}, channel {first.channel!r}"
        )
    for action in scenario.actions[1:]:
        label = f"actions.{action.name}"
        if action.kind == "wait":
            raise ValueError(f"{label}.kind must not be wait after the first action, got 'wait'")
        if action.channel not in channels:
            hint = nearest(action.channel, channels)
            raise ValueError(
                f"{label}.channel must be a channel of the scenario, got {action.channel!r}{hint}"
            )
        if action.kind == "offer" and not action.needs:
            raise ValueError(f"{label}.needs must name at least one need for an offer, got none")
        if action.discount > 0 and not (action.kind in ("offer", "retain") and action.needs):
            raise ValueError(
                f"{label}.discount must be 0 unless an offer or retain action names needs, "
                f"got {action.discount:g} on {action.kind}"
            )
        if action.ask_amount != 1.0 and not (action.kind == "offer" and not action.discount):
            raise ValueError(
                f"{label}.ask_amount must be 1 unless an offer without discount asks for it, "
                f"got {action.ask_amount:g}"
            )
        _check_weights(label, action, needs)
        _check_policy(label, action, scenario.cycle)
    _check_seasons(scenario.actions)


def _check_weights(label: str, action: Action, needs: list[str]) -> None:
    for need, weight in action.needs.items():
        if need not in needs:
            raise ValueError(
                f"{label}.needs must name needs of the scenario, got {need!r}{nearest(need, needs)}"
            )
        if not 0.0 <= weight <= 1.0:
            raise ValueError(f"{label}.needs.{need} must be in [0, 1], got {weight:g}")


def _check_policy(label: str, action: Action, cycle: int) -> None:
    for stage in ("eligibility", "applicability", "suitability"):
        for rule in getattr(action, stage):
            if rule not in RULES:
                raise ValueError(
                    f"{label}.{stage} must name known rules, got {rule!r}{nearest(rule, RULES)}"
                )
    for phase in action.valid or ():
        if not 0 <= phase < cycle:
            raise ValueError(f"{label}.valid must be in [0, {cycle}), the cycle, got {phase}")


def _check_seasons(actions: Iterable[Action]) -> None:
    seasons: set[tuple[int, int]] = set()
    for action in actions:
        if action.valid:
            seasons.add(action.valid)
        if len(seasons) > MAX_SEASONS:
            raise ValueError(
                f"actions.{action.name}.valid must be one of at most {MAX_SEASONS} different "
                f"seasons, got {list(action.valid or ())} as another one"
            )


def _check_traits(
    label: str, traits: Traits | PersonaTraits, scenario: Scenario, *, complete: bool
) -> None:
    outbound = [c.name for c in scenario.channels if c.direction == "outbound"]
    needs = [need.name for need in scenario.needs]
    for kind, given, known in (
        ("attention", traits.attention, outbound),
        ("arrival", traits.arrival, needs),
    ):
        what = "outbound channels" if kind == "attention" else "needs"
        for name in given:
            if name not in known:
                raise ValueError(
                    f"{label}.{kind} must name {what} of the scenario, got {name!r}"
                    f"{nearest(name, known)}"
                )
        missing = [name for name in known if name not in given]
        if complete and missing:
            raise ValueError(f"{label}.{kind}.{missing[0]} must be given, got nothing")
    _check_family(f"{label}.price_sensitivity", traits.price_sensitivity, _POSITIVE_FAMILIES)
    _check_family(f"{label}.tolerance", traits.tolerance, _POSITIVE_FAMILIES, least=LEAST)
    spend_families = ("gamma", "inverse_gamma", "lognormal", "constant")
    _check_family(f"{label}.spend", traits.spend, spend_families, least=LEAST)
    _check_family(f"{label}.baseline_loyalty", traits.baseline_loyalty, _UNIT_FAMILIES)
    for name, one in traits.attention.items():
        _check_family(f"{label}.attention.{name}", one, _UNIT_FAMILIES)
    for name, one in traits.arrival.items():
        _check_family(f"{label}.arrival.{name}", one, _POSITIVE_FAMILIES)
    purchase_families = ("gamma", "beta", "constant", "normal")
    _check_family(f"{label}.purchase", traits.purchase, purchase_families, least=LEAST)
    _check_family(f"{label}.leaving", traits.leaving, ("gamma", "beta", "constant", "normal"))


def _check_family(
    label: str, given: Distribution | None, families: tuple[str, ...], *, least: float = 0.0
) -> None:
    """Check the family of a distribution, and the value of a constant one."""
    if given is None:
        return
    if given.family not in families:
        raise ValueError(
            f"{label}.family must be one of {', '.join(families)}, got {given.family!r}"
        )
    most = 1.0 if "beta" in families else 1e9
    if given.family == "constant" and not least <= given.value <= most:
        raise ValueError(f"{label}.value must be in [{least:g}, {most:g}], got {given.value:g}")


def _check_pipeline(scenario: Scenario) -> None:
    if scenario.pipeline.stages and not any(need.staged for need in scenario.needs):
        raise ValueError("needs.staged must be true of a need when pipeline.stages > 0, got none")
    if all(need.for_owners for need in scenario.needs):
        raise ValueError("needs.for_owners must be false of a need, got true of all")


def _check_rest(scenario: Scenario) -> None:
    _check_pipeline(scenario)
    needs = [need.name for need in scenario.needs]
    contract = scenario.contract
    if contract.recurring_margin > 0 and not contract.enabled:
        raise ValueError(
            "contract.recurring_margin must be 0 unless contract.enabled, "
            f"got {contract.recurring_margin:g}"
        )
    dynamics = scenario.need_dynamics
    for source, targets in dynamics.excitation.items():
        for name, weight in [(source, 0.0), *targets.items()]:
            if name not in needs:
                raise ValueError(
                    f"need_dynamics.excitation must name needs of the scenario, got {name!r}"
                    f"{nearest(name, needs)}"
                )
            if weight < 0:
                raise ValueError(
                    f"need_dynamics.excitation.{source}.{name} must be >= 0, got {weight:g}"
                )
    if dynamics.start > 0.5:
        raise ValueError(f"need_dynamics.start must be at most 0.5, got {dynamics.start:g}")
    if dynamics.signal_true < dynamics.signal_false:
        raise ValueError(
            "need_dynamics.signal_true must be at least signal_false, got "
            f"{dynamics.signal_true:g} < {dynamics.signal_false:g}"
        )
