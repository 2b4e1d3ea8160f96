"""Time given instead of money (equation 42)."""

from __future__ import annotations

from nba_gym.arithmetic import logistic
from nba_gym.compiled import scalar


@scalar
def volunteer_probability(
    scale: float,
    base: float,
    by_loyalty: float,
    by_invitation: float,
    loyalty: float,
    invitation: float,
    alive: float,
) -> float:
    """Equation 42: probability of volunteering in the period.

    ``scale * logistic(base + k_l (l - 1/2) + k_i * noticed * strength of the invitation)``

    Args:
        scale: 1 on, 0 off.
        base: Log-odds.
        by_loyalty: Effect of loyalty.
        by_invitation: Effect of an invitation.
        loyalty: l [0, 1].
        invitation: Strength of a noticed invitation, else 0 [0, 1].
        alive: 1 until the customer has left.
    """
    odds = base + by_loyalty * (loyalty - 0.5) + by_invitation * invitation
    return alive * scale * logistic(odds)
