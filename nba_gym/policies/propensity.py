"""Propensities: how likely something is if a customer is left alone, and what a contact changes.

One logistic regression an outcome says what happens if nothing is done. What contacts change is
learned on top of that, in one regression over all actions and outcomes at once: an uplift model in
the log-odds (Lo 2002).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from nba_gym.policies.attributes import Array, Attributes, Flags, Floats
from nba_gym.policies.weighing import in_lanes, in_rows, list_weights, uplift

MOST = 100_000
"""Rows with an outcome, and as many without, that one regression looks at."""


@dataclass(frozen=True)
class Propensity:
    """Log-odds of some outcomes, left alone and after every action.

    Attributes:
        base: Coefficients if left alone, the last row the intercept, ``(n_features + 1, n)``.
        effects: Coefficients of what each action adds, ``(n_features + 1, n, n_actions)``.
    """

    base: Array
    effects: Array

    def left_alone(self, observations: Array) -> Array:
        """Probability of every outcome if nothing is done, ``(rows, n)``."""
        return expit(_log_odds(observations, self.base))

    def most_likely(self, observations: Array) -> Array:
        """Probability of the likeliest outcome that each action is about, ``(rows, n_actions)``.

        Of an action that is about none of them it is 0.
        """
        alone = _log_odds(observations, self.base)
        best = np.zeros((len(alone), self.effects.shape[2]), dtype=np.float32)
        for j in range(alone.shape[1]):
            odds = _log_odds(observations, self.effects[:, j]) + alone[:, j, None]
            about = (self.effects[:, j] != 0.0).any(axis=0)
            np.maximum(best, expit(odds) * about, out=best)
        return best

    def uplift(self, observations: Array, values: Array, kept: Array | None = None) -> Array:
        """Expected worth of what each action changes.

        Args:
            observations: ``(rows, n_features)``.
            values: Worth of each outcome, ``(rows, n)``.
            kept: Share of the worth that is left after an action, ``(n, n_actions)``; all of it
                by default.

        Returns:
            ``(rows, n_actions)``.
        """
        n, n_actions = self.effects.shape[1:]
        lanes = in_lanes(observations)
        worth = in_lanes(np.broadcast_to(values, (len(observations), n)))[:, :n]
        weights = list_weights([(self.base, self.effects, kept)])
        return in_rows(uplift(lanes, weights, worth, n_actions), len(observations))


def _log_odds(observations: Array, coefficients: Array) -> Array:
    odds: Array = observations @ coefficients[:-1]
    odds += coefficients[-1]
    return np.clip(odds, -30.0, 30.0, out=odds)


def fit_propensity(
    observations: Array,
    actions: NDArray[np.int64],
    outcomes: Flags,
    attributes: Attributes,
    *,
    among: Flags | None = None,
    overlap: int = 1,
) -> Propensity:
    """Learn propensities from randomised actions.

    Args:
        observations: What was known, ``(rows, n_features)``.
        actions: What was done, ``(rows,)``; 0 is waiting.
        outcomes: What came of it, ``(rows, n)``.
        attributes: What effects are made of.
        among: Rows to learn from, ``(rows,)``; all by default.
        overlap: In how many rows the same event is seen, as the windows of a customer overlap; each
            row counts for its share, so that no effect is believed for being counted often.

    Returns:
        Propensities of the ``n`` outcomes.
    """
    chosen = np.ones(len(actions), dtype=np.bool_) if among is None else among
    waited = np.flatnonzero(chosen & (actions == 0))
    bases: list[Floats] = []
    parts: list[tuple[Array, Floats, Floats, Floats]] = []
    for j in range(outcomes.shape[1]):
        rows, weights = _sample(waited, outcomes[waited, j])
        known = _with_intercept(observations[rows])
        answers = outcomes[rows, j].astype(np.float64)
        ridge = np.append(np.ones(known.shape[1] - 1), 1e-3)
        bases.append(_regress(known, answers, weights, np.zeros(len(rows)), ridge))
        contacted = np.flatnonzero(chosen & attributes.concerned(j)[actions])
        rows, weights = _sample(contacted, outcomes[contacted, j])
        offsets = _with_intercept(observations[rows]) @ bases[j]
        design = attributes.rows(observations[rows], actions[rows], j)
        parts.append((design, outcomes[rows, j].astype(np.float64), weights, offsets))
    design, answers, weights, offsets = (np.concatenate(part) for part in zip(*parts, strict=True))
    theta = _regress(design, answers, weights / overlap, offsets, attributes.strengths)
    base = np.stack(bases, axis=1).astype(np.float32)
    return Propensity(base=base, effects=attributes.effects(theta))


def _with_intercept(observations: Array) -> Array:
    return np.append(observations, np.ones((len(observations), 1), dtype=np.float32), axis=1)


def _sample(rows: NDArray[np.int64], answers: Flags) -> tuple[NDArray[np.int64], Floats]:
    """At most ``MOST`` rows of each answer, evenly spread, and how many rows each stands for."""
    chosen: list[NDArray[np.int64]] = []
    weights: list[Floats] = []
    for of_answer in (rows[answers], rows[~answers]):
        n = min(len(of_answer), MOST)
        chosen.append(of_answer[np.arange(n) * len(of_answer) // max(n, 1)])
        weights.append(np.full(n, len(of_answer) / max(n, 1)))
    return np.concatenate(chosen), np.concatenate(weights)


def _regress(
    design: Array, answers: Floats, weights: Floats, offsets: Floats, ridge: Floats
) -> Floats:
    """Logistic regression with offsets and a ridge of its own for each coefficient, by Newton.

    scikit-learn has neither offsets nor such a ridge.

    Args:
        design: ``(rows, n)``.
        answers: 0 or 1, ``(rows,)``.
        weights: How many rows each stands for, ``(rows,)``.
        offsets: Log-odds to start from, ``(rows,)``.
        ridge: Penalty on the square of each coefficient, ``(n,)``.

    Returns:
        Coefficients, ``(n,)``.
    """
    found = np.zeros(design.shape[1])
    pieces = [slice(i, i + 16_384) for i in range(0, len(design), 16_384)]

    def loss(at: Floats) -> float:
        """What is minimised: the negative log-likelihood and the penalty."""
        total = 0.5 * float(ridge @ (at * at))
        for piece in pieces:
            odds = offsets[piece] + design[piece] @ at
            total += float(weights[piece] @ (np.logaddexp(0.0, odds) - answers[piece] * odds))
        return total

    now = loss(found)
    for _ in range(30):
        slope, curvature = ridge * found, np.diag(ridge)
        for piece in pieces:
            x = design[piece]
            chance = expit(offsets[piece] + x @ found)
            slope += (weights[piece] * (chance - answers[piece])) @ x
            spread = weights[piece] * chance * (1.0 - chance)
            curvature += (x * spread[:, None].astype(np.float32)).T @ x
        step = np.linalg.solve(curvature, slope)
        before = now
        for _ in range(20):  # a whole step may lead too far where outcomes are rare
            now = loss(found - step)
            if now <= before:
                break
            step *= 0.5
        found -= step
        if before - now < 1e-4:  # the likelihood has less than this to gain
            break
    return found
