"""Let a policy act for many customers over their whole journeys, and keep what it came to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.kernel import Outcome
from nba_gym.customer.populate import AnyPopulation, populate
from nba_gym.errors import PolicyError
from nba_gym.policies.asking import (
    choose,
    choose_by_lot,
    sees_everything,
    show_simulator,
)
from nba_gym.policies.checks import check_customers, check_world
from nba_gym.policies.protocol import Policy, StochasticPolicy
from nba_gym.policies.rows import draw_actions
from nba_gym.policies.simple import UniformRandom
from nba_gym.randomness import policy_luck
from nba_gym.records.events import event_columns
from nba_gym.records.ledger import LINES
from nba_gym.records.log import EventLog
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]
_COSTS = [LINES.index(line) for line in ("acquisition", "contact_cost", "service_cost")]
Watch = Callable[[int, AnyPopulation], None]


@dataclass(frozen=True)
class Rollout:
    """What a policy came to, customer by customer.

    Attributes:
        customers: Numbers of the customers, ``(n,)``.
        persona: Persona of each, ``(n,)``.
        value: Discounted profit of the journey, ``(n,)``.
        lines: Discounted ledger lines, by name, ``(n,)`` each; they sum to ``value``.
        lifetime: Periods until the customer left (known only to the simulator) or the horizon,
            ``(n,)``.
        contacts: Outbound contacts, ``(n,)``.
        opt_outs: Channels opted out of, ``(n,)``.
        purchases: Purchases, ``(n,)``.
        courtship: Cost of the lead, of contacts and of service until the first purchase, that
            period included, or to the end, undiscounted, ``(n,)``.
        alive: Share of customers who have not left, by period, ``(horizon,)``.
        contact_rate: Contacts a customer, by period and channel, ``(horizon, n_channels)``.
        action_share: Share of the customers who got each action, by period,
            ``(horizon, n_actions)``.
        profit: Mean undiscounted profit by period, ``(horizon,)``.
        by_state: Share of each kind of action by what the records show of the customer.
    """

    customers: NDArray[np.uint64]
    persona: NDArray[np.int64]
    value: Floats
    lines: dict[str, Floats]
    lifetime: Floats
    contacts: Floats
    opt_outs: Floats
    purchases: Floats
    courtship: Floats
    alive: Floats
    contact_rate: Floats
    action_share: Floats
    profit: Floats
    by_state: dict[str, Floats] = field(default_factory=dict[str, Floats])


def rollout(
    policy: Policy,
    scenario: str | Path | Scenario,
    customers: int | NDArray[Any] = 20_000,
    seed: int = 0,
    *,
    threads: int | None = None,
    chunk: int = 8_192,
    progress: Progress | None = None,
    watch: Watch | None = None,
) -> Rollout:
    """Simulate whole journeys under a policy.

    Args:
        policy: Chooses the actions. A :class:`StochasticPolicy` says probabilities, and each
            customer's own random number draws. A privileged policy is shown more: the hidden half
            among the observations if its ``observe`` is ``"everything"``, the simulator if it has
            ``bind``.
        scenario: The world.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.
        threads: Threads of the kernel.
        chunk: Customers simulated side by side; it does not change any journey.
        progress: Called with customers done and customers in all.
        watch: Called for each chunk with 0 and its customers once they are born, then with the
            number of periods lived after every period; it may look at the hidden half.

    Returns:
        The outcome, in the order of ``customers``.

    Raises:
        PolicyError: If the policy answers with something that is not one action a customer, or
            customers, seed or threads are out of range.
    """
    numbers, scenario = check_customers(customers), load_scenario(scenario)
    check_world(seed, threads)
    parts: list[Rollout] = []
    for first in range(0, len(numbers), chunk):
        part = numbers[first : first + chunk]
        parts.append(_roll_chunk(policy, scenario, part, seed, threads, watch))
        if progress is not None:
            progress(first + len(part), len(numbers))
    return _join(parts)


def decide(
    policy: Policy,
    population: AnyPopulation,
    seed: int,
    period: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """Step 2 for a population: what the policy chooses, drawn with each customer's own luck.

    Raises:
        PolicyError: If the answer is not one action, or no distribution of them, a customer.
    """
    out, (_, customers) = population.out, population.who()
    return choose(policy, out.observations, out.masks, customers, seed, period, generator)


def decide_and_tell(
    policy: Policy,
    population: AnyPopulation,
    seed: int,
    period: int,
    generator: np.random.Generator,
) -> tuple[NDArray[np.int64], Floats | None]:
    """The same with the propensity of what is then done, ``(n,)``, if the policy says any."""
    if not isinstance(policy, StochasticPolicy):
        return decide(policy, population, seed, period, generator), None
    out, (_, customers) = population.out, population.who()
    luck = policy_luck(seed, customers, period)
    return choose_by_lot(policy, out.observations, out.masks, luck)


class _Tally:
    """Sums over the periods of one chunk."""

    def __init__(self, population: AnyPopulation) -> None:
        scenario, n = population.scenario, population.n
        columns = event_columns(scenario)
        self.scenario = scenario
        self.column = {name: columns.index(name) for name in ("action", "sent", "opted_out")}
        self.column["purchases"] = columns.index("purchases")
        self.channel = np.array(scenario.channel_of_action)
        self.lines = np.zeros((n, len(LINES)))
        self.lifetime = np.zeros(n)
        self.contacts, self.opt_outs, self.purchases = np.zeros(n), np.zeros(n), np.zeros(n)
        self.courtship = np.zeros(n)
        horizon = scenario.horizon
        self.alive, self.profit = np.zeros(horizon), np.zeros(horizon)
        self.contact_rate = np.zeros((horizon, scenario.n_channels))
        self.action_share = np.zeros((horizon, scenario.n_actions))

    def add(self, t: int, out: Outcome, alive: Floats) -> None:
        """Count one period."""
        events = out.events
        actions = events[:, self.column["action"]].astype(np.int64)
        sent = events[:, self.column["sent"]]
        self.lines += self.scenario.discount**t * out.ledger
        self.lifetime += alive
        self.alive[t] = alive.mean()
        self.contacts += sent
        self.opt_outs += events[:, self.column["opted_out"]]
        self.courtship -= np.where(self.purchases > 0, 0.0, out.ledger[:, _COSTS].sum(axis=1))
        self.purchases += events[:, self.column["purchases"]]
        self.profit[t] = out.rewards.mean()
        counts = np.bincount(actions, minlength=self.scenario.n_actions) / len(actions)
        self.action_share[t] = counts
        for c in range(self.scenario.n_channels):
            self.contact_rate[t, c] = (sent * (self.channel[actions] == c)).mean()


def _roll_chunk(
    policy: Policy,
    scenario: Scenario,
    customers: NDArray[np.uint64],
    seed: int,
    threads: int | None,
    watch: Watch | None,
) -> Rollout:
    n = len(customers)
    population = populate(scenario, n, hidden=sees_everything(policy), record=True, threads=threads)
    population.begin(np.ones(n, dtype=np.bool_), np.full(n, seed, dtype=np.uint64), customers)
    show_simulator(policy, population)
    generator = np.random.default_rng([seed, int(customers[0])])
    tally = _Tally(population)
    states = StateCounts(population)
    if watch is not None:
        watch(0, population)
    for t in range(scenario.horizon):
        actions = decide(policy, population, seed, t, generator)
        states.add(population, actions)
        alive = population.read("alive")[:, 0].astype(np.float64)
        tally.add(t, population.step(actions, kernel.DISABLED), alive)
        if watch is not None:
            watch(t + 1, population)
    return Rollout(
        customers=customers,
        persona=population.read("persona")[:, 0].astype(np.int64),
        value=tally.lines.sum(axis=1),
        lines={line: tally.lines[:, i] for i, line in enumerate(LINES)},
        lifetime=tally.lifetime,
        contacts=tally.contacts,
        opt_outs=tally.opt_outs,
        purchases=tally.purchases,
        courtship=tally.courtship,
        alive=tally.alive,
        contact_rate=tally.contact_rate,
        action_share=tally.action_share,
        profit=tally.profit,
        by_state=states.table,
    )


MOST_STATES = 12
"""States of a tabular world that choices are counted by; of more than that, by none."""


class StateCounts:
    """How often each kind of action is chosen, by what the records show of a customer.

    Attributes:
        table: Counts by state, ``(n_kinds,)`` each, in the order of ``KINDS``.
    """

    KINDS = ("wait", "inform", "offer", "service", "reward", "ask", "retain", "invite")

    def __init__(self, population: AnyPopulation) -> None:
        names = [feature.name for feature in population.features]
        self._column = {name: i for i, name in enumerate(names)}
        kinds = [self.KINDS.index(action.kind) for action in population.scenario.actions]
        self._kind = np.array(kinds)
        self.table: dict[str, Floats] = {}

    def add(self, population: AnyPopulation, actions: NDArray[np.int64]) -> None:
        """Count one period's choices in running journeys; forbidden ones count as waiting."""
        out, running = population.out, population.state.ended[: population.n] == 0
        allowed = out.masks[np.arange(len(actions)), actions] > 0
        kinds = np.where(allowed, self._kind[actions], 0)
        for name, rows in self._states(out.observations).items():
            chosen = kinds[rows & running]
            counts = np.bincount(chosen, minlength=len(self.KINDS)).astype(np.float64)
            self.table[name] = self.table.get(name, np.zeros(len(self.KINDS))) + counts

    def _states(self, x: NDArray[np.float32]) -> dict[str, NDArray[np.bool_]]:
        column = self._column
        if "recency" not in column:  # a tabular world has nothing but its states
            shown = [(name, i) for name, i in column.items() if name.startswith("state.")]
            return {name: x[:, i] > 0.5 for name, i in shown if len(shown) <= MOST_STATES}
        recency, contacts = x[:, column["recency"]], x[:, column["contacts_4"]]
        baskets = [i for name, i in column.items() if name.startswith("basket.")]
        visits = [i for name, i in column.items() if name.startswith("visiting.")]
        states: dict[str, Any] = {
            "bought in the last 4": recency < 4.0 / 12.0,
            "no purchase for 26": recency >= 26.0 / 34.0,
            "not contacted in 4": contacts < 0.01,
            "contacted 2+ in 4": contacts >= 0.49,
            "complaint open": x[:, column["complaint"]] > 0.5,
            "basket open": (x[:, baskets] > 0.0).any(axis=1),
            "visiting now": (x[:, visits] > 0.5).any(axis=1),
        }
        if "renewal_due" in column:
            states["renewal due"] = x[:, column["renewal_due"]] > 0.5
        return states


def _join(parts: list[Rollout]) -> Rollout:
    """One rollout from chunks; means over customers are weighted by their numbers."""
    sizes = np.array([len(part.customers) for part in parts], dtype=np.float64)

    def mean(name: str) -> Floats:
        stacked = np.stack([cast(Floats, getattr(part, name)) for part in parts])
        return np.average(stacked, axis=0, weights=sizes)

    def whole(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    per_customer = (
        "customers",
        "persona",
        "value",
        "lifetime",
        "contacts",
        "opt_outs",
        "purchases",
        "courtship",
    )
    over_time = ("alive", "contact_rate", "action_share", "profit")
    lines = {line: np.concatenate([part.lines[line] for part in parts]) for line in LINES}
    states = {
        state: cast(Floats, sum(part.by_state[state] for part in parts))
        for state in parts[0].by_state
    }
    columns: dict[str, Any] = {name: whole(name) for name in per_customer}
    columns |= {name: mean(name) for name in over_time}
    return Rollout(**columns, lines=lines, by_state=states)


@dataclass(frozen=True)
class LoggedCampaign:
    """A logged campaign; see :class:`nba_gym.policies.campaign.CampaignLog`."""

    observations: NDArray[np.float32]
    actions: NDArray[np.int64]
    customers: NDArray[np.int64]
    periods: NDArray[np.int64]
    bought: NDArray[np.bool_]
    needs: NDArray[np.int64]
    left: NDArray[np.bool_]
    volunteered: NDArray[np.bool_]
    margins: Floats
    earnings: Floats
    masks: NDArray[np.bool_]
    propensities: Floats
    feature_names: list[str]


def log_campaign(
    scenario: str | Path | Scenario,
    customers: int | NDArray[Any],
    seed: int,
    *,
    policy: StochasticPolicy | None = None,
    threads: int | None = None,
) -> LoggedCampaign:
    """Log a randomised campaign, as a firm would run one to learn from.

    Args:
        scenario: The world.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.
        policy: Who acts; by default waits half of the time, else uniform over what is allowed.
        threads: Threads of the kernel.

    Returns:
        One row a customer and period, until the journey ends. ``actions`` are those carried out.
    """
    acting, scenario = policy or UniformRandom(wait=0.5), load_scenario(scenario)
    numbers = check_customers(customers)
    check_world(seed, threads)
    n = len(numbers)
    population = populate(scenario, n, record=True, threads=threads)
    begin = np.ones(n, dtype=np.bool_)
    population.begin(begin, np.full(n, seed, dtype=np.uint64), numbers)
    columns = event_columns(scenario)
    names = ("action", "purchases", "need_bought", "cancelled", "volunteered")
    action, purchases, need, cancelled, volunteered = (columns.index(name) for name in names)
    sold = [LINES.index(line) for line in ("margin", "discounts", "referrals")]
    spent = [LINES.index(line) for line in ("acquisition", "contact_cost")]
    kept: list[tuple[Any, ...]] = []
    for t in range(scenario.horizon):
        running = population.state.ended[:n] == 0
        x = population.out.observations.copy()
        masks = population.out.masks > 0
        chances = acting.probabilities(x, population.out.masks)
        chosen = draw_actions(chances, policy_luck(seed, numbers, t))
        out = population.step(chosen, kernel.DISABLED)
        row = (
            x,
            out.events[:, action].astype(np.int64),
            np.arange(n),
            np.full(n, t),
            out.events[:, purchases] > 0,
            out.events[:, need].astype(np.int64),
            out.events[:, cancelled] > 0,
            out.events[:, volunteered] > 0,
            out.ledger[:, sold].sum(axis=1),
            out.rewards - out.ledger[:, spent].sum(axis=1),
            masks,
            chances[np.arange(n), chosen],
        )
        kept.append(tuple(column[running] for column in row))
    joined = [np.concatenate(column) for column in zip(*kept, strict=True)]
    feature_names = [feature.name for feature in population.features]
    return LoggedCampaign(*joined, feature_names=feature_names)


def record_journeys(
    policy: Policy,
    scenario: str | Path | Scenario,
    customers: int | NDArray[Any],
    seed: int = 0,
) -> EventLog:
    """Simulate whole journeys and keep the event log.

    Args:
        policy: Chooses the actions.
        scenario: The world.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.

    Returns:
        Birth records and events, as the firm saw them, and the propensities of a policy that says
        probabilities.
    """
    scenario, numbers = load_scenario(scenario), check_customers(customers)
    check_world(seed)
    if scenario.tabular is not None:
        raise PolicyError(
            f"scenario must have event logs, got {scenario.name!r}, a tabular world of states"
        )
    n = len(numbers)
    population = populate(scenario, n, hidden=sees_everything(policy), record=True)
    population.begin(np.ones(n, dtype=np.bool_), np.full(n, seed, dtype=np.uint64), numbers)
    show_simulator(policy, population)
    births = birth_records(population)
    generator = np.random.default_rng([seed, int(numbers[0])])
    events, propensities = list[Floats](), list[Floats]()
    for t in range(scenario.horizon):
        actions, likely = decide_and_tell(policy, population, seed, t, generator)
        events.append(population.step(actions, kernel.DISABLED).events.copy())
        if likely is not None:
            propensities.append(likely)
    said = np.stack(propensities) if propensities else None
    return EventLog(numbers, births, np.stack(events), said)


def birth_records(population: AnyPopulation) -> Floats:
    """What the firm knows of new customers, columns as ``BIRTH_EVENTS``, ``(n, n_columns)``."""
    columns = [population.read(name) for name in ("phase", "commitment", "consent")]
    return np.concatenate(columns, axis=1).astype(np.float64)
