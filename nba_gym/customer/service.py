"""Problems, visits, baskets and referrals (equations 22-26)."""

from __future__ import annotations

from nba_gym.arithmetic import clip01, logistic
from nba_gym.compiled import scalar


@scalar
def problem_probability(hazard: float, problem: float, alive: float) -> float:
    """Equation 22: probability that a problem is open: it stays open, or arises with ``hazard``.

    Nothing happens any more to those who left; an open problem of theirs stays open, for its end
    would tell the firm that they are gone.
    """
    return problem + (1.0 - problem) * hazard * alive


@scalar
def visit_probability(
    scale: float,
    base: float,
    by_need: float,
    by_problem: float,
    by_loyalty: float,
    strongest_need: float,
    problem: float,
    loyalty: float,
    alive: float,
) -> float:
    """Equation 23: probability that the customer comes in next period.

    ``scale * logistic(base + k_n max_k n_k + k_g g + k_l (l - 1/2))``
    """
    odds = base + by_need * strongest_need + by_problem * problem + by_loyalty * (loyalty - 0.5)
    return alive * scale * logistic(odds)


@scalar
def basket_probability(rate: float, need: float, n_needs: float, alive: float) -> float:
    """Equation 24: probability of abandoning a basket for need k, ``rate * n_k / K``."""
    return alive * rate * need / n_needs


@scalar
def referral_probability(rate: float, loyalty: float) -> float:
    """Equation 25: probability that a buyer brings in somebody, ``rate * l``."""
    return rate * loyalty


@scalar
def reading(truth: float, noise: float, luck: float) -> float:
    """Equation 26: a stated level, the truth plus uniform noise of half-width ``noise``, in [0, 1].

    Args:
        truth: The hidden level [0, 1].
        noise: Half-width of the noise [0, 1].
        luck: Uniform (0, 1).
    """
    return clip01(truth + noise * (2.0 * luck - 1.0))
