"""How much of a journey's value each contact brought: the same life lived without it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from nba_gym.policies.checks import check_customers, check_policy, check_world
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import NoContact
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario
from nba_gym.statistics import Interval
from nba_gym.truth.crowd import CHUNK, Crowd, check_count
from nba_gym.truth.pairs import Floats, Pair, interval_of

Whole = NDArray[np.int64]

NO_CHANNEL = "none"
"""What tables call the channel of an action that has none."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """What every contact of every journey brought.

    Leave-one-out effects need not sum to the effect of all contacts. Of two contacts that would
    each have won the same purchase neither is missed alone, so the sum is too small; of two that
    win it only together both are, so it is too large. ``total`` is what the contacts did together,
    ``of_contacts`` is what their effects sum to; report both.

    Attributes:
        scenario: The world.
        customers: Numbers of the customers, ``(n,)``.
        value: Discounted profit of the journey (first), and of one without any contact (second).
        owner: Whose contact, as a place in ``customers``, ``(n_contacts,)``.
        period: When, ``(n_contacts,)``.
        action: Number of the action, ``(n_contacts,)``.
        effect: Value of the journey less that of the same journey without this contact, discounted
            to the journey's start, in currency, ``(n_contacts,)``.
    """

    scenario: Scenario
    customers: NDArray[np.uint64]
    value: Pair
    owner: Whole
    period: Whole
    action: Whole
    effect: Floats

    @property
    def total(self) -> Interval:
        """Mean over customers of what all contacts did together, in currency."""
        return self.value.interval()

    @property
    def of_contacts(self) -> Interval:
        """Mean over customers of the sum of leave-one-out effects, in currency."""
        return interval_of(self._by_customer(np.ones(len(self.owner), dtype=np.bool_)))

    @property
    def by_action(self) -> pl.DataFrame:
        """A row an action that occurred, the most valuable first.

        ``contacts``: how many; ``value``: the sum of their effects a customer, with its 95 %
        interval over customers; ``per_contact``: their mean effect; all in currency.
        """
        return self._table("action", self.action, [each.name for each in self.scenario.actions])

    @property
    def by_channel(self) -> pl.DataFrame:
        """The same, a row a channel."""
        names = [each.channel or NO_CHANNEL for each in self.scenario.actions]
        channels = sorted(set(names))
        numbers = np.array([channels.index(name) for name in names])
        return self._table("channel", numbers[self.action], channels)

    def _by_customer(self, which: NDArray[np.bool_]) -> Floats:
        """Sum of the effects of some contacts for every customer, ``(n,)``."""
        effects = np.where(which, self.effect, 0.0)
        sums = np.zeros(len(self.customers))
        np.add.at(sums, self.owner, effects)
        return sums

    def _table(self, title: str, kinds: Whole, names: list[str]) -> pl.DataFrame:
        rows: list[dict[str, Any]] = []
        for kind in np.unique(kinds):
            which = kinds == kind
            mean, low, high = interval_of(self._by_customer(which))
            row: dict[str, Any] = {title: names[kind], "contacts": int(which.sum())}
            row |= {"value": mean, "value_low": low, "value_high": high}
            rows.append(row | {"per_contact": float(self.effect[which].mean())})
        columns = {"contacts": pl.Int64} | dict.fromkeys(
            ("value", "value_low", "value_high", "per_contact"), pl.Float64
        )
        table = pl.DataFrame(rows, schema={title: pl.String} | columns)
        return table.fill_nan(None).sort("value", descending=True)


def attribution(
    policy: Policy,
    scenario: str | Path | Scenario,
    customers: int | NDArray[Any] = 1_000,
    seed: int = 0,
    *,
    most: int | None = None,
    threads: int | None = None,
    chunk: int = CHUNK,
) -> Attribution:
    """Live every journey once more for each of its contacts, with that one replaced by waiting.

    All other actions stay what they were, with the same luck (the policy is not asked again), so
    the difference is due to this contact. If it was what made a later action possible (a rule asks
    for it), that one becomes waiting, too. A contact is every action but waiting that was carried
    out, on whichever channel; one to a customer who had left silently costs what it costs.

    The effects need not sum to what all contacts did together: see :class:`Attribution`.

    The cost is that of as many journeys as there are contacts: with ``UniformRandom`` in ``retail``
    about a hundred times that of a rollout.

    Args:
        policy: Whose contacts.
        scenario: The world.
        customers: Numbers of the customers, or how many from number 0 on.
        seed: Seed of the world.
        most: Look at the first so many of these customers only; ``None`` for all.
        threads: Threads of the kernel.
        chunk: Journeys simulated side by side; it does not change any journey.

    Returns:
        The effect of every contact, in the order of customers and periods.

    Raises:
        PolicyError: If the policy answers with something that is not one action a customer, or
            policy, customers, seed, most, threads or chunk are out of range.

    Source: removal effects, as in Anderl, Becker, von Wangenheim & Schumann (2016), "Mapping the
    customer journey", International Journal of Research in Marketing 33, 457-474; here they are
    lived, not estimated.
    """
    scenario, numbers = load_scenario(scenario), check_customers(customers)
    check_policy("policy", policy)
    check_world(seed, threads)
    check_count("chunk", chunk)
    if most is not None:
        check_count("most", most)
        numbers = numbers[:most]
    world = _World(scenario, seed, threads)
    parts = [
        _attribute(world, policy, numbers[i : i + chunk], chunk)
        for i in range(0, len(numbers), chunk)
    ]
    sizes = [len(part.customers) for part in parts]
    starts = np.cumsum([0, *sizes[:-1]])

    def whole(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    return Attribution(
        scenario=scenario,
        customers=numbers,
        value=Pair(
            np.concatenate([part.value.first for part in parts]),
            np.concatenate([part.value.second for part in parts]),
        ),
        owner=np.concatenate([p.owner + i for p, i in zip(parts, starts, strict=True)]),
        period=whole("period"),
        action=whole("action"),
        effect=whole("effect"),
    )


@dataclass(frozen=True)
class _World:
    """Where journeys are lived."""

    scenario: Scenario
    seed: int
    threads: int | None

    def follow(self, policy: Policy, customers: NDArray[np.uint64]) -> tuple[Floats, Whole]:
        """Values under a policy, ``(n,)``, and the actions carried out, ``(horizon, n)``."""
        crowd = Crowd(policy, self.scenario, customers, self.seed, self.threads)
        value = np.zeros(len(customers))
        actions: list[Whole] = []
        for t in range(self.scenario.horizon):
            value += self.scenario.discount**t * crowd.live(crowd.choose()).rewards
            actions.append(crowd.carried_out)
        return value, np.stack(actions)

    def repeat(self, plans: Iterator[Whole], customers: NDArray[np.uint64]) -> Floats:
        """Values with the actions of plans, ``(n,)`` a period; a customer may occur more often."""
        crowd = Crowd(NoContact(), self.scenario, customers, self.seed, self.threads)
        value = np.zeros(len(customers))
        for t, actions in enumerate(plans):
            value += self.scenario.discount**t * crowd.live(actions).rewards
        return value


def _attribute(
    world: _World, policy: Policy, customers: NDArray[np.uint64], chunk: int
) -> Attribution:
    value, actions = world.follow(policy, customers)
    alone, _ = world.follow(NoContact(), customers)
    owner, period = np.nonzero(actions.T)
    effect = np.zeros(len(owner))
    for i in range(0, len(owner), chunk):
        who, when = owner[i : i + chunk], period[i : i + chunk]
        plans = (np.where(when == t, 0, row[who]) for t, row in enumerate(actions))
        effect[i : i + chunk] = value[who] - world.repeat(plans, customers[who])
    return Attribution(
        scenario=world.scenario,
        customers=customers,
        value=Pair(value, alone),
        owner=owner,
        period=period,
        action=actions[period, owner],
        effect=effect,
    )
