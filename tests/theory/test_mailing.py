"""Pfeifer & Carraway's mailing, lived by simulated customers: published values and V*.

Recency 1 is state 0; state 4 is lost. Every test runs the simulator itself; see ``closed_forms``.
"""

import itertools
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.tables import TabularPopulation
from nba_gym.scenario import load_scenario
from nba_gym.scenario.tables import problem_of
from nba_gym.truth import evaluate, solve
from tests.closed_forms import MILLION, Z, agree, mean_agrees

WORLD = load_scenario("mailing")
PROBLEM = problem_of(WORLD)
DISCOUNT = PROBLEM.discount  # 1 / 1.2
PERIODS = 20  # nearly everybody is lost by then; what is left is added from the exact values
THROUGH_3, THROUGH_4 = (1, 1, 1, 0, 0), (1, 1, 1, 1, 0)
BEST = solve(PROBLEM)


class Lived(NamedTuple):
    """Customers under one policy: values ``(n,)``, surprises ``(n,)``, z of each period's."""

    values: NDArray[np.float64]
    surprises: NDArray[np.float64]
    z_of_periods: list[float]


def live(policy, n, seed):
    """Let ``n`` customers live; who is still there at the end is worth what the tables say.

    A surprise is ``r + gamma V*(s') - V*(s)``, discounted and summed over the periods lived.
    """
    crowd = TabularPopulation(WORLD, n)
    everybody, who = np.ones(n, dtype=np.bool_), np.arange(n, dtype=np.uint64)
    crowd.begin(everybody, np.full(n, seed, dtype=np.uint64), who)
    values, surprises, z_of_periods = np.zeros(n), np.zeros(n), []
    state = crowd.read("state")[:, 0].astype(int)
    for t in range(PERIODS):
        rewards = crowd.step(np.array(policy)[state], kernel.DISABLED).rewards
        reached = crowd.read("state")[:, 0].astype(int)
        news = rewards + DISCOUNT * BEST.values[reached] - BEST.values[state]
        values += DISCOUNT**t * rewards
        surprises += DISCOUNT**t * news
        z_of_periods.append(float(news.mean() * np.sqrt(n) / max(float(news.std()), 1e-9)))
        state = reached
    values += DISCOUNT**PERIODS * evaluate(PROBLEM, list(policy))[state]
    return Lived(values, surprises, z_of_periods)


@pytest.fixture(scope="module")
def lives():
    """A million customers under the best policy, 300,000 under mailing through recency 4."""
    return {THROUGH_3: live(THROUGH_3, MILLION, 1), THROUGH_4: live(THROUGH_4, 300_000, 2)}


@pytest.mark.parametrize(("policy", "published"), [(THROUGH_4, 52.320), (THROUGH_3, 53.149)])
def test_simulated_customers_are_worth_what_pfeifer_and_carraway_publish(policy, published, lives):
    """52.320 mailing through recency 4, 53.149 = V* through recency 3, at recency 1.

    Source: Pfeifer & Carraway (2000); p = .3, .2, .15, .05, NC = 40, M = 4, d = .2.
    """
    exact = float(PROBLEM.start @ evaluate(PROBLEM, list(policy)))
    assert round(exact, 3) == published
    mean_agrees(f"value of mailing through recency {sum(policy)}", lives[policy].values, exact)


def test_none_of_all_policies_exceeds_the_optimum_in_simulation_or_in_theory():
    """``V^pi <= V*`` for the 16 policies there are; 320,000 customers between them."""
    n, means, errors, exact = 20_000, [], [], []
    assert round(BEST.value, 3) == 53.149
    for seed, rule in enumerate(itertools.product((0, 1), repeat=4)):
        values = live([*rule, 0], n, seed=100 + seed).values
        exact.append(float(PROBLEM.start @ evaluate(PROBLEM, [*rule, 0])))
        means.append(values.mean())
        errors.append(max(float(values.std()), 1e-3) / np.sqrt(n))  # 40 for certain if never mailed
    assert max(exact) <= BEST.value + 1e-12
    assert (np.array(means) <= BEST.value + Z * np.array(errors)).all()
    agree("values of all 16 policies", means, exact, errors, n)


def test_what_is_foreseen_is_earned_period_by_period(lives):
    """``E[sum gamma^t (r + gamma V*(s') - V*(s))] = 0`` under the best policy, and every term.

    Under another policy the sum is its loss, ``V^pi - V*``: a supermartingale.

    Source: Bellman's equation.
    """
    assert BEST.policy.tolist() == list(THROUGH_3)
    agree("surprise of each period", lives[THROUGH_3].z_of_periods, 0.0, 1.0, MILLION)
    mean_agrees("surprises of a life", lives[THROUGH_3].surprises, 0.0)
    loss, moves = 0.0, np.eye(PROBLEM.n_states)[0]
    for t in range(PERIODS):  # what mailing at recency 4, too, loses: exactly, up to the same end
        here = np.arange(PROBLEM.n_states)
        q = BEST.action_values[here, list(THROUGH_4)]
        loss += DISCOUNT**t * float(moves @ (q - BEST.values))
        moves = moves @ PROBLEM.transitions[here, list(THROUGH_4)]
    assert loss == pytest.approx(52.320 - 53.149, abs=1e-2)
    mean_agrees("surprises of a worse policy", lives[THROUGH_4].surprises, loss)
