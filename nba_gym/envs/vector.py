"""Many customers at once: a native ``gymnasium.vector.VectorEnv``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from nba_gym.customer import kernel
from nba_gym.customer.kernel import Outcome
from nba_gym.customer.populate import AnyPopulation, populate
from nba_gym.envs import keeping
from nba_gym.envs.common import (
    LEDGER_TYPE,
    RENDER_MODES,
    FeatureTable,
    Observe,
    check_actions,
    check_autoreset,
    check_begun,
    check_customers,
    check_number,
    check_observe,
    check_options,
    check_render_mode,
    check_running,
    explain_mask,
    observation_space,
)
from nba_gym.envs.render import Journal
from nba_gym.errors import ActionError, EpisodeError
from nba_gym.scenario.load import load_scenario
from nba_gym.scenario.schema import Scenario

_MODES = {
    AutoresetMode.DISABLED: kernel.DISABLED,
    AutoresetMode.NEXT_STEP: kernel.NEXT_STEP,
    AutoresetMode.SAME_STEP: kernel.SAME_STEP,
}


class JourneyVectorEnv(VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[Any]]):
    """Customers of one scenario, simulated side by side.

    ## Customers
    Place ``i`` meets customer ``i`` of the world ``seed``, then ``i + num_envs``, and so on. The
    journey of a customer depends on the seed, their number and the actions only: not on
    ``num_envs``, threads, or who else is simulated.

    ## Observation
    ``(num_envs, n_features)`` float32; ``env.unwrapped.features`` prints what the columns mean.
    With ``observe="everything"`` the hidden half follows, raw: for oracles and for measuring the
    price of hidden information, never for a fair comparison.

    ## Action
    ``(num_envs,)`` integers, rows of the scenario's catalogue; 0 waits. An action that the mask
    forbids is not carried out: the customer is left alone, and ``info["forbidden"]`` says so.

    ## Reward
    The period's profit in the scenario's currency: exactly the sum of ``info["ledger"]``.

    ## Episode end
    ``terminated`` when a customer is seen to cancel a contract; ``truncated`` at the scenario's
    horizon. Silent churn is never told: the journey goes on.

    ## Info
    ``action_mask`` ``(num_envs, n_actions)`` int8, ``ledger`` ``(num_envs,)`` with a field a line,
    ``forbidden`` ``(num_envs,)``. When journeys end under SAME_STEP: ``final_obs``, ``final_info``.

    Args:
        num_envs: Customers simulated side by side, at least 1.
        scenario: Preset name, path of a TOML file, or a :class:`Scenario`.
        observe: ``"records"`` or ``"everything"``.
        overrides: Changes to the scenario, e.g. ``["leaving.by_loyalty=2.0"]``.
        autoreset_mode: What happens at the end of a journey.
        render_mode: ``None``, ``"ansi"`` or ``"rgb_array"``.
        record: Whether ``population.out.events`` holds the events of each period.
        threads: Threads of the kernel, at most 1,024; ``None`` for as many as pay. More of them
            than processors are slower.

    Raises:
        ScenarioError: If the scenario is not valid.
        ActionError: On ``step``, for actions of the wrong type, shape or range.
        EpisodeError: On ``step``, before ``reset`` or (autoreset disabled) after an end.
    """

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Path | Scenario = "retail",
        *,
        observe: Observe = "records",
        overrides: Mapping[str, Any] | Iterable[str] = (),
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
        record: bool = False,
        threads: int | None = None,
    ) -> None:
        self.num_envs = check_number("num_envs", num_envs, low=1, limit=2**32)
        if threads is not None:
            check_number("threads", threads, low=1, limit=1025)
        self.scenario = load_scenario(scenario, overrides)
        self.autoreset_mode = check_autoreset(autoreset_mode)
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": 2,
            "autoreset_mode": self.autoreset_mode,
        }
        self.render_mode = check_render_mode(render_mode)
        self.population: AnyPopulation = populate(
            self.scenario,
            num_envs,
            hidden=check_observe(observe),
            record=record or render_mode is not None,
            threads=threads,
        )
        self.features = FeatureTable(self.population.features)
        self.single_observation_space = observation_space(self.features)
        self.single_action_space = spaces.Discrete(self.scenario.n_actions)
        self.observation_space = batch_space(observation_space(self.features), num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._begun = False
        self._journals = [Journal(self.scenario) for _ in range(num_envs if render_mode else 0)]

    def reset(
        self,
        *,
        seed: int | list[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin new journeys.

        Args:
            seed: Seed of the world: place ``i`` meets its customer ``i``. A list gives each place a
                world of its own, and its customer 0. ``None`` goes on to the next customers.
            options: ``{"customers": numbers}`` chooses the customers, ``(num_envs,)``;
                ``{"reset_mask": flags}`` begins only where true.

        Returns:
            Observations and info.

        Raises:
            ActionError: If the seed or an option is not valid; nothing is reset then.
            EpisodeError: If the first reset leaves somebody out.
        """
        options = check_options(options, ("customers", "reset_mask"))
        chosen = self._reset_mask(options.get("reset_mask"))
        seeds, customers = self._who_is_next(seed, options.get("customers"))
        self.population.out = self.population.new_outcome()
        self.population.begin(chosen, seeds, customers)
        self._begun = True
        for i in np.flatnonzero(chosen) if self._journals else ():
            self._journals[i].begin(int(customers[i]))
        return self.population.out.observations, self._begin_info()

    def _reset_mask(self, mask: Any) -> NDArray[np.bool_]:
        if mask is None:
            return np.ones(self.num_envs, dtype=np.bool_)
        given = np.asarray(mask)
        if given.dtype != np.bool_ or given.shape != (self.num_envs,) or not given.any():
            raise ActionError(
                f"reset_mask must be {self.num_envs} booleans with at least one true, "
                f"got {given.dtype} {given.shape}"
            )
        if not self._begun and not given.all():
            raise EpisodeError("the first reset must begin all journeys, got a partial reset_mask")
        return given

    def _who_is_next(
        self, seed: int | list[int] | None, wanted: Any
    ) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        """Seeds and customer numbers for a reset, ``(num_envs,)`` each."""
        n = self.num_envs
        seeds, customers = self.population.who()
        if isinstance(seed, (list, tuple, np.ndarray)):
            if len(seed) != n:
                raise ActionError(f"seed must be a number or {n} numbers, got {len(seed)}")
            worlds = [check_number(f"seed[{i}]", world) for i, world in enumerate(seed)]
            seeds = np.array(worlds, dtype=np.uint64)
            customers = np.zeros(n, dtype=np.uint64)
        elif seed is not None:
            seeds = np.full(n, check_number("seed", seed), dtype=np.uint64)
            customers = np.arange(n, dtype=np.uint64)
        elif not self._begun:
            seeds = np.full(n, int(self.np_random.integers(2**63)), dtype=np.uint64)
            customers = np.arange(n, dtype=np.uint64)
        else:
            customers = customers + np.uint64(n)
        if wanted is not None:
            customers = check_customers(wanted, n)
        return seeds, customers

    def step(
        self, actions: Any
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.float64],
        NDArray[np.bool_],
        NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Live one period with every customer.

        Args:
            actions: ``(num_envs,)`` integers.

        Returns:
            Observations, rewards, terminated, truncated and info; arrays of their own, which later
            steps do not touch.
        """
        checked = check_actions(actions, self.num_envs, self.scenario.n_actions)
        ended = self.population.state.ended[: self.num_envs]
        if not self._begun or self.autoreset_mode == AutoresetMode.DISABLED:
            check_running(ended, begun=self._begun)
        before = ended.copy() if self._journals else ended
        self.population.out = self.population.fresh_outcome()
        out = self.population.step(checked, _MODES[self.autoreset_mode])
        self.keep_journals(out, before)
        return out.observations, out.rewards, out.terminated, out.truncated, self._info(out)

    def state(self) -> dict[str, NDArray[Any]]:
        """All that the rest of the journeys depends on: arrays by name, copies, for ``restore``.

        Random numbers are counted by customer and period, so there is no generator among them.

        Raises:
            EpisodeError: Before the first reset.
        """
        check_begun("state", begun=self._begun)
        return keeping.state_of(self.population)

    def restore(
        self, state: Mapping[str, NDArray[Any]]
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Go on from what ``state`` told, here or in another process.

        What follows is the same to the bit. What was drawn so far is not kept: with a render mode,
        journeys are shown from here on.

        Returns:
            Observations and info, as ``reset`` would return them for journeys at this place.

        Raises:
            DataError: If the state is of another scenario, or not of ``num_envs`` customers.
        """
        keeping.restore(self.population, state)
        self._begun = True
        _, customers = self.population.who()
        for journal, customer in zip(self._journals, customers, strict=False):
            journal.begin(int(customer))
        return self.population.out.observations, self._begin_info()

    @property
    def has_begun(self) -> bool:
        """Whether ``reset`` was called."""
        return self._begun

    def _begin_info(self) -> dict[str, Any]:
        out = self.population.out
        n = self.num_envs
        return {
            "action_mask": out.masks,
            "ledger": np.zeros(n, dtype=LEDGER_TYPE),
            "forbidden": np.zeros(n, dtype=np.bool_),
        }

    def _info(self, out: Outcome) -> dict[str, Any]:
        ledger = out.ledger.view(LEDGER_TYPE)[:, 0]
        info = {"action_mask": out.masks, "ledger": ledger, "forbidden": out.forbidden}
        if self.autoreset_mode == AutoresetMode.SAME_STEP:
            over = out.terminated | out.truncated
            if over.any():
                info |= self._final_info(out, over, ledger)
        return info

    def _final_info(
        self, out: Outcome, over: NDArray[np.bool_], ledger: NDArray[Any]
    ) -> dict[str, Any]:
        final = np.full(self.num_envs, None, dtype=object)
        masks = np.zeros_like(out.final_masks)
        last = out.final_observations[over]
        final[over] = np.fromiter(last, dtype=object, count=len(last))
        masks[over] = out.final_masks[over]
        inside = {"action_mask": masks, "ledger": ledger, "forbidden": out.forbidden}
        inside |= {f"_{key}": over for key in list(inside)}
        return {"final_obs": final, "_final_obs": over, "final_info": inside, "_final_info": over}

    def keep_journals(self, out: Outcome, ended_before: NDArray[Any]) -> None:
        """Keep what a step reported, for rendering; nothing is kept without a render mode."""
        if not self._journals:
            return
        _, customers = self.population.who()
        for i, journal in enumerate(self._journals):
            if self.autoreset_mode == AutoresetMode.NEXT_STEP and ended_before[i]:
                journal.begin(int(customers[i]))
                continue
            journal.add(out.events[i], out.ledger[i])
            over = out.terminated[i] or out.truncated[i]
            if over and self.autoreset_mode == AutoresetMode.SAME_STEP:
                journal.begin(int(customers[i]))

    def render(self) -> tuple[Any, ...] | None:
        """The journeys so far: texts (``"ansi"``) or pictures (``"rgb_array"``), one a customer."""
        if self.render_mode is None:
            return None
        return tuple(journal.render(self.render_mode) for journal in self._journals)

    def explain_mask(self, index: int = 0) -> str:
        """For people: the actions of one customer, and why some are not allowed now."""
        check_begun("explain_mask", begun=self._begun)
        return explain_mask(self.population, index)
