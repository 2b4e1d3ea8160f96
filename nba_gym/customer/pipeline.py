"""How a prospect gets closer to a large purchase, or cools down (equations 39-40)."""

from __future__ import annotations

from nba_gym.arithmetic import indicator, logistic
from nba_gym.compiled import scalar


@scalar
def stage_gap(by_stage: float, missing: float) -> float:
    """Equation 39: utility that a staged need lacks, ``by_stage * (stages - s)``.

    A car is hardly ever bought by somebody who has not yet been in the showroom.

    Args:
        by_stage: Utility a missing stage takes away.
        missing: Stages between the customer and closing, ``stages - s`` >= 0.
    """
    return by_stage * missing


@scalar
def advance_probability(
    scale: float,
    base: float,
    by_need: float,
    by_contact: float,
    strongest_need: float,
    push: float,
    possible: float,
) -> float:
    """Equation 40: probability of advancing one stage in the period.

    ``scale * logistic(base + k_n max_k n_k + k_c * noticed * strength * r)`` over the staged needs.

    Args:
        scale: 1 on, 0 off.
        base: Log-odds.
        by_need: Effect of the strongest staged need.
        by_contact: Effect of the contact.
        strongest_need: Strongest staged need [0, 1].
        push: Strength times relevance of a noticed contact, else 0 [0, 1].
        possible: 1 if alive and not at the last stage, else 0.
    """
    return possible * scale * logistic(base + by_need * strongest_need + by_contact * push)


@scalar
def stage_move(luck: float, advances: float, cools: float) -> float:
    """Equation 40: one stage up, down, or none, by one uniform number.

    Up on (0, advances), down on (1 - cools, 1); where both overlap, up.
    """
    up = indicator(luck < advances)
    down = indicator(luck >= 1.0 - cools) * (1.0 - up)
    return up - down
