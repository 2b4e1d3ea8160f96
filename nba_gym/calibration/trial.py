"""A campaign played with coefficients that are moved until its rates are those of the log."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
from scipy import optimize  # pyright: ignore[reportMissingTypeStubs]

from nba_gym.calibration.campaign import Campaign, Cells, Floats, play
from nba_gym.calibration.coefficients import Coefficient, within_reach
from nba_gym.calibration.moments import Moment, rates
from nba_gym.errors import DataError
from nba_gym.policies.protocol import Policy
from nba_gym.scenario import Scenario, load_scenario

TRIES = 12
"""Steps of a search, at most."""
_UNSEEN = 1e-4
"""A direction that moves the rates so little, against the best seen one, is not identified."""


class Problem(NamedTuple):
    """What stays the same in all trials of a round."""

    world: Scenario
    campaign: Campaign
    policy: Policy
    moments: list[Moment]
    coefficients: list[Coefficient]
    seed: int
    n: int

    def valid(self, values: Floats) -> dict[str, float]:
        """The coefficients by name, moved to where a scenario is valid."""
        names = [each.name for each in self.coefficients]
        return within_reach(self.world, dict(zip(names, values.tolist(), strict=True)))

    def scenario(self, values: Floats) -> Scenario:
        """The world with these coefficients."""
        return load_scenario(self.world, self.valid(values))

    def cells(self, values: Floats) -> Cells:
        """What comes of the campaign with these coefficients."""
        scheduled = self.campaign.scheduled
        return play(self.scenario(values), scheduled, self.policy, self.seed, self.n)

    def rates(self, values: Floats) -> Floats:
        """The moments with these coefficients, ``(n_moments,)``."""
        return rates(self.cells(values), self.moments)[0]

    def slopes(self, values: Floats, level: Floats | None = None) -> Floats:
        """How the moments move with each coefficient, ``(n_moments, n_coefficients)``.

        Args:
            values: The coefficients.
            level: The moments with them, if known: differences are then to one side, which is
                enough for a search.
        """
        columns: list[Floats] = []
        for i, each in enumerate(self.coefficients):
            up, down = values.copy(), values.copy()
            up[i] = min(each.high, values[i] + each.step)
            if level is None or up[i] == values[i]:
                down[i] = max(each.low, values[i] - each.step)
            below = self.rates(down) if level is None or down[i] < values[i] else level
            columns.append((self.rates(up) - below) / (up[i] - down[i]))
        return np.stack(columns, axis=1)


class Found(NamedTuple):
    """Where a search ended.

    Attributes:
        values: The coefficients.
        slopes: How the rates move with them, ``(n_moments, n_coefficients)``, near there.
        weights: Inverse variances of the rates that were used.
    """

    values: Floats
    slopes: Floats
    weights: Floats


def search(problem: Problem, start: Floats, *, near: bool) -> Found:
    """Coefficients with which simulated rates come nearest to those of the log.

    Args:
        problem: The campaign.
        start: Where to begin.
        near: Whether that is so near that the slopes there will do: they are then measured once, to
            both sides, instead of at every step, to one.
    """
    target, over = rates(problem.campaign.cells, problem.moments)
    lows, highs = (np.array([each[i] for each in problem.coefficients]) for i in (2, 3))
    room = 1e-6 * (highs - lows)  # the search begins strictly inside
    start = np.clip(start, lows + room, highs - room)
    level = problem.rates(start)
    weights = _weights(level, over)
    scale = np.sqrt(weights)
    known = problem.slopes(start, None if near else level)
    _check_identified(problem, scale[:, None] * known)

    def distance(values: Floats) -> Floats:
        return scale * (problem.rates(values) - target)

    def slopes(values: Floats) -> Floats:
        here = known if near else problem.slopes(values, problem.rates(values))
        return scale[:, None] * here

    found = cast(Any, optimize).least_squares(
        distance,
        start,
        jac=slopes,
        bounds=(lows, highs),
        x_scale=np.array([each.step for each in problem.coefficients]),
        xtol=1e-3,
        ftol=1e-3,
        max_nfev=TRIES,
    )
    values = np.array(list(problem.valid(np.asarray(found.x)).values()))
    return Found(values, known, weights)


def _weights(expected: Floats, over: Floats) -> Floats:
    """Inverse variances of the log's rates, ``(n_moments,)``, at the rates that the world expects.

    At the log's own rates, an arm that was unlucky would look precise and count for more.
    """
    return over / np.maximum(expected * (1.0 - expected), 0.25 / over)


def _check_identified(problem: Problem, slopes: Floats) -> None:
    """Refuse coefficients that no rate depends on, or that only some mixture of is seen.

    Raises:
        DataError: It names the coefficients.
    """
    steps = np.array([each.step for each in problem.coefficients])
    _, sizes, directions = np.linalg.svd(slopes * steps, full_matrices=True)
    sizes = np.append(sizes, np.zeros(len(steps) - len(sizes)))
    if sizes[-1] > _UNSEEN * sizes[0] and sizes[-1] > 0:
        return
    share = np.abs(directions[-1])
    names = [each.name for each, x in zip(problem.coefficients, share, strict=True) if x > 0.1]
    raise DataError(
        f"log must identify {' and '.join(names)}, got {len(slopes)} rates of which none tells "
        + ("them apart" if len(names) > 1 else "it")
    )
