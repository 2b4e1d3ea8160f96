"""Worlds at their limits, and crowds of customers in one state: what closed forms speak of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.kernel import Outcome
from nba_gym.customer.population import HIDDEN_BOOKS, KEPT_BOOKS, Population
from nba_gym.evaluation.rollout import decide
from nba_gym.policies import Policy
from nba_gym.records.events import event_columns
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

MECHANISMS = (
    "purchase",
    "price",
    "need_dynamics",
    "awareness",
    "attention",
    "relationship",
    "leaving",
    "contract",
    "service",
    "pipeline",
    "volunteering",
    "engagement",
)
NO_SEASON = {"season_utility": 0.0, "season_arrival": 0.0}
NO_GATES = {"staged": False, "for_owners": False, "quota": 32, "quota_window": 1}
NO_RULES = {"eligibility": [], "applicability": [], "suitability": [], "valid": None}
NO_LIMITS = {"cap": 32, "window": 1, "pause_after": 10_000, "pause": 0, "opt_in": 1.0}

SHOWN = [name for book in HIDDEN_BOOKS for name in book.places]
"""Names of the hidden quantities that are kept from period to period and shown to oracles."""
HIDDEN = [*SHOWN, "patience"]
VISIBLE = [name for book in KEPT_BOOKS for name in book.places if name not in HIDDEN]


def constant(value: float) -> dict[str, Any]:
    """A trait that is the same for everybody."""
    return {"family": "constant", "value": value}


def nothing_but(preset: str, **settings: Any) -> Scenario:
    """A preset in which every mechanism, season, rule and limit is off but what is given.

    Args:
        preset: Whose needs, channels and actions are kept.
        **settings: Fields by their path, with ``__`` for the dot: ``leaving__period_scale=1.0``.
    """
    tree = load_scenario(preset).model_dump(mode="json")
    tree |= {mechanism: {} for mechanism in MECHANISMS}
    tree["personas"] = [{"name": "anybody", "share": 1.0}]
    tree["needs"] = [need | NO_SEASON | NO_GATES for need in tree["needs"]]
    tree["channels"] = [channel | NO_LIMITS for channel in tree["channels"]]
    tree["actions"] = [action | NO_RULES for action in tree["actions"]]
    return load_scenario(Scenario.model_validate(tree), dotted(settings))


def with_only(
    scenario: Scenario, needs: Collection[str], channels: Collection[str] | None = None
) -> Scenario:
    """The same world without the other needs and channels, and the actions that were for them."""
    tree = scenario.model_dump(mode="json")
    channels = [c.name for c in scenario.channels] if channels is None else channels
    tree["needs"] = [need for need in tree["needs"] if need["name"] in needs]
    tree["channels"] = [channel for channel in tree["channels"] if channel["name"] in channels]
    actions = []
    for action in tree["actions"]:
        spoke = bool(action["needs"])
        action["needs"] = {k: x for k, x in action["needs"].items() if k in needs}
        lost = spoke and not action["needs"]
        if action["kind"] == "wait" or (action["channel"] in channels and not lost):
            actions.append(action)
    tree["actions"] = actions
    for trait, kept in (("arrival", needs), ("attention", channels)):
        for traits in (tree["traits"], *(persona["traits"] for persona in tree["personas"])):
            given = traits.get(trait) or {}
            traits[trait] = {name: x for name, x in given.items() if name in kept}
    return Scenario.model_validate(tree)


def smallest(**settings: Any) -> Scenario:
    """A world of one need and one channel in which nothing is on but what is given: fast."""
    only = with_only(nothing_but("control"), ["bread"], ["email"])
    return load_scenario(only, dotted(settings))


def dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``{"leaving__period_scale": 1.0}`` as ``{"leaving.period_scale": 1.0}``."""
    return {path.replace("__", "."): value for path, value in settings.items()}


def without_effects(preset: str, *, costs: bool) -> Scenario:
    """A preset with all of its life, in which actions do nothing to customers.

    Args:
        preset: The world.
        costs: Whether actions still cost what they cost.
    """
    tree = load_scenario(preset).model_dump(mode="json")
    nothing = {"discount": 0.0, "strength": 0.0, "pressure": 0.0, "intrusiveness": 0.0}
    nothing["ask_amount"] = 1.0
    free = {} if costs else {"cost": 0.0, "fulfil_cost": 0.0}
    # an accepted retention offer sets a new term, which no coefficient switches off
    deaf = {"response": 0.0, "response_relevance": 0.0} if tree["contract"]["enabled"] else {}
    tree["actions"] = [action | nothing | free for action in tree["actions"]]
    tree["channels"] = [
        channel | deaf | ({} if costs else {"cost": 0.0}) for channel in tree["channels"]
    ]
    tree["purchase"] |= {"by_offer": 0.0, "by_pressure": 0.0}
    tree["attention"]["opt_out_scale"] = 0.0
    tree["relationship"]["by_silence"] = 0.0  # to answer is to prevent it
    tree["pipeline"]["cool"] = 0.0  # to be noticed is to prevent it
    tree["leaving"] |= {"by_wake_up": 0.0, "by_retention": 0.0}
    return Scenario.model_validate(tree)


def populate(scenario: Scenario, n: int, seed: int = 0, **settings: Any) -> Population:
    """Customers 0 to ``n - 1`` of a world, just born."""
    population = Population(scenario, n, threads=1, **settings)
    everybody, seeds = np.ones(n, dtype=np.bool_), np.full(n, seed, dtype=np.uint64)
    population.begin(everybody, seeds, np.arange(n, dtype=np.uint64))
    return population


def look_again(population: Population) -> None:
    """Observe everybody as they are now, after quantities were written."""
    seeds, customers = population.who()
    population.begin(np.zeros(population.n, dtype=np.bool_), seeds, customers)


def put_all_in_the_state_of(population: Population, other: Population, i: int) -> None:
    """Put every customer in the state of customer ``i`` of another population of the same world.

    How long each would stay is a matter of luck, not of state: ``draw_often`` draws it.
    """
    for name in [*VISIBLE, *SHOWN]:
        population.write(name, other.read(name)[i])
    look_again(population)


def step(population: Population, action: int | NDArray[Any]) -> Outcome:
    """Live one period; one action for all, or one for each."""
    actions = np.zeros(population.n, dtype=np.int64)
    actions += action
    return population.step(actions, kernel.DISABLED)


def draw_often(population: Population, action: int, times: int) -> Iterator[Outcome]:
    """Live the same period again and again from the same state, each time with other luck.

    Luck depends on the period of the journey, so each time pretends to be another period. Patience
    is drawn at birth, so it is drawn again: uniform for whoever has not left.
    """
    state = [part.copy() for part in population.state]
    generator, alive = np.random.default_rng(times), population.read("alive")[:, 0]
    for period in range(1, times + 1):  # not the first, in which a lead is paid
        for part, kept in zip(population.state, state, strict=True):
            part[...] = kept
        population.write("tenure", period)
        patience = generator.random(population.n, dtype=np.float32)
        population.write("patience", ((1.0 - patience) * alive)[:, None])
        yield step(population, action)
    for part, kept in zip(population.state, state, strict=True):
        part[...] = kept


def let_live(policy: Policy, population: Population, periods: int) -> Iterator[Outcome]:
    """Whole journeys under a policy, period by period."""
    generator = np.random.default_rng(0)
    seed = int(population.who()[0][0])
    for period in range(periods):
        actions = decide(policy, population, seed, period, generator)
        yield population.step(actions, kernel.DISABLED)


def event(population: Population, out: Outcome, name: str) -> NDArray[np.float64]:
    """One event of the last period, ``(n,)``, or ``(n, needs)`` for one by need."""
    columns = event_columns(population.scenario)
    at = [i for i, column in enumerate(columns) if column.split(".")[0] == name]
    found = out.events[:, at]
    return found[:, 0] if len(at) == 1 and columns[at[0]] == name else found
