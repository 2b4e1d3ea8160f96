"""The context of arbitration: situations in which an action is called for, read off the records.

An open basket calls for actions about what lies in it, a customer who is here for what can be said
here, an open complaint for help, a contract that may be ended now for a retention offer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nba_gym.errors import PolicyError, nearest
from nba_gym.policies.attributes import Array, Flags
from nba_gym.scenario.schema import Scenario

SITUATIONS = ("basket", "visit", "complaint", "renewal")


@dataclass(frozen=True)
class Situations:
    """What tells of a situation, and what it calls for; one row a column of the observation.

    Attributes:
        of: Name of the situation, ``n_rows`` of them.
        columns: Column of the observation that is above 0 in it, ``(n_rows,)``.
        fits: Actions it calls for, ``(n_rows, n_actions)``.
    """

    of: tuple[str, ...]
    columns: NDArray[np.int64]
    fits: Flags

    @property
    def names(self) -> tuple[str, ...]:
        """Situations that can occur in this world."""
        return tuple(name for name in SITUATIONS if name in self.of)

    def called_for(self, observations: Array, name: str) -> Flags:
        """Which actions a situation calls for now, ``(n, n_actions)``."""
        rows = [i for i, of in enumerate(self.of) if of == name]
        here = (observations[:, self.columns[rows]] > 0.0).astype(np.float32)
        return here @ self.fits[rows].astype(np.float32) > 0.0

    def check(self, factors: Mapping[str, float]) -> None:
        """Check factors on what situations call for.

        Raises:
            PolicyError: If one is negative, or of no situation.
        """
        for name, factor in factors.items():
            if name not in SITUATIONS:
                raise PolicyError(
                    f"contexts must name situations, got {name!r}{nearest(name, SITUATIONS)}"
                )
            if factor < 0:
                raise PolicyError(f"contexts.{name} must be at least 0, got {factor}")


def find_situations(scenario: Scenario, feature_names: list[str]) -> Situations:
    """The situations that the records of a world can tell of.

    Args:
        scenario: For the catalogue.
        feature_names: Names of the observation's columns.
    """
    actions = scenario.actions
    kinds = {kind: np.array([a.kind == kind for a in actions]) for kind in ("service", "retain")}
    found: list[tuple[str, str, Flags]] = []
    for need in scenario.needs:
        about = np.array([a.needs.get(need.name, 0.0) > 0.0 for a in actions])
        found.append(("basket", f"basket.{need.name}", about))
    for channel in scenario.channels:
        here = np.array([a.channel == channel.name for a in actions])
        found.append(("visit", f"visiting.{channel.name}", here))
    found.append(("complaint", "complaint", kinds["service"]))
    found.append(("renewal", "renewal_due", kinds["retain"]))
    kept = [each for each in found if each[1] in feature_names and each[2].any()]
    return Situations(
        of=tuple(name for name, _, _ in kept),
        columns=np.array([feature_names.index(column) for _, column, _ in kept], dtype=np.int64),
        fits=np.array([fits for *_, fits in kept], dtype=np.bool_).reshape(-1, len(actions)),
    )
