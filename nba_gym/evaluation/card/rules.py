"""A policy of cards only: relevant contact on one channel.

Rates of response are measured under relevant contact. Greedy practice may leave a channel alone
altogether, and uniform random contact is about anything, so neither tells what a channel does in
sensible use.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nba_gym.evaluation.card.targets import check_known
from nba_gym.records.features import feature_table
from nba_gym.scenario.schema import Scenario

SPEAKING = ("inform", "offer")


class RelevantContact:
    """In every ``every``-th period, what speaks most to the needs that browsing points at.

    Of the allowed actions on the channel that inform or offer (of all on it, where none does), the
    one with the largest ``sum_k M_jk * smoothed signal_k``; of equals the first. It reads nothing
    but the records. A broadcast takes one of them at random instead.

    Args:
        scenario: The world.
        channel: Name of an outbound channel.
        every: Periods from one contact to the next.
        broadcast: Whether to speak about anything, whatever browsing points at.

    Raises:
        ScenarioError: If the world has no such outbound channel.
    """

    def __init__(
        self, scenario: Scenario, channel: str, every: int, *, broadcast: bool = False
    ) -> None:
        outbound = [each.name for each in scenario.channels if each.direction == "outbound"]
        check_known("channel", channel, outbound)
        kind = "broadcast" if broadcast else "relevant contact"
        self.name = f"{kind} by {channel}, every {every} {scenario.period}s"
        self._every, self._broadcast = every, broadcast
        columns = [feature.name for feature, _ in feature_table(scenario)]
        self._tenure = columns.index("tenure")
        self._signals = [columns.index(f"signals.{need.name}") for need in scenario.needs]
        on_it = [a for a, action in enumerate(scenario.actions) if action.channel == channel]
        speaking = [a for a in on_it if scenario.actions[a].kind in SPEAKING]
        self._actions = np.array(speaking or on_it, dtype=np.int64)
        needs = [need.name for need in scenario.needs]
        rows = [scenario.actions[a].needs for a in speaking or on_it]
        speaks = np.array(
            [[row.get(need, 0.0) for need in needs] for row in rows], dtype=np.float64
        )
        self._speaks: NDArray[np.float64] = speaks.reshape(len(rows), len(needs))

    def act(
        self,
        observations: NDArray[np.float32],
        masks: NDArray[Any],
        generator: np.random.Generator,
    ) -> NDArray[np.int64]:
        """Choose for every customer, ``(n,)``."""
        chosen = np.zeros(len(observations), dtype=np.int64)
        if not len(self._actions):
            return chosen
        share = observations[:, self._tenure].astype(np.float64)
        periods = np.rint(26.0 * share / (1.0 - share)).astype(np.int64)
        due = (periods + 1) % self._every == 0  # not at once: browsing has told nothing yet
        worth = observations[:, self._signals].astype(np.float64) @ self._speaks.T
        if self._broadcast:
            worth = generator.random(worth.shape)
        allowed = masks[:, self._actions] > 0
        best = self._actions[np.argmax(np.where(allowed, worth, -np.inf), axis=1)]
        who = due & allowed.any(axis=1)
        chosen[who] = best[who]
        return chosen
