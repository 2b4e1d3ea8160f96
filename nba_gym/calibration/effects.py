"""What contacts do to customers, fitted to a log of randomised contacts.

Transactions cannot tell what a contact does; contacts drawn by lot can. The same campaign is played
with simulated customers, and coefficients are moved until every arm buys, responds and opts out as
often as in the log: the method of simulated moments (McFadden 1989), with the same luck in every
trial.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy import special  # pyright: ignore[reportMissingTypeStubs]

from nba_gym.calibration.campaign import Campaign, Floats, campaign_of, match_lottery
from nba_gym.calibration.coefficients import coefficient, identified
from nba_gym.calibration.contacts import ContactLog
from nba_gym.calibration.effects_fit import Effect, EffectsFit, Rate
from nba_gym.calibration.moments import choose_moments, covariance, rates
from nba_gym.calibration.trial import Found, Problem, search
from nba_gym.errors import ScenarioError, check_least
from nba_gym.policies.checks import check_policy, check_world
from nba_gym.policies.protocol import Policy
from nba_gym.scenario import load_scenario

FIRST_ROWS, MOST_ROWS = 60_000, 1_000_000
"""Simulated rows of the first round of a fit, and of the second, at most."""
MOST_PERIODS = 5_000_000
"""Periods that simulated customers live in one trial, at most."""
_REACH = float(special.ndtri(0.975))


def fit_effects(
    log: ContactLog,
    base: str | Path = "retail",
    *,
    parameters: tuple[str, ...] | None = None,
    policy: Policy | None = None,
    name: str = "own",
    seed: int = 0,
) -> EffectsFit:
    """Fit what contacts do to a log of randomised contacts.

    Args:
        log: The contacts. Which of the allowed actions a customer got must have been drawn by lot.
        base: World that is extended, a preset name or file, best one whose customers buy as the
            actual ones do when they are left alone (``calibrate``).
        parameters: Dotted names of the coefficients to fit; by default those that the log
            identifies, see ``coefficients.identified``.
        policy: How actions were drawn; by default waiting with one chance, and else what is allowed
            in fixed proportions, both matched to the log.
        name: Name of the new world.
        seed: Seed of the simulated customers.

    Raises:
        DataError: If the log cannot be used, or does not identify the coefficients.
        ScenarioError: If the base is a tabular world, or has no such coefficients.
        PolicyError: If policy or seed are none.

    Source: McFadden (1989), A method of simulated moments for estimation of discrete response
    models without numerical integration, Econometrica 57(5), 995-1026.
    """
    check_world(seed)
    if policy is not None:
        check_policy("policy", policy)
    world = load_scenario(base)
    if world.tabular is not None:
        raise ScenarioError(f"base must have contacts and responses, got {world.name!r}, of tables")
    campaign = campaign_of(log, world)
    moments = choose_moments(campaign.cells, world)
    names = identified(world, moments) if parameters is None else parameters
    check_least(1, parameters=len(names))
    coefficients = [coefficient(world, each) for each in names]
    few = _customers(campaign, FIRST_ROWS)
    problem = Problem(
        world,
        campaign,
        policy or match_lottery(world, campaign, seed, few),
        moments,
        coefficients,
        seed,
        few,
    )
    start = np.array([each.value for each in coefficients])
    values = search(problem, start, near=False).values
    many = min(MOST_ROWS, max(FIRST_ROWS, 2 * log.n_rows))
    problem = problem._replace(n=_customers(campaign, many))
    if policy is None:
        lottery = match_lottery(problem.scenario(values), campaign, seed, problem.n)
        problem = problem._replace(policy=lottery)
    return _result(problem, log, str(base), name, search(problem, values, near=True))


def _customers(campaign: Campaign, rows: int) -> int:
    """How many simulated customers make so many rows."""
    n, periods = campaign.scheduled.shape
    each = campaign.cells.rows.sum() / n
    return max(64, int(min(rows / each, MOST_PERIODS / periods)))


def _result(problem: Problem, log: ContactLog, base: str, name: str, found: Found) -> EffectsFit:
    """Errors by the sandwich of simulated moments, and the test of what is left over."""
    moments, cells, values = problem.moments, problem.campaign.cells, found.values
    target, over = rates(cells, moments)
    simulated = problem.cells(values)
    expected = rates(simulated, moments)[0]
    gap = target - expected
    noise = covariance(cells, moments, expected) + covariance(simulated, moments)
    slopes, weighed = found.slopes, found.slopes.T * found.weights
    bread = np.linalg.solve(weighed @ slopes, weighed)
    errors = np.sqrt(np.diag(bread @ noise @ bread.T))
    effects = [
        Effect(
            each.name,
            each.value,
            float(value),
            float(error),
            float(max(each.low, value - _REACH * error)),
            float(min(each.high, value + _REACH * error)),
        )
        for each, value, error in zip(problem.coefficients, values, errors, strict=True)
    ]
    each_error = np.sqrt(np.diag(noise))
    rows = zip(moments, over, target, target - gap, each_error, strict=True)
    degrees = len(moments) - len(values)
    j = _left_over(gap, slopes, noise)
    return EffectsFit(
        base=base,
        scenario=load_scenario(problem.scenario(values), {"name": name}),
        effects=tuple(effects),
        rates=tuple(
            Rate(m.outcome, m.arm, int(n), float(a), float(s), float(e)) for m, n, a, s, e in rows
        ),
        j=j,
        degrees=degrees,
        p_value=float(special.chdtrc(degrees, j)) if degrees else 1.0,
        n_rows=log.n_rows,
        n_contacts=log.n_contacts,
        n_customers=log.n_customers,
    )


def _left_over(gap: Floats, slopes: Floats, noise: Floats) -> float:
    """Hansen's J: squared distance, in errors, that moving the coefficients cannot close."""
    inverse = np.linalg.pinv(noise, hermitian=True)
    pull = slopes.T @ inverse
    rest = gap - slopes @ np.linalg.lstsq(pull @ slopes, pull @ gap, rcond=None)[0]
    return float(rest @ inverse @ rest)
