"""Whole lives with one action in one period, and another policy's actions in all others.

Both twins are lived from birth, one crowd after the other. A crowd could be forked in the period of
the contact instead, by copying it; but journeys are functions of seed, customer and actions, so the
lives agree until then to the bit anyway, and a policy that sees the simulator, or draws numbers of
its own, then needs no copy either.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nba_gym.policies.checks import check_policy, check_world
from nba_gym.policies.protocol import Policy
from nba_gym.policies.simple import NoContact
from nba_gym.scenario.schema import Scenario
from nba_gym.truth.crowd import Crowd, check_count, check_window
from nba_gym.truth.pairs import Floats


class Plan(NamedTuple):
    """What all lives have in common.

    Attributes:
        scenario: The world.
        policy: Who acts in all periods but that of the contact.
        seed: Seed of the world.
        period: Period of the contact.
        horizon: Periods followed, that of the contact included.
        threads: Threads of the kernel.
        chunk: Customers simulated side by side.
    """

    scenario: Scenario
    policy: Policy
    seed: int
    period: int
    horizon: int
    threads: int | None
    chunk: int


class Lives(NamedTuple):
    """What one life of each customer came to.

    Attributes:
        allowed: Actions allowed in the period of the contact, ``(n, n_actions)``.
        running: Whose journey was not over then, ``(n,)``.
        bought: Who bought in the periods followed, ``(n,)``.
        left: Who was gone after them, ``(n,)``.
        value: Their profit, discounted to the period of the contact, in currency, ``(n,)``.
    """

    allowed: NDArray[np.bool_]
    running: NDArray[np.bool_]
    bought: NDArray[np.bool_]
    left: NDArray[np.bool_]
    value: Floats


def plan_contact(
    scenario: Scenario,
    seed: int,
    period: int,
    horizon: int | None,
    policy: Policy | None,
    threads: int | None,
    chunk: int,
) -> Plan:
    """Check what twins are asked for; arguments as for :class:`Plan`, ``None`` for the usual.

    Raises:
        PolicyError: If seed, period, horizon, policy, threads or chunk are out of range.
    """
    policy = NoContact() if policy is None else policy
    check_policy("policy", policy)
    check_world(seed, threads)
    check_count("chunk", chunk)
    horizon = check_window(scenario, period, horizon)
    return Plan(scenario, policy, seed, period, horizon, threads, chunk)


def live_with(plan: Plan, customers: NDArray[np.uint64], action: int) -> Lives:
    """Live all customers, who get ``action`` in the period of the plan.

    Args:
        plan: What all lives have in common.
        customers: Numbers of the customers, ``(n,)``.
        action: Number of the action; waiting where it is forbidden.
    """
    starts = range(0, len(customers), plan.chunk)
    parts = [_live_chunk(plan, customers[i : i + plan.chunk], action) for i in starts]
    return Lives(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _live_chunk(plan: Plan, customers: NDArray[np.uint64], action: int) -> Lives:
    n = len(customers)
    crowd = Crowd(plan.policy, plan.scenario, customers, plan.seed, plan.threads)
    for _ in range(plan.period):
        crowd.live(crowd.choose())
    allowed, running = crowd.masks, crowd.running
    bought, value = np.zeros(n, dtype=np.bool_), np.zeros(n)
    for t in range(plan.horizon):
        chosen = crowd.choose()  # also in the period of the contact: a generator draws as often
        out = crowd.live(chosen if t > 0 else np.full(n, action))
        bought |= crowd.purchases > 0
        value += plan.scenario.discount**t * out.rewards
    return Lives(allowed, running, bought, ~crowd.alive, value)
