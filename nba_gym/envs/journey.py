"""One customer: a ``gymnasium.Env``, the same kernel with a batch of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.populate import AnyPopulation, populate
from nba_gym.envs.common import (
    LEDGER_TYPE,
    RENDER_MODES,
    FeatureTable,
    Observe,
    check_begun,
    check_number,
    check_observe,
    check_options,
    check_render_mode,
    check_running,
    explain_mask,
    observation_space,
)
from nba_gym.envs.render import Journal
from nba_gym.errors import ActionError
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario


class JourneyEnv(gymnasium.Env[NDArray[np.float32], np.int64]):
    """The journey of one customer after the other; see ``JourneyVectorEnv`` for what all means.

    ``reset(seed=s)`` begins with customer 0 of the world ``s``; each further ``reset()`` goes on to
    the next customer. ``options={"customer": 7}`` chooses one.

    Args:
        scenario: Preset name, path of a TOML file, or a :class:`Scenario`.
        observe: ``"records"`` or ``"everything"``.
        overrides: Changes to the scenario, e.g. ``["leaving.by_loyalty=2.0"]``.
        render_mode: ``None``, ``"ansi"`` or ``"rgb_array"``.

    Raises:
        ScenarioError: If the scenario is not valid.
        ActionError: On ``step``, for an action that is not one of the catalogue.
        EpisodeError: On ``step``, before ``reset`` or after the end of a journey.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 2}  # noqa: RUF012

    def __init__(
        self,
        scenario: str | Path | Scenario = "retail",
        *,
        observe: Observe = "records",
        overrides: Mapping[str, Any] | Iterable[str] = (),
        render_mode: str | None = None,
    ) -> None:
        self.scenario = load_scenario(scenario, overrides)
        self.render_mode = check_render_mode(render_mode)
        self.population: AnyPopulation = populate(
            self.scenario,
            1,
            hidden=check_observe(observe),
            record=render_mode is not None,
            threads=1,
        )
        self.features = FeatureTable(self.population.features)
        self.observation_space = observation_space(self.features)
        self.action_space = spaces.Discrete(self.scenario.n_actions)
        self._n_actions = self.scenario.n_actions
        self._action = np.zeros(1, dtype=np.int64)
        self._begun = False
        self._over = True
        self._journal = Journal(self.scenario)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the journey of a new customer.

        Args:
            seed: Seed of the world; begins with its customer 0. ``None``: the next customer.
            options: ``{"customer": number}`` chooses the customer.

        Returns:
            Observation and info.

        Raises:
            ActionError: If the seed or an option is not valid; nothing is reset then.
        """
        wanted = check_options(options, ("customer",)).get("customer")
        number = None if wanted is None else check_number("customer", wanted)
        seed = None if seed is None else check_number("seed", seed)
        super().reset(seed=seed)
        seeds, customers = self.population.who()
        if seed is not None:
            seeds[0], customers[0] = seed, 0
        elif not self._begun:
            seeds[0], customers[0] = int(self.np_random.integers(2**63)), 0
        else:
            customers[0] += np.uint64(1)
        if number is not None:
            customers[0] = number
        self.population.begin(np.ones(1, dtype=np.bool_), seeds, customers)
        self._begun, self._over = True, False
        self._journal.begin(int(customers[0]))
        out = self.population.out
        info = {
            "action_mask": out.masks[0].copy(),
            "ledger": np.zeros(1, dtype=LEDGER_TYPE)[0],
            "forbidden": False,
        }
        return out.observations[0].copy(), info

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Live one period.

        Args:
            action: Row of the catalogue; 0 waits.

        Returns:
            Observation, reward, terminated, truncated and info.
        """
        if self._over:
            check_running(np.ones(1, dtype=np.bool_), begun=self._begun)
        self._action[0] = self._check(action)
        out = self.population.step(self._action, kernel.DISABLED)
        terminated, truncated = bool(out.terminated[0]), bool(out.truncated[0])
        self._over = terminated or truncated
        if self.render_mode is not None:
            self._journal.add(out.events[0], out.ledger[0])
        info = {
            "action_mask": out.masks[0].copy(),
            "ledger": out.ledger[0].copy().view(LEDGER_TYPE)[0],
            "forbidden": bool(out.forbidden[0]),
        }
        return out.observations[0].copy(), float(out.rewards[0]), terminated, truncated, info

    def _check(self, action: Any) -> int:
        if not isinstance(action, (int, np.integer)) or isinstance(action, bool):
            given: Any = np.asarray(cast(Any, action))
            if given.dtype.kind not in "iu" or given.size != 1:
                raise ActionError(f"action must be one integer, got {action!r}")
            action = int(given.item())
        if not 0 <= action < self._n_actions:
            raise ActionError(f"action must be in [0, {self._n_actions}), got {action}")
        return int(cast(Any, action))

    def render(self) -> Any:
        """The journey so far, as readable lines (``"ansi"``) or a picture (``"rgb_array"``)."""
        if self.render_mode is None:
            return None
        return self._journal.render(self.render_mode)

    def action_masks(self) -> NDArray[np.bool_]:
        """Allowed actions now, ``(n_actions,)``; the name sb3-contrib looks for."""
        check_begun("action_masks", begun=self._begun)
        return self.population.out.masks[0].astype(np.bool_)

    def explain_mask(self) -> str:
        """For people: the actions, and why some are not allowed now."""
        check_begun("explain_mask", begun=self._begun)
        return explain_mask(self.population, 0)
